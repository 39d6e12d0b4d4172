/** Lists the parts of a model that have metrics: training stages, generator and reward. */

import { stages as trainedStages } from "../run/stages.ts";
import type { StageName, TrainingStage as TrainedStage } from "../run/stages.ts";
import type {
  BaselineMetrics,
  ReportModel,
  ReportStage,
  SnapshotMetrics,
  StoredResult,
} from "./report_data.ts";
import { compareRanking, describeVerdict } from "../metrics/baseline_verdict.ts";
import { describeLoss } from "../run/test_stage.ts";
import { meanAndSd } from "../data/mean_sd.ts";
import type { MetricName } from "../metrics/metric_columns.ts";
import { toFiniteOrNull } from "./line_chart.ts";

/** Splits the sentences of a verdict into findings (comparisons with baselines) and advice. */
export function splitVerdict(
  { verdict, test = [] }: Pick<StoredResult, "verdict" | "test">,
): { findings: string[]; advice: string[] } {
  const rankings = test.flatMap(({ snapshot }) => compareRanking(test, snapshot) ?? []);
  const losses = test.flatMap(({ nll, ...one }) => nll === null ? [] : [{ ...one, nll }]);
  const compared = new Set([...rankings.flatMap(describeVerdict), ...describeLoss(losses)]);
  const findings = verdict.filter((text) => compared.has(text));
  return { findings, advice: verdict.filter((text) => !compared.has(text)) };
}

export interface ReportPart {
  readonly name: string;
  readonly colour: number;
  readonly model: ReportModel;
  readonly stage: StageName;
  readonly ranking: "reward" | "generator";
  /** Snapshot whose test metrics represent the part. */
  readonly judged: TrainedStage["judged"];
}

/** Lists the parts that have a loss: the training stages of all models. */
export function listLossParts(models: readonly ReportModel[]): ReportPart[] {
  return models.flatMap((model, colour) => {
    const stages = listTrainedStages(model);
    const suffix = { shannon: ": pre-training", adversarial: ": adversarial" };
    return stages.map(({ name: stage, judged }): ReportPart => ({
      name: stages.length > 1 ? model.name + suffix[stage] : model.name,
      colour,
      model,
      stage,
      ranking: "reward",
      judged,
    }));
  });
}

/** Lists the parts that rank items: Shannon stage, and generator and reward of the adversarial stage. */
export function listRankingParts(models: readonly ReportModel[]): ReportPart[] {
  return listLossParts(models).flatMap((part): ReportPart[] => {
    if (part.stage === "shannon") return [part];
    return [
      { ...part, name: `${part.model.name}: generator \u03c0`, ranking: "generator" },
      { ...part, name: `${part.model.name}: reward u` },
    ];
  });
}

/** Lists the training stages that at least one run of a model has begun. */
export function listTrainedStages(model: ReportModel): TrainedStage[] {
  return trainedStages.filter(({ name }) => model.runs.some(({ stages }) => stages[name]));
}

/** Returns a stage's logs and results, one element per run that has begun the stage. */
export function listStageRuns({ model, stage }: Pick<ReportPart, "model" | "stage">): ReportStage[] {
  return model.runs.flatMap(({ stages }) => stages[stage] ?? []);
}

const PI: Readonly<Record<string, string>> = {
  prec1: "piPrec1",
  prec2: "piPrec2",
  longerPrec1: "longerPiPrec1",
  longerPrec2: "longerPiPrec2",
};

/** Computes mean and sd of the numbers in `values`; sd is null for one number. Returns undefined for none. */
export function computeMeanAndSd(
  values: readonly (number | null | undefined)[],
): { mean: number; sd: number | null; runs: number } | undefined {
  const present = values.flatMap((value) => value ?? []);
  if (present.length === 0) return undefined;
  const { mean, sd } = meanAndSd(present);
  return { mean, sd: toFiniteOrNull(sd), runs: present.length };
}

/** Metrics of a snapshot or baseline on the test users. A metric is missing if no page contributes to it. */
export interface Scoring {
  readonly iteration?: number;
  readonly details: {
    readonly metrics: Readonly<Partial<Record<string, number | null>>>;
    readonly intervals: Readonly<Partial<Record<string, readonly [number, number] | null>>>;
  };
}

/** Returns a metric's key in `details.metrics`; undefined if it is not computed for the generator. */
export function getMetricName(ranking: ReportPart["ranking"], name: MetricName): string | undefined {
  return ranking === "reward" ? name : PI[name];
}

