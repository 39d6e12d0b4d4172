/**
 * Look-ups of a batch of clicks: features of its items, a row for each distinct one or for each event, and the gradient of a
 * table that events look their fed item up in.
 */

import allText from "../../kernels/scatter/embedding_gradient.wgsl" with { type: "text" };
import touchedText from "../../kernels/scatter/embedding_gradient_rows.wgsl" with { type: "text" };
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

/** [items] each distinct item of the batch. */
export function distinctItems({ slotItem }: ClickBatch): ClickGather {
  return { rows: "items", index: slotItem, of: (batch) => batch.slotItem };
}

/** [events] the item that each event feeds; an event that feeds none takes the first item, and nobody reads its row. */
export function eventItems({ eventItem }: ClickBatch): ClickGather {
  return {
    rows: "events",
    index: eventItem,
    of: (batch) => batch.events.map(({ fed }) => fed === NONE ? 0 : fed),
  };
}

const allKernel = parseKernel("embedding_gradient", allText);
const touchedKernel = parseKernel("embedding_gradient_rows", touchedText);

/** The dispatch for all rows of the table, or those that the batch touches. @param source [events, N] */
export function embeddingGradient(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  source: Memory,
  target: GradientTarget,
): ClickDispatch {
  const touched = sparseEmbeddingGradient(tape, call, table, source);
  if (touched) return touched;
  const { ranked, slotFirst, sorted, row } = tape.batch;
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

/** The dispatch that sums over the events feeding each distinct item. @param source [events, N] @param output [items, N] */
export function eventItemGradient(
  tape: ClickTape,
  call: ClickCall,
  source: Memory,
  stride: number,
  output: View,
): ClickDispatch {
  const { ranked, slotFirst, sorted, row } = tape.batch;
  const N4 = stride / 4;
  const shape = getVectorConstants(call.variants);
  return {
    kernel: allKernel,
    label: `${call.label} gradient by fed item`,
    constants: { N4, ITEMS: 0, ...shape, ACCUMULATE: false },
    views: { source, ranked, slot_first: slotFirst, sorted, row, output },
    invocations: [{ of: "items", times: Math.ceil(N4 / shape.VECTORS) }],
    cost: (s) => ({ flops: s.events * stride, bytes: 16 * (s.events + s.items) * N4 }),
  };
}

/** The dispatch for the rows of fed items alone; undefined where all rows are wanted. @param source [events, N] */
export function sparseEmbeddingGradient(
  tape: ClickTape,
  call: ClickCall,
  table: Tensor,
  source: Memory,
): ClickDispatch | undefined {
  if (!tape.options.sparseGradients) return undefined;
  const touched = call.sparseGradient(table, "events", tape.saved(`${table.name} touched`, "events", 1));
  if (!touched) return undefined;
  const { event, ranked, slotFirst, sorted, row } = tape.batch;
  const N4 = table.stride / 4;
  return {
    kernel: touchedKernel,
    label: `${call.label} gradient of ${table.name}`,
    constants: { N4 },
    views: {
      source,
      event,
      ranked,
      slot_first: slotFirst,
      sorted,
      row,
      touched: touched.list,
      output: touched.gradient,
    },
    invocations: [{ of: "events", times: N4 }],
    cost: (s) => ({
      flops: s.events * table.columns,
      bytes: 16 * (s.events + estimateDistinctRows(s.events, table.rows, s)) * N4,
    }),
  };
}
