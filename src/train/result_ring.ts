/** What comes back from the device: the sums of steps and validations. */

import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";

/**
 * Sums on the device, in slots of some vectors of four f32: one slot for each of the last steps, as many for the last
 * validations, and behind them one for each shard of a validation. A slot is used again after `places` steps.
 */
export class ResultRing {
  /** [2 places + shards, 4 vectors] f32 */
  readonly view: View;

  /**
   * @param places steps whose sums are held at once, and as many validations.
   * @param vectors of a slot. @param shards of a validation; 0 without one.
   */
  constructor(arena: Arena, readonly places: number, private readonly vectors: number, shards: number) {
    this.view = arena.allocate("ring", 16 * vectors * (2 * places + shards));
  }

  /** Slot of the first shard. */
  get firstShard(): number {
    return 2 * this.places;
  }

  /** Slot of the step of iteration t. */
  ofStep(t: number): number {
    return t % this.places;
  }

  /** Slot of validation number n. */
  ofValidation(n: number): number {
    return this.places + n % this.places;
  }

  /** @param values the whole ring, as it was read. @returns [4 vectors] the sums of a slot */
  sumsAt(values: Float32Array, slot: number): Float32Array {
    const words = 4 * this.vectors;
    return values.subarray(slot * words, (slot + 1) * words);
  }
}
