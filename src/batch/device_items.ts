import type { ItemFeatures, ItemTokens } from "../data/click_log.ts";
import { boundTokens } from "../data/item_catalogue.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { usesTextures } from "../gpu/kernel_variants.ts";
import { makeProductLayout, type Memory, type View, writeMemory } from "../gpu/memory.ts";
import { padColumns, padRows } from "../tape/tensor.ts";

/** Features and tokens of items, stored on the GPU. One-hot items have no features and no tokens. */
export class DeviceItems {
  readonly #arena: Arena;
  readonly kind: ItemFeatures["kind"];
  /** F, the number of dense features per item; for one-hot features, the number of items. */
  readonly width: number;
  /** Dense features [capacity, F], with each row padded to whole vec4f; undefined without dense features. */
  readonly features: Memory | undefined;
  readonly tokens: DeviceTokens | undefined;
  #written: ItemFeatures | undefined;

  /** @param capacity - maximum number of items. @throws UserError if the adapter cannot store that many */
  constructor(readonly gpu: Gpu, items: ItemFeatures, readonly capacity: number, tokenCounts: Uint32Array) {
    this.#arena = new Arena(gpu, "items");
    this.kind = items.kind;
    this.width = items.kind === "one-hot" ? items.count : items.width;
    try {
      if (items.kind === "mixed") {
        const sizes = {
          items: capacity,
          tokens: items.tokens.count,
          pairs: boundTokens(tokenCounts, capacity),
        };
        this.tokens = new DeviceTokens(gpu, this.#arena, sizes, tokenCounts);
      }
      if (items.kind !== "one-hot" && items.width > 0) {
        const what = `the features of ${capacity} items x ${items.width}`;
        const stride = padColumns(items.width);
        const bytes = 4 * capacity * stride;
        gpu.requireBindable(bytes, what);
        this.features = usesTextures(gpu.variants)
          ? this.#arena.allocateTexture(what, bytes, undefined, makeProductLayout(bytes, stride / 4))
          : this.#arena.allocate(what, bytes);
      }
      this.write(items);
    } catch (error) {
      this.#arena.destroy();
      throw error;
    }
  }

  /** Replaces the items by items of the same kind. @throws Error for more items than the capacity. */
  write(items: ItemFeatures): void {
    if (items === this.#written || items.kind === "one-hot") return;
    const { count, width, values } = items;
    if (items.kind !== this.kind || width !== this.width || count > this.capacity) {
      throw new Error(
        `expected at most ${this.capacity} ${this.kind} items of width ${this.width}, ` +
          `got ${count} ${items.kind} items of width ${width}`,
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

/** Largest numbers of items, different tokens (V) and (item, token) pairs. */
interface TokenCapacity {
  readonly items: number;
  readonly tokens: number;
  readonly pairs: number;
}

/** Tokens of items with mixed features, and all (item, token) pairs sorted by token, stored on the GPU. */
export class DeviceTokens {
  /** V, the number of different tokens. */
  readonly count: number;
  /** P, the largest number of (item, token) pairs. */
  readonly pairs: number;
  /** Array [I+1]: index of each item's first (item, token) pair. */
  readonly itemFirst: View;
  /** Array [P]: token of each (item, token) pair, ordered by item. */
  readonly token: View;
  readonly #position: View;
  readonly #tokenFirst: View;
  #host: ItemTokens;
  /** True if the (item, token) pairs are sorted by token, which only the kernels of gradients need. */
  #isOrdered = false;

  /** @throws UserError if the array of tokens is larger than a kernel can bind. */
  constructor(
    private readonly gpu: Gpu,
    arena: Arena,
    { items, tokens, pairs }: TokenCapacity,
    private readonly tokenCounts: Uint32Array,
  ) {
    this.count = tokens;
    this.pairs = pairs;
    this.#host = { count: tokens, first: new Uint32Array(1), token: new Uint32Array() };
    gpu.requireBindable(4 * pairs, `${pairs} tokens of ${items} items`);
    gpu.requireBindable(4 * (tokens + 1), `a list of ${tokens} tokens`);
    this.itemFirst = arena.allocate("first token of items", 4 * (items + 1));
    this.token = arena.allocate("tokens", 4 * pairs);
    this.#position = arena.allocate("tokens by token", 4 * pairs);
    this.#tokenFirst = arena.allocate("first item of tokens", 4 * (tokens + 1));
  }

  /** CPU copy of the tokens, which the reference implementations in f64 read. */
  get host(): ItemTokens {
    return this.#host;
  }

  /** Array [P]: index of each (item, token) pair in the list of pairs that is sorted by token. */
  get position(): View {
    return this.#ordered(this.#position);
  }

  /** Array [V+1]: index of each token's first (item, token) pair in the list that is sorted by token. */
  get tokenFirst(): View {
    return this.#ordered(this.#tokenFirst);
  }

  #ordered(view: View): View {
    if (!this.#isOrdered) {
      this.#isOrdered = true;
      this.write(this.#host);
    }
    return view;
  }

  /** Replaces the tokens of all items. @throws Error for more tokens or pairs than the capacity. */
  write(host: ItemTokens): void {
    const { count, first, token } = host;
    if (count !== this.count || 4 * first.length > this.itemFirst.size || token.length > this.pairs) {
      throw new Error(
        `expected ${this.count} tokens and at most ${this.pairs} item-token pairs, got ${count} ` +
          `tokens and ${token.length} pairs of ${first.length - 1} items`,
      );
    }
    this.#host = host;
    const { queue } = this.gpu;
    queue.writeBuffer(this.itemFirst.buffer, 0, first);
    if (token.length > 0) queue.writeBuffer(this.token.buffer, 0, token); // Deno fails on an empty write
    if (!this.#isOrdered) return;
    const { tokenFirst, position } = orderByToken(token, count);
    queue.writeBuffer(this.#tokenFirst.buffer, 0, tokenFirst);
    if (token.length > 0) queue.writeBuffer(this.#position.buffer, 0, position);
  }

  /** Returns the largest number of (item, token) pairs that `items` distinct items can have. */
  boundPairs(items: number): number {
    return boundTokens(this.tokenCounts, items);
  }
}

/** Sorts (item, token) pairs by token, with a counting sort. Pairs with equal tokens stay ordered by item. */
function orderByToken(token: Uint32Array, count: number) {
  const tokenFirst = new Uint32Array(count + 1);
  for (const id of token) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + 1;
  for (let id = 0; id < count; id++) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + (tokenFirst[id] ?? 0);
  const next = tokenFirst.slice();
  const position = token.map((id) => {
    const at = next[id] ?? 0;
    next[id] = at + 1;
    return at;
  });
  return { tokenFirst, position };
}
