/** Data that the page carries beside its script: see build.ts. */

import type { ShippedLadder } from "../../selftest/ladder/shipped.ts";
import type { KernelTexts } from "../draw/kernel_panel.ts";

export interface Carried {
  readonly texts: KernelTexts;
  readonly ladders: readonly ShippedLadder[];
}

export function carried(): Carried {
  const data = JSON.parse(textOf("lab-data")); // all of it as build.ts has put it there
  return { ...data, texts: { ...data.texts, files: JSON.parse(carriedKernels()) } };
}

/** WGSL of all kernels by name, as JSON: what the worker computes with, and what is shown of them. */
export function carriedKernels(): string {
  return textOf("lab-kernels");
}

function textOf(id: string): string {
  return document.getElementById(id)?.textContent ?? "{}";
}
