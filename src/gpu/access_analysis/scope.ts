/** What a kernel may know of itself before it reads anything. */

import type { Value } from "./values.ts";

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
  const [x, y, z] = grid;
  switch (kind) {
    case "global_invocation_id":
      return { x: group[0] * wx + local[0], y: group[1] * wy + local[1], z: group[2] ?? 0 };
    case "local_invocation_id":
      return { x: local[0], y: local[1], z: 0 };
    case "local_invocation_index":
      return local[1] * wx + local[0];
    case "subgroup_invocation_id":
      return (local[1] * wx + local[0]) % SUBGROUP;
    case "subgroup_size":
      return SUBGROUP;
    case "workgroup_id":
      return { x: group[0], y: group[1], z: group[2] ?? 0 };
    case "num_workgroups":
      return { x, y, z };
  }
  return undefined;
}
