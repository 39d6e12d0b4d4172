/** Runs the self-test: runs and checks every kernel on this machine's adapter. */

import type { Gpu, GpuOptions } from "../gpu/device.ts";
import type { AdapterKind, KernelVariants } from "../gpu/kernel_variants.ts";
import { getDefaultVariants, usesTextures } from "../gpu/kernel_variants.ts";
import { listSelftestCases, runCase } from "./cases.ts";
import type { KindFinding, NamedCheck, SelftestResult } from "./finding.ts";

const panels = ["lstm_backward_panel", "lstm_forward_panel"];

/** Kernels that read only textures, by the case that runs them. A test checks that the list is complete. */
const NEED_TEXTURES: Readonly<Record<string, readonly string[]>> = {
  "lstm": panels,
  "lstm, one-hot items": panels,
  "lstm, sparse gradients": panels,
};

/** Returns the name of a case in which matrices are in textures, while the adapter's variants use buffers. */
export function formatTextureName(name: string): string {
  return `${name}, from textures`;
}

/** Kernels that no model uses with the kernel variants of an adapter. */
export interface UnusedKernels {
  readonly cases: readonly string[];
  readonly kernels: readonly string[];
  readonly variants: KernelVariants;
}

/** Returns the kernels that no model uses on an adapter, if any. @param own - the adapter's variants */
export function findUnusedKernels(own: KernelVariants, only = ""): UnusedKernels | undefined {
  const variants = getDefaultVariants(own.kind);
  if (usesTextures(own) || !usesTextures(variants)) return undefined;
  const cases = Object.keys(NEED_TEXTURES).filter((name) => name.includes(only));
  if (cases.length === 0) return undefined;
  const kernels = [...new Set(cases.flatMap((name) => NEED_TEXTURES[name] ?? []))].sort();
  return { cases, kernels, variants };
}

/** Treatment of kernels that no model uses: named but not run, run after the others, or run alone. */
export type LeftOutChoice = "named" | "too" | "alone";

export interface SelftestOptions {
  readonly kinds: readonly AdapterKind[];
  /** Text that the names of the selected cases contain. */
  readonly only?: string;
  readonly leftOut?: LeftOutChoice | undefined;
  /** Called before each case. `number` counts cases from 1 to `of`, over all kinds of adapters. */
  readonly onCase?: (
    at: { readonly kind: AdapterKind; readonly name: string; number: number; of: number },
  ) => void;
  readonly onFinding?: (finding: KindFinding) => void;
  /** Called before each case. If it returns true, the self-test ends. */
  readonly stopped?: () => boolean;
}

/** Opens a device with the kernel variants for a kind of adapter, or with the variants in `options`. */
export type OpenSelftest = (options: Pick<GpuOptions, "variantsFor" | "variants">) => Promise<Gpu>;

interface Part {
  readonly kind: AdapterKind;
  readonly gpu: Gpu;
  readonly cases: readonly NamedCheck[];
}

export function selectCases(kind: AdapterKind, only = ""): NamedCheck[] {
  return listSelftestCases(kind).filter(({ name }) => name.includes(only));
}

/** Runs all cases. @param open - opens a device. All devices are closed at the end. */
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
      for (const one of cases) {
        if (stopped?.()) break;
        onCase?.({ kind, name: one.name, number: ++number, of });
        const finding = { kind, ...await runCase(gpu, one) };
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

/** Opens a device whose variants run the kernels that no model uses on the adapter. */
async function openPart({ cases, variants }: UnusedKernels, open: OpenSelftest): Promise<Part> {
  const { kind } = variants;
  const own = selectCases(kind).filter(({ name }) => cases.includes(name)).map((one) => ({
    ...one,
    name: formatTextureName(one.name),
  }));
  return { kind, gpu: await open({ variants }), cases: own };
}
