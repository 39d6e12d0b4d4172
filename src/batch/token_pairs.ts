/** Lists the (item, token) pairs of a batch's items, and those of its clicked items, both sorted by token. */

import groupText from "../../kernels/scatter/token_group.wgsl" with { type: "text" };
import markText from "../../kernels/scatter/token_mark.wgsl" with { type: "text" };
import type { Arena } from "../gpu/arena.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { ClickDispatch, ClickSizes } from "./click_sizes.ts";
import { padBitWords, rankBits, roundUp } from "./rank_bits.ts";
import { countBitWords } from "./device_log.ts";
import type { DeviceTokens } from "./device_items.ts";

const markKernel = parseKernel("token_mark", markText);
const groupKernel = parseKernel("token_group", groupText);

/** Index arrays that list the rows of a batch item by item; see batch_group.wgsl. */
export interface RowsByItem {
  readonly slotItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly row: View;
}

export class TokenPairs {
  /** Array `pair` of token_group.wgsl: pairs of the batch's items, and then pairs of its clicked items. */
  readonly pair: View;
  /** Words of both lists' bit sets, each with the number of 1 bits before it; last, the number of pairs. */
  readonly ranked: View;
  readonly words: number;
  readonly #bits: View;

  constructor(
    private readonly arena: Arena,
    readonly tokens: DeviceTokens,
    private readonly batch: RowsByItem,
    capacity: ClickSizes,
  ) {
    this.words = roundUp(countBitWords(tokens.pairs));
    this.pair = arena.allocate("token pairs", 8 * Math.max(1, this.boundPairs(capacity)));
    this.#bits = arena.allocate("bits of token pairs", 4 * padBitWords(this.#allWords));
    this.ranked = arena.allocate("ranked token pairs", 8 * padBitWords(this.#allWords));
  }

  get #allWords(): number {
    return 2 * this.words + 1;
  }

  /** Returns an upper bound for the number of pairs in both lists together. */
  boundPairs({ items, events }: ClickSizes): number {
    return this.tokens.boundPairs(items) + this.tokens.boundPairs(Math.min(items, events));
  }

  dispatches(): ClickDispatch[] {
    const { tokens, batch, pair, ranked } = this;
    const bits = this.#bits;
    const LIST_WORDS = this.words;
    const WORDS = this.#allWords;
    return [
      {
        kernel: markKernel,
        label: "batch tokens",
        constants: { LIST_WORDS },
        views: {
          slot_item: batch.slotItem,
          slot_first: batch.slotFirst,
          sorted: batch.sorted,
          row: batch.row,
          item_first: tokens.itemFirst,
          place: tokens.position,
          bits,
        },
        invocations: ["items"],
        cost: (s) => ({ flops: 0, bytes: 20 * s.rows + 8 * this.boundPairs(s) }),
      },
      rankBits(this.arena.gpu.variants, {
        label: "batch rank of tokens",
        constants: { WORDS },
        views: { bits, ranked },
      }),
      {
        kernel: groupKernel,
        label: "batch group of tokens",
        constants: { LIST_WORDS, TOKENS: tokens.count },
        views: {
          slot_item: batch.slotItem,
          item_first: tokens.itemFirst,
          token: tokens.token,
          place: tokens.position,
          ranked,
          pair,
        },
        invocations: ["items"],
        cost: (s) => ({ flops: 0, bytes: 24 * this.boundPairs(s) }),
      },
    ];
  }
}
