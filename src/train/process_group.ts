/** Interface to the ranks of a distributed training (src/run/ranks/), and a function that sums gradients. */

import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import { joinArrays } from "../gpu/readback.ts";
import type { BatchSizes } from "../gpu/sizes.ts";
import type { SharedGradient } from "../ops/gradient_sum.ts";
import { UserError } from "../user_error.ts";

/** Processes 0, 1, ... of a distributed training, which must all make the same calls in the same order. */
export interface ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /**
   * Returns the elementwise sum of all ranks' arrays, added in rank order, so that all ranks get equal bits.
   * @param patient - true to wait longer for busy ranks
   */
  sum(values: Float32Array<ArrayBuffer>, patient?: boolean): Promise<Float32Array<ArrayBuffer>>;
  /** Returns the arrays of all ranks, in rank order. All arrays must have the same length. */
  gather(values: Uint32Array<ArrayBuffer>, patient?: boolean): Promise<Uint32Array<ArrayBuffer>[]>;
}

/** Returns a rank's share of `all`: a contiguous range. The lengths of all shares differ by at most 1. */
export function selectRankShare(
  { rank, size }: Pick<ProcessGroup, "rank" | "size">,
  all: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  const start = (rank: number) => Math.floor(rank * all.length / size);
  return all.subarray(start(rank), start(rank + 1));
}

/** @throws UserError if there are fewer users than ranks. */
export function expectShares({ size }: Pick<ProcessGroup, "size">, users: number, what: string): void {
  if (users >= size) return;
  throw new UserError(
    `Expected no more ranks than ${what}, because each rank needs at least one user: ` +
      `got ${size} ranks for ${users} users. Start fewer ranks with mpirun -n.`,
  );
}

/**
 * Sums one network's gradients over all ranks, and writes the sums to the buffers that Adam reads. @param own
 * - this rank's arrays: for each table, its row numbers and the rows' gradients; then the gradients in
 * `dense`. @param extra - other numbers to sum, e.g. metrics. @returns the sum of `extra` over all ranks
 */
export async function shareGradient<S extends BatchSizes>(
  gpu: Gpu,
  ranks: ProcessGroup,
  { tables, dense }: Pick<SharedGradient<S>, "tables" | "dense">,
  own: readonly Uint32Array[],
  extra: Float32Array,
  patient: boolean,
): Promise<Float32Array> {
  const floats = own.map(({ buffer }) => new Float32Array(buffer));
  const sparse: { readonly rows: readonly number[]; readonly values: Float32Array }[] = [];
  for (const [k, { table: { stride }, maxRows }] of tables.entries()) {
    const list = new Uint32Array(maxRows).fill(NONE);
    list.set(own[2 * k] ?? []);
    const all = await ranks.gather(list, patient);
    const rows = [...new Set(all.flatMap((list) => [...list]))].filter((row) => row !== NONE);
    const index = new Map(rows.map((row, k) => [row, k]));
    const values = new Float32Array(rows.length * stride);
    own[2 * k]?.forEach((row, n) => {
      const gradient = floats[2 * k + 1]?.subarray(n * stride, (n + 1) * stride) ?? [];
      if (row !== NONE) values.set(gradient, stride * (index.get(row) ?? 0));
    });
    sparse.push({ rows, values });
  }
  const whole = floats.slice(2 * tables.length);
  const sum = await ranks.sum(joinArrays([extra, ...whole, ...sparse.map(({ values }) => values)]), patient);
  let offset = extra.length;
  const next = (length: number) => sum.subarray(offset, offset += length);
  for (const view of dense) write(gpu, view, next(view.size / 4));
  sparse.forEach(({ rows, values }, k) => {
    const { list, gradient } = tables[k]!;
    const padded = new Uint32Array(list.size / 4).fill(NONE);
    padded.set(rows);
    write(gpu, list, padded);
    write(gpu, gradient, next(values.length));
  });
  return sum.subarray(0, extra.length);
}

const NONE = 0xffffffff;

export function write(gpu: Gpu, { buffer, offset }: View, values: Float32Array | Uint32Array): void {
  if (values.length > 0) gpu.queue.writeBuffer(buffer, offset, values as Float32Array<ArrayBuffer>);
}
