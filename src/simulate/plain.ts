import type { Memory } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";

/** A constant, or what a kernel writes, that no gradient flows into. */
export function plain(
  name: string,
  rows: Tensor["rows"],
  columns: number,
  stride: number,
  view: Memory,
): Tensor {
  return { name, rows, columns, groups: 1, stride, view, trainable: false };
}
