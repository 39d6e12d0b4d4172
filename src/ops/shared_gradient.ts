/**
 * The gradient of a batch that several processes share: each has a part of its users. Between backward and Adam it is read, and
 * the sum over all takes its place. Of tables with row-sparse Adam only the rows travel that a batch touches.
 */

import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { amountOf, type Sizes } from "../gpu/sizes.ts";
import type { TouchedRows } from "../tape/node.ts";
import { windows } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { AdamState, Gradients } from "./adam.ts";
import { addDispatch } from "./gradient_sum.ts";

/** A table of which only touched rows travel. */
export interface SharedTable {
  readonly table: Tensor;
  /** Rows that one process touches in a batch, at most. */
  readonly places: number;
  /** Where the rows that any process touches are to be written, then NONE, and their gradients. */
  readonly list: View;
  readonly gradient: View;
}

export class SharedGradient<S extends Sizes> {
  private constructor(
    /** Adds up partial sums, after backward. */
    readonly sum: Program<S>,
    /** Moves the weights by the sum over the ranks. */
    readonly update: Program<S>,
    private readonly touched: readonly TouchedRows<S>[],
    /** What travels whole. */
    readonly dense: readonly View[],
    readonly tables: readonly SharedTable[],
  ) {}

  /**
   * @param gradients the tape whose backward it follows. @param steps the buffer of step headers. @param arena for the sums.
   * @param ranks how many share a batch.
   */
  static async create<S extends Sizes>(
    adam: AdamState,
    { dimensions, touched }: Gradients<S>,
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
    const adding = windows(summed, most)
      .map((window) => addDispatch(adam, dimensions, unused, window, { first: true, last: true }));
    const whole = parameters.rangesWithout(touched.keys()).map(({ start, end }) => {
      const from = Math.max(start, summed);
      return { buffer: gradient.buffer, offset: 4 * from, size: 4 * Math.max(0, end - from) };
    });
    const dense = [{ ...partials, size: 4 * summed }, ...whole].filter(({ size }) => size > 0);
    return new SharedGradient(
      await Program.record(gpu, "sums of chunks", steps, adding),
      await Program.record(gpu, "update", steps, adam.dispatches({ dimensions, touched: sums })),
      [...touched.values()],
      dense,
      tables,
    );
  }

  /** Where the touched rows stand: of each table its list, and its gradient. */
  rowsOf(sizes: S): View[] {
    return this.touched.flatMap(({ count, list, gradient }, k) => {
      const bytes = 4 * amountOf(count, sizes);
      return [{ ...list, size: bytes }, { ...gradient, size: bytes * (this.tables[k]?.table.stride ?? 0) }];
    });
  }
}
