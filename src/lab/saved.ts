/** All that was measured in the page, as the JSON that `deno task bench --compare` reads. */

import type { AdapterDescription } from "../gpu/device.ts";
import type { AdapterFigure } from "../selftest/profile/ceilings.ts";
import type {
  BenchReport,
  LadderFigures,
  SelftestFigures,
  TrainingFigures,
} from "../selftest/profile/bench_report.ts";
import type { StepResult } from "../selftest/profile/step_profile.ts";
import { checkText } from "../selftest/finding.ts";
import type { KindFinding } from "../selftest/results.ts";

/** What the screens have measured so far. */
export interface Measured {
  readonly figures: readonly AdapterFigure[];
  readonly steps: readonly StepResult[];
  readonly ladders: readonly LadderFigures[];
  readonly selftest: readonly SelftestFigures[];
  readonly training?: TrainingFigures;
}

export const nothingMeasured: Measured = { figures: [], steps: [], ladders: [], selftest: [] };

/** With what was measured last in the place of what was measured before of the same. */
export function withMeasured(before: Measured, more: Partial<Measured>): Measured {
  const merge = <T>(
    old: readonly T[],
    now: readonly T[] | undefined,
    key: (value: T) => string,
  ): readonly T[] => {
    if (!now) return old;
    const keys = new Set(now.map(key));
    return [...old.filter((value) => !keys.has(key(value))), ...now];
  };
  return {
    figures: more.figures ?? before.figures,
    steps: merge(before.steps, more.steps, ({ workload, model }) => `${workload} ${model}`),
    ladders: merge(before.ladders, more.ladders, ({ ladder, size }) => `${ladder} ${size.join("x")}`),
    training: more.training ?? before.training,
    selftest: merge(before.selftest, more.selftest, ({ kind }) => kind),
  };
}

export interface SavedOn {
  readonly adapter: AdapterDescription;
  /** As whoever measured calls it; browsers often hide it. */
  readonly name: string;
  readonly cores: number;
  readonly timestamps: boolean;
  readonly date: Date;
  /** Of clickgan. */
  readonly version: string;
}

export function savedReport(
  measured: Measured,
  { adapter, name, cores, timestamps, date, version }: SavedOn,
): BenchReport {
  const { kind, vendor, architecture, runtime } = adapter;
  return {
    format: 1,
    date: date.toISOString(),
    version,
    adapter: { kind, description: name.trim() || adapterName(adapter), vendor, architecture, runtime },
    // A browser keeps what it compiled as it likes.
    machine: { cores, timestamps, shaderCache: true },
    ...{ figures: measured.figures, kernels: [], steps: measured.steps, growth: [] },
    ...{ ladders: measured.ladders, selftest: measured.selftest, training: measured.training },
  };
}

/** What is known of an adapter's name: browsers tell the vendor and the architecture, and often no more. */
export function adapterName({ description, vendor, architecture }: AdapterDescription): string {
  if (description !== "" && description !== "unnamed adapter") return description;
  return [vendor, architecture].filter((part) => part !== "").join(" ") || "unnamed adapter";
}

/** What of a self-test goes into the file: how many cases, which differ, and which kernels it left out. */
export function selftestFigures(
  findings: readonly KindFinding[],
  leftOut: readonly string[] = [],
): SelftestFigures[] {
  return (["cpu", "gpu"] as const).flatMap((kind) => {
    const own = findings.filter((finding) => finding.kind === kind);
    if (own.length === 0) return [];
    const differing = own.flatMap(({ name, error, checks }) => {
      const [first] = checks.filter(({ differs }) => differs);
      const message = error ?? (first && checkText(first));
      return message === undefined ? [] : [{ name, message }];
    });
    // No adapter leaves out what GPUs take.
    const without = kind === "cpu" && leftOut.length > 0 ? { leftOut } : {};
    return [{ kind, cases: own.length, differing, ...without }];
  });
}

/** "clickgan-nvidia-ampere-2026-01-02.json" */
export function fileName({ adapter: { description }, date }: BenchReport): string {
  const name = description.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `clickgan-${name}-${date.slice(0, 10)}.json`;
}

/** What a saved file holds, a line each. */
export function contentsOf({ figures, steps, ladders, selftest, training }: Measured): string[] {
  const of = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;
  return [
    ...(figures.length > 0 ? [`${of(figures.length, "figure", "figures")} of the adapter`] : []),
    ...steps.map(({ workload, model, dispatches }) =>
      `a step of ${model} on ${workload}: ${of(dispatches.length, "dispatch", "dispatches")}`
    ),
    ...ladders.map(({ ladder, size, steps }) =>
      `ladder ${ladder}, ${size.join(" x ")}: ${of(steps.length, "step", "steps")}`
    ),
    ...selftest.map(({ kind, cases, differing, leftOut = [] }) =>
      `self-test of the ${kind} shapes: ${of(cases, "case", "cases")}, ${differing.length} differing` +
      (leftOut.length > 0 ? `, without ${of(leftOut.length, "kernel", "kernels")}` : "")
    ),
    ...(training ? [`a training of ${of(training.iteration, "iteration", "iterations")}`] : []),
  ];
}
