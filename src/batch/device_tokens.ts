/** The tokens of a catalogue with mixed features on the GPU, and the fixed order of its (item, token) pairs by token. */

import type { ItemTokens } from "../data/click_log.ts";
import { UserError } from "../data/user_error.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";

export class DeviceTokens {
  /** V */
  readonly count: number;
  /** P, pairs of an item and one of its tokens. */
  readonly pairs: number;
  /** [I+1] first pair of an item. */
  readonly itemFirst: View;
  /** [P] the token of a pair; pairs stand by item. */
  readonly token: View;
  /** [P] place of a pair among all pairs sorted by token. */
  readonly place: View;
  /** [V+1] place of a token's first pair among them. */
  readonly tokenFirst: View;
  /** [I+1] pairs of the k items that have most of them. */
  readonly #most: Uint32Array;

  /** @param host what the references read. @throws UserError for tokens that do not fit together, or too many of them. */
  constructor(gpu: Gpu, arena: Arena, items: number, readonly host: ItemTokens) {
    const { count, first, token } = host;
    this.count = count;
    this.pairs = token.length;
    const outside = token.find((id) => id >= count);
    if (first.length !== items + 1 || first[items] !== token.length || outside !== undefined) {
      throw new UserError(
        `Expected starts of ${items} items that end at ${token.length} tokens of 0..${count - 1}, got ` +
          `${first.length - 1} items, an end of ${first[items]}${
            outside === undefined ? "" : `, and token ${outside}`
          }.`,
      );
    }
    gpu.requireBindable(4 * token.length, `${token.length} tokens of ${items} items`);
    gpu.requireBindable(4 * (count + 1), `a list of ${count} tokens`);
    const { tokenFirst, place } = orderByToken(token, count);
    this.itemFirst = arena.upload("first token of items", first);
    this.token = arena.upload("tokens", token);
    this.place = arena.upload("tokens by token", place);
    this.tokenFirst = arena.upload("first item of tokens", tokenFirst);
    const sizes = Uint32Array.from({ length: items }, (_, i) => (first[i + 1] ?? 0) - (first[i] ?? 0));
    this.#most = new Uint32Array(items + 1);
    sizes.sort().reverse().forEach((size, k) => this.#most[k + 1] = (this.#most[k] ?? 0) + size);
  }

  /** The most pairs that so many distinct items can have. */
  pairsAtMost(items: number): number {
    return this.#most[Math.min(items, this.#most.length - 1)] ?? 0;
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
