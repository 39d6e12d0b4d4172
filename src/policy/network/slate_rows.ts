/** Batches in which each row gets a slate. A row is a simulated user, or a page of the replay buffer. */

import inputText from "../../../kernels/slates/state_input.wgsl" with { type: "text" };
import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import type { Arena } from "../../gpu/arena.ts";
import { usesTextures } from "../../gpu/kernel_variants.ts";
import { makeRowLayout, type Memory, type View } from "../../gpu/memory.ts";
import { type BatchSizes, type Dimensions, type DimName, evaluateSize, getSize } from "../../gpu/sizes.ts";
import type { PageBuffers } from "../../simulate/page_buffers.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import { Tape } from "../../tape/tape.ts";
import { parseKernel } from "../../gpu/kernel.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";

export interface SlateRows<S extends BatchSizes> {
  readonly arena: Arena;
  readonly dimensions: Dimensions<S>;
  readonly rows: DimName<S>;
  readonly items: DimName<S>;
  readonly capacity: S;
}

/** Describes a page of simulated users as a batch with one row per user. */
export function createPageRows(arena: Arena, page: PageBuffers): SlateRows<ClickSizes> {
  return { arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes };
}

/** Returns the number of rows in a batch. @param sizes - default: sizes of the largest possible batch */
export function countRows<S extends BatchSizes>(
  { rows, capacity }: SlateRows<S>,
  sizes: S = capacity,
): number {
  return getSize(rows, sizes);
}

export function countCatalogueItems<S extends BatchSizes>({ items, capacity }: SlateRows<S>): number {
  return getSize(items, capacity);
}

/** Returns the index k for which `step.size[k]` in the shaders is the number of rows. */
export function findRowDimension<S extends BatchSizes>({ dimensions, rows }: SlateRows<S>): number {
  return dimensions.index(rows);
}

/** Allocates memory for `floats` floats per row: a texture on llvmpipe, where it is faster, else a buffer. */
export function allocateRows<S extends BatchSizes>(
  { arena, rows, capacity }: SlateRows<S>,
  name: string,
  floats: number,
): Memory {
  const used = { of: rows, times: 4 * floats };
  const bytes = evaluateSize(used, capacity);
  if (!usesTextures(arena.gpu.variants)) return arena.allocate(name, bytes);
  return arena.allocateTexture(name, bytes, used, makeRowLayout(bytes));
}

/** Allocates a placeholder for a binding that a kernel does not use. */
export function allocateUnused({ arena }: { readonly arena: Arena }): View {
  return arena.allocate("unwritten", 16);
}

/** Creates a tape for a batch of rows. @typeParam R - batch data that the ops' f64 references read */
export function createTape<S extends BatchSizes, R>(
  rows: SlateRows<S>,
  parameters: ParameterArena,
): Tape<S, R> {
  const { arena, dimensions, capacity } = rows;
  return new Tape<S, R>({ arena, dimensions, parameters, capacity, variants: arena.gpu.variants });
}

const inputKernel = parseKernel("state_input", inputText);

/** Records a dispatch that writes the network's input: the state, and a column with page number / `pages`. */
export function recordStateInput<S extends BatchSizes>(
  rows: SlateRows<S>,
  state: Tensor,
  pages: number,
): { input: Tensor; dispatch: DispatchSpec<S> } {
  const columns = state.columns + 1;
  const stride = padColumns(columns);
  const view = allocateRows(rows, "state and time", stride);
  return {
    input: makePlainTensor("state and time", rows.rows, columns, stride, view),
    dispatch: {
      kernel: inputKernel,
      label: "state and time",
      constants: {
        M: findRowDimension(rows),
        S4: state.stride / 4,
        X4: stride / 4,
        TIME: state.columns,
        T: pages,
      },
      views: { state: state.view, input: view },
      invocations: [{ of: rows.rows, times: stride / 4 }],
    },
  };
}
