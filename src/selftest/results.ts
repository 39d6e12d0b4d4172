/** What comes out of the self-test, kernel by kernel. It imports no kernel, so that a page can show what a worker has found. */

import type { AdapterDescription } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_shapes.ts";
import { type Element, faultsOf, type Finding, shareOf } from "./finding.ts";

/** What came of a case, by the kernels for a kind of adapter. */
export interface KindFinding extends Finding {
  readonly kind: AdapterKind;
}

export interface SelftestResult {
  /** Absent where no case was run. */
  readonly adapter?: AdapterDescription;
  readonly findings: readonly KindFinding[];
  /** Kernels that were not run, as the adapter never takes them. */
  readonly leftOut: readonly string[];
  readonly seconds: number;
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
  const wrong = checks.filter(({ differs }) => differs);
  // That two runs differ says less than which number is wrong.
  const first = wrong.find(({ worst }) => worst) ?? wrong[0];
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

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** What came of all cases, in a sentence. @param stopped before the last of them */
export function verdictText(findings: readonly KindFinding[], seconds: number, stopped = false): string {
  const took = `${counted(findings.length, "case")}, ${seconds.toFixed(1)} s`;
  if (stopped) return `Stopped after ${took}.`;
  const wrong = findings.filter((finding) => faultsOf(finding).length > 0).length;
  const kernels = new Set(byKernel(findings).map(({ kernel }) => kernel)).size;
  return wrong === 0
    ? `All agree: ${counted(kernels, "kernel")}, ${took}.`
    : `${wrong} of ${took}: they differ by more than rounding explains.`;
}

/** Those that differ: which case, whom it points to, and what is wrong. */
export function faultyCases(findings: readonly KindFinding[]): { head: string; faults: string[] }[] {
  return findings.map((finding) => ({ finding, faults: faultsOf(finding) }))
    .filter(({ faults }) => faults.length > 0)
    .map(({ finding, faults }) => {
      const who = blamed(finding).join(", ") || "the message";
      return { head: `${finding.name} (${finding.kind} shapes): look at ${who}`, faults };
    });
}

/** What whoever ran the self-test is told of kernels that were not run; "" where there are none. */
export function leftOutText(kernels: readonly string[]): string {
  if (kernels.length === 0) return "";
  const them = kernels.length === 1 ? "it" : "them";
  return `Not run: ${kernels.join(", ")}. No model takes ${them} on this adapter, where matrices stand ` +
    "in buffers.";
}

/** All of it as JSON has it. Numbers that JSON does not know are text: "NaN", "Infinity". */
export function selftestJson({ adapter, findings, leftOut, seconds }: SelftestResult): string {
  const whole = { adapter, seconds, leftOut, kernels: byKernel(findings), findings };
  const known = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(whole, known, 2);
}
