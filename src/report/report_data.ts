/** What a report is made from: runs as they stand in their folders, and the JSON files in them as far as a report needs them. */

import { MOST_GROUPS } from "../metrics/bootstrap.ts";
import type { Claim } from "../metrics/baseline_verdict.ts";
import type { StageName } from "../run/stages.ts";
import type { Criterion } from "../train/best_records.ts";
import * as v from "../schema.ts";

/** A log's columns by name, [rows] each; null where the file has no finite number. */
export interface RunLog {
  readonly iteration: readonly number[];
  readonly columns: ReadonlyMap<string, readonly (number | null)[]>;
}

/** JSON has no NaN: null stands for it. */
const figure = v.nullable(v.finiteNumber());

const figuresSchema = v.object({ nll: figure, prec1: figure, prec2: figure });

/** Where 95 % of the resamples of users are; null where there are too few to say. */
const interval = v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()]));

const named = <T extends v.GenericSchema>(schema: T) => v.record(v.string(), schema);

const calibrationSchema = v.looseObject({
  ece: v.finiteNumber(),
  eceByChance: v.nullable(v.finiteNumber()),
  bins: v.array(
    v.looseObject({
      cases: v.finiteNumber(),
      predicted: v.finiteNumber(),
      observed: v.finiteNumber(),
      interval,
    }),
  ),
});

const measuredSchema = v.looseObject({ figures: named(figure), intervals: named(interval) });

/** All figures of a scoring of the test users: `Details` of metrics/test_result.ts. */
const detailsSchema = v.looseObject({
  ...measuredSchema.entries,
  calibration: v.optional(
    v.looseObject({ click: v.optional(calibrationSchema), noClick: v.optional(calibrationSchema) }),
  ),
  slices: v.optional(
    named(v.array(v.looseObject({
      ...measuredSchema.entries,
      name: v.string(),
      events: v.finiteNumber(),
      ece: v.optional(v.finiteNumber()),
    }))),
    {},
  ),
});

/** `Paired` of metrics/test_result.ts. */
const pairedSchema = v.looseObject({
  users: v.string(),
  groups: v.whole(1, MOST_GROUPS),
  sums: v.string(),
});

const differencesSchema = named(v.looseObject({ value: v.finiteNumber(), interval }));

const baselineSchema = v.object({
  ...v.partial(figuresSchema, ["nll"]).entries,
  longerPages: v.optional(v.partial(figuresSchema), {}),
  /** The setting that was best on validation users, in words. */
  setting: v.optional(v.string()),
  details: v.optional(detailsSchema),
});

/** Test figures of one snapshot. */
const snapshotSchema = v.looseObject({
  snapshot: v.string(),
  iteration: v.wholeNumber(),
  /** Number of users that it was tested on. */
  users: v.optional(v.wholeNumber()),
  ...figuresSchema.entries,
  /** The same without pages of one item. */
  longerPages: v.optional(
    v.partial(v.object({ ...figuresSchema.entries, piPrec1: figure, piPrec2: figure })),
    {},
  ),
  /** Those of the generator pi, in the adversarial stage. */
  piPrec1: v.optional(figure),
  piPrec2: v.optional(figure),
  details: v.optional(detailsSchema),
  /** How far it is above each baseline, by the baseline's name. */
  against: v.optional(named(differencesSchema), {}),
  /** What other models are compared with. */
  paired: v.optional(pairedSchema),
});

/** What a stage ended with; a run that is extended has it without test figures. */
export const resultSchema = v.looseObject({
  iteration: v.wholeNumber(),
  /** When it was written, ISO 8601. */
  finished: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** Of its last session, without set-up. */
  sessionSeconds: v.optional(v.atLeast(0)),
  /** Whether there were sessions before the last one. */
  resumed: v.optional(v.boolean(), false),
  /** Sizes of the data. */
  data: v.optional(v.looseObject({
    users: v.tuple([v.wholeNumber(), v.wholeNumber(), v.wholeNumber()]),
    ...{ pages: v.wholeNumber(), rows: v.wholeNumber(), items: v.wholeNumber() },
    hashed: v.optional(v.whole(1)),
    warnings: v.optional(v.array(v.string())),
  })),
  test: v.optional(v.array(snapshotSchema)),
  baselines: v.optional(named(v.nullable(baselineSchema)), {}),
  /** How far one snapshot is above another. */
  snapshots: v.optional(
    v.array(
      v.looseObject({ snapshot: v.string(), minus: v.string(), differences: differencesSchema }),
    ),
    [],
  ),
  /** What follows from the figures, in sentences. */
  verdict: v.optional(v.array(v.string()), []),
});
export type StoredResult = v.InferOutput<typeof resultSchema>;
/** Null where there was nothing to take a mean of. */
export type StoredMetrics = v.InferOutput<typeof figuresSchema>;
export type SnapshotMetrics = v.InferOutput<typeof snapshotSchema>;
export type StoredDetails = v.InferOutput<typeof detailsSchema>;
export type StoredDifferences = v.InferOutput<typeof differencesSchema>;

export const experimentSchema = v.looseObject({
  data: v.optional(v.string()),
  models: v.pipe(v.array(v.looseObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});

export const experimentResultSchema = v.looseObject({
  claims: v.optional(
    v.array(v.looseObject({
      claim: v.string(),
      holds: v.picklist(["yes", "no", "undecided"]),
      text: v.optional(v.string(), ""),
    })),
    [],
  ),
});

/** A baseline as pages show it. */
export type BaselineMetrics = StoredMetrics & Omit<v.InferOutput<typeof baselineSchema>, "nll"> & {
  readonly name: string;
};

/** What a stage that is finished ended with. */
export interface StageResult extends StoredResult {
  readonly test: SnapshotMetrics[];
  /** The baselines that there are. */
  readonly shown: readonly BaselineMetrics[];
}

/** A part of a run's training that has logs of its own. */
export interface ReportStage {
  readonly train: RunLog;
  readonly validation: RunLog;
  /** Last iteration in the logs. */
  readonly iteration: number;
  /** Iterations that it is to have; undefined when that is not known. */
  readonly planned: number | undefined;
  /** Iterations of the best snapshots in its folder; undefined where there are none. */
  readonly kept?: Readonly<Partial<Record<Criterion, number>>>;
  /** Undefined until the stage is finished. */
  readonly result: StageResult | undefined;
}

export interface ReportRun {
  readonly folder: string;
  readonly seed: number;
  /** At least one of them. */
  readonly stages: Readonly<Partial<Record<StageName, ReportStage>>>;
}

/** A setting's path in the config, such as "training.batchSize", and its value as text. */
export type Settings = ReadonlyMap<string, string>;

/** Runs that differ in nothing but their seed. */
export interface ReportModel {
  /** Unique in the report. */
  readonly name: string;
  readonly folder: string;
  /** What it was trained on, in words. */
  readonly data: string;
  /** Never empty, by rising seed. */
  readonly runs: readonly ReportRun[];
  /** Seeds that are to be run and have no row yet. */
  readonly missingSeeds: readonly number[];
  readonly settings: Settings;
  readonly machine: Settings;
}

export interface ReportData {
  readonly title: string;
  /** Never empty. */
  readonly models: readonly ReportModel[];
  readonly claims: readonly Claim[];
  /** What is not there yet beyond what the models say themselves. */
  readonly notes: readonly string[];
}
