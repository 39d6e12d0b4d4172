/**
 * Whether the Q-values of a cascade agree with each other: each Q^j says what is to be had from its place in the slate on
 * if the rest is chosen as well as can be, so on the slate that the policy chooses itself all should be Q^k.
 */

export interface Consistency {
  /** j, from 1 to k - 1. */
  readonly position: number;
  /** Root of the mean square of Q^j - Q^k over the states. */
  readonly rmse: number;
  /** rmse by the mean of Q^k. */
  readonly relative: number;
  /** [points] of Q^k, Q^j: at most {@link POINTS}, evenly taken of the states. */
  readonly points: readonly (readonly [last: number, own: number])[];
}

/** Points of a scatter. */
const POINTS = 300;

/** @param q [n, k] the values of the items of n slates, as they were chosen. @throws RangeError for none. */
export function consistencyOf(q: Float32Array, slate: number): Consistency[] {
  const n = q.length / slate;
  if (!(n >= 1) || !Number.isInteger(n)) {
    throw new RangeError(`expected the values of slates of ${slate} items, got ${q.length} numbers`);
  }
  let mean = 0;
  for (let state = 0; state < n; state++) mean += q[state * slate + slate - 1]! / n;
  const step = Math.max(1, Math.ceil(n / POINTS));
  return Array.from({ length: slate - 1 }, (_, j): Consistency => {
    let squares = 0;
    const points: (readonly [number, number])[] = [];
    for (let state = 0; state < n; state++) {
      const [own, last] = [q[state * slate + j]!, q[state * slate + slate - 1]!];
      squares += (own - last) ** 2 / n;
      if (state % step === 0) points.push([last, own]);
    }
    const rmse = Math.sqrt(squares);
    return { position: j + 1, rmse, relative: rmse / mean, points };
  });
}
