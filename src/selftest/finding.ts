/**
 * What a case of the self-test finds, of each thing that kernels computed the element that is farthest off, and what comes
 * out of the whole self-test, kernel by kernel. It imports no kernel, so that a page can show what a worker has found.
 */

import type { AdapterDescription, Gpu } from "../gpu/device.ts";
import type { AdapterKind } from "../gpu/kernel_variants.ts";

/** One number beside what it should be. */
interface Element {
  /** Where it stands, e.g. "[3, 5]". */
  readonly index: string;
  readonly expected: number;
  readonly got: number;
  /** How far off it may be; 0 where the bits must be the same. */
  readonly tolerance: number;
}

/** Numbers that were compared. */
export interface ComparedValues {
  /** Who wrote the numbers, without `.wgsl`. */
  readonly kernels: readonly string[];
  /** E.g. "output", or "gradient of w". */
  readonly what: string;
  /** How many were compared; 0 where something else must hold. */
  readonly values: number;
  /** How many of them are further off than they may be. Absent where nothing was compared by its size. */
  readonly wrong?: number;
  readonly differs: boolean;
  /** The one that is the most of its tolerance off. Absent where nothing was compared by its size. */
  readonly worst?: Element;
  /** What is wrong, where that is no number: a stray write, two runs that differ. */
  readonly fault?: string;
}

/** What came of a case. */
export interface CaseFinding {
  readonly name: string;
  /** All kernels that ran. */
  readonly kernels: readonly string[];
  /** In the order in which they were computed: where several differ, the later ones may follow from the first. */
  readonly checks: readonly ComparedValues[];
  /** Why the case came to no end: a kernel that does not compile, a lost device. */
  readonly error?: string;
}

/** How far off an element is, as a share of its tolerance. More than 1 differs. */
export function computeErrorShare({ expected, got, tolerance }: Element): number {
  if (Object.is(expected, got) || expected === got) return 0;
  if (Number.isNaN(expected) && Number.isNaN(got)) return 0;
  const error = Math.abs(got - expected);
  if (Number.isNaN(error) || tolerance === 0) return Infinity;
  return error / tolerance;
}

/** A number of f32 has nine digits at most; whole ones, such as words, have all. */
function digits(x: number, most = 9): string {
  return String(Number.isInteger(x) ? x : Number(x.toPrecision(most)));
}

/** E.g. "[3, 5]: expected 0.25, got 0.75, off by 0.5 with 0.000001 allowed". */
export function formatElement({ index, expected, got, tolerance }: Element): string {
  const off = digits(Math.abs(got - expected), 2);
  return `${index}: expected ${digits(expected)}, got ${digits(got)}, off by ${off} with ` +
    `${digits(tolerance, 2)} allowed`;
}

/** One line about a check that differs. */
export function checkText({ what, worst, fault }: ComparedValues): string {
  return `${what}${fault ? `: ${fault}` : worst ? ` ${formatElement(worst)}` : ""}`;
}

/** What differs in a finding, a line each; none where all is well. */
export function listFaults({ checks, error }: CaseFinding): string[] {
  return [
    ...checks.filter(({ differs }) => differs).map((check) =>
      `${check.kernels.join(", ")}: ${checkText(check)}`
    ),
    ...(error ? [error] : []),
  ];
}

/** How to compare. */
export interface ToleranceOptions {
  /** Who wrote the numbers. */
  readonly kernels: readonly string[];
  readonly what: string;
  /** Of each number, or of all. */
  readonly tolerance: number | ((k: number) => number);
  /** Columns, where the numbers are a matrix: the index then says row and column. */
  readonly columns?: number;
  /** What else is said of a number's place. */
  readonly named?: (k: number) => string;
}

/** Collects the checks of a case. It throws nothing: one look finds all that differs. */
export class CheckCollector {
  readonly #checks: ComparedValues[] = [];

  get all(): readonly ComparedValues[] {
    return this.#checks;
  }

