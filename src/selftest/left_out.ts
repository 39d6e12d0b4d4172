/**
 * Kernels that an adapter leaves out: those that only CPU adapters with matrices in textures take, where a CPU adapter has
 * them in buffers.
 */

import { fixedShapes, inTextures, type KernelShapes } from "../gpu/kernel_shapes.ts";

const panels = ["lstm_backward_panel", "lstm_forward_panel"];

/** Names of cases, and their kernels that read textures alone. A test holds it to be all of them, and no more. */
const NEED_TEXTURES: Readonly<Record<string, readonly string[]>> = {
  "row_dot, made by a layer": ["row_dot_sum"],
  "lstm": panels,
  "lstm, one-hot items": panels,
  "lstm, touched rows": panels,
};

/** How a case is called that is run with matrices in textures, on an adapter that has them in buffers. */
export function fromTextures(name: string): string {
  return `${name}, from textures`;
}

/** What an adapter leaves out by its own kernel shapes. */
export interface LeftOut {
  /** Names of the cases that have them. */
  readonly cases: readonly string[];
  /** Names of the kernels, sorted. */
  readonly kernels: readonly string[];
  /** The shapes that take them. */
  readonly shapes: KernelShapes;
}

/**
 * @param own the adapter's shapes for a kind of adapter.
 * @param only of cases with this in their names.
 * @returns undefined where nothing is left out.
 */
export function leftOutBy(own: KernelShapes, only = ""): LeftOut | undefined {
  const shapes = fixedShapes(own.kind);
  if (inTextures(own) || !inTextures(shapes)) return undefined;
  const cases = Object.keys(NEED_TEXTURES).filter((name) => name.includes(only));
  if (cases.length === 0) return undefined;
  const kernels = [...new Set(cases.flatMap((name) => NEED_TEXTURES[name] ?? []))].sort();
  return { cases, kernels, shapes };
}
