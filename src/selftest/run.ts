/** The self-test as a whole: every kernel on the adapter at hand. */

import type { Gpu, GpuOptions } from "../gpu/device.ts";
import {
  type AdapterKind,
  getDefaultVariants,
  type KernelVariants,
  usesTextures,
} from "../gpu/kernel_variants.ts";
import { listSelftestCases, type SelftestCase } from "./cases.ts";
import type { KindFinding, SelftestResult } from "./finding.ts";

const panels = ["lstm_backward_panel", "lstm_forward_panel"];

/** Names of cases, and their kernels that read textures alone. A test holds it to be all of them, and no more. */
const NEED_TEXTURES: Readonly<Record<string, readonly string[]>> = {
  "row_dot, made by a layer": ["row_dot_sum"],
  "lstm": panels,
  "lstm, one-hot items": panels,
  "lstm, touched rows": panels,
};

/** How a case is called that is run with matrices in textures, on an adapter that has them in buffers. */
export function formatTextureName(name: string): string {
  return `${name}, from textures`;
}

/** What an adapter leaves out by its own kernel variants. */
export interface UnusedKernels {
  /** Names of the cases that have them. */
  readonly cases: readonly string[];
  /** Names of the kernels, sorted. */
  readonly kernels: readonly string[];
  /** The variants that take them. */
  readonly variants: KernelVariants;
}

/**
 * @param own the adapter's variants for a kind of adapter.
 * @param only of cases with this in their names.
 * @returns undefined where nothing is left out.
 */
export function findUnusedKernels(own: KernelVariants, only = ""): UnusedKernels | undefined {
  const variants = getDefaultVariants(own.kind);
  if (usesTextures(own) || !usesTextures(variants)) return undefined;
  const cases = Object.keys(NEED_TEXTURES).filter((name) => name.includes(only));
  if (cases.length === 0) return undefined;
  const kernels = [...new Set(cases.flatMap((name) => NEED_TEXTURES[name] ?? []))].sort();
  return { cases, kernels, variants };
}

/** What is done with kernels that the adapter never takes: they are named; run after the others; or run alone. */
export type LeftOutChoice = "named" | "too" | "alone";

export interface SelftestOptions {
  readonly kinds: readonly AdapterKind[];
  /** Only cases with this in their names. */
  readonly only?: string;
  /** Absent: they are named. */
  readonly leftOut?: LeftOutChoice | undefined;
  /** Told before each case. @param number from 1 on, of all kinds together */
  readonly onCase?: (
    at: { readonly kind: AdapterKind; readonly name: string; number: number; of: number },
  ) => void;
  readonly onFinding?: (finding: KindFinding) => void;
  /** Asked before each case: true ends the self-test there. */
  readonly stopped?: () => boolean;
}

/** Opens a device whose kernel variants are those asked for: the adapter's own for a kind of adapter, or others. */
export type OpenSelftest = (options: Pick<GpuOptions, "variantsFor" | "variants">) => Promise<Gpu>;

/** Cases of one kind, and the device that they run on. */
interface Part {
  readonly kind: AdapterKind;
  readonly gpu: Gpu;
  readonly cases: readonly SelftestCase[];
}

/** The cases with a text in their names. */
export function selectCases(kind: AdapterKind, only = ""): SelftestCase[] {
  return listSelftestCases(kind).filter(({ name }) => name.includes(only));
}

/** Runs all cases. @param open its devices are closed here. */
export async function runSelftest(
  open: OpenSelftest,
  { kinds, only, leftOut: choice = "named", onCase, onFinding, stopped }: SelftestOptions,
): Promise<SelftestResult> {
  const began = performance.now();
  const findings: KindFinding[] = [];
  const leftOut: string[] = [];
  const opened: Gpu[] = [];
  const opening: OpenSelftest = async (options) => {
    const gpu = await open(options);
    opened.push(gpu);
    return gpu;
  };
  try {
    const parts: Part[] = [];
    for (const kind of kinds) {
      const cases = selectCases(kind, only);
      if (cases.length === 0) continue;
      const gpu = await opening({ variantsFor: kind });
      if (choice !== "alone") parts.push({ kind, gpu, cases });
      const left = findUnusedKernels(gpu.variants, only);
      if (!left) continue;
      if (choice === "named") leftOut.push(...left.kernels);
      else parts.push(await openPart(left, opening));
    }
    const of = parts.reduce((sum, { cases }) => sum + cases.length, 0);
    let number = 0;
    for (const { kind, gpu, cases } of parts) {
      for (const { name, run } of cases) {
        if (stopped?.()) break;
        onCase?.({ kind, name, number: ++number, of });
        const finding = { kind, ...await run(gpu), name };
        findings.push(finding);
        onFinding?.(finding);
      }
    }
  } finally {
    for (const gpu of opened) gpu.close();
  }
  const seconds = (performance.now() - began) / 1000;
  return { adapter: opened[0]?.adapter, findings, leftOut, seconds };
}

/** What an adapter leaves out, on a device that takes it. */
async function openPart({ cases, variants }: UnusedKernels, open: OpenSelftest): Promise<Part> {
  const { kind } = variants;
  const own = selectCases(kind).filter(({ name }) => cases.includes(name)).map((one) => ({
    ...one,
    name: formatTextureName(one.name),
  }));
  return { kind, gpu: await open({ variants }), cases: own };
}
