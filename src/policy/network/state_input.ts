/** What a network is told of the users of a page: their state, and how far the episode is. */

import inputText from "../../../kernels/slates/state_input.wgsl" with { type: "text" };
import { kernel } from "../../gpu/kernel.ts";
import { inTextures } from "../../gpu/kernel_shapes.ts";
import type { Memory } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { amountOf, type Sizes } from "../../gpu/sizes.ts";
import { rowByRow } from "../../gpu/texture_layout.ts";
import { padded } from "../../tape/layout.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { rowsIndex, shapesOf, type SlateRows } from "./slate_rows.ts";

const inputKernel = kernel("state_input", inputText);

/** Columns of what a network is told of a state. */
export function inputColumns({ columns }: Pick<Tensor, "columns">): number {
  return columns + 1;
}

/** [R, S + 1] the state, and behind it step.page / T. @param pages T */
export function stateInput<S extends Sizes>(
  rows: SlateRows<S>,
  state: Tensor,
  pages: number,
): { input: Tensor; dispatch: DispatchSpec<S> } {
  const columns = inputColumns(state);
  const stride = padded(columns);
  const bytes = { of: rows.rows, times: 4 * stride };
  const most = amountOf(bytes, rows.capacity);
  const view: Memory = inTextures(shapesOf(rows))
    ? rows.arena.allocateTexture("state and time", most, bytes, rowByRow(most))
    : rows.arena.allocate("state and time", most);
  return {
    input: { name: "state and time", rows: rows.rows, columns, groups: 1, stride, view, trainable: false },
    dispatch: {
      kernel: inputKernel,
      label: "state and time",
      constants: { M: rowsIndex(rows), S4: state.stride / 4, X4: stride / 4, TIME: state.columns, T: pages },
      views: { state: state.view, input: view },
      invocations: [{ of: rows.rows, times: stride / 4 }],
      cost: (sizes) => ({ flops: 0, bytes: 2 * amountOf(bytes, sizes) }),
    },
  };
}
