/**
 * A stage of a training that stands on the device: it runs, pauses, is asked things, survives the loss of the device, and has
 * snapshots, as files.
 */

import type { Gpu } from "../../../gpu/device.ts";
import type { ModelConfig } from "../../../model/model_config.ts";
import { initializeOnLog } from "../../../model/model_counts.ts";
import { listModelParameters, resolveWeights, UserModel } from "../../../model/user_model.ts";
import { type KeptStart, StartChoice } from "../../../run/kept_start.ts";
import { adversarialGroup } from "../../../run/options/stages_options.ts";
import { encodeSnapshot, type Snapshot, withMeanRows } from "../../../run/snapshot/snapshot.ts";
import {
  encodeTraining,
  readTrainingSetting,
  readTrainingState,
} from "../../../run/snapshot/training_file.ts";
import {
  buildStart,
  listStages,
  type StageMetrics,
  type StageName,
  stages,
  type TrainingStage,
} from "../../../run/stages.ts";
import type { ParameterSpec, Weights } from "../../../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion } from "../../../train/best_records.ts";
import type { ClickTrainer } from "../../../train/click_trainer.ts";
import type { StagesConfig } from "../../../train/training_config.ts";
import type { TrainingStepResult, ValidationResult } from "../../../train/training_results.ts";
import type { TrainerState } from "../../../train/trainer_state.ts";
import { UserError } from "../../../user_error.ts";
import { computeDataChecksum, type DataChoice, isSameData, type LabData } from "./lab_data.ts";
import { listChangedFlags } from "./option_texts.ts";

/** Seconds between two copies of the state in the page's memory: what a loss of the device costs at most. */
const SAVE_SECONDS = 20;

/** What all stages of a training have. */
interface SessionSetting {
  readonly choice: DataChoice;
  readonly data: LabData;
  /** What to start from, instead of drawn weights. */
  readonly init: { readonly weights: Weights; readonly model: ModelConfig } | undefined;
}

export interface SessionEvents {
  onStep(result: TrainingStepResult<StageMetrics>): void;
  onValidation(result: ValidationResult<StageMetrics>): void;
}

/** Which stage of a training, and those before it as they ended. */
interface Place {
  readonly stage: TrainingStage;
  readonly before: readonly StageState[];
}

export class TrainSession {
  #saved: TrainerState | undefined;
  #savedAt = performance.now();
  /** What waits for a moment in which nothing is in flight. */
  readonly #asked: (() => Promise<void>)[] = [];
  #runs = false;

  private constructor(
    readonly gpu: Gpu,
    readonly setting: SessionSetting,
    /** What is trained, which may go further than was said at first. */
    public config: StagesConfig,
    readonly place: Place,
    readonly model: UserModel,
    readonly trainer: ClickTrainer<StageMetrics>,
    /** Of a training that starts from a logit on counts: its best validation is compared with that. */
    readonly choice: StartChoice | undefined,
  ) {}

  /**
   * @param place the first stage if not given.
   * @throws UserError for sizes beyond the adapter, weights that do not fit, or too few users.
   */
  static async create(
    gpu: Gpu,
    setting: SessionSetting,
    config: StagesConfig,
    place?: Place,
  ): Promise<TrainSession> {
    const [first] = listStages(config);
    if (!place && !first) throw new Error("there is no stage to train");
    const { stage, before } = place ?? { stage: first as TrainingStage, before: [] };
    const { data: { source } } = setting;
    const ended = before.at(-1);
    const best = ended?.state.snapshots.prec1;
    const weights = ended && best ? filledWeights(ended.specs, best, setting.data) : setting.init?.weights;
    const { initial, generator } = buildStart(weights, config.training.seed, config.model);
    const counted = ended ? initial : initializeOnLog(source, config.model, initial);
    const model = new UserModel(gpu, source.items, config.model, counted);
    try {
      const trainer = await stage.create(model, { source }, config, generator);
      const isFitted = stage.hasLikelihood && config.model.counts !== null && !weights;
      const start = () => resolveWeights(listModelParameters(model.shape, config.model), counted);
      const choice = isFitted ? new StartChoice(trainer, start) : undefined;
      return new TrainSession(gpu, setting, config, { stage, before }, model, trainer, choice);
    } catch (error) {
      model.destroy();
      throw error;
    }
  }

