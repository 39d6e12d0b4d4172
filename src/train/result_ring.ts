/** What comes back from the device: the sums of steps and validations. */

import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";

/**
 * Sums on the device, in slots of some vectors of four f32: one slot for each part of the last steps' batches, one for each
 * of as many validations, and behind them one for each shard of a validation. A slot is used again after `places` steps.
 */
export class ResultRing {
  /** [(parts + 1) places + shards, 4 vectors] f32 */
  readonly view: View;

  /**
   * @param places steps whose sums are held at once, and as many validations.
   * @param vectors of a slot. @param shards of a validation; 0 without one. @param parts of a batch at most.
   */
  constructor(
    arena: Arena,
    readonly places: number,
    private readonly vectors: number,
    readonly shards: number,
    private readonly parts = 1,
  ) {
    this.view = arena.allocate("ring", 16 * vectors * ((parts + 1) * places + shards));
  }

  /** Slot of the first shard. */
  get firstShard(): number {
    return (this.parts + 1) * this.places;
  }

  /** Where the sums of the shards stand. */
  get shardsView(): View {
    return this.slotsView(this.firstShard, this.shards);
  }
  /** Some slots, from this one on. */
  slotsView(slot: number, slots: number): View {
    const bytes = 16 * this.vectors;
    return { ...this.view, offset: this.view.offset + bytes * slot, size: bytes * slots };
  }

  /** Slot of the step of iteration t, or of the first part of its batch; those of the others follow. */
  ofStep(t: number): number {
    return t % this.places * this.parts;
  }

  /** Slot of validation number n. */
  ofValidation(n: number): number {
    return this.parts * this.places + n % this.places;
  }

  /**
   * @param values the whole ring, as it was read. @param slots that are added up, from this one on.
   * @returns [4 vectors] the sums
   */
  sumsAt(values: Float32Array, slot: number, slots = 1): Float32Array<ArrayBuffer> {
    const words = 4 * this.vectors;
    const sums = values.slice(slot * words, (slot + 1) * words);
    for (let k = words; k < slots * words; k++) {
      sums[k % words] = (sums[k % words] ?? NaN) + (values[slot * words + k] ?? NaN);
    }
    return sums;
  }
}
