/** What a kernel may know of itself before it reads anything. */

import { type Value, vectorOf } from "./values.ts";

/** Invocations that ask together. */
export const SUBGROUP = 32;

/** What a kernel may know besides its constants. */
export interface IndexScope {
  /** Invocations of a workgroup. */
  readonly workgroup: readonly [x: number, y: number];
  /** Workgroups; z is a batch each, of what lays out several. */
  readonly grid: readonly [x: number, y: number, z: number];
  /** `step.size`: of clicks, users, events, rows, items. */
  readonly sizes: readonly number[];
  /** Partial sums of each weight gradient. */
  readonly chunks: number;
  /** Further fields of the step's header, by their names in WGSL. */
  readonly header?: Readonly<Record<string, number>>;
  /** Bytes of bindings, by name. */
  readonly bytes?: Readonly<Record<string, number>>;
  /** Whole numbers that bindings hold, by name. */
  readonly data?: Readonly<Record<string, Uint32Array>>;
}

/** One of all invocations of a dispatch, by its place. */
export interface Invocation {
  readonly group: readonly [x: number, y: number, z?: number];
  readonly local: readonly [x: number, y: number];
}

/** @param kind its name in WGSL; undefined for what nobody follows */
export function builtinOf(
  kind: string,
  { workgroup: [wx, wy], grid }: IndexScope,
  { group, local }: Invocation,
): Value {
  const [lx, ly] = local;
  const [gx, gy, gz = 0] = group;
  const index = ly * wx + lx;
  const known: Readonly<Record<string, Value>> = {
    global_invocation_id: { x: gx * wx + lx, y: gy * wy + ly, z: gz },
    local_invocation_id: { x: lx, y: ly, z: 0 },
    local_invocation_index: index,
    subgroup_invocation_id: index % SUBGROUP,
    subgroup_size: SUBGROUP,
    workgroup_id: vectorOf([gx, gy, gz]),
    num_workgroups: vectorOf(grid),
  };
  return known[kind];
}
