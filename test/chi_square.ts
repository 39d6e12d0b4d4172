import jstat from "jstat";

/** Returns the probability that a chi-square variable is at least as large as `chiSquare`. */
export function computeTailProbability(chiSquare: number, degrees: number): number {
  return 1 - jstat.chisquare.cdf(chiSquare, degrees);
}

/** Returns the p-value of a chi-square test of counts. Cells with an expected count below five are merged. */
export function computeCountsProbability(found: readonly number[], expected: readonly number[]): number {
  const cells: { o: number; e: number }[] = [];
  const rare = { o: 0, e: 0 };
  found.forEach((o, k) => {
    const e = expected[k] ?? NaN;
    if (e >= 5) cells.push({ o, e });
    else [rare.o, rare.e] = [rare.o + o, rare.e + e];
  });
  if (rare.e >= 5) cells.push(rare);
  else if (rare.o > 25) return 0;
  if (cells.length < 2) return 1;
  return computeTailProbability(cells.reduce((sum, { o, e }) => sum + (o - e) ** 2 / e, 0), cells.length - 1);
}
