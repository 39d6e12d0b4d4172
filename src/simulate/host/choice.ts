/** Which item of a slate is clicked: the choice model, and a draw by one uniform number. */

/** What a uniform number falls on. */
export interface Choice {
  /** The slot that is clicked, k for none. */
  readonly slot: number;
  /** P(any click). */
  readonly clickChance: number;
  /** How far the number is from one that falls on something else: below the rounding of f32 the device may choose otherwise. */
  readonly margin: number;
}

/** Weights relative to the largest, so that nothing overflows. */
export interface Weights {
  readonly none: number;
  /** [k] */
  readonly slots: Float64Array;
}

/** exp of each logit, by the largest of them. @param logits [k] of the slots; that of no click is 0. */
export function choiceWeights(logits: ArrayLike<number>): Weights {
  let most = 0;
  for (let j = 0; j < logits.length; j++) most = Math.max(most, logits[j]!);
  const slots = new Float64Array(logits.length);
  for (let j = 0; j < slots.length; j++) slots[j] = Math.exp(logits[j]! - most);
  return { none: Math.exp(-most), slots };
}

/**
 * The inverse of the distribution function, over no click first and then the slots in order: policies that are simulated
 * with the same numbers share what they can of the pages without a click.
 *
 * @param logits [k] of the slots. @param uniform in [0, 1)
 */
export function choose(logits: ArrayLike<number>, uniform: number): Choice {
  const { none, slots } = choiceWeights(logits);
  const clicks = slots.reduce((sum, weight) => sum + weight, 0);
  const total = none + clicks;
  const threshold = uniform * total;
  let sum = none;
  let margin = Math.abs(threshold - none);
  let slot = threshold < none ? slots.length : 0;
  for (let j = 0; j + 1 < slots.length; j++) {
    sum += slots[j]!;
    margin = Math.min(margin, Math.abs(threshold - sum));
    // The last slot takes what rounding leaves.
    if (slot < slots.length && threshold >= sum) slot = j + 1;
  }
  return { slot, clickChance: clicks / total, margin: margin / total };
}

/** The logits of a slate. @param utilities of its items. @param effects what the second place, the third, ... add */
export function slateLogits(
  utilities: ArrayLike<number>,
  eta = 1,
  effects: ArrayLike<number> = [],
): Float64Array {
  return Float64Array.from(
    utilities,
    (u, j) => eta * (u + (effects[Math.min(j, effects.length) - 1] ?? 0)),
  );
}
