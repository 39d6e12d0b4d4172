/** Converts measurements of the lab to the JSON that `deno task bench --compare` reads. */

import type { AdapterDescription } from "../gpu/device.ts";
import { checkText, type KindFinding, type SelftestResult } from "../selftest/finding.ts";
import type {
  AdapterMeasurement,
  BenchReport,
  LadderMeasurement,
  SelftestSummary,
  StepMeasurement,
  TrainingSpeed,
} from "../profile/bench_report.ts";

/** Measurements of all screens since the page was opened. */
export interface LabMeasurements {
  readonly probes: readonly AdapterMeasurement[];
  readonly steps: readonly StepMeasurement[];
  readonly ladders: readonly LadderMeasurement[];
  readonly selftest: readonly SelftestSummary[];
  readonly training?: TrainingSpeed;
}

/**
 * Groups measurements by name: "training", "selftest", "adapter", one name per training step (such as "step
 * demo LSTM"), and one name per ladder of a kernel's versions (such as "ladder forward 8x8x8").
 */
export function collectMeasurements(kept: ReadonlyMap<string, unknown>): LabMeasurements {
  const all = <T>(kind: string) =>
    [...kept].flatMap(([name, value]) => name.startsWith(`${kind} `) ? [value as T] : []);
  const selftest = kept.get("selftest") as SelftestResult | undefined;
  const training = kept.get("training") as TrainingSpeed | undefined;
  return {
    probes: kept.get("adapter") as readonly AdapterMeasurement[] | undefined ?? [],
    steps: all<StepMeasurement>("step"),
    ladders: all<LadderMeasurement>("ladder"),
    selftest: selftest ? summarizeSelftest(selftest.findings) : [],
    training: training && {
      iteration: training.iteration,
      msToFirstStep: training.msToFirstStep,
      stepsPerSecond: training.stepsPerSecond,
    },
  };
}

export function formatStepKey({ workload, model }: StepMeasurement): string {
  return `step ${workload} ${model}`;
}

export function formatLadderKey({ ladder, size }: LadderMeasurement): string {
  return `ladder ${ladder} ${size.join("x")}`;
}

export interface SavedReportContext {
  readonly adapter: AdapterDescription;
  /** Name of the adapter, entered by the user: browsers often hide the real name. */
  readonly name: string;
  readonly cores: number;
  readonly timestamps: boolean;
  readonly date: Date;
  readonly version: string;
}

export function buildSavedReport(
  measured: LabMeasurements,
  { adapter, name, cores, timestamps, date, version }: SavedReportContext,
): BenchReport {
  const { kind, vendor, architecture, runtime } = adapter;
  return {
    format: "clickgan-bench", // an import of BENCH_FORMAT would add its schema to the page
    date: date.toISOString(),
    version,
    adapter: { kind, description: name.trim() || formatAdapterName(adapter), vendor, architecture, runtime },
    // true, because browsers may cache compiled shaders
    machine: { cores, timestamps, shaderCache: true },
    ...{ probes: measured.probes, kernels: [], steps: measured.steps, growth: [] },
    ...{ ladders: measured.ladders, selftest: measured.selftest, training: measured.training },
  };
}

/** Returns the description of an adapter or, if the browser hides it, vendor and architecture. */
export function formatAdapterName({ description, vendor, architecture }: AdapterDescription): string {
  if (description !== "" && description !== "unnamed adapter") return description;
  return [vendor, architecture].filter((part) => part !== "").join(" ") || "unnamed adapter";
}

/** Counts test cases and failed cases: once for GPU kernels, once for CPU kernels. */
export function summarizeSelftest(findings: readonly KindFinding[]): SelftestSummary[] {
  return (["cpu", "gpu"] as const).flatMap((kind) => {
    const own = findings.filter((finding) => finding.kind === kind);
    if (own.length === 0) return [];
    const differing = own.flatMap(({ name, error, checks }) => {
      const [first] = checks.filter(({ differs }) => differs);
      const message = error ?? (first && checkText(first));
      return message === undefined ? [] : [{ name, message }];
    });
    return [{ kind, cases: own.length, differing }];
  });
}

/** Returns a file name, for example "clickgan-nvidia-ampere-2026-01-02.json". */
export function formatFileName({ adapter: { description }, date }: BenchReport): string {
  const name = description.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `clickgan-${name}-${date.slice(0, 10)}.json`;
}

/** Describes the contents of a saved file: one line per measurement. */
export function listReportContents(
  { probes, steps, ladders, selftest, training }: LabMeasurements,
): string[] {
  const count = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;
  return [
    ...(probes.length > 0 ? [`${count(probes.length, "measurement", "measurements")} of the adapter`] : []),
    ...steps.map(({ workload, model, dispatches }) =>
      `a step of ${model} on ${workload}: ${count(dispatches.length, "dispatch", "dispatches")}`
    ),
    ...ladders.map(({ ladder, size, steps }) =>
      `ladder ${ladder}, ${size.join(" x ")}: ${count(steps.length, "step", "steps")}`
    ),
    ...selftest.map(({ kind, cases, differing }) =>
      `self-test of the ${kind} variants: ${count(cases, "case", "cases")}, ${differing.length} differing`
    ),
    ...(training ? [`a training of ${count(training.iteration, "iteration", "iterations")}`] : []),
  ];
}
