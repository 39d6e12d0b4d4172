/** The snapshots of a training, of each stage that has begun, as files. */

import type { Gpu } from "../../../gpu/device.ts";
import { encodeSnapshot, withMeanRows } from "../../../run/snapshot/snapshot.ts";
import { encodeTraining } from "../../../run/snapshot/training_file.ts";
import type { Stage, StageName } from "../../../run/stages.ts";
import type { ParameterSpec, Weights } from "../../../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion } from "../../../train/best_records.ts";
import type { StagesConfig } from "../../../train/config.ts";
import type { TrainerState } from "../../../train/trainer_state.ts";
import { UserError } from "../../../user_error.ts";
import { dataChecksum, type LabData } from "./data.ts";

export type SnapshotName = `best-${Criterion}` | "last";

/** A stage as it stands, or as it ended. */
export interface StageState {
  readonly stage: Stage;
  /** Of all networks' parameters. */
  readonly specs: readonly ParameterSpec[];
  readonly state: TrainerState;
}

/** A snapshot that can be saved. */
export interface SnapshotOffer {
  readonly stage: StageName;
  readonly kind: SnapshotName;
  /** What it is, after "Save". */
  readonly title: string;
  /** The file's name. */
  readonly file: string;
}

/** What a stage has to offer. @param isOver whether another stage has begun after it. */
export function offersOf(
  { name, shown: { loss, prec1 } }: Stage,
  best: BestRecords,
  isOver: boolean,
): SnapshotOffer[] {
  const titles: Readonly<Record<SnapshotName, string>> = {
    "best-loss": `best ${loss.name}`,
    "best-prec1": `best ${prec1.name}`,
    "best-prec2": `best ${prec1.name.replace("1", "2")}`,
    last: isOver ? "as the first stage ended" : "as it stands",
  };
  const found = criteria.filter((criterion) => Number.isFinite(best[criterion].value));
  const kinds: SnapshotName[] = [...found.map((criterion) => `best-${criterion}` as const), "last"];
  const folder = name === "adversarial" ? "adversarial-" : "";
  return kinds.map((kind) => ({
    stage: name,
    kind,
    title: titles[kind],
    file: `${folder}${kind}.safetensors`,
  }));
}

/** What a file says of where it comes from. */
interface Origin {
  readonly config: StagesConfig;
  readonly data: LabData;
  /** As {@link computedOn} has it. */
  readonly adapter: string;
}

/**
 * The bytes of a snapshot's file; `last` holds all that a training goes on from.
 * @throws UserError for one that there is none of, or broken weights.
 */
export function fileOf(
  { stage, specs, state }: StageState,
  kind: SnapshotName,
  { config, data, adapter }: Origin,
): Uint8Array<ArrayBuffer> {
  const criterion = criteria.find((criterion) => kind === `best-${criterion}`);
  const { iteration, value } = criterion ? state.best[criterion] : { ...state, value: 0 };
  const own = criterion ? state.snapshots[criterion] : state.weights;
  if (!own || !Number.isFinite(value)) {
    throw new UserError(`Expected a snapshot, got ${kind}: there is none yet.`);
  }
  if (![...own.values()].every((values) => values.every(Number.isFinite))) {
    throw new UserError("The weights are no finite numbers any more. Take the best snapshots.");
  }
  const game = stage.game(config.model, config);
  const { features, source } = data;
  const info = { model: config.model, items: source.items.shape, iteration, kind, game, features };
  const weights = filledWeights(specs, own, data);
  if (criterion) return encodeSnapshot(specs, weights, info);
  const setting = { config, stage: stage.name, data: dataChecksum(source), adapter };
  return encodeTraining(specs, { ...state, weights }, info, setting);
}

/** Weights as a snapshot has them, and as the next stage starts from: see {@link withMeanRows}. */
export function filledWeights(
  specs: readonly ParameterSpec[],
  weights: Weights,
  { source: { items: { shape } }, features }: LabData,
): Weights {
  return shape.kind === "mixed" ? withMeanRows(specs, weights, features, shape.tokens) : weights;
}

/**
 * What the bits of a training depend on beside its settings and data, as its file has it.
 * @returns the same text where a training goes on bit for bit.
 */
export function computedOn({ adapter, shapes: { matrices } }: Pick<Gpu, "adapter" | "shapes">): string {
  return JSON.stringify({ ...adapter, matrices });
}
