/**
 * table_rows: the rows of a one-hot table that a batch needs, one after another, for a table that no kernel sees whole: it is
 * read in windows. What reads the rows goes by their place in the batch.
 */

import rowsText from "../../kernels/scatter/table_rows.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import { kernel } from "../gpu/kernel.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { add, at, matrix } from "../tape/reference.ts";
import { NONE } from "../data/click_log.ts";
import { tableWindows } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import { touchedEmbeddingGradient } from "./embedding.ts";
import type { TokenRows } from "./token_sum.ts";

const rowsKernel = kernel("table_rows", rowsText);

/**
 * The dispatches, one a window, that write a row for each distinct item of the batch, or for each event: that of the item which
 * it feeds; of an event that feeds none, that of the first item, which nobody reads.
 * @param table [I, N] @param output [rows, N] @param most bytes of a window; as many as can be bound, but for tests
 */
export function gatherRows(
  tape: ClickTape,
  label: string,
  table: Tensor,
  output: View,
  rows: TokenRows,
  most: number = tape.options.arena.gpu.bindingBytes,
): ClickDispatch[] {
  const N4 = table.stride / 4;
  const VECTORS = tape.options.shapes.kind === "gpu" ? 1 : N4;
  const list = rows === "items" ? tape.batch.slotItem : tape.batch.eventItem;
  const parts = tableWindows(table, most);
  return parts.map(({ first, rows: ROWS, view }): ClickDispatch => ({
    kernel: rowsKernel,
    label: `${label}, rows from ${first}`,
    constants: { N4, VECTORS, T: tape.dimensions.index(rows), FIRST: first, ROWS },
    views: { table: view, list, output },
    invocations: [{ of: rows, times: N4 / VECTORS }],
    cost: (s) => ({ flops: 0, bytes: 32 * s[rows] * N4 / parts.length + 4 * s[rows] }),
  }));
}

/**
 * [items, N], a row for each distinct item of the batch, or [events, N], as {@link gatherRows} has them.
 * @throws Error in backward unless gradients of touched rows are wanted.
 */
export function tableRows(
  tape: ClickTape,
  name: string,
  table: Tensor,
  rows: TokenRows,
  most?: number,
): Tensor {
  const output = tape.tensor(name, rows, table.columns, { groups: table.groups });
  return tape.record({
    op: "table_rows",
    inputs: [table],
    output,
    forward: () => gatherRows(tape, name, table, bufferOf(output.view), rows, most),
    backward(call) {
      call.gradient(table);
      const gradient = bufferOf(call.outputGradient());
      const byEvent = rows === "events" && touchedEmbeddingGradient(tape, call, table, gradient);
      // Items are distinct: the gradient of their rows is that of the output.
      if (!byEvent && !call.touches(table, rows, tape.batch.slotItem, gradient)) {
        throw new Error(`table_rows: ${table.name} can be trained by its touched rows alone`);
      }
      return byEvent ? [byEvent] : [];
    },
    reference: reference(rows),
  });
}

function reference(rows: TokenRows): ClickReference {
  return ([table], batch) => {
    if (!table) throw new Error("table_rows: expected a table");
    const items = rows === "items" ? batch.slotItem : batch.events.map(({ fed }) => (fed === NONE ? 0 : fed));
    return {
      output: matrix(items.length, table.columns, (t, k) => at(table, items[t] ?? NaN, k)),
      backward(gradient) {
        const dTable = matrix(table.rows, table.columns);
        items.forEach((item, t) => {
          if (rows === "events" && batch.events[t]?.fed === NONE) return; // its gradient is zero
          for (let k = 0; k < table.columns; k++) add(dTable, item, k, at(gradient, t, k));
        });
        return [dTable];
      },
    };
  };
}
