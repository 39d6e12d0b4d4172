/**
 * Accumulates gradients over micro-batches and over processes, between the backward pass and Adam. A large
 * batch is split into micro-batches, which are computed one after another. Each micro-batch overwrites the
 * gradients of the previous one, so the gradients are added up in another buffer. In distributed training,
 * each process computes the gradients of its share of a batch's users; all processes update the weights by
 * the sum of their gradients. For tables with row-sparse Adam, the processes exchange only the gradients
 * of rows that the batch uses.
 */

import addText from "../../kernels/adam/gradient_add.wgsl" with { type: "text" };
import rowsText from "../../kernels/adam/gradient_rows_add.wgsl" with { type: "text" };
import { NONE } from "../data/click_log.ts";
import type { Arena } from "../gpu/arena.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import { type BatchSlice, type DispatchSpec, Program } from "../gpu/program.ts";
import { type BatchSizes, type Dimensions, evaluateSize } from "../gpu/sizes.ts";
import { getSumConstants, scaleLength } from "./op.ts";
import type { SparseRows } from "../tape/node.ts";
import { splitBindingRanges } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { AdamState, GradientViews } from "./adam.ts";

const addKernel = parseKernel("gradient_add", addText);
const rowsKernel = parseKernel("gradient_rows_add", rowsText);

export interface MicroBatchPosition {
  readonly first: boolean;
  readonly last: boolean;
}

interface AccumulationPrograms<S extends BatchSizes> {
  readonly programs: Readonly<Record<"first" | "inner" | "last" | "update", Program<S>>>;
  readonly marks: readonly { readonly blank: View; readonly mark: View }[];
}

/** Sums a batch's gradients over its micro-batches, and then updates the weights. */
export class GradientSum<S extends BatchSizes> {
  private constructor(
    /** Program that updates the weights if the batch is a single micro-batch. */
    readonly update: Program<S>,
    private readonly sums: AccumulationPrograms<S> | undefined,
  ) {}

  /** @param options.accumulates - true if a batch may have several micro-batches */
  static async create<S extends BatchSizes>(
    adam: AdamState,
    gradients: GradientViews<S>,
    steps: GPUBuffer,
    arena: Arena,
    { accumulates, most = arena.gpu.bindingBytes }: { readonly accumulates: boolean; readonly most?: number },
  ): Promise<GradientSum<S>> {
    const record = (name: string, specs: readonly DispatchSpec<S>[]) =>
      Program.record(arena.gpu, name, steps, specs);
    const update = await record("update", adam.dispatches(gradients, most));
    if (!accumulates) return new GradientSum(update, undefined);
    const { parameters } = adam;
    const { dimensions, sparseRows } = gradients;
    const total = arena.allocateUnbound("gradient of earlier micro-batches", 4 * parameters.length);
    const tables = [...sparseRows].map(([table, rows]) => ({ table, rows, marks: markRows(table, arena) }));
    const dense = parameters.listRangesWithout(sparseRows.keys()).flatMap((range) =>
      splitBindingRanges(range, most)
    );
    const adding = (position: MicroBatchPosition) =>
      record("gradients of a micro-batch", [
        ...dense.map((window) => addDispatch(adam, total, window, position)),
        ...tables.map(({ table, rows, marks }) =>
          rowsDispatch(dimensions, table, rows, marks.mark, parameters.gradientView(table))
        ),
      ]);
    const sums = new Map(tables.map(({ table, marks }) => [table, allRows<S>(adam, table, marks.mark)]));
    const programs = {
      first: await adding({ first: true, last: false }),
      inner: await adding({ first: false, last: false }),
      last: await adding({ first: false, last: true }),
      update: await record("update", adam.dispatches({ dimensions, sparseRows: sums }, most)),
    };
    return new GradientSum(update, { programs, marks: tables.map(({ marks }) => marks) });
  }

  /**
   * Encodes the addition of a micro-batch's gradients, after its backward pass. After the last micro-batch,
   * also encodes the update of the weights.
   * @throws Error for several micro-batches if `accumulates` was false
   */
  encode(
    commands: CommandRecorder,
    sizes: S,
    offset: number,
    { first, last }: MicroBatchPosition,
    slice?: BatchSlice,
  ): void {
    if (first && last) return this.update.encode(commands, sizes, offset, slice);
    if (!this.sums) throw new Error("expected one micro-batch per batch, got more");
    const { programs, marks } = this.sums;
    if (first) { for (const { blank, mark } of marks) commands.copy(blank, mark); }
    programs[first ? "first" : last ? "last" : "inner"].encode(commands, sizes, offset);
    if (last) programs.update.encode(commands, sizes, offset);
  }
}