  /** The same on another device, as it was when it was last saved. */
  async on(gpu: Gpu): Promise<TrainSession> {
    const session = await TrainSession.create(gpu, this.setting, this.config, this.place);
    if (this.#saved) session.restore(this.#saved);
    return session;
  }

  /** The stage after this one, from its best prec@1. Undefined where there is none. */
  async next(): Promise<TrainSession | undefined> {
    const stage = this.#next;
    if (!stage) return undefined;
    const before = [...this.place.before, await this.#standing()];
    return await TrainSession.create(this.gpu, this.setting, this.config, { stage, before });
  }

  restore(state: TrainerState): void {
    this.trainer.restore(state);
    this.#saved = state;
  }

  get stage(): TrainingStage {
    return this.place.stage;
  }
  get iteration(): number {
    return this.trainer.iteration;
  }
  /** Of the stage. */
  get iterations(): number {
    return this.stage.iterations(this.config);
  }
  get best(): BestRecords {
    return this.trainer.best;
  }
  /** Whether the stage has come to its end. */
  get isDone(): boolean {
    return this.iteration >= this.iterations || this.trainer.stopped;
  }
  get hasNext(): boolean {
    return this.#next !== undefined;
  }
  get #next(): TrainingStage | undefined {
    const stages = listStages(this.config);
    return stages[stages.indexOf(this.stage) + 1];
  }

  /** Trains to the end of the stage, or until `signal` stops it. */
  async run(events: SessionEvents, signal: AbortSignal): Promise<void> {
    this.#runs = true;
    try {
      await this.trainer.run(this.iterations, {
        onStep: (result) => events.onStep(result),
        onValidation: (result) => events.onValidation(result),
        wantsPause: () => this.#asked.length > 0 || this.#isSaveDue(),
        onPause: async () => {
          await this.#answer();
          if (this.#isSaveDue()) await this.save();
        },
      }, signal);
    } finally {
      this.#runs = false;
    }
    await this.#answer();
    await this.save();
  }

  /** Does something while nothing is in flight, between two groups of steps. */
  whenIdle<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#runs) return work();
    return new Promise((resolve, reject) => {
      this.#asked.push(() => work().then(resolve, reject));
    });
  }

  /** Keeps the state outside of the device. Nothing may be in flight. */
  async save(): Promise<TrainerState> {
    this.#savedAt = performance.now();
    return this.#saved = await this.trainer.state();
  }

  /** The bytes of a snapshot's file. @throws UserError for one that there is none of, or broken weights. */
  snapshot({ stage, kind }: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
    const { place: { before }, config, gpu, setting: { data } } = this;
    const on = { config, data, adapter: describeAdapter(gpu) };
    const ended = before.find((one) => one.stage.name === stage);
    if (ended) return Promise.resolve(encodeSnapshotFile(ended, kind, on));
    if (stage !== this.stage.name) {
      throw new UserError(`Expected a stage that has begun, got the ${stage} stage: there is none yet.`);
    }
    return this.whenIdle(async () => encodeSnapshotFile(await this.#standing(), kind, on));
  }

  destroy(): void {
    this.trainer.destroy();
    this.model.destroy();
  }

  async #standing(): Promise<StageState> {
    const { stage, trainer: { specs }, choice } = this;
    return { stage, specs, state: await this.trainer.state(), kept: await choice?.choose() };
  }

  #isSaveDue(): boolean {
    return performance.now() - this.#savedAt > 1000 * SAVE_SECONDS;
  }

  async #answer(): Promise<void> {
    for (const work of this.#asked.splice(0)) await work();
  }
}

/** @throws UserError for other settings than it was begun with, but for its iterations and a stage that is still to come. */
export function expectToGoOn(session: TrainSession, config: StagesConfig, choice: DataChoice): void {
  const { stage, iteration, setting } = session;
  const mayChange = stage.name === "shannon"
    ? ["iterations", ...adversarialGroup.options.map(({ name }) => name)]
    : ["adversarial"];
  const changed = listChangedFlags(session.config, config, mayChange);
  if (!isSameData(setting.choice, choice)) changed.unshift("--data");
  if (changed.length > 0) {
    throw new UserError(
      `Expected the settings that the training has begun with, got ${
        changed.join(", ")
      } changed. Set it back, or press ` +
        "Train to begin anew.",
    );
  }
  const iterations = stage.isPartOf(config) ? stage.iterations(config) : 0;
  const beginsNext = config.adversarial !== null && stage.name === "shannon";
  if (iterations > iteration || (beginsNext && iterations === iteration)) return;
  if (session.trainer.stopped && beginsNext) return;
  throw new UserError(
    `Expected --${stage.option} above ${iteration}, as so many are done, got ${iterations}. Raise it, then go on.`,
  );
}

/** The training that a file holds, where it holds one of these data; and what is to be said of it. */
export async function reopenSession(
  gpu: Gpu,
  setting: SessionSetting,
  snapshot: Snapshot,
  name: string,
): Promise<{ readonly next: TrainSession | undefined; readonly note: string }> {
  const found = readTrainingSetting(snapshot, name);
  const stage = stages.find((one) => one.name === found?.stage);
  if (!found || !stage) return { next: undefined, note: "" };
  if (found.data !== computeDataChecksum(setting.data.source)) {
    return { next: undefined, note: "It was trained on other data, so that it cannot go on here." };
  }
  const next = await TrainSession.create(gpu, setting, found.config, { stage, before: [] });
  try {
    next.restore(readTrainingState(snapshot, next.trainer.specs, name));
  } catch (error) {
    next.destroy();
    throw error;
  }
  const same = found.adapter === describeAdapter(gpu);
  return {
    next,
    note: same
      ? "Go on goes on with its training, bit for bit."
      : "Go on goes on with its training, but not bit for bit: it began on another adapter or browser, or with other kernels.",
  };
}

type SnapshotName = `best-${Criterion}` | "last";

/** A stage as it stands, or as it ended. */
interface StageState {
  readonly stage: TrainingStage;
  /** Of all networks' parameters. */
  readonly specs: readonly ParameterSpec[];
  readonly state: TrainerState;
  /** What takes the place of its lowest validation loss. */
  readonly kept?: KeptStart;
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
export function listSnapshotOffers(
  { name, shown: { loss, prec1 } }: TrainingStage,
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
  /** As {@link describeAdapter} has it. */
  readonly adapter: string;
}

/**
 * The bytes of a snapshot's file; `last` holds all that a training goes on from.
 * @throws UserError for one that there is none of, or broken weights.
 */
export function encodeSnapshotFile(
  { stage, specs, state, kept }: StageState,
  kind: SnapshotName,
  { config, data, adapter }: Origin,
): Uint8Array<ArrayBuffer> {
  const criterion = criteria.find((criterion) => kind === `best-${criterion}`);
  const start = criterion === "loss" ? kept : undefined;
  const { iteration, value } = start?.record ?? (criterion ? state.best[criterion] : { ...state, value: 0 });
  const own = start?.weights ?? (criterion ? state.snapshots[criterion] : state.weights);
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
  const setting = { config, stage: stage.name, data: computeDataChecksum(source), adapter };
  return encodeTraining(specs, { ...state, weights }, info, setting);
}

/** Weights as a snapshot has them, and as the next stage starts from: see {@link withMeanRows}. */
function filledWeights(
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
export function describeAdapter(
  { adapter, variants: { matrices } }: Pick<Gpu, "adapter" | "variants">,
): string {
  return JSON.stringify({ ...adapter, matrices });
}
