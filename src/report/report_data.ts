/** What a report is made from: runs as they stand in their folders. */

import type { DataSizes } from "../data/log_source.ts";
import type { Paired } from "../figures/paired.ts";
import type { DetailFigures, FigureDifferences } from "./schemas.ts";

/** A log's columns by name, [rows] each; null where the file has no finite number. */
export interface RunLog {
  readonly iteration: readonly number[];
  readonly columns: ReadonlyMap<string, readonly (number | null)[]>;
}

/** Null where there was nothing to take a mean of. */
export interface Figures {
  readonly nll: number | null;
  readonly prec1: number | null;
  readonly prec2: number | null;
}

/** Test figures of one snapshot. */
export interface SnapshotFigures extends Figures {
  readonly snapshot: string;
  readonly iteration: number;
  /** The same without pages of one item. */
  readonly longerPages: Partial<Figures>;
  /** Those of the generator pi, in the adversarial stage. */
  readonly piPrec1?: number | null;
  readonly piPrec2?: number | null;
  /** All figures with their intervals; not in results of earlier versions. */
  readonly details?: DetailFigures;
  /** How far it is above each baseline, by the baseline's name in result.json. */
  readonly against?: Readonly<Record<string, FigureDifferences>>;
  /** Events that it was tested on. */
  readonly events?: number;
  /** What other models are compared with; not in results of earlier versions. */
  readonly paired?: Paired;
}

export interface BaselineFigures {
  readonly name: string;
  readonly figures: Figures;
  readonly longerPages?: Partial<Figures>;
  /** The setting that was best on validation users, in words. */
  readonly setting?: string;
  readonly details?: DetailFigures;
}

/** How far one snapshot is above another. */
export interface SnapshotDifferences {
  readonly snapshot: string;
  readonly minus: string;
  readonly differences: FigureDifferences;
}

/** What a stage ended with. */
export interface StageResult {
  readonly test: readonly SnapshotFigures[];
  readonly baselines: readonly BaselineFigures[];
  readonly snapshots: readonly SnapshotDifferences[];
  /** What follows from the figures, in sentences. */
  readonly verdict: readonly string[];
  /** ISO 8601; undefined in runs of older versions. */
  readonly finished: string | undefined;
  /** Of its last session, without set-up. */
  readonly seconds: number | undefined;
  /** Whether there were sessions before the last one. */
  readonly resumed: boolean;
  /** Undefined in runs of older versions. */
  readonly data: DataSizes | undefined;
}

/** A part of a run's training that has logs of its own. */
export interface Stage {
  readonly train: RunLog;
  readonly validation: RunLog;
  /** Last iteration in the logs. */
  readonly iteration: number;
  /** Iterations that it is to have; undefined when that is not known. */
  readonly planned: number | undefined;
  /** Undefined until the stage is finished. */
  readonly result: StageResult | undefined;
}

export const stageNames = ["likelihood", "adversarial"] as const;
export type StageName = typeof stageNames[number];

export interface Run {
  readonly folder: string;
  readonly seed: number;
  /** At least one of them. */
  readonly stages: Readonly<Partial<Record<StageName, Stage>>>;
}

/** A setting's path in the config, such as "training.batchSize", and its value as text. */
export type Settings = ReadonlyMap<string, string>;

/** Runs that differ in nothing but their seed. */
export interface Model {
  /** Unique in the report. */
  readonly name: string;
  readonly folder: string;
  /** What it was trained on, in words. */
  readonly data: string;
  /** Never empty, by rising seed. */
  readonly runs: readonly Run[];
  /** Seeds that are to be run and have no row yet. */
  readonly missingSeeds: readonly number[];
  readonly settings: Settings;
  readonly machine: Settings;
}

export interface Claim {
  readonly claim: string;
  readonly holds: string;
  readonly text: string;
}

export interface ReportData {
  readonly title: string;
  /** Never empty. */
  readonly models: readonly Model[];
  readonly claims: readonly Claim[];
  /** What is not there yet beyond what the models say themselves. */
  readonly notes: readonly string[];
}
