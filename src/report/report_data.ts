/** Data of a report: runs with their logs, and schemas of the JSON files in their folders as far as a report needs them. */

import { MOST_GROUPS } from "../metrics/bootstrap.ts";
import type { Claim } from "../metrics/baseline_verdict.ts";
import type { StageName } from "../run/stages.ts";
import type { Criterion } from "../train/best_records.ts";
import * as v from "../schema.ts";

/** A log's columns by name, [rows] each; null if the value is not finite. */
export interface RunLog {
  readonly iteration: readonly number[];
  readonly columns: ReadonlyMap<string, readonly (number | null)[]>;
}

const number = v.finiteNumber();
/** A metric; null is NaN, which JSON does not have. */
const metric = v.nullable(number);

const metricsSchema = v.object({ nll: metric, prec1: metric, prec2: metric });
const rankingMetrics = { ...metricsSchema.entries, piPrec1: metric, piPrec2: metric };

/** 95 % bootstrap interval over users; null if there are too few users. */
const interval = v.nullable(v.tuple([number, number]));

const named = <T extends v.GenericSchema>(schema: T) => v.record(v.string(), schema);

const calibrationSchema = v.looseObject({
  ece: number,
  eceByChance: v.nullable(number),
  bins: v.array(v.looseObject({ cases: number, predicted: number, observed: number, interval })),
});

const calibration = v.optional(calibrationSchema);
const measuredSchema = v.looseObject({ metrics: named(metric), intervals: named(interval) });
const sliceSchema = v.looseObject({
  ...{ ...measuredSchema.entries, name: v.string(), events: number, ece: v.optional(number) },
});

/** All metrics on the test users: `MetricDetails` of metrics/test_result.ts. */
const detailsSchema = v.looseObject({
  ...measuredSchema.entries,
  calibration: v.optional(v.looseObject({ click: calibration, noClick: calibration })),
  slices: v.optional(named(v.array(sliceSchema)), {}),
});

/** Sums per user group of metrics/test_result.ts, with which other models are compared. */
const pairedSchema = v.looseObject({ users: v.string(), groups: v.whole(1, MOST_GROUPS), sums: v.string() });

const differencesSchema = named(v.looseObject({ value: number, interval }));
const comparison = { snapshot: v.string(), minus: v.string(), differences: differencesSchema };

const baselineSchema = v.object({
  ...v.partial(metricsSchema, ["nll"]).entries,
  longerPages: v.optional(v.partial(metricsSchema), {}),
  /** Setting that was best on the validation users. */
  setting: v.optional(v.string()),
  details: v.optional(detailsSchema),
});

const snapshotSchema = v.looseObject({
  snapshot: v.string(),
  iteration: v.wholeNumber(),
  users: v.optional(v.wholeNumber()),
  ...metricsSchema.entries,
  /** Metrics without single-item pages. */
  longerPages: v.optional(v.partial(v.object(rankingMetrics)), {}),
  /** Precision of the generator pi, in the adversarial stage. */
  piPrec1: v.optional(metric),
  piPrec2: v.optional(metric),
  details: v.optional(detailsSchema),
  /** Differences from each baseline, by the baseline's name. */
  against: v.optional(named(differencesSchema), {}),
  paired: v.optional(pairedSchema),
});

/** Result of a stage; an extended run has no test metrics until it ends again. */
export const resultSchema = v.looseObject({
  iteration: v.wholeNumber(),
  /** Time of writing, ISO 8601. */
  finished: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** Duration of the last session without set-up. */
  sessionSeconds: v.optional(v.atLeast(0)),
  /** True if there were earlier sessions. */
  resumed: v.optional(v.boolean(), false),
  data: v.optional(v.looseObject({
    users: v.tuple([v.wholeNumber(), v.wholeNumber(), v.wholeNumber()]),
    ...{ pages: v.wholeNumber(), rows: v.wholeNumber(), items: v.wholeNumber() },
    hashed: v.optional(v.whole(1)),
    warnings: v.optional(v.array(v.string())),
  })),
  test: v.optional(v.array(snapshotSchema)),
  baselines: v.optional(named(v.nullable(baselineSchema)), {}),
  /** Differences between snapshots. */
  snapshots: v.optional(v.array(v.looseObject(comparison)), []),
  verdict: v.optional(v.array(v.string()), []),
});
export type StoredResult = v.InferOutput<typeof resultSchema>;
/** A metric is null if there was nothing to average. */
export type StoredMetrics = v.InferOutput<typeof metricsSchema>;
export type SnapshotMetrics = v.InferOutput<typeof snapshotSchema>;
export type StoredDetails = v.InferOutput<typeof detailsSchema>;
export type StoredDifferences = v.InferOutput<typeof differencesSchema>;

export const experimentSchema = v.looseObject({
  data: v.optional(v.string()),
  models: v.pipe(v.array(v.looseObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});

const outcome = v.picklist(["yes", "no", "undecided"]);
const claimSchema = v.looseObject({ claim: v.string(), holds: outcome, text: v.optional(v.string(), "") });
export const experimentResultSchema = v.looseObject({
  claims: v.optional(v.array(claimSchema), []),
});

/** A baseline with the name that pages show. */
export type BaselineMetrics = StoredMetrics & Omit<v.InferOutput<typeof baselineSchema>, "nll"> & {
  readonly name: string;
};

export interface StageResult extends StoredResult {
  readonly test: SnapshotMetrics[];
  readonly shown: readonly BaselineMetrics[];
}

export interface ReportStage {
  readonly train: RunLog;
  readonly validation: RunLog;
  readonly iteration: number;
  /** Planned iterations; undefined if unknown. */
  readonly planned: number | undefined;
  /** Iterations of the best snapshots in its folder; undefined if there are none. */
  readonly kept?: Readonly<Partial<Record<Criterion, number>>>;
  /** Undefined until the stage is finished. */
  readonly result: StageResult | undefined;
}

export interface ReportRun {
  readonly folder: string;
  readonly seed: number;
  readonly stages: Readonly<Partial<Record<StageName, ReportStage>>>;
}

/** A setting's path in the config, such as "training.batchSize", and its value as text. */
export type Settings = ReadonlyMap<string, string>;

/** A model: runs that differ only in their seed. */
export interface ReportModel {
  /** Unique in the report. */
  readonly name: string;
  readonly folder: string;
  readonly data: string;
  /** Not empty, ascending by seed. */
  readonly runs: readonly ReportRun[];
  /** Planned seeds without a row. */
  readonly missingSeeds: readonly number[];
  readonly settings: Settings;
  readonly machine: Settings;
}

export interface ReportData {
  readonly title: string;
  /** Not empty. */
  readonly models: readonly ReportModel[];
  readonly claims: readonly Claim[];
  readonly notes: readonly string[];
}
