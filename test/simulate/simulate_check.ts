/** The law of what is drawn on simulated pages. */

/** Chi-square of counts against expected ones, in standard deviations of its mean: (x - n) / sqrt(2 n). */
export function chiSquare(
  found: readonly number[],
  expected: readonly number[],
): { x: number; degrees: number } {
  const x = found.reduce((sum, n, k) => sum + (n - (expected[k] ?? 0)) ** 2 / (expected[k] ?? 1), 0);
  return { x, degrees: found.length - 1 };
}

/** Chi-square that is exceeded with probability 1e-4, by the cube-root approximation of Wilson and Hilferty. */
export function chiSquareLimit(degrees: number): number {
  const h = 2 / (9 * degrees);
  return degrees * (1 - h + 3.719 * Math.sqrt(h)) ** 3;
}
