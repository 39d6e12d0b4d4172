/** The items of a log on the GPU: their features and tokens. */

import type { ItemFeatures } from "../data/click_log.ts";
import { tokensAtMost } from "../data/item_catalogue.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { inTextures } from "../gpu/kernel_shapes.ts";
import { type Memory, writeMemory } from "../gpu/memory.ts";
import { forProducts } from "../gpu/texture_layout.ts";
import { padded, padRows } from "../tape/layout.ts";
import { DeviceTokens } from "./device_tokens.ts";

/** One-hot features need no memory here: their embedding rows are parameters. */
export class DeviceItems {
  readonly #arena: Arena;
  readonly kind: ItemFeatures["kind"];
  /** F; the number of items with one-hot features. */
  readonly width: number;
  /** [capacity, F] padded to whole vectors; absent with one-hot features, and with mixed ones without dense ones. */
  readonly features: Memory | undefined;
  /** Of mixed features. */
  readonly tokens: DeviceTokens | undefined;
  #written: ItemFeatures | undefined;

  /**
   * @param capacity items that there is room for. @param tokenCounts of the catalogue that they are of.
   * @throws UserError for features that the adapter cannot hold.
   */
  constructor(
    readonly gpu: Gpu,
    items: ItemFeatures,
    readonly capacity: number,
    tokenCounts: Uint32Array,
  ) {
    this.#arena = new Arena(gpu, "items");
    this.kind = items.kind;
    this.width = items.kind === "one-hot" ? items.count : items.width;
    try {
      if (items.kind === "mixed") {
        const sizes = {
          items: capacity,
          tokens: items.tokens.count,
          pairs: tokensAtMost(tokenCounts, capacity),
        };
        this.tokens = new DeviceTokens(gpu, this.#arena, sizes, tokenCounts);
      }
      if (items.kind !== "one-hot" && items.width > 0) {
        const what = `the features of ${capacity} items x ${items.width}`;
        const stride = padded(items.width);
        const bytes = 4 * capacity * stride;
        gpu.requireBindable(bytes, what);
        this.features = inTextures(gpu.shapes)
          ? this.#arena.allocateTexture(what, bytes, undefined, forProducts(bytes, stride / 4))
          : this.#arena.allocate(what, bytes);
      }
      this.write(items);
    } catch (error) {
      this.#arena.destroy();
      throw error;
    }
  }

  /** Puts other items of the same kind in the place of the last. @throws Error beyond the capacity. */
  write(items: ItemFeatures): void {
    if (items === this.#written || items.kind === "one-hot") return;
    const { count, width, values } = items;
    if (items.kind !== this.kind || width !== this.width || count > this.capacity) {
      throw new Error(
        `${count} ${items.kind} items x ${width} do not fit ${this.capacity} ${this.kind} ones x ${this.width}`,
      );
    }
    if (items.kind === "mixed") this.tokens?.write(items.tokens);
    if (this.features && count > 0) {
      writeMemory(this.gpu.queue, this.features, padRows(values, count, width, 1));
    }
    this.#written = items;
  }

  destroy(): void {
    this.#arena.destroy();
  }
}
