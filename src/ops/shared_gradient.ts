/**
 * The gradient of a batch that several processes share: each has a part of its users. Between backward and Adam it is read, and
 * the sum over all takes its place. Of tables with row-sparse Adam only the rows travel that a batch touches.
 */

import type { Arena } from "../gpu/arena.ts";
import type { Commands } from "../gpu/commands.ts";
import type { View } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { amountOf, type Sizes } from "../gpu/sizes.ts";
import type { TouchedRows } from "../tape/node.ts";
import { windows } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { AdamState, Gradients } from "./adam.ts";
import { addDispatch, type Part } from "./gradient_sum.ts";

/** How many share a batch, and into how many parts each cuts its own at most. */
export interface Sharing {
  readonly ranks: number;
  readonly parts: number;
}

/** A table of which only touched rows travel. */
export interface SharedTable {
  readonly table: Tensor;
  /** Of the table. */
  readonly rows: number;
  /** Rows that one process touches in a batch, at most. */
  readonly places: number;
  /** Where the rows that any process touches are to be written, then NONE, and their gradients. */
  readonly list: View;
  readonly gradient: View;
}

export class SharedGradient<S extends Sizes> {
  private constructor(
    private readonly adding: (part: Part) => Program<S>,
    private readonly update: Program<S>,
    private readonly touched: readonly TouchedRows<S>[],
    /** What travels whole, when the last part is added. */
    readonly dense: readonly View[],
    readonly tables: readonly SharedTable[],
  ) {}

  /** @param gradients the tape whose backward it follows. @param steps the buffer of step headers. @param arena for the sums. */
  static async create<S extends Sizes>(
    adam: AdamState,
    { dimensions, touched }: Gradients<S>,
    steps: GPUBuffer,
    arena: Arena,
    { ranks, parts }: Sharing,
  ): Promise<SharedGradient<S>> {
    const { parameters } = adam;
    const { gradient, partials, summed } = parameters;
    const most = arena.gpu.device.limits.maxStorageBufferBindingSize;
    const tables = [...touched].map(([table, { list }]): SharedTable => {
      const rows = Number(table.rows);
      const places = parts * list.size / 4;
      const union = Math.min(rows, ranks * places);
      const floats = arena.allocate(
        `gradient of rows of ${table.name} of all ranks`,
        4 * union * table.stride,
      );
      const of = arena.allocate(`rows of ${table.name} of all ranks`, 4 * union);
      return { table, rows, places, list: of, gradient: floats };
    });
    const own = parameters.rangesWithout(touched.keys());
    // Of one part only the partial sums are to be added up.
    const added = parts > 1 ? own : [{ start: 0, end: summed }];
    const total = arena.allocateUnbound("gradient of the parts before", 4 * (added.at(-1)?.end ?? 0) || 16);
    const record = (part: Part) =>
      Program.record(
        arena.gpu,
        "gradients of a part",
        steps,
        added.flatMap((range) => windows(range, most))
          .map((window) => addDispatch(adam, dimensions, total, window, part)),
      );
    const only = await record({ first: true, last: true });
    const [first, inner, last] = parts === 1 ? [only, only, only] : [
      await record({ first: true, last: false }),
      await record({ first: false, last: false }),
      await record({ first: false, last: true }),
    ];
    const sums = new Map(tables.map(({ table, list, gradient }) => {
      const places = list.size / 4;
      return [table, { count: { of: () => places, most: places }, list, gradient }];
    }));
    const dense = own.flatMap(({ start, end }) => [
      ...(start < summed ? [{ ...partials, size: 4 * (Math.min(end, summed) - start) }] : []),
      ...(end > summed ? [viewOf(gradient.buffer, Math.max(start, summed), end)] : []),
    ]);
    return new SharedGradient(
      (part) => part.first ? (part.last ? only : first) : part.last ? last : inner,
      await Program.record(arena.gpu, "update", steps, adam.dispatches({ dimensions, touched: sums })),
      [...touched.values()],
      dense,
      tables,
    );
  }

  /** Appends what follows the gradients of a part. */
  encodeAdd(commands: Commands, sizes: S, offset: number, part: Part): void {
    this.adding(part).encode(commands, sizes, offset);
  }

  /** Where the touched rows of a part stand: of each table its list, and its gradient. */
  rowsOf(sizes: S): View[] {
    return this.touched.flatMap(({ count, list, gradient }, k) => {
      const bytes = 4 * amountOf(count, sizes);
      return [{ ...list, size: bytes }, { ...gradient, size: bytes * (this.tables[k]?.table.stride ?? 0) }];
    });
  }

  /** Appends what moves the weights by the sum. */
  encodeUpdate(commands: Commands, sizes: S, offset: number): void {
    this.update.encode(commands, sizes, offset);
  }
}

function viewOf(buffer: GPUBuffer, start: number, end: number): View {
  return { buffer, offset: 4 * start, size: 4 * (end - start) };
}
