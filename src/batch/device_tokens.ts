/** The tokens of a catalogue with mixed features on the GPU, and the fixed order of its (item, token) pairs by token. */

import type { ItemTokens } from "../data/click_log.ts";
import { tokensAtMost } from "../data/item_catalogue.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";

/** What there is room for. */
interface TokenCapacity {
  readonly items: number;
  /** V */
  readonly tokens: number;
  /** Of an item and one of its tokens. */
  readonly pairs: number;
}

export class DeviceTokens {
  /** V */
  readonly count: number;
  /** P, pairs of an item and one of its tokens, at most. */
  readonly pairs: number;
  /** [I+1] first pair of an item. */
  readonly itemFirst: View;
  /** [P] the token of a pair; pairs stand by item. */
  readonly token: View;
  readonly #place: View;
  readonly #tokenFirst: View;
  #host: ItemTokens;
  /** Whether somebody asks for the order by token, which gradients alone go by: it takes V steps to make. */
  #isOrdered = false;

  /** @param tokenCounts of the catalogue. @throws UserError for too many tokens. */
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
    this.#place = arena.allocate("tokens by token", 4 * pairs);
    this.#tokenFirst = arena.allocate("first item of tokens", 4 * (tokens + 1));
  }

  /** What was written, which the references read. */
  get host(): ItemTokens {
    return this.#host;
  }

  /** [P] place of a pair among all pairs sorted by token. */
  get place(): View {
    return this.#ordered(this.#place);
  }

  /** [V+1] place of a token's first pair among them. */
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

  /** @param host tokens of at most as many items as there is room for. */
  write(host: ItemTokens): void {
    const { count, first, token } = host;
    if (count !== this.count || 4 * first.length > this.itemFirst.size || token.length > this.pairs) {
      throw new Error(
        `${token.length} of ${count} tokens of ${first.length - 1} items exceed ${this.pairs} of ` +
          `${this.count}`,
      );
    }
    this.#host = host;
    const { queue } = this.gpu;
    queue.writeBuffer(this.itemFirst.buffer, 0, first);
    if (token.length > 0) queue.writeBuffer(this.token.buffer, 0, token); // Deno fails on an empty write
    if (!this.#isOrdered) return;
    const { tokenFirst, place } = orderByToken(token, count);
    queue.writeBuffer(this.#tokenFirst.buffer, 0, tokenFirst);
    if (token.length > 0) queue.writeBuffer(this.#place.buffer, 0, place);
  }

  /** The most pairs that so many distinct items can have. */
  pairsAtMost(items: number): number {
    return tokensAtMost(this.tokenCounts, items);
  }
}

/** Counting sort of the pairs by token; those of a token stay ordered by item. */
function orderByToken(token: Uint32Array, count: number) {
  const tokenFirst = new Uint32Array(count + 1);
  for (const id of token) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + 1;
  for (let id = 0; id < count; id++) tokenFirst[id + 1] = (tokenFirst[id + 1] ?? 0) + (tokenFirst[id] ?? 0);
  const next = tokenFirst.slice();
  const place = token.map((id) => {
    const at = next[id] ?? 0;
    next[id] = at + 1;
    return at;
  });
  return { tokenFirst, place };
}
