/** Dispatch that computes prefix sums of a bit set: for each word, the number of 1 bits in earlier words. */

import rankText from "../../kernels/batch/batch_rank.wgsl" with { type: "text" };
import blocksText from "../../kernels/batch/batch_rank_blocks.wgsl" with { type: "text" };
import { parseKernel } from "../gpu/kernel.ts";
import type { AdapterTraits } from "../gpu/kernel_variants.ts";
import type { View } from "../gpu/memory.ts";
import type { ClickDispatch } from "./click_sizes.ts";

const rankKernel = parseKernel("batch_rank", rankText);
const blocksKernel = parseKernel("batch_rank_blocks", blocksText);

/**
 * Rounds up a size that kernels contain as a constant. So logs and batches of similar sizes share kernel texts,
 * which the driver compiles only once. WebGPU also requires that offsets of bindings are aligned to 256 bytes.
 */
export function roundUp(size: number, multiple = 256): number {
  return multiple * Math.ceil(size / multiple);
}

/** Returns the words to allocate for a bit set: rounded up to whole vec4u, plus one vec4u. */
export function padBitWords(words: number): number {
  return roundUp(words, 4) + 4;
}

export interface BitRanks {
  readonly label: string;
  readonly constants: { readonly WORDS: number; readonly HEADERS_SEEN?: number; readonly SLICE?: number };
  /** Bit set `bits`, and array `ranked` of pairs: a word of `bits`, and the number of 1 bits before it. */
  readonly views: Readonly<Record<string, View>>;
}

export function rankBits({ kind }: AdapterTraits, ranks: BitRanks): ClickDispatch {
  const { constants } = ranks;
  return {
    ...ranks,
    kernel: kind === "gpu" ? blocksKernel : rankKernel,
    invocations: [1],
    cost: () => ({ flops: 0, bytes: (kind === "gpu" ? 16 : 20) * constants.WORDS }),
  };
}
