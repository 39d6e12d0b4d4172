/**
 * Classifies differences between models by confidence intervals, compares models with baselines, and
 * describes the results in words.
 */

import { meanAndSd } from "../data/mean_sd.ts";
import { type BaselineName, baselineNames, baselineTitles } from "./baselines/baseline_names.ts";
import type { Interval } from "./bootstrap.ts";
import { formatThousands } from "../number_text.ts";
import { getMetricTitle } from "./metric_columns.ts";
import type { MetricGap } from "./test_result.ts";

/** Outcome of the comparison of a model with another model. */
export type Significance = "better" | "worse" | "no significant difference";

/** Differences up to this value count as 0: rounding to f32 and the order of summation may cause them. */
const ROUNDING = 1e-6;

/** Classifies a difference by its confidence interval; null (too few users or runs): not significant. */
export function classifyDifference(
  interval: Interval | null | undefined,
  { lowerIsBetter = false }: { readonly lowerIsBetter?: boolean } = {},
): Significance {
  const [low, high] = interval ?? [0, 0];
  if (low <= ROUNDING && high >= -ROUNDING) return "no significant difference";
  return (low > 0) === lowerIsBetter ? "worse" : "better";
}

/** Metrics by which models are compared. A lower loss (nll) is better; other metrics: higher is better. */
export type ComparedMetric = "nll" | "prec1" | "prec2" | "piPrec1";

export interface BaselineComparison extends MetricGap {
  readonly name: string;
  readonly is: Significance;
}

/** Differences between a model and each baseline, by baseline and metric. */
export type BaselineDifferences = Readonly<
  Partial<Record<BaselineName, Readonly<Partial<Record<ComparedMetric, MetricGap>>>>>
>;

/**
 * Compares a model with the baselines. The strongest baseline is listed first.
 * @param scorings - one entry per seed: differences on the test users, which are averaged over the seeds
 */
export function compareWithBaselines(
  scorings: readonly BaselineDifferences[],
  metric: ComparedMetric,
): BaselineComparison[] {
  const comparisons = baselineNames.flatMap((name): BaselineComparison[] => {
    const found = scorings.flatMap((against) => against[name]?.[metric] ?? []);
    if (found.length === 0 || found.length < scorings.length) return [];
    const ends = found.flatMap(({ interval }) => interval ? [interval] : []);
    const end = (k: 0 | 1) => meanAndSd(ends.map((interval) => interval[k])).mean;
    const value = meanAndSd(found.map(({ value }) => value)).mean;
    const interval = ends.length < found.length ? null : [end(0), end(1)] as const;
    const is = classifyDifference(interval, { lowerIsBetter: metric === "nll" });
    return [{ name: baselineTitles[name], value, interval, is }];
  });
  return comparisons.sort((a, b) => (metric === "nll" ? -1 : 1) * (a.value - b.value));
}

/** Returns "better" if all baselines are significantly worse, "worse" if one is significantly better. */
export function classifyAgainstBaselines(comparisons: readonly BaselineComparison[]): Significance {
  if (comparisons.every(({ is }) => is === "better")) return "better";
  return comparisons.some(({ is }) => is === "worse") ? "worse" : "no significant difference";
}

/** Returns true if model and best baseline are equal on each user, so that the interval is 0 to 0. */
export function isEqualToBest([best]: readonly BaselineComparison[]): boolean {
  return best?.interval?.every((end) => end === 0) ?? false;
}

export interface BaselineVerdict {
  /** Name of the model as the subject of a sentence, such as "best-loss". */
  readonly subject: string;
  readonly metric: ComparedMetric;
  readonly comparisons: readonly BaselineComparison[];
  /** Number of users in words, such as "270 test users"; undefined if unknown. */
  readonly users?: string;
  /** Name of the data to which the baselines were fitted, if these are not the model's training data. */
  readonly fittedTo?: string | undefined;
}

