/** Whether a peer computes the same: its losses beside clickgan's. */

/** Steps that are compared, each from the weights that the one before left. */
export const COMPARED_STEPS = 10;

/**
 * Relative to the loss, or to 1 where that is less. Ten steps of two right programs in f32 differ by a few times 1e-6;
 * a step that is left out, or made at another rate or on another batch, by 1e-3 and more (LSTM, pair) or 1e-4 (position
 * weights, which start close to nothing).
 */
export const TOLERANCE = 2e-5;

/** What is wrong with these losses, or nothing. */
export function disagreement(
  expected: readonly number[],
  found: readonly number[],
  tolerance = TOLERANCE,
): string | undefined {
  if (found.length !== expected.length) return `${found.length} losses, expected ${expected.length}`;
  const place = expected.findIndex((loss, k) =>
    !(Math.abs((found[k] ?? NaN) - loss) <= tolerance * Math.max(1, Math.abs(loss)))
  );
  if (place < 0) return undefined;
  return `the loss of step ${place + 1} is ${found[place]?.toPrecision(7)}, clickgan's is ` +
    `${expected[place]?.toPrecision(7)}; more than ${tolerance} apart`;
}
