/** Results of the self-test by case and kernel. This file imports no kernels, to keep web pages small. */

import type { AdapterDescription, Gpu } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_variants.ts";

interface Element {
  /** Index of the element in its tensor, such as "[3, 5]". */
  readonly index: string;
  readonly expected: number;
  readonly got: number;
  /** Largest allowed error of the element; 0 if the two values must be equal. */
  readonly tolerance: number;
}

/** Result of a check, which compares computed numbers with expected numbers or tests a condition. */
export interface ComparedValues {
  /** Names of the kernels that wrote the numbers, without `.wgsl`. */
  readonly kernels: readonly string[];
  /** Name of the compared numbers, such as "output" or "gradient of w". */
  readonly what: string;
  /** Number of compared values; 0 if a condition is tested. */
  readonly values: number;
  /** Number of values whose error exceeds their tolerance; absent if no values were compared. */
  readonly wrong?: number;
  readonly differs: boolean;
  /** First wrong element; absent if all elements are right. */
  readonly firstWrong?: Element;
  /** Element with the largest error relative to its tolerance; absent if no values were compared. */
  readonly worst?: Element;
  /** Message of a failure without a wrong element, such as a stray write or two runs that differ. */
  readonly fault?: string;
}

export interface CaseFinding {
  readonly name: string;
  readonly kernels: readonly string[];
  /** Checks in the order of computation. The first failure may have caused all later failures. */
  readonly checks: readonly ComparedValues[];
  /** Error that ended the case, such as a kernel that does not compile, or a lost device. */
  readonly error?: string;
}

/** Returns an element's error divided by its tolerance. Above 1 the element is wrong. */
export function computeErrorShare({ expected, got, tolerance }: Element): number {
  if (Object.is(expected, got) || expected === got) return 0;
  if (Number.isNaN(expected) && Number.isNaN(got)) return 0;
  const error = Math.abs(got - expected);
  if (Number.isNaN(error) || tolerance === 0) return Infinity;
  return error / tolerance;
}

/** Formats a number with up to nine significant digits, enough for f32; integers with all digits. */
function digits(x: number, most = 9): string {
  return String(Number.isInteger(x) ? x : Number(x.toPrecision(most)));
}

/** Formats an element, for example: "[3, 5]: expected 0.25, got 0.75, error 0.5, allowed 0.000001". */
export function formatElement({ index, expected, got, tolerance }: Element): string {
  const off = digits(Math.abs(got - expected), 2);
  return `${index}: expected ${digits(expected)}, got ${digits(got)}, error ${off}, allowed ` +
    digits(tolerance, 2);
}

export function checkText({ what, worst, fault }: ComparedValues): string {
  return `${what}${fault ? `: ${fault}` : worst ? ` ${formatElement(worst)}` : ""}`;
}

/** Returns one line per failed check or error of a case; an empty list if the case passed. */
export function listFaults({ checks, error }: CaseFinding): string[] {
  return [
    ...checks.filter(({ differs }) => differs).map((check) =>
      `${check.kernels.join(", ")}: ${checkText(check)}`
    ),
    ...(error ? [error] : []),
  ];
}

export interface ToleranceOptions {
  readonly kernels: readonly string[];
  readonly what: string;
  readonly tolerance: number | ((k: number) => number);
  /** Number of columns of a compared matrix. If given, messages name an element by row and column. */
  readonly columns?: number;
  /** Returns a text that messages show after the index k of a wrong number, such as " (page 3)". */
  readonly named?: (k: number) => string;
}

/** Collects the results of a case's checks. A failed check does not throw, so one run finds all errors. */
export class CheckCollector {
  readonly #checks: ComparedValues[] = [];

  get all(): readonly ComparedValues[] {
    return this.#checks;
  }

  /** Compares numbers with expected numbers. Missing numbers also fail the check. */
  numbers(
    found: ArrayLike<number> | undefined,
    expected: ArrayLike<number>,
    { kernels, what, tolerance, columns, named = () => "" }: ToleranceOptions,
  ): void {
    const values = expected.length;
    if (!found || found.length < values) {
      const fault = `expected ${values} numbers, found ${found?.length ?? 0}`;
      this.#checks.push({ kernels, what, values, differs: true, fault });
      return;
    }
    let [worst, most, wrong]: [Element | undefined, number, number] = [undefined, -1, 0];
    let firstWrong: Element | undefined;
    for (let k = 0; k < values; k++) {
      const element = {
        index: "",
        expected: expected[k] ?? NaN,
        got: found[k] ?? NaN,
        tolerance: typeof tolerance === "number" ? tolerance : tolerance(k),
      };
      const share = computeErrorShare(element);
      if (share > 1) wrong++;
      if (share <= most && wrong !== 1) continue;
      const index = (columns ? `[${Math.floor(k / columns)}, ${k % columns}]` : `[${k}]`) + named(k);
      if (share > 1) firstWrong ??= { ...element, index };
      if (share > most) [worst, most] = [{ ...element, index }, share];
    }
    this.#checks.push({ kernels, what, values, wrong, differs: most > 1, firstWrong, worst });
  }