/** Describes a verdict in sentences, and names each baseline that the model does not beat significantly. */
export function describeVerdict(
  { subject, metric, comparisons, users, fittedTo }: BaselineVerdict,
): string[] {
  const [best] = comparisons;
  if (!best) return [];
  if (comparisons.every(({ interval }) => !interval)) {
    return ["Too few users for a confidence interval: the model cannot be compared with the baselines."];
  }
  if (isEqualToBest(comparisons)) {
    const same = metric === "nll" ? "is that of" : "ranks exactly like";
    return [`${toStart(subject)} ${same} the best baseline (${best.name}).`];
  }
  // For example "prec@1 +0.012, 95 % CI +0.001 to +0.023, 270 test users".
  const numbers = ({ value, interval }: MetricGap) =>
    [
      `${getMetricTitle(metric)} ${formatSigned(value, 3)}`,
      ...(interval ? [describeInterval(interval, 3)] : []),
      ...(users === undefined ? [] : [users]),
    ].join(", ");
  if (classifyAgainstBaselines(comparisons) === "better") {
    const every = fittedTo === undefined ? "every baseline" : `every baseline fitted to ${fittedTo}`;
    return [`${toStart(subject)} is better than ${every}. Best baseline (${best.name}): ${numbers(best)}.`];
  }
  return (["worse", "no significant difference"] as const).flatMap((is) => {
    const [first, ...others] = comparisons.filter((one) => one.is === is);
    if (!first) return [];
    const baseline = first === best ? `the best baseline (${first.name})` : first.name;
    const names = others.map(({ name }) => name).join(", ");
    const also = is === "worse"
      ? `Also worse than: ${names}.`
      : `No significant difference from ${names} either.`;
    const same = others.length === 0 ? "" : ` ${also}`;
    return [`${describeSignificance(is, subject, baseline)}: ${numbers(first)}.${same}`];
  });
}

/** Metrics of one snapshot on the test users. */
interface Scoring {
  readonly snapshot: string;
  readonly users?: number;
  readonly details?: { readonly metrics: Readonly<Partial<Record<string, number | null>>> };
  readonly against?: BaselineDifferences;
}

/** Returns the snapshot with the name `judged` or, if there is none, the last snapshot. */
export function findJudged<T extends { readonly snapshot: string }>(
  test: readonly T[],
  judged: string | undefined,
): T | undefined {
  return test.find(({ snapshot }) => snapshot === judged) ?? test.at(-1);
}

/**
 * Compares a snapshot's ranking with the baselines. An adversarial snapshot has two rankings (by the reward
 * and by the generator): the one with the higher precision is used. @param judged - name of the snapshot, as
 * in findJudged @param split - name of the test users' split, such as "test"
 */
export function compareRanking(
  test: readonly Scoring[],
  judged: string | undefined,
  split = "test",
): BaselineVerdict | undefined {
  const best = findJudged(test, judged);
  if (!best) return undefined;
  const { metrics = {} } = best.details ?? {};
  const byPi = (metrics.piPrec1 ?? -1) > (metrics.prec1 ?? 0);
  const metric = byPi ? "piPrec1" : "prec1";
  return {
    subject: byPi ? `the generator of ${best.snapshot}` : best.snapshot,
    metric,
    comparisons: compareWithBaselines([best.against ?? {}], metric),
    users: describeUsers(best.users, split),
  };
}

/** Returns, for example, "270 test users". */
export function describeUsers(count: number | undefined, split = "test"): string | undefined {
  return count === undefined ? undefined : `${formatThousands(count)} ${split} users`;
}

/** Returns, for example, "In the simulator slateq is worse than greedy" (`place` is "In the simulator"). */
export function describeSignificance(
  is: Significance,
  subject: string,
  other: string,
  place?: string,
): string {
  if (is === "no significant difference") {
    const none = place === undefined ? "No" : `${place} there is no`;
    return `${none} significant difference between ${subject} and ${other}`;
  }
  const who = place === undefined ? toStart(subject) : `${place} ${subject}`;
  return `${who} is ${is} than ${other}`;
}

/** Capitalises "the" at the start of a sentence. Names of snapshots and policies are not capitalised. */
function toStart(subject: string): string {
  return subject.replace(/^the /, "The ");
}

/** Returns, for example, "95 % CI +0.001 to +0.023". */
export function describeInterval(interval: Interval, digits?: number): string {
  return `95 % CI ${formatSignedRange(interval, digits)}`;
}

/** Claim that a difference is above 0, such as "policy A is better than B", with the verdict on it. */
export interface Claim {
  readonly claim: string;
  /** Verdict on the claim: "undecided" if the interval of the difference contains 0. */
  readonly holds: "yes" | "no" | "undecided";
  readonly text: string;
}

/** Decides whether a difference is above 0, by its confidence interval. */
export function judgeClaim(interval: Interval | null | undefined): Claim["holds"] {
  const is = classifyDifference(interval);
  return is === "no significant difference" ? "undecided" : is === "better" ? "yes" : "no";
}

export const claimOutcomes = { yes: "supported", no: "contradicted", undecided: "inconclusive" } as const;

/** Formats a number with its sign, such as "+4.21". */
export function formatSigned(value: number, digits = 2): string {
  return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** Formats an interval with signs, such as "-0.02 to +4.21". */
export function formatSignedRange([low, high]: Interval, digits?: number): string {
  return `${formatSigned(low, digits)} to ${formatSigned(high, digits)}`;
}
