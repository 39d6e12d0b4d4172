/**
 * Slates drawn by scores, one item after another (Plackett-Luce), in float64: what kernels/simulate/plackett_luce.wgsl draws.
 *
 *   P(slot j shows i | the slots before it) = exp(z_i) / sum over what is left of exp(z)        z = score / temperature
 */

/** Of what is left, less than this share of all is summed anew: a difference would have lost it. */
const LOST = 1e-6;
/** What stands for a score that is no number: see the kernel. */
const LOWEST = -1e30;

/** A slate that was drawn. */
interface DrawnSlate {
  /** k places in the scores, as they are shown. */
  readonly places: number[];
  /** How far the draws were from falling on another item, least over the slots: a probability. */
  readonly margin: number;
}

/** The chances of slates by some scores. */
export class PlackettLuce {
  readonly #z: Float64Array;
  /** exp(z - the largest z) */
  readonly #weights: Float64Array;
  readonly #most: number;
  readonly #all: number;

  /** @param scores of all that may be shown. @param temperature above 0; small ones show the items of the highest scores */
  constructor(scores: ArrayLike<number>, temperature: number) {
    this.#z = Float64Array.from(scores, (x) => (Number.isFinite(x) ? x : LOWEST) / temperature);
    this.#most = this.#z.reduce((most, z) => Math.max(most, z), -Infinity);
    this.#weights = this.#z.map((z) => Math.exp(z - this.#most));
    this.#all = this.#weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** Logarithms of the chance of each item of a slate, given those before it. @param slate places in the scores, each once */
  chances(slate: readonly number[]): number[] {
    return slate.map((place, j) => {
      const { most, sum } = this.#left(slate.slice(0, j));
      return this.#z[place]! - most - Math.log(sum);
    });
  }

  /** The chance of a slate. */
  chance(slate: readonly number[]): number {
    return Math.exp(this.chances(slate).reduce((sum, log) => sum + log, 0));
  }

  /** The chances of all places of the next slot; 0 for what is shown before it. @param before places */
  next(before: readonly number[]): Float64Array {
    const { weights, sum } = this.#left(before);
    const chances = weights.map((weight) => weight / sum);
    for (const place of before) chances[place] = 0;
    return chances;
  }

  /**
   * The chance of an item in a slot, whatever stands above: a mean over what others draw for the slots above, each weighed by how
   * likely the item is left out of them. So it is above 0 also where the item is nearly always above.
   * @param uniform a number of [0, 1) for each draw and slot
   */
  inSlot(
    place: number,
    slot: number,
    draws: number,
    uniform: (draw: number) => (slot: number) => number,
  ): number {
    const others = new PlackettLuce(this.#z.filter((_, i) => i !== place), 1);
    const known = slot === 0 ? 1 : draws;
    let sum = 0;
    for (let d = 0; d < known; d++) {
      const above = others.draw(slot, uniform(d)).places.map((i) => i < place ? i : i + 1);
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

  /** A slate of k, by a uniform number of [0, 1) a slot. */
  draw(k: number, uniform: (slot: number) => number): DrawnSlate {
    const drawn = { places: [] as number[], margin: 1 };
    for (let slot = 0; slot < k; slot++) {
      const { weights, sum } = this.#left(drawn.places);
      const threshold = uniform(slot) * sum;
      let [shown, reached, before] = [-1, 0, 0];
      for (let i = 0; i < weights.length && (shown < 0 || reached <= threshold); i++) {
        const weight = drawn.places.includes(i) ? 0 : weights[i]!;
        if (weight === 0) continue;
        [shown, before] = [i, reached];
        reached += weight;
      }
      drawn.margin = Math.min(
        drawn.margin,
        Math.abs(reached - threshold) / sum,
        (threshold - before) / sum || 1,
      );
      drawn.places.push(shown);
    }
    return drawn;
  }

  /** What is left when some are shown: weights relative to exp(most), and their sum. */
  #left(before: readonly number[]): { weights: Float64Array; most: number; sum: number } {
    const rest = before.reduce((sum, place) => sum - this.#weights[place]!, this.#all);
    if (rest > LOST * this.#all) return { weights: this.#weights, most: this.#most, sum: rest };
    const most = this.#z.reduce((most, z, i) => before.includes(i) ? most : Math.max(most, z), -Infinity);
    const weights = this.#z.map((z, i) => before.includes(i) ? 0 : Math.exp(z - most));
    return { weights, most, sum: weights.reduce((sum, weight) => sum + weight, 0) };
  }
}
