/** Selects rows of an embedding table for a batch (per item or per event), and sums their gradients. */

import allText from "../../kernels/scatter/embedding_gradient.wgsl" with { type: "text" };
import rowsText from "../../kernels/scatter/embedding_gradient_rows.wgsl" with { type: "text" };
import type { ClickBatch, ClickCall, ClickTape } from "../batch/click_tape.ts";
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import type { Gather } from "./linear.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { getVectorConstants } from "./op.ts";
import { estimateDistinctRows } from "../gpu/sizes.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { GradientTarget } from "../tape/node.ts";
import type { Tensor } from "../tape/tensor.ts";

export type ClickGather = Gather<ClickSizes, ReferenceBatch>;

export function distinctItems({ slotItem }: ClickBatch): ClickGather {
  return { rows: "items", index: slotItem, of: (batch) => batch.slotItem };
}

/** Selects, for each event, the row of the item that the encoder reads; row 0 if it reads no item. */
export function eventItems({ logged: { eventItem } }: ClickBatch): ClickGather {
  return {
    rows: "events",
    index: eventItem,
    of: (batch) => batch.events.map(({ fed }) => fed === NONE ? 0 : fed),
  };
}

const allKernel = parseKernel("embedding_gradient", allText);
const rowsKernel = parseKernel("embedding_gradient_rows", rowsText);

/** Returns the dispatch for a table's dense or sparse gradient. @param source - gradient [events, N] */
export function embeddingGradient(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  source: Memory,
  target: GradientTarget,
): ClickDispatch {
  const sparse = sparseEmbeddingGradient(tape, call, table, source);
  if (sparse) return sparse;
  const { row, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const N4 = table.stride / 4;
  const shape = getVectorConstants(call.variants);
  const items = Number(table.rows);
  return {
    kernel: allKernel,
    label: `${call.label} gradient of ${table.name}`,
    constants: { N4, ITEMS: items, ...shape, ACCUMULATE: target.accumulate },
    views: { source, ranked, slot_first: slotFirst, sorted, row, output: target.view },
    invocations: [items * Math.ceil(N4 / shape.VECTORS)],
    cost: (s) => ({ flops: s.events * table.columns, bytes: 16 * (s.events + items) * N4 }),
  };
}

/** Returns the dispatch that sums gradients `source` [events, N] by item, to `output` [items, N]. */
export function eventItemGradient(
  tape: ClickTape,
  call: ClickCall,
  source: Memory,
  stride: number,
  output: View,
): ClickDispatch {
  const { row, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const N4 = stride / 4;
  const shape = getVectorConstants(call.variants);
  return {
    kernel: allKernel,
    label: `${call.label} gradient by item of event`,
    constants: { N4, ITEMS: 0, ...shape, ACCUMULATE: false },
    views: { source, ranked, slot_first: slotFirst, sorted, row, output },
    invocations: [{ of: "items", times: Math.ceil(N4 / shape.VECTORS) }],
    cost: (s) => ({ flops: s.events * stride, bytes: 16 * (s.events + s.items) * N4 }),
  };
}

/** Returns the dispatch that sums gradients [events, N] by table row; undefined if gradients are dense. */
export function sparseEmbeddingGradient(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  source: Memory,
): ClickDispatch | undefined {
  if (!tape.options.sparseGradients) return undefined;
  const sparse = call.sparseGradient(table, "events", tape.saved(`${table.name} rows`, "events", 1));
  if (!sparse) return undefined;
  const { event, row, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const N4 = table.stride / 4;
  return {
    kernel: rowsKernel,
    label: `${call.label} gradient of ${table.name}`,
    constants: { N4, EIGHT: call.variants.kind === "gpu" },
    views: {
      source,
      event,
      ranked,
      slot_first: slotFirst,
      sorted,
      row,
      sparse_rows: sparse.list,
      output: sparse.gradient,
    },
    invocations: [{ of: "events", times: N4 }],
    cost: (s) => ({
      flops: s.events * table.columns,
      bytes: 16 * (s.events + estimateDistinctRows(s.events, table.rows, s)) * N4,
    }),
  };
}
