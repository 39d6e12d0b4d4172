/**
 * Draws slates by scores, item after item (Plackett-Luce); float64 reference of
 * kernels/simulate/plackett_luce.wgsl.
 *
 *   z_i = score of item i / temperature
 *   P(slot j shows i | earlier slots) = exp(z_i) / sum over the remaining items of exp(z)
 */

/** Above this share of all weights, the sum of the remaining weights is computed by subtraction. */
const LOST = 1e-6;
/** Score that replaces NaN and infinite scores, as in the kernel. */
const LOWEST = -1e30;

interface DrawnSlate {
  /** Indices of the k drawn candidates, in display order. */
  readonly indices: number[];
  /** Smallest change of a random number that would change an item of the slate. */
  readonly margin: number;
}

export class PlackettLuce {
  readonly #z: Float64Array;
  /** Weight exp(z - largest z) of each candidate. */
  readonly #weights: Float64Array;
  readonly #most: number;
  readonly #all: number;

  /** @param scores - one per candidate. @param temperature - above 0; near 0 the highest scores are drawn. */
  constructor(scores: ArrayLike<number>, temperature: number) {
    this.#z = Float64Array.from(scores, (x) => (Number.isFinite(x) ? x : LOWEST) / temperature);
    this.#most = this.#z.reduce((most, z) => Math.max(most, z), -Infinity);
    this.#weights = this.#z.map((z) => Math.exp(z - this.#most));
    this.#all = this.#weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** Returns log P(item | items in earlier slots) per item of a slate. @param slate - distinct indices */
  logProbabilities(slate: readonly number[]): number[] {
    return slate.map((place, j) => {
      const { most, sum } = this.#left(slate.slice(0, j));
      return this.#z[place]! - most - Math.log(sum);
    });
  }

  probability(slate: readonly number[]): number {
    return Math.exp(this.logProbabilities(slate).reduce((sum, log) => sum + log, 0));
  }

  /** Returns each item's probability of being drawn next. @param before - items of earlier slots */
  nextProbabilities(before: readonly number[]): Float64Array {
    const { weights, sum } = this.#left(before);
    const chances = weights.map((weight) => weight / sum);
    for (const place of before) chances[place] = 0;
    return chances;
  }

  /**
   * Estimates the marginal probability that a slot shows an item. Each draw fills the earlier slots with
   * other items. The estimate is the mean over draws of P(no earlier slot shows the item) x P(the slot shows
   * the item). The estimate is above 0 even if the item is nearly always in an earlier slot.
   * @param uniform - random number in [0, 1) for each draw and slot
   */
  slotProbability(
    place: number,
    slot: number,
    draws: number,
    uniform: (draw: number) => (slot: number) => number,
  ): number {
    const others = new PlackettLuce(this.#z.filter((_, i) => i !== place), 1);
    const known = slot === 0 ? 1 : draws;
    let sum = 0;
    for (let d = 0; d < known; d++) {
      const above = others.draw(slot, uniform(d)).indices.map((i) => i < place ? i : i + 1);
      let chance = 1;
      for (let j = 0; j <= slot; j++) {
        const { weights, sum } = this.#left(above.slice(0, j));
        const own = weights[place]! / sum;
        chance *= j < slot ? 1 - own : own;
      }
      sum += chance;
    }
    return sum / known;
  }

  /** Draws a slate of k items. @param uniform - random number in [0, 1) for each slot */
  draw(k: number, uniform: (slot: number) => number): DrawnSlate {
    const drawn = { indices: [] as number[], margin: 1 };
    for (let slot = 0; slot < k; slot++) {
      const { weights, sum } = this.#left(drawn.indices);
      const threshold = uniform(slot) * sum;
      let [shown, reached, before] = [-1, 0, 0];
      for (let i = 0; i < weights.length && (shown < 0 || reached <= threshold); i++) {
        const weight = drawn.indices.includes(i) ? 0 : weights[i]!;
        if (weight === 0) continue;
        [shown, before] = [i, reached];
        reached += weight;
      }
      drawn.margin = Math.min(
        drawn.margin,
        Math.abs(reached - threshold) / sum,
        (threshold - before) / sum || 1,
      );
      drawn.indices.push(shown);
    }
    return drawn;
  }

  /** Returns weights exp(z - most), the offset `most`, and the sum of all weights but those in `before`. */
  #left(before: readonly number[]): { weights: Float64Array; most: number; sum: number } {
    const rest = before.reduce((sum, place) => sum - this.#weights[place]!, this.#all);
    if (rest > LOST * this.#all) return { weights: this.#weights, most: this.#most, sum: rest };
    const most = this.#z.reduce((most, z, i) => before.includes(i) ? most : Math.max(most, z), -Infinity);
    const weights = this.#z.map((z, i) => before.includes(i) ? 0 : Math.exp(z - most));
    return { weights, most, sum: weights.reduce((sum, weight) => sum + weight, 0) };
  }
}
