/**
 * Several processes that train one model, each on its share of every batch: what the trainers ask of them, and how their
 * gradients become one. What carries it all is the host's (run/ranks/).
 */

import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import { joinArrays } from "../gpu/readback.ts";
import type { BatchSizes } from "../gpu/sizes.ts";
import type { SharedGradient } from "../ops/gradient_sum.ts";
import { UserError } from "../user_error.ts";

/** The processes, numbered from 0. All make the same calls in the same order. */
export interface ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /**
   * The sum of what all give, equally many each. It is added up in the order of ranks: the same bits on all, and every time.
   * @param patient another one may have much to do before.
   */
  sum(values: Float32Array<ArrayBuffer>, patient?: boolean): Promise<Float32Array<ArrayBuffer>>;
  /** What each gives, equally many, in the order of ranks. */
  gather(values: Uint32Array<ArrayBuffer>, patient?: boolean): Promise<Uint32Array<ArrayBuffer>[]>;
}

/** What of all a rank takes: as many as the others, or one more; all ranks together take each once. */
export function selectRankShare(
  { rank, size }: Pick<ProcessGroup, "rank" | "size">,
  all: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  const start = (rank: number) => Math.floor(rank * all.length / size);
  return all.subarray(start(rank), start(rank + 1));
}

/** @throws UserError for fewer users than ranks. @param what they are */
export function expectShares({ size }: Pick<ProcessGroup, "size">, users: number, what: string): void {
  if (users >= size) return;
  throw new UserError(
    `Expected no more ranks than ${what}, as each takes some of them: got ${size} ranks for ${users}. Start fewer with mpirun -n.`,
  );
}

/**
 * Puts the sum of all ranks' gradients of one network where Adam reads it.
 * @param own what was read of {@link SharedGradient.listRowViews}, then of its dense views. @param beside what travels with it, too.
 * @returns the sum of that
 */
export async function shareGradient<S extends BatchSizes>(
  gpu: Gpu,
  ranks: ProcessGroup,
  { tables, dense }: Pick<SharedGradient<S>, "tables" | "dense">,
  own: readonly Uint32Array[],
  beside: Float32Array,
  patient: boolean,
): Promise<Float32Array> {
  const floats = own.map(({ buffer }) => new Float32Array(buffer));
  const touched: { readonly rows: readonly number[]; readonly values: Float32Array }[] = [];
  for (const [k, { table: { stride }, places }] of tables.entries()) {
    const list = new Uint32Array(places).fill(NONE);
    list.set(own[2 * k] ?? []);
    const all = await ranks.gather(list, patient);
    const rows = [...new Set(all.flatMap((list) => [...list]))].filter((row) => row !== NONE);
    const place = new Map(rows.map((row, at) => [row, at]));
    const values = new Float32Array(rows.length * stride);
    own[2 * k]?.forEach((row, n) => {
      const gradient = floats[2 * k + 1]?.subarray(n * stride, (n + 1) * stride) ?? [];
      if (row !== NONE) values.set(gradient, stride * (place.get(row) ?? 0));
    });
    touched.push({ rows, values });
  }
  const whole = floats.slice(2 * tables.length);
  const sum = await ranks.sum(
    joinArrays([beside, ...whole, ...touched.map(({ values }) => values)]),
    patient,
  );
  let at = beside.length;
  const next = (length: number) => sum.subarray(at, at += length);
  for (const view of dense) write(gpu, view, next(view.size / 4));
  touched.forEach(({ rows, values }, k) => {
    const { list, gradient } = tables[k]!;
    const of = new Uint32Array(list.size / 4).fill(NONE);
    of.set(rows);
    write(gpu, list, of);
    write(gpu, gradient, next(values.length));
  });
  return sum.subarray(0, beside.length);
}

const NONE = 0xffffffff;

/** Puts values where a view begins, as part of the device's queue. */
export function write(gpu: Gpu, { buffer, offset }: View, values: Float32Array | Uint32Array): void {
  if (values.length > 0) gpu.queue.writeBuffer(buffer, offset, values as Float32Array<ArrayBuffer>);
}
