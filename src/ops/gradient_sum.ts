/**
 * What follows the gradients of a step before Adam.
 *
 * A batch is one or more parts, computed one after another. The gradients of the only part move the weights at once; those of
 * several are added up first, as each part leaves its gradients where the next writes its own.
 *
 * Of a batch that several processes share each has a part of its users. The gradient is read, and the sum over all takes its
 * place. Of tables with row-sparse Adam only the rows travel that a batch touches.
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
import { scaleListLength } from "./op.ts";
import type { SparseRows } from "../tape/node.ts";
import { splitBindingRanges } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { AdamState, GradientViews } from "./adam.ts";

const addKernel = parseKernel("gradient_add", addText);
const rowsKernel = parseKernel("gradient_rows_add", rowsText);

/** Which of a batch's parts. */
export interface MicroBatchPart {
  readonly first: boolean;
  readonly last: boolean;
}

/** The programs for batches of several parts. */
interface PartSums<S extends BatchSizes> {
  readonly programs: Readonly<Record<"first" | "inner" | "last" | "update", Program<S>>>;
  readonly marks: readonly { readonly blank: View; readonly mark: View }[];
}

/** Moves the weights by the sum of the gradients of a batch's parts. */
export class GradientSum<S extends BatchSizes> {
  private constructor(
    /** Moves the weights by the gradients of a batch of one part. */
    readonly update: Program<S>,
    private readonly sums: PartSums<S> | undefined,
  ) {}

  /**
   * @param gradients the tape whose backward it follows. @param steps the buffer of step headers. @param arena for the sums.
   * @param options.inParts whether there are batches of several parts.
   * @param options.most bytes of a window; as many as can be bound, but for tests.
   */
  static async create<S extends BatchSizes>(
    adam: AdamState,
    gradients: GradientViews<S>,
    steps: GPUBuffer,
    arena: Arena,
    { inParts, most = arena.gpu.bindingBytes }: { readonly inParts: boolean; readonly most?: number },
  ): Promise<GradientSum<S>> {
    const record = (name: string, specs: readonly DispatchSpec<S>[]) =>
      Program.record(arena.gpu, name, steps, specs);
    const update = await record("update", adam.dispatches(gradients, most));
    if (!inParts) return new GradientSum(update, undefined);
    const { parameters } = adam;
    const { dimensions, sparseRows: touched } = gradients;
    const total = arena.allocateUnbound("gradient of the parts before", 4 * parameters.length);
    const tables = [...touched].map(([table, rows]) => ({ table, rows, marks: findRowMarks(table, arena) }));
    const dense = parameters.listRangesWithout(touched.keys()).flatMap((range) =>
      splitBindingRanges(range, most)
    );
    const adding = (part: MicroBatchPart) =>
      record("gradients of a part", [
        ...dense.map((window) => addDispatch(adam, total, window, part)),
        ...tables.map(({ table, rows, marks }) =>
          rowsDispatch(dimensions, table, rows, marks.mark, parameters.gradientView(table))
        ),
      ]);
    const sums = new Map(tables.map(({ table, marks }) => [table, summedRows<S>(adam, table, marks.mark)]));
    const programs = {
      first: await adding({ first: true, last: false }),
      inner: await adding({ first: false, last: false }),
      last: await adding({ first: false, last: true }),
      update: await record("update", adam.dispatches({ dimensions, sparseRows: sums }, most)),
    };
    return new GradientSum(update, { programs, marks: tables.map(({ marks }) => marks) });
  }

  /**
   * Appends what follows the gradients of a part; behind the last one the weights are moved.
   * @param slice that the only part of a batch is laid out in.
   * @throws Error for one of several parts, where batches have one.
   */
  encode(
    commands: CommandRecorder,
    sizes: S,
    offset: number,
    { first, last }: MicroBatchPart,
    slice?: BatchSlice,
  ): void {
    if (first && last) return this.update.encode(commands, sizes, offset, slice);
    if (!this.sums) throw new Error("expected a batch of one part");
    const { programs, marks } = this.sums;
    if (first) { for (const { blank, mark } of marks) commands.copy(blank, mark); }
    programs[first ? "first" : last ? "last" : "inner"].encode(commands, sizes, offset);
    if (last) programs.update.encode(commands, sizes, offset);
  }
}

