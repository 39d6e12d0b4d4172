/**
 * Finds the slate with the highest expected value, exactly. A click on item i has the choice weight w_i and
 * the value q_i; no click has w0 and q0. The slate A of k items has the expected value Q(A):
 *
 *   Q(A) = (w0 q0 + sum_A w_i q_i) / (w0 + sum_A w_i)
 *
 * Dinkelbach's method (fractional programming) replaces A by the k items with the largest w_i (q_i - Q(A))
 * until Q no longer rises. A is then optimal.
 */

/** Mask of items: 0 for items that a slate may contain, any other number for excluded items. */
export type MaskValues = ArrayLike<number>;

/**
 * Returns the k items with the highest scores, best first. Of equal scores, the lower item number is first.
 * @param scores - [items] without NaN. @throws RangeError if fewer than k items are allowed.
 */
export function selectTopSlate(scores: ArrayLike<number>, k: number, masked?: MaskValues): number[] {
  const slate = new Array<number>(k);
  const count = selectTop(scores, slate, masked);
  if (count === k) return slate;
  throw new RangeError(`Expected at most ${count} items in a slate, the number of unmasked items, got ${k}`);
}

/** Writes the best items to `slate`. @returns number of chosen items, at most k */
function selectTop(scores: ArrayLike<number>, slate: number[] | Uint32Array, masked?: MaskValues): number {
  const k = slate.length;
  let count = 0, least = -Infinity;
  for (let item = 0; item < scores.length; item++) {
    if (masked?.[item]) continue;
    const score = scores[item]!;
    if (count === k && !(score > least)) continue;
    let place = count < k ? count++ : k - 1;
    for (; place > 0 && score > scores[slate[place - 1]!]!; place--) slate[place] = slate[place - 1]!;
    slate[place] = item;
    least = scores[slate[count - 1]!]!;
  }
  return count;
}

export interface SlateProblem {
  /** [items] choice weight of each item, relative to the weight `noneWeight` of no click. */
  readonly weights: ArrayLike<number>;
  /** Choice weight of no click; 1 by default. */
  readonly noneWeight?: number;
  /** [items] value of a click on each item; may be negative. */
  readonly values: ArrayLike<number>;
  readonly noneValue: number;
}

/**
 * Finds the best slate, up to rounding errors of its value Q. The slate's items are in descending order of
 * weight x (value of the item - Q). @throws RangeError if fewer than k items are allowed.
 */
export function findBestSlate(problem: SlateProblem, k: number, masked?: MaskValues): number[] {
  const slate = Uint32Array.from(selectTopSlate(problem.weights, k, masked));
  new SlateSearch(problem.weights.length, k).best(problem, slate, masked);
  return Array.from(slate);
}

/** Solves several slate problems one after another, and reuses the memory. */
export class SlateSearch {
  readonly #scores: Float64Array;
  readonly #next: Uint32Array;

  constructor(items: number, slate: number) {
    this.#scores = new Float64Array(items);
    this.#next = new Uint32Array(slate);
  }

  /** Replaces an initial slate by the best slate. @returns the value Q of the best slate */
  best(problem: SlateProblem, slate: Uint32Array, masked?: MaskValues): number {
    const { weights, values } = problem;
    const [scores, next] = [this.#scores, this.#next];
    let value = computeSlateValue(problem, slate);
    for (;;) {
      for (let item = 0; item < scores.length; item++) {
        scores[item] = weights[item]! * (values[item]! - value);
      }
      selectTop(scores, next, masked);
      const found = computeSlateValue(problem, next);
      if (!(found > value)) return value;
      value = found;
      slate.set(next);
    }
  }
}

function computeSlateValue(
  { weights, noneWeight = 1, values, noneValue }: SlateProblem,
  slate: Uint32Array,
): number {
  let [above, below] = [noneWeight * noneValue, noneWeight];
  for (let j = 0; j < slate.length; j++) {
    const item = slate[j]!;
    above += weights[item]! * values[item]!;
    below += weights[item]!;
  }
  return above / below;
}