export function getMetric({ details }: Scoring, name: string | undefined): number | null | undefined {
  return name === undefined ? undefined : details.metrics[name];
}

export function listSnapshotNames(part: ReportPart): string[] {
  return [...new Set(listTests(part).flatMap((test) => test.map(({ snapshot }) => snapshot)))];
}

export function listSnapshotTests(part: ReportPart, snapshot: string): SnapshotMetrics[] {
  return listTests(part).flatMap((test) => test.filter((one) => one.snapshot === snapshot));
}

function listTests(part: ReportPart): (readonly SnapshotMetrics[])[] {
  return listStageRuns(part).flatMap(({ result }) => result ? [result.test] : []);
}

/** Metrics of baselines, and all models whose runs report exactly the same baseline metrics. */
export interface SharedBaselines {
  readonly models: readonly ReportModel[];
  readonly baselines: readonly BaselineMetrics[];
}

/** Returns true if all finished models have equal test users; equal baseline metrics imply this. */
export function haveSameTestUsers(models: readonly ReportModel[]): boolean {
  if (groupByBaselines(models).length <= 1) return true;
  const tests = listLossParts(models).flatMap((part) => listSnapshotTests(part, part.judged));
  const users = new Set(tests.map(({ paired }) => paired && `${paired.users} ${paired.groups}`));
  return users.size === 1 && !users.has(undefined);
}

/** Groups models by their test users. Metrics are comparable only within a group. */
export function groupByTestUsers(models: readonly ReportModel[]): ReportModel[][] {
  const groups: ReportModel[][] = [];
  for (const model of models) {
    const group = groups.find((known) => haveSameTestUsers([...known, model]));
    if (group) group.push(model);
    else groups.push([model]);
  }
  return groups;
}

/** Returns the model's kind of loss. Losses of different kinds cannot be compared. */
export function getLossKind({ settings }: ReportModel): string {
  return settings.get("model.loss") ?? "choice";
}

/** Returns a note if some metrics of the models are not comparable; otherwise "". */
export function describeIncomparable(models: readonly ReportModel[]): string {
  const kinds = [...new Set(models.map(getLossKind))];
  return [
    ...(groupByTestUsers(models).length > 1 ? ["Models with other test users are not comparable."] : []),
    ...(kinds.length > 1 ? [`Losses of --loss ${kinds.join(" and ")} are not comparable.`] : []),
  ].join(" ");
}

/** Lists the baselines of all groups. If a baseline differs between groups, its name lists its models. */
export function listDistinctBaselines(groups: readonly SharedBaselines[]): BaselineMetrics[] {
  return groups.flatMap(({ models, baselines }, k) =>
    baselines.flatMap((one) => {
      const key = toKey([one]);
      const isShared = groups.every((group) => group.baselines.some((other) => toKey([other]) === key));
      if (isShared) return k === 0 ? [one] : [];
      return [{ ...one, name: `${one.name} (${models.map(({ name }) => name).join(", ")})` }];
    })
  );
}

function toKey(baselines: readonly BaselineMetrics[]): string {
  const metrics = baselines.map((
    { name, details: { metrics: { nll, prec1, prec2 } } },
  ) => [name, nll, prec1, prec2]);
  return JSON.stringify(metrics, (_, value) => typeof value === "number" ? value.toFixed(9) : value);
}

export function groupByBaselines(models: readonly ReportModel[]): SharedBaselines[] {
  const all = models.flatMap((model) => distinctBaselines(model).map((baselines) => ({ model, baselines })));
  return [...Map.groupBy(all, ({ baselines }) => toKey(baselines)).values()].map((found) => ({
    models: [...new Set(found.map(({ model }) => model))],
    baselines: found[0]?.baselines ?? [],
  }));
}

/** Sorts baselines by a metric from the best to the worst. Baselines without the metric come last. */
export function sortBaselines(
  baselines: readonly BaselineMetrics[],
  metric: MetricName,
): readonly BaselineMetrics[] {
  const getCost = (baseline: BaselineMetrics) => {
    const value = getMetric(baseline, metric) ?? undefined;
    return value === undefined ? Infinity : metric === "nll" ? value : -value;
  };
  return baselines.toSorted((a, b) => getCost(a) < getCost(b) ? -1 : Number(getCost(a) > getCost(b)));
}

function distinctBaselines(model: ReportModel): (readonly BaselineMetrics[])[] {
  const stages: ReportStage[] = model.runs.flatMap(({ stages }) => Object.values(stages));
  return stages.flatMap(({ result }) => result && result.shown.length > 0 ? [result.shown] : []);
}
