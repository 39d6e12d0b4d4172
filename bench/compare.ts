/** What has changed between two benches, and what is only noise. */

import type { BenchReport, Timing } from "../src/selftest/profile/bench_report.ts";

interface Measured extends Pick<Timing, "median" | "lower" | "upper" | "error"> {
  readonly unit: string;
  /** Whether more of it is better, as of rates. */
  readonly rate: boolean;
}

export interface Change {
  readonly id: string;
  readonly unit: string;
  readonly before?: Measured;
  readonly after?: Measured;
  /** after / before - 1 of the medians. */
  readonly change?: number;
  /** The two spreads together, as a share of the value before. */
  readonly noise?: number;
  readonly verdict: "better" | "worse" | "noise" | "new" | "gone";
}

/** Everything that was measured with a spread, by its name. */
function measured({ figures, kernels, steps, growth, ladders = [] }: BenchReport): Map<string, Measured> {
  const all = new Map<string, Measured>();
  const time = (id: string, { median, lower, upper, error }: Timing) =>
    all.set(id, { unit: "us", median, lower, upper, error, rate: false });
  for (const { name, unit, median, lower, upper } of figures) {
    // Found by doubling, and neither better nor worse.
    if (unit !== "invocations") {
      all.set(`adapter: ${name}`, { unit, median, lower, upper, rate: unit !== "us" });
    }
  }
  for (const kernel of kernels) time(kernel.id, kernel);
  for (const { workload, model, wall } of steps) time(`step of ${workload} ${model}`, wall);
  for (const { axis, value, time: taken } of growth) {
    if (taken) time(`growth: ${axis} ${value}`, taken);
  }
  for (const { ladder, size, steps } of ladders) {
    for (const { number, kernel, time: taken } of steps) {
      if (taken) time(`ladder ${ladder} ${size.join(" x ")}, step ${number}: ${kernel}`, taken);
    }
  }
  return all;
}

/** In the order of the later one; what is gone comes last, unless its part was not measured at all. */
export function compare(before: BenchReport, after: BenchReport): Change[] {
  const [old, now] = [measured(before), measured(after)];
  const changes = [...now].map(([id, measured]) => changeOf(id, old.get(id), measured));
  const parts = new Set([...now.keys()].map(partOf));
  for (const [id, { unit }] of old) {
    if (!now.has(id) && parts.has(partOf(id))) {
      changes.push({ id, unit, before: old.get(id), verdict: "gone" });
    }
  }
  return changes;
}

function partOf(id: string): string {
  return /^(adapter:|growth:|step of|ladder [^,]*,)/.exec(id)?.[0] ?? id.split(" ")[0] ?? "";
}

function spreadOf({ lower, upper, error = 0 }: Measured): number {
  return upper - lower + error;
}

/** A change that is no larger than the distances between the quartiles, of both together, is noise. */
function changeOf(id: string, before: Measured | undefined, after: Measured): Change {
  const { unit } = after;
  if (!before) return { id, unit, after, verdict: "new" };
  const difference = after.median - before.median;
  const spread = spreadOf(before) + spreadOf(after);
  const better = after.rate ? difference > 0 : difference < 0;
  return {
    id,
    unit,
    before,
    after,
    // Nothing is a share of 0, which coarse clocks may have read.
    ...(before.median > 0 && { change: difference / before.median, noise: spread / before.median }),
    verdict: Math.abs(difference) <= spread ? "noise" : better ? "better" : "worse",
  };
}