  /** Numbers beside what they should be. Another length than expected is a fault. */
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
    for (let k = 0; k < values; k++) {
      const element = {
        index: "",
        expected: expected[k] ?? NaN,
        got: found[k] ?? NaN,
        tolerance: typeof tolerance === "number" ? tolerance : tolerance(k),
      };
      const share = computeErrorShare(element);
      if (share > 1) wrong++;
      if (share <= most) continue;
      const index = columns ? `[${Math.floor(k / columns)}, ${k % columns}]` : `[${k}]`;
      [worst, most] = [{ ...element, index: index + named(k) }, share];
    }
    this.#checks.push({ kernels, what, values, wrong, differs: most > 1, worst });
  }

  /** Words, or whole numbers, that must be the same. */
  same(
    found: ArrayLike<number> | undefined,
    expected: ArrayLike<number>,
    by: Omit<ToleranceOptions, "tolerance">,
  ): void {
    this.numbers(found, expected, { ...by, tolerance: 0 });
  }

  /** Something that must hold. @param fault what is wrong where it does not */
  holds(condition: boolean, kernels: readonly string[], what: string, fault: string): void {
    this.#checks.push({ kernels, what, values: 0, differs: !condition, ...(condition ? {} : { fault }) });
  }
}

/** What must hold of a run, where nobody collects checks. @throws Error where it does not */
export function expectAll({ all }: CheckCollector): void {
  const wrong = all.filter(({ differs }) => differs);
  if (wrong.length > 0) throw new Error(wrong.map(checkText).join("\n"));
}

/** Who checks something, and notes what differs. */
export interface NamedCheck {
  readonly name: string;
  readonly check: (gpu: Gpu, checks: CheckCollector) => Promise<void>;
}

/** What came of a case, by the kernels for a kind of adapter. */
export interface KindFinding extends CaseFinding {
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
export interface KernelFinding {
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
export function findBlamedKernels({ checks }: CaseFinding): string[] {
  const wrong = checks.filter(({ differs }) => differs);
  // That two runs differ says less than which number is wrong.
  const first = wrong.find(({ worst }) => worst) ?? wrong[0];
  if (!first) return [];
  const right = new Set(checks.filter(({ differs }) => !differs).map(({ kernels }) => kernels[0]));
  const suspects = first.kernels.filter((kernel) => !right.has(kernel));
  return suspects.length > 0 ? suspects : [...first.kernels];
}

/** The findings by kernel, in the order of their names. */
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

/** What came of all cases, in a sentence. @param stopped before the last of them */
export function describeVerdict(findings: readonly KindFinding[], seconds: number, stopped = false): string {
  const took = `${counted(findings.length, "case")}, ${seconds.toFixed(1)} s`;
  if (stopped) return `Stopped after ${took}.`;
  const wrong = findings.filter((finding) => listFaults(finding).length > 0).length;
  const kernels = new Set(groupByKernel(findings).map(({ kernel }) => kernel)).size;
  return wrong === 0
    ? `All agree: ${counted(kernels, "kernel")}, ${took}.`
    : `${wrong} of ${took}: they differ by more than rounding explains.`;
}

/** Those that differ: which case, whom it points to, and what is wrong. */
export function listFaultyCases(findings: readonly KindFinding[]): { head: string; faults: string[] }[] {
  return findings.map((finding) => ({ finding, faults: listFaults(finding) }))
    .filter(({ faults }) => faults.length > 0)
    .map(({ finding, faults }) => {
      const who = findBlamedKernels(finding).join(", ") || "the message";
      return { head: `${finding.name} (${finding.kind} variants): look at ${who}`, faults };
    });
}

/** What whoever ran the self-test is told of kernels that were not run; "" where there are none. */
export function describeLeftOut(kernels: readonly string[]): string {
  if (kernels.length === 0) return "";
  const them = kernels.length === 1 ? "it" : "them";
  return `Not run: ${kernels.join(", ")}. No model takes ${them} on this adapter, where matrices stand ` +
    "in buffers.";
}

/** All of it as JSON has it. Numbers that JSON does not know are text: "NaN", "Infinity". */
export function formatSelftestJson({ adapter, findings, leftOut, seconds }: SelftestResult): string {
  const whole = { adapter, seconds, leftOut, kernels: groupByKernel(findings), findings };
  const known = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(whole, known, 2);
}
