/**
 * The slate of the highest expected value, exactly.
 *
 *   Q(A) = (w0 q0 + sum_A w_i q_i) / (w0 + sum_A w_i)      w_i = exp(logit of i), w0 = 1: no click; over all A of k items
 *
 * Fractional programming (Dinkelbach): A is the best one if no slate has sum_A w_i (q_i - Q(A)) above that of A, and the best
 * slate by this sum is a top-k. So one goes from slate to slate by top-k until Q grows no more; each round raises it.
 */

/** Whether an item may not be shown: anything but 0. */
export type MaskValues = ArrayLike<number>;

/**
 * The k items of the highest scores, best first; of equal ones the lowest number.
 * @param scores [I] no NaN. @throws RangeError for fewer than k items that may be shown.
 */
export function selectTopSlate(scores: ArrayLike<number>, k: number, masked?: MaskValues): number[] {
  const slate = new Array<number>(k);
  const count = selectTop(scores, slate, scores.length, undefined, masked);
  if (count === k) return slate;
  throw new RangeError(`Expected a slate of at most the ${count} items that may be shown, got ${k}`);
}

/** @param slate gets the best. @param items instead of 0, 1, ..., count - 1. @returns how many there are, at most a slate */
function selectTop(
  scores: ArrayLike<number>,
  slate: number[] | Uint32Array,
  items: number,
  of?: ArrayLike<number>,
  masked?: MaskValues,
): number {
  const k = slate.length;
  let count = 0, least = -Infinity;
  for (let at = 0; at < items; at++) {
    const item = of ? of[at]! : at;
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
  /** [I] weights of the items, relative to that of no click or scaled together with it. */
  readonly weights: ArrayLike<number>;
  /** Of no click; 1 by default. */
  readonly noneWeight?: number;
  /** [I] what is gained if the item is clicked, of either sign. */
  readonly values: ArrayLike<number>;
  /** What is gained if nothing is clicked. */
  readonly noneValue: number;
}

export interface SlateSolution {
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
export function findBestSlate(problem: SlateProblem, k: number, masked?: MaskValues): SlateSolution {
  const slate = Uint32Array.from(selectTopSlate(problem.weights, k, masked));
  const path: number[] = [];
  const value = new SlateSearch(problem.weights.length, k).best(problem, slate, { masked, path });
  return { slate: Array.from(slate), value, path, rounds: 1 + path.length };
}

/** Which items a search is among, all by default. */
interface Among {
  readonly items?: ArrayLike<number>;
  readonly masked?: MaskValues | undefined;
  /** Gets Q of the slates on the way. */
  readonly path?: number[];
}

/** What searches for many best slates need, made once. */
export class SlateSearch {
  /** [I] */
  readonly #scores: Float64Array;
  readonly #next: Uint32Array;

  constructor(items: number, slate: number) {
    this.#scores = new Float64Array(items);
    this.#next = new Uint32Array(slate);
  }

  /** @param slate where the search starts, and which is the best in the end. @returns its Q */
  best(problem: SlateProblem, slate: Uint32Array, { items, masked, path }: Among): number {
    const { weights, values } = problem;
    const [scores, next] = [this.#scores, this.#next];
    const count = items ? items.length : scores.length;
    let value = computeSlateValue(problem, slate);
    for (;;) {
      path?.push(value);
      for (let at = 0; at < count; at++) {
        const item = items ? items[at]! : at;
        scores[item] = weights[item]! * (values[item]! - value);
      }
      selectTop(scores, next, count, items, masked);
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
