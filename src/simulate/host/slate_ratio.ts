/**
 * The slate of the highest expected value, exactly.
 *
 *   Q(A) = (w0 q0 + sum_A w_i q_i) / (w0 + sum_A w_i)      w_i = exp(logit of i), w0 = 1: no click; over all A of k items
 *
 * Fractional programming (Dinkelbach): A is the best one if no slate has sum_A w_i (q_i - Q(A)) above that of A, and the best
 * slate by this sum is a top-k. So one goes from slate to slate by top-k until Q grows no more; each round raises it.
 */

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

export interface SlateValues {
  /** [I] weights of the items, relative to that of no click or scaled together with it. */
  readonly weights: ArrayLike<number>;
  /** Of no click; 1 by default. */
  readonly noneWeight?: number;
  /** [I] what is gained if the item is clicked, of either sign. */
  readonly values: ArrayLike<number>;
  /** What is gained if nothing is clicked. */
  readonly noneValue: number;
}

export interface BestSlate {
  /** Of the highest weight x (value - Q), that first. */
  readonly slate: number[];
  /** Q of the slate. */
  readonly value: number;
  /** Q of the slates on the way, growing; the last is `value`. */
  readonly path: number[];
  /** How often the catalogue was gone through. */
  readonly rounds: number;
}

/** Up to rounding: what changes Q by less than its last bits decides nothing. @param k items of a slate, 1 or more. @throws RangeError for fewer than k items that may be shown. */
export function slateRatio(problem: SlateValues, k: number, masked?: Masked): BestSlate {
  const { weights, noneWeight = 1, values, noneValue } = problem;
  const valueOf = (slate: readonly number[]) => {
    let [above, below] = [noneWeight * noneValue, noneWeight];
    for (const item of slate) {
      above += weights[item]! * values[item]!;
      below += weights[item]!;
    }
    return above / below;
  };
  let slate = topSlate(weights, k, masked);
  let value = valueOf(slate);
  const path = [value];
  const scores = new Float64Array(weights.length);
  for (let rounds = 2;; rounds++) {
    for (let item = 0; item < scores.length; item++) scores[item] = weights[item]! * (values[item]! - value);
    const next = topSlate(scores, k, masked);
    const found = valueOf(next);
    if (!(found > value)) return { slate, value, path, rounds };
    [slate, value] = [next, found];
    path.push(value);
  }
}
