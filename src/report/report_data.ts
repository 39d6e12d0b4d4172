/** Types of runs and logs in a report, and schemas of the JSON that a report reads from folders of runs. */

import { MOST_GROUPS } from "../metrics/bootstrap.ts";
import type { Claim } from "../metrics/baseline_verdict.ts";
import type { StageName } from "../run/stages.ts";
import type { Criterion } from "../train/best_records.ts";
import * as v from "../schema.ts";

/** A training log. `columns` has the values of each column by name; values that are not finite are null. */
export interface RunLog {
  readonly iteration: readonly number[];
  readonly columns: ReadonlyMap<string, readonly (number | null)[]>;
}

const number = v.finiteNumber();
/** Schema of a metric. NaN is stored as null, because JSON has no NaN. */
const metric = v.nullable(number);

/** Schema of a 95 % bootstrap interval over users; null if there are too few users. */
const interval = v.nullable(v.tuple([number, number]));

const named = <T extends v.GenericSchema>(schema: T) => v.record(v.string(), schema);

const calibrationSchema = v.looseObject({
  ece: number,
  eceByChance: v.nullable(number),
  bins: v.array(v.looseObject({ cases: number, predicted: number, observed: number, interval })),
});

const calibration = v.optional(calibrationSchema);
const measuredSchema = v.looseObject({ metrics: named(metric), intervals: named(interval) });
const sizes = { events: number, users: v.optional(number) };
const sliceSchema = v.looseObject({ ...measuredSchema.entries, ...sizes, name: v.string() });

/** Schema of metrics on the test users, as in `MetricDetails` of metrics/test_result.ts. */
const detailsSchema = v.looseObject({
  ...measuredSchema.entries,
  calibration: v.optional(v.looseObject({ click: calibration, noClick: calibration })),
  categoryField: v.optional(v.string()),
  slices: v.optional(named(v.array(sliceSchema)), {}),
});

const itemGainSchema = v.looseObject({
  ...{ item: v.wholeNumber(), name: v.optional(v.string()), displays: v.wholeNumber() },
  ...{ clicked: number, model: number, clickRate: number, gain: number },
});
const itemGainsSchema = v.looseObject({
  ...{ leastDisplays: v.wholeNumber(), compared: v.wholeNumber() },
  ...{ gains: v.array(itemGainSchema), losses: v.array(itemGainSchema) },
});

/** Schema of a user's clicks by category, without the user's id: {@link import("../metrics/user_tastes.ts").UserTaste}. */
const tasteSchema = v.looseObject({
  ...{ pages: v.wholeNumber(), clicks: v.wholeNumber() },
  shares: v.array(v.looseObject({
    ...{ category: v.string(), observed: number, predicted: number, average: number },
  })),
});

/** Schema of metrics, summed per group of test users (metrics/test_result.ts), to compare models. */
export const pairedSchema = v.looseObject({
  users: v.string(),
  groups: v.whole(1, MOST_GROUPS),
  sums: v.string(),
});

const differencesSchema = named(v.looseObject({ value: number, interval }));

const baselineSchema = v.object({
  /** Name and value of the baseline's hyperparameter, which was tuned on the validation users. */
  setting: v.optional(v.string()),
  details: detailsSchema,
});

const snapshotSchema = v.object({
  snapshot: v.string(),
  iteration: v.wholeNumber(),
  users: v.optional(v.wholeNumber()),
  nll: metric,
  /** Learned effects of the positions on the page, beginning with position 1. */
  positionEffects: v.optional(v.array(number)),
  details: detailsSchema,
  itemGains: v.optional(itemGainsSchema),
  tastes: v.optional(v.array(tasteSchema), []),
  /** Differences of metrics between the snapshot and each baseline, by name of the baseline. */
  against: v.optional(named(differencesSchema), {}),
  paired: v.optional(pairedSchema),
});

/** Schema of a stage's result.json. When a run is resumed, the file is out of date until the stage ends. */
export const resultSchema = v.looseObject({
  iteration: v.wholeNumber(),
  /** Time when the result was written, in ISO 8601. */
  finished: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** Seconds of training since the run was started or last resumed, without the set-up. */
  sessionSeconds: v.optional(v.atLeast(0)),
  resumed: v.optional(v.boolean(), false),
  data: v.optional(v.looseObject({
    users: v.tuple([v.wholeNumber(), v.wholeNumber(), v.wholeNumber()]),
    ...{ pages: v.wholeNumber(), rows: v.wholeNumber(), items: v.wholeNumber() },
    hashed: v.optional(v.whole(1)),
    warnings: v.optional(v.array(v.string())),
    features: v.optional(v.array(v.string())),
    context: v.optional(v.array(v.looseObject({
      ...{ kind: v.picklist(["impression", "page"]), column: v.string() },
      type: v.picklist(["number", "age", "category"]),
      values: v.optional(v.array(v.string()), []),
    }))),
  })),
  test: v.optional(v.array(snapshotSchema)),
  baselines: v.optional(named(v.nullable(baselineSchema)), {}),
  verdict: v.optional(v.array(v.string()), []),
});
export type StoredResult = v.InferOutput<typeof resultSchema>;
export type SnapshotMetrics = v.InferOutput<typeof snapshotSchema>;

export const experimentSchema = v.looseObject({
  data: v.optional(v.string()),
  models: v.pipe(v.array(v.looseObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});

const outcome = v.picklist(["yes", "no", "undecided"]);
const claimSchema = v.looseObject({ claim: v.string(), holds: outcome, text: v.optional(v.string(), "") });
export const experimentResultSchema = v.looseObject({ claims: v.optional(v.array(claimSchema), []) });

export type BaselineMetrics = v.InferOutput<typeof baselineSchema> & { readonly name: string };

export interface StageResult extends StoredResult {
  readonly test: SnapshotMetrics[];
  readonly shown: readonly BaselineMetrics[];
}

export interface ReportStage {
  readonly train: RunLog;
  readonly validation: RunLog;
  readonly iteration: number;
  /** Planned number of iterations; undefined if unknown. */
  readonly planned: number | undefined;
  /** Iteration of the best snapshot by each criterion (loss, prec@1, prec@2); undefined without snapshots. */
  readonly kept?: Readonly<Partial<Record<Criterion, number>>>;
  /** Result of the stage; undefined until the stage ends. */
  readonly result: StageResult | undefined;
}

export interface ReportRun {
  readonly folder: string;
  readonly seed: number;
  readonly stages: Readonly<Partial<Record<StageName, ReportStage>>>;
}

/** Settings as text, by path in the config, such as "training.batchSize". */
export type Settings = ReadonlyMap<string, string>;

/** A model of a report: one run, or runs that differ only in the seed. */
export interface ReportModel {
  /** Name of the model, unique in the report. */
  readonly name: string;
  readonly folder: string;
  readonly data: string;
  /** Runs of the model (at least one) in ascending order of the seed. */
  readonly runs: readonly ReportRun[];
  /** Planned seeds whose runs have not yet written a row to a log. */
  readonly missingSeeds: readonly number[];
  readonly settings: Settings;
  readonly machine: Settings;
}

export interface ReportData {
  readonly title: string;
  readonly models: readonly ReportModel[];
  readonly claims: readonly Claim[];
  readonly notes: readonly string[];
}
