/** The self-test as a whole: every kernel on the adapter at hand, and what comes out of it, kernel by kernel. */

import type { AdapterDescription, Gpu } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_shapes.ts";
import { type SelftestCase, selftestCases } from "./cases.ts";
import { type Element, type Finding, shareOf } from "./finding.ts";

/** What came of a case, by the kernels for a kind of adapter. */
export interface KindFinding extends Finding {
  readonly kind: AdapterKind;
}

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

export interface SelftestResult {
  /** Absent where no case was run. */
  readonly adapter?: AdapterDescription;
  readonly findings: readonly KindFinding[];
  readonly seconds: number;
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

/** What was found of a kernel, by the cases that ran it. */
export interface KernelResult {
  readonly kernel: string;
  readonly kind: AdapterKind;
  /** How many numbers were compared that it made, or that follow from what it made. */
  readonly values: number;
  /** Whether it is to blame for a difference, as far as can be said. */
  readonly differs: boolean;
  /** The element that is the most of its tolerance off. */
  readonly worst?: WorstElement;
}

export interface WorstElement {
  readonly element: Element;
  readonly case: string;
  readonly what: string;
  /** Of the tolerance; infinite for words that must be the same. */
  readonly share: number;
}

/**
 * Whom a difference points to: the kernels behind the first numbers that are wrong, without those whose own numbers are
 * right.
 */
export function blamed({ checks }: Finding): string[] {
  const first = checks.find(({ differs }) => differs);
  if (!first) return [];
  const right = new Set(checks.filter(({ differs }) => !differs).map(({ kernels }) => kernels[0]));
  const suspects = first.kernels.filter((kernel) => !right.has(kernel));
  return suspects.length > 0 ? suspects : [...first.kernels];
}

/** The findings by kernel, in the order of their names. */
export function byKernel(findings: readonly KindFinding[]): KernelResult[] {
  const results = new Map<string, KernelResult>();
  for (const finding of findings) {
    const { kind, name, checks } = finding;
    const guilty = new Set(blamed(finding));
    for (const { kernels, what, values, worst: element } of checks) {
      for (const kernel of kernels) {
        const key = `${kernel} ${kind}`;
        const before = results.get(key);
        const own = element && { element, case: name, what, share: shareOf(element) };
        const worse = own && !(before?.worst && before.worst.share >= own.share);
        results.set(key, {
          ...{ kernel, kind, values: (before?.values ?? 0) + values },
          differs: (before?.differs ?? false) || guilty.has(kernel),
          worst: worse ? own : before?.worst,
        });
      }
    }
  }
  return [...results.values()].sort((a, b) =>
    a.kernel.localeCompare(b.kernel) || a.kind.localeCompare(b.kind)
  );
}

/** All of it as JSON has it. Numbers that JSON does not know are text: "NaN", "Infinity". */
export function selftestJson({ adapter, findings, seconds }: SelftestResult): string {
  const whole = { adapter, seconds, kernels: byKernel(findings), findings };
  const known = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(whole, known, 2);
}
