/** Runs the self-test: runs and checks every kernel on this machine's adapter. */

import type { Gpu, GpuOptions } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_variants.ts";
import { listSelftestCases, runCase } from "./cases.ts";
import type { KindFinding, NamedCheck, SelftestResult } from "./finding.ts";

export interface SelftestOptions {
  readonly kinds: readonly AdapterKind[];
  /** Selects the cases whose names contain this text. */
  readonly only?: string;
  /** Called before each case. `number` is the case's number (from 1), and `of` is the number of cases. */
  readonly onCase?: (
    at: { readonly kind: AdapterKind; readonly name: string; number: number; of: number },
  ) => void;
  readonly onFinding?: (finding: KindFinding) => void;
  /** Called before each case; if it returns true, the self-test ends. */
  readonly stopped?: () => boolean;
}

/** Opens a device with the kernel variants for a kind of adapter. */
export type OpenSelftest = (options: Pick<GpuOptions, "variantsFor">) => Promise<Gpu>;

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
  { kinds, only, onCase, onFinding, stopped }: SelftestOptions,
): Promise<SelftestResult> {
  const began = performance.now();
  const findings: KindFinding[] = [];
  const opened: Gpu[] = [];
  try {
    const parts: Part[] = [];
    for (const kind of kinds) {
      const cases = selectCases(kind, only);
      if (cases.length === 0) continue;
      const gpu = await open({ variantsFor: kind });
      opened.push(gpu);
      parts.push({ kind, gpu, cases });
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
  return { adapter: opened[0]?.adapter, findings, seconds };
}
