/**
 * Several processes that train one model, each on its share of every batch: what the trainers ask of them, and how their
 * gradients become one. What carries it all is the host's (run/ranks/).
 */

import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import type { Sizes } from "../gpu/sizes.ts";
import type { SharedGradient } from "../ops/shared_gradient.ts";
import { UserError } from "../user_error.ts";

/** Numbers that travel as they are. */
export type Numbers = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** The processes, numbered from 0. All make the same calls in the same order. */
export interface Ranks {
  readonly rank: number;
  readonly size: number;
  /**
   * The sum of what all give, equally many each. It is added up in the order of ranks: the same bits on all, and every time.
   * @param patient another one may have much to do before.
   */
  sum(values: Float32Array<ArrayBuffer>, patient?: boolean): Promise<Float32Array<ArrayBuffer>>;
  /** What each gives, equally many, in the order of ranks. */
  gather<T extends Numbers>(values: T, patient?: boolean): Promise<T[]>;
  /** What rank 0 gives; the others give as many numbers, which do not count. */
  first<T extends Numbers>(values: T): Promise<T>;
}

/** How a training uses them. */
export interface Together {
  readonly ranks: Ranks;
  /** 1: gradients are summed in every step. More: ranks step alone, and after so many steps weights and moments become their mean. */
  readonly syncEvery: number;
}

/** What of all a rank takes: as many as the others, or one more; all ranks together take each once. */
export function shareOf({ rank, size }: Pick<Ranks, "rank" | "size">, all: Uint32Array<ArrayBuffer>) {
  const start = (rank: number) => Math.floor(rank * all.length / size);
  return all.subarray(start(rank), start(rank + 1));
}

/** @throws UserError for fewer users than ranks. @param what they are */
export function expectShares({ size }: Pick<Ranks, "size">, users: number, what: string): void {
  if (users >= size) return;
  throw new UserError(
    `Expected no more ranks than ${what}, as each takes some of them: got ${size} ranks for ${users}. Start fewer with mpirun -n.`,
  );
}

/** What one rank has of a gradient's touched rows, part by part. */
export interface OwnRows {
  readonly list: Uint32Array;
  /** [list, stride] */
  readonly gradient: Float32Array;
}

/** What a rank gives to a step, beside its gradient, and gets back as the sum. */
export type Beside = Float32Array<ArrayBuffer>;

/** Puts the sum of all ranks' gradients where Adam reads it, of one network. */
export async function shareGradient<S extends Sizes>(
  gpu: Gpu,
  ranks: Ranks,
  shared: SharedGradient<S> | undefined,
  own: { readonly dense: readonly Float32Array[]; readonly rows: readonly (readonly OwnRows[])[] },
  beside: Beside,
  patient: boolean,
): Promise<Beside> {
  const lists = shared ? await gatherLists(ranks, shared, own.rows, patient) : [];
  const unions = (shared?.tables ?? []).map(({ table, rows }, k) => {
    const union = unionOf(lists.map((of) => of[k] ?? []), rows);
    const values = new Float32Array(union.rows.length * table.stride);
    for (const { list, gradient } of own.rows[k] ?? []) {
      addRows(values, union.place, list, gradient, table.stride);
    }
    return { ...union, values };
  });
  const sum = await ranks.sum(joined([beside, ...own.dense, ...unions.map(({ values }) => values)]), patient);
  let at = beside.length;
  const next = (length: number) => sum.subarray(at, at += length);
  for (const view of shared?.dense ?? []) write(gpu, view, next(view.size / 4));
  unions.forEach(({ rows, values }, k) => {
    const table = shared?.tables[k];
    if (!table) return;
    const list = new Uint32Array(table.list.size / 4).fill(NONE);
    list.set(rows);
    write(gpu, table.list, list);
    write(gpu, table.gradient, next(values.length));
  });
  return sum.subarray(0, beside.length);
}

const NONE = 0xffffffff;

/** Puts values where a view begins, as part of the device's queue. */
export function write(gpu: Gpu, { buffer, offset }: View, values: Float32Array | Uint32Array): void {
  if (values.length > 0) gpu.queue.writeBuffer(buffer, offset, values as Float32Array<ArrayBuffer>);
}

/** By rank and table, the rows that were touched. */
async function gatherLists<S extends Sizes>(
  ranks: Ranks,
  { tables }: SharedGradient<S>,
  own: readonly (readonly OwnRows[])[],
  patient: boolean,
): Promise<Uint32Array[][]> {
  if (tables.length === 0) return [];
  const lengths = tables.map(({ places }) => places);
  const lists = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0)).fill(NONE);
  let start = 0;
  lengths.forEach((length, k) => {
    let at = start;
    for (const { list } of own[k] ?? []) {
      lists.set(list, at);
      at += list.length;
    }
    start += length;
  });
  const all = await ranks.gather(lists, patient);
  return all.map((lists) => {
    let at = 0;
    return lengths.map((length) => lists.subarray(at, at += length));
  });
}

/** The rows of all lists, each once, and where each of the table's rows stands among them. */
function unionOf(lists: readonly ArrayLike<number>[], rows: number) {
  const place = new Int32Array(rows).fill(-1);
  const union: number[] = [];
  for (const list of lists) {
    for (let k = 0; k < list.length; k++) {
      const row = list[k] ?? NONE;
      if (row === NONE || place[row] !== -1) continue;
      place[row] = union.length;
      union.push(row);
    }
  }
  return { rows: union, place };
}

function addRows(
  sum: Float32Array,
  place: Int32Array,
  list: Uint32Array,
  gradient: Float32Array,
  stride: number,
): void {
  list.forEach((row, k) => {
    if (row === NONE) return;
    const at = (place[row] ?? 0) * stride;
    for (let c = 0; c < stride; c++) sum[at + c] = (sum[at + c] ?? 0) + (gradient[k * stride + c] ?? NaN);
  });
}

export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