/** Returns the dispatch that adds a micro-batch's gradients to `total`, for the weights in `window`. */
function addDispatch(
  { parameters }: AdamState,
  total: View,
  window: { readonly offset: number; readonly size: number },
  { first, last }: MicroBatchPosition,
): DispatchSpec {
  const { gradient, partials, summed } = parameters;
  const start = window.offset / 4;
  const summed4 = Math.min(Math.max(summed - start, 0), window.size / 4) / 4;
  return {
    kernel: addKernel,
    label: "add gradients of a micro-batch",
    constants: {
      ...getSumConstants(parameters.gpu.variants),
      FIRST: first,
      LAST: last,
      P4: summed / 4,
      FIRST4: start / 4,
      SUMMED4: summed4,
    },
    views: {
      partials,
      gradient: { buffer: gradient.buffer, ...window },
      total: { buffer: total.buffer, ...window },
    },
    invocations: [window.size / 16],
  };
}

function rowsDispatch<S extends BatchSizes>(
  dimensions: Dimensions<S>,
  table: Tensor,
  { count, list, gradient }: SparseRows<S>,
  mark: View,
  total: View,
): DispatchSpec<S> {
  return {
    kernel: rowsKernel,
    label: `add gradients of sparse rows of ${table.name}`,
    constants: {
      N4: table.stride / 4,
      ...(typeof count === "object" ? { PLACES: count.most } : { T: dimensions.index(count) }),
    },
    views: { sparse_rows: list, gradient, mark, total },
    invocations: [scaleLength(table.stride / 4, count)],
  };
}

/** Returns all rows of a table as sparse rows: `mark` lists each row's number, or NONE if it is unused. */
function allRows<S extends BatchSizes>({ parameters }: AdamState, table: Tensor, mark: View): SparseRows<S> {
  const rows = Number(table.rows);
  return { count: { of: () => rows, most: rows }, list: mark, gradient: parameters.gradientView(table) };
}

function markRows(table: Tensor, arena: Arena): { blank: View; mark: View } {
  const none = new Uint32Array(Number(table.rows)).fill(NONE);
  return {
    blank: arena.upload(`no rows of ${table.name}`, none),
    mark: arena.upload(`rows in the batch of ${table.name}`, none),
  };
}

/** Table whose gradients are exchanged only for the rows that the batch uses. */
export interface SharedTable {
  readonly table: Tensor;
  /** Largest number of table rows that one process uses in a batch. */
  readonly maxRows: number;
  /** Table rows that any process uses, padded with NONE; `gradient` has the gradients of these rows. */
  readonly list: View;
  readonly gradient: View;
}

export class SharedGradient<S extends BatchSizes> {
  private constructor(
    readonly sum: Program<S>,
    readonly update: Program<S>,
    private readonly sparseRows: readonly SparseRows<S>[],
    /** Gradients of all weights outside of `tables`. The processes exchange these gradients completely. */
    readonly dense: readonly View[],
    readonly tables: readonly SharedTable[],
  ) {}

  /** @param ranks - number of processes that share a batch */
  static async create<S extends BatchSizes>(
    adam: AdamState,
    { dimensions, sparseRows }: GradientViews<S>,
    steps: GPUBuffer,
    arena: Arena,
    ranks: number,
  ): Promise<SharedGradient<S>> {
    const { parameters } = adam;
    const { gpu, gradient, partials, summed } = parameters;
    const most = gpu.bindingBytes;
    const tables = [...sparseRows].map(([table, { list }]): SharedTable => {
      const maxRows = list.size / 4;
      const union = Math.min(Number(table.rows), ranks * maxRows);
      return {
        ...{ table, maxRows },
        list: arena.allocate(`rows of ${table.name} of all ranks`, 4 * union),
        gradient: arena.allocate(`gradient of these rows of ${table.name}`, 4 * union * table.stride),
      };
    });
    const sums = new Map(tables.map(({ table, list, gradient }) => {
      const maxRows = list.size / 4;
      return [table, { count: { of: () => maxRows, most: maxRows }, list, gradient }];
    }));
    const unused = arena.allocateUnbound("sums of chunks", Math.max(16, 4 * summed));
    const adding = splitBindingRanges(summed, most)
      .map((window) => addDispatch(adam, unused, window, { first: true, last: true }));
    const whole = parameters.listRangesWithout(sparseRows.keys()).map(({ start, end }) => {
      const from = Math.max(start, summed);
      return { buffer: gradient.buffer, offset: 4 * from, size: 4 * Math.max(0, end - from) };
    });
    const dense = [{ ...partials, size: 4 * summed }, ...whole].filter(({ size }) => size > 0);
    return new SharedGradient(
      await Program.record(gpu, "sums of chunks", steps, adding),
      await Program.record(gpu, "update", steps, adam.dispatches({ dimensions, sparseRows: sums })),
      [...sparseRows.values()],
      dense,
      tables,
    );
  }

  /** Returns two buffers per sparse table: numbers of the rows in the batch, and these rows' gradients. */
  listRowViews(sizes: S): View[] {
    return this.sparseRows.flatMap(({ count, list, gradient }, k) => {
      const bytes = 4 * evaluateSize(count, sizes);
      return [{ ...list, size: bytes }, { ...gradient, size: bytes * (this.tables[k]?.table.stride ?? 0) }];
    });
  }
}
