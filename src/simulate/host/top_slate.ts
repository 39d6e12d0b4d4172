/** The best items of a catalogue by a score. */

/** Whether an item may not be shown: anything but 0. */
export type Masked = ArrayLike<number>;

/**
 * The k items of the highest scores, best first; of equal ones the lowest number.
 * @param scores [I] no NaN. @throws RangeError for fewer than k items that may be shown.
 */
export function topSlate(scores: ArrayLike<number>, k: number, masked?: Masked): number[] {
  const slate: number[] = [];
  for (let item = 0; item < scores.length; item++) {
    if (masked?.[item]) continue;
    const score = scores[item]!;
    if (slate.length === k && !(score > scores[slate[k - 1]!]!)) continue;
    if (slate.length === k) slate.pop();
    let place = slate.length;
    while (place > 0 && score > scores[slate[place - 1]!]!) place--;
    slate.splice(place, 0, item);
  }
  if (slate.length === k) return slate;
  throw new RangeError(`Expected a slate of at most the ${slate.length} items that may be shown, got ${k}`);
}