  /** Checks that all values are exactly equal to the expected values. */
  same(
    found: ArrayLike<number> | undefined,
    expected: ArrayLike<number>,
    by: Omit<ToleranceOptions, "tolerance">,
  ): void {
    this.numbers(found, expected, { ...by, tolerance: 0 });
  }

  /** Adds a check that passes if `condition` is true. @param fault - message if `condition` is false */
  holds(condition: boolean, kernels: readonly string[], what: string, fault: string): void {
    this.#checks.push({ kernels, what, values: 0, differs: !condition, ...(condition ? {} : { fault }) });
  }
}
/** @throws Error with all failed checks, if a check failed */
export function expectAll({ all }: CheckCollector): void {
  const wrong = all.filter(({ differs }) => differs);
  if (wrong.length > 0) throw new Error(wrong.map(checkText).join("\n"));
}

/** A self-test case: it runs kernels and compares their results with f64 references. */
export interface NamedCheck {
  readonly name: string;
  readonly check: (gpu: Gpu, checks: CheckCollector) => Promise<void>;
}

export interface KindFinding extends CaseFinding {
  readonly kind: AdapterKind;
}

export interface SelftestResult {
  readonly adapter?: AdapterDescription;
  readonly findings: readonly KindFinding[];
  readonly seconds: number;
}

/** Result for one kernel, combined from all cases that ran the kernel. */
export interface KernelFinding {
  readonly kernel: string;
  readonly kind: AdapterKind;
  /** Number of compared values that depend on the kernel's output. */
  readonly values: number;
  /** True if a failed check points to the kernel as its cause. */
  readonly differs: boolean;
  /** Element with the largest error relative to its tolerance, over all cases. */
  readonly worst?: WorstElement;
}

export interface WorstElement {
  readonly element: Element;
  readonly case: string;
  readonly what: string;
  /** Error of the element divided by its tolerance; infinite if the values must be equal, but differ. */
  readonly share: number;
}

/** Returns the kernels of the first failed check. Omits kernels that passed a check, unless all did. */
export function findBlamedKernels({ checks }: CaseFinding): string[] {
  const wrong = checks.filter(({ differs }) => differs);
  // Wrong numbers point to a kernel more clearly than a difference between two runs.
  const first = wrong.find(({ worst }) => worst) ?? wrong[0];
  if (!first) return [];
  const right = new Set(checks.filter(({ differs }) => !differs).map(({ kernels }) => kernels[0]));
  const suspects = first.kernels.filter((kernel) => !right.has(kernel));
  return suspects.length > 0 ? suspects : [...first.kernels];
}

export function groupByKernel(findings: readonly KindFinding[]): KernelFinding[] {
  const results = new Map<string, KernelFinding>();
  for (const finding of findings) {
    const { kind, name, checks } = finding;
    const guilty = new Set(findBlamedKernels(finding));
    for (const { kernels, what, values, worst: element } of checks) {
      for (const kernel of kernels) {
        const key = `${kernel} ${kind}`;
        const before = results.get(key);
        const own = element && { element, case: name, what, share: computeErrorShare(element) };
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

/** Summarises all cases in one sentence. @param stopped - true if the user stopped the self-test */
export function describeVerdict(findings: readonly KindFinding[], seconds: number, stopped = false): string {
  const [cases, time] = [counted(findings.length, "case"), `${seconds.toFixed(1)} s`];
  const took = `${cases}, ${time}`;
  if (stopped) return `Stopped after ${took}.`;
  const wrong = findings.filter((finding) => listFaults(finding).length > 0).length;
  const kernels = new Set(groupByKernel(findings).map(({ kernel }) => kernel)).size;
  return wrong === 0
    ? `All kernels match float64: ${counted(kernels, "kernel")}, ${took}.`
    : `${wrong} of ${cases} differ from float64 by more than rounding explains (${time}).`;
}

/** Describes each case with failed checks: a heading with suspected kernels, and one line per failure. */
export function listFaultyCases(findings: readonly KindFinding[]): { head: string; faults: string[] }[] {
  return findings.map((finding) => ({ finding, faults: listFaults(finding) }))
    .filter(({ faults }) => faults.length > 0)
    .map(({ finding, faults }) => {
      const who = findBlamedKernels(finding).join(", ") || "the message";
      return { head: `${finding.name} (${finding.kind} variants): check ${who}`, faults };
    });
}

/** Formats the result of a self-test as JSON. NaN and infinite numbers become strings: "NaN", "Infinity". */
export function formatSelftestJson({ adapter, findings, seconds }: SelftestResult): string {
  const whole = { adapter, seconds, kernels: groupByKernel(findings), findings };
  const known = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(whole, known, 2);
}
