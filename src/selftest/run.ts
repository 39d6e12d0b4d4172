/** The self-test as a whole: every kernel on the adapter at hand. */

import type { AdapterDescription, Gpu } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_shapes.ts";
import { type SelftestCase, selftestCases } from "./cases.ts";
import type { KindFinding, SelftestResult } from "./results.ts";

export interface SelftestOptions {
  readonly kinds: readonly AdapterKind[];
  /** Only cases with this in their names. */
  readonly only?: string;
  /** Told before each case. @param number from 1 on, of all kinds together */
  readonly onCase?: (
    at: { readonly kind: AdapterKind; readonly name: string; number: number; of: number },
  ) => void;
  readonly onFinding?: (finding: KindFinding) => void;
  /** Asked before each case: true ends the self-test there. */
  readonly stopped?: () => boolean;
}

/** The cases with a text in their names. */
export function casesOf(kind: AdapterKind, only = ""): SelftestCase[] {
  return selftestCases(kind).filter(({ name }) => name.includes(only));
}

/** Runs all cases. @param open opens a device whose kernel shapes are those for a kind; it is closed here. */
export async function runSelftest(
  open: (kind: AdapterKind) => Promise<Gpu>,
  { kinds, only, onCase, onFinding, stopped }: SelftestOptions,
): Promise<SelftestResult> {
  const began = performance.now();
  const findings: KindFinding[] = [];
  const all = kinds.map((kind) => ({ kind, cases: casesOf(kind, only) }));
  const of = all.reduce((sum, { cases }) => sum + cases.length, 0);
  let adapter: AdapterDescription | undefined;
  let number = 0;
  for (const { kind, cases } of all) {
    if (cases.length === 0) continue;
    const gpu = await open(kind);
    adapter = gpu.adapter;
    try {
      for (const { name, run } of cases) {
        if (stopped?.()) break;
        onCase?.({ kind, name, number: ++number, of });
        const finding = { kind, ...await run(gpu) };
        findings.push(finding);
        onFinding?.(finding);
      }
    } finally {
      gpu.close();
    }
  }
  return { adapter, findings, seconds: (performance.now() - began) / 1000 };
}