/** Adds the gradient of a part to those before, for a window of the arena. @param total of the parts before */
function addDispatch(
  { parameters }: AdamState,
  total: View,
  window: { readonly offset: number; readonly size: number },
  { first, last }: MicroBatchPart,
): DispatchSpec {
  const { gradient, partials, summed } = parameters;
  const start = window.offset / 4;
  const summed4 = Math.min(Math.max(summed - start, 0), window.size / 4) / 4;
  return {
    kernel: addKernel,
    label: "add gradients of a part",
    constants: { FIRST: first, LAST: last, P4: summed / 4, FIRST4: start / 4, SUMMED4: summed4 },
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
    label: `add gradients of touched rows of ${table.name}`,
    constants: {
      N4: table.stride / 4,
      ...(typeof count === "object" ? { PLACES: count.most } : { T: dimensions.index(count) }),
    },
    views: { touched: list, gradient, mark, total },
    invocations: [scaleListLength(table.stride / 4, count)],
  };
}

/** The rows that any part has touched: each stands at its own place of the list. */
function summedRows<S extends BatchSizes>(
  { parameters }: AdamState,
  table: Tensor,
  mark: View,
): SparseRows<S> {
  const rows = Number(table.rows);
  return { count: { of: () => rows, most: rows }, list: mark, gradient: parameters.gradientView(table) };
}

function findRowMarks(table: Tensor, arena: Arena): { blank: View; mark: View } {
  const none = new Uint32Array(Number(table.rows)).fill(NONE);
  return {
    blank: arena.upload(`no touched rows of ${table.name}`, none),
    mark: arena.upload(`touched rows of ${table.name}`, none),
  };
}

/** A table of which only touched rows travel. */
export interface SharedTable {
  readonly table: Tensor;
  /** Rows that one process touches in a batch, at most. */
  readonly places: number;
  /** Where the rows that any process touches are to be written, then NONE, and their gradients. */
  readonly list: View;
  readonly gradient: View;
}

export class SharedGradient<S extends BatchSizes> {
  private constructor(
    /** Adds up partial sums, after backward. */
    readonly sum: Program<S>,
    /** Moves the weights by the sum over the ranks. */
    readonly update: Program<S>,
    private readonly touched: readonly SparseRows<S>[],
    /** What travels whole. */
    readonly dense: readonly View[],
    readonly tables: readonly SharedTable[],
  ) {}

  /**
   * @param gradients the tape whose backward it follows. @param steps the buffer of step headers. @param arena for the sums.
   * @param ranks how many share a batch.
   */
  static async create<S extends BatchSizes>(
    adam: AdamState,
    { dimensions, sparseRows: touched }: GradientViews<S>,
    steps: GPUBuffer,
    arena: Arena,
    ranks: number,
  ): Promise<SharedGradient<S>> {
    const { parameters } = adam;
    const { gpu, gradient, partials, summed } = parameters;
    const most = gpu.bindingBytes;
    const tables = [...touched].map(([table, { list }]): SharedTable => {
      const places = list.size / 4;
      const union = Math.min(Number(table.rows), ranks * places);
      return {
        ...{ table, places },
        list: arena.allocate(`rows of ${table.name} of all ranks`, 4 * union),
        gradient: arena.allocate(`gradient of these rows of ${table.name}`, 4 * union * table.stride),
      };
    });
    const sums = new Map(tables.map(({ table, list, gradient }) => {
      const places = list.size / 4;
      return [table, { count: { of: () => places, most: places }, list, gradient }];
    }));
    const unused = arena.allocateUnbound("sums of chunks", Math.max(16, 4 * summed));
    const adding = splitBindingRanges(summed, most)
      .map((window) => addDispatch(adam, unused, window, { first: true, last: true }));
    const whole = parameters.listRangesWithout(touched.keys()).map(({ start, end }) => {
      const from = Math.max(start, summed);
      return { buffer: gradient.buffer, offset: 4 * from, size: 4 * Math.max(0, end - from) };
    });
    const dense = [{ ...partials, size: 4 * summed }, ...whole].filter(({ size }) => size > 0);
    return new SharedGradient(
      await Program.record(gpu, "sums of chunks", steps, adding),
      await Program.record(gpu, "update", steps, adam.dispatches({ dimensions, sparseRows: sums })),
      [...touched.values()],
      dense,
      tables,
    );
  }

  /** Where the touched rows stand: of each table its list, and its gradient. */
  listRowViews(sizes: S): View[] {
    return this.touched.flatMap(({ count, list, gradient }, k) => {
      const bytes = 4 * evaluateSize(count, sizes);
      return [{ ...list, size: bytes }, { ...gradient, size: bytes * (this.tables[k]?.table.stride ?? 0) }];
    });
  }
}
