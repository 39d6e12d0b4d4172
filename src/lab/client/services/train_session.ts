/** Trains one stage on a GPU device; the training can pause, be saved, and continue on another device. */

import { listUsers } from "../../../data/click_log.ts";
import type { Gpu } from "../../../gpu/device.ts";
import type { MetricDetails } from "../../../metrics/test_result.ts";
import type { ModelConfig } from "../../../model/model_config.ts";
import { fitLogitWeights } from "../../../model/logit_weights.ts";
import { initializeOnLog } from "../../../model/model_counts.ts";
import { listModelParameters, resolveWeights, UserModel } from "../../../model/user_model.ts";
import { BestLossChoice, type RescaledBest } from "../../../run/best_loss_choice.ts";
import { adversarialGroup } from "../../../run/options/stages_options.ts";
import { encodeSnapshot, type Snapshot, withMeanRows } from "../../../run/snapshot/snapshot.ts";
import {
  encodeTraining,
  readTrainingSetting,
  readTrainingState,
} from "../../../run/snapshot/training_file.ts";
import { buildStart, listStages, stages } from "../../../run/stages.ts";
import type { StageMetrics, StageName, TrainingStage } from "../../../run/stages.ts";
import { testStage } from "../../../run/test_stage.ts";
import { shownBaselines } from "../../../run/tested_users.ts";
import type { ParameterSpec, Weights } from "../../../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion } from "../../../train/best_records.ts";
import type { ClickTrainer } from "../../../train/click_trainer.ts";
import type { StagesConfig } from "../../../train/training_config.ts";
import type { TrainingCallbacks } from "../../../train/batch_trainer.ts";
import type { TrainerState } from "../../../train/networks.ts";
import { UserError } from "../../../user_error.ts";
import { computeDataChecksum, type DataChoice, isSameData, type LabData } from "./lab_data.ts";
import { listChangedFlags } from "./option_texts.ts";

/** Seconds between backups of the training state; a new device continues from the last backup. */
const SAVE_SECONDS = 20;

interface SessionSetting {
  readonly choice: DataChoice;
  readonly data: LabData;
  /** Initial weights of the model; undefined for random weights. */
  readonly init: { readonly weights: Weights; readonly model: ModelConfig } | undefined;
}

/** The current stage, and the final states of all earlier stages. */
interface CurrentStage {
  readonly stage: TrainingStage;
  readonly before: readonly StageState[];
}

export class TrainSession {
  #saved: TrainerState | undefined;
  #savedAt = performance.now();
  /** Tasks that wait until the GPU is idle. */
  readonly #pendingWork: (() => Promise<void>)[] = [];
  #isRunning = false;

  private constructor(
    readonly gpu: Gpu,
    readonly setting: SessionSetting,
    /** Configuration of the training. The user may increase the number of iterations to train longer. */
    public config: StagesConfig,
    readonly current: CurrentStage,
    readonly model: UserModel,
    readonly trainer: ClickTrainer<StageMetrics>,
    /** Chooses trained or rescaled weights for the snapshot best-loss; undefined if always trained. */
    readonly choice: BestLossChoice | undefined,
  ) {}

  /**
   * @param current - stage to train; default: the first stage
   * @throws UserError if a size exceeds the adapter's limits, weights do not fit, or there are too few users
   */
  static async create(
    gpu: Gpu,
    setting: SessionSetting,
    config: StagesConfig,
    current?: CurrentStage,
  ): Promise<TrainSession> {
    const [first] = listStages(config);
    if (!current && !first) throw new Error("Expected at least one training stage, found none.");
    const { stage, before } = current ?? { stage: first as TrainingStage, before: [] };
    const { data: { source } } = setting;
    const ended = before.at(-1);
    const best = ended?.state.snapshots.prec1;
    const weights = ended && best ? fillWeights(ended.specs, best, setting.data) : setting.init?.weights;
    const { initial, generator } = buildStart(weights, config.training.seed, config.model);
    const counted = ended ? initial : initializeOnLog(source, config.model, initial);
    const model = new UserModel(gpu, source.items, config.model, counted);
    try {
      const trainer = await stage.create(model, { source }, config, generator);
      const isFitted = stage.hasLikelihood && config.model.counts !== null && !weights;
      const start = () => resolveWeights(listModelParameters(model.shape, config.model), counted);
      const choice = isFitted
        ? new BestLossChoice(trainer, start, config.model, () => fitLogitWeights(source, config.model))
        : undefined;
      return new TrainSession(gpu, setting, config, { stage, before }, model, trainer, choice);
    } catch (error) {
      model.destroy();
      throw error;
    }
  }

  /** Creates a copy of the session on another device, with the state that was saved last. */
  async restoreOn(gpu: Gpu): Promise<TrainSession> {
    const session = await TrainSession.create(gpu, this.setting, this.config, this.current);
    if (this.#saved) session.restore(this.#saved);
    return session;
  }

  /** Starts the next stage from the weights with the best prec@1; returns undefined after the last stage. */
  async next(): Promise<TrainSession | undefined> {
    const stage = this.#next;
    if (!stage) return undefined;
    const before = [...this.current.before, await this.#getState()];
    return await TrainSession.create(this.gpu, this.setting, this.config, { stage, before });
  }

  restore(state: TrainerState): void {
    this.trainer.restore(state);
    this.#saved = state;
  }

  get stage(): TrainingStage {
    return this.current.stage;
  }
  get iteration(): number {
    return this.trainer.iteration;
  }
  get iterations(): number {
    return this.stage.iterations(this.config);
  }
  get best(): BestRecords {
    return this.trainer.best;
  }
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

  /** Trains to the end of the stage, or until `signal` is aborted. */
  async run(
    events: Pick<TrainingCallbacks<StageMetrics>, "onStep" | "onValidation">,
    signal: AbortSignal,
  ): Promise<void> {
    this.#isRunning = true;
    try {
      await this.trainer.run(this.iterations, {
        ...events,
        wantsPause: () => this.#pendingWork.length > 0 || this.#isSaveDue(),
        onPause: async () => {
          await this.#runPending();
          if (this.#isSaveDue()) await this.save();
        },
      }, signal);
    } finally {
      this.#isRunning = false;
    }
    await this.#runPending();
    await this.save();
  }

  /** Runs a task as soon as the GPU is idle: in a training, between two groups of steps. */
  whenIdle<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#isRunning) return work();
    return new Promise((resolve, reject) => {
      this.#pendingWork.push(() => work().then(resolve, reject));
    });
  }

  /** Copies the state from the device. No GPU work may be in flight. */
  async save(): Promise<TrainerState> {
    this.#savedAt = performance.now();
    return this.#saved = await this.trainer.state();
  }

  /** Returns a snapshot's bytes. @throws UserError if the snapshot is missing or has non-finite weights */
  snapshot({ stage, kind }: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
    const { current: { before }, config, gpu, setting: { data } } = this;
    const on = { config, data, adapter: describeAdapter(gpu) };
    const ended = before.find((one) => one.stage.name === stage);
    if (ended) return Promise.resolve(encodeSnapshotFile(ended, kind, on));
    if (stage !== this.stage.name) {
      throw new UserError(`The ${stage} stage has no snapshot, because it has not begun.`);
    }
    return this.whenIdle(async () => encodeSnapshotFile(await this.#getState(), kind, on));
  }

  destroy(): void {
    this.trainer.destroy();
    this.model.destroy();
  }

  async #getState(): Promise<StageState> {
    const { stage, trainer: { specs }, choice } = this;
    return { stage, specs, state: await this.trainer.state(), rescaled: await choice?.choose() };
  }

  #isSaveDue(): boolean {
    return performance.now() - this.#savedAt > 1000 * SAVE_SECONDS;
  }

  async #runPending(): Promise<void> {
    for (const work of this.#pendingWork.splice(0)) await work();
  }
}

/** Checks that a training can be resumed with a configuration and data. @throws UserError with the reason */
export function expectResumable(session: TrainSession, config: StagesConfig, choice: DataChoice): void {
  const { stage, iteration, setting } = session;
  const mayChange = stage.name === "shannon"
    ? ["iterations", ...adversarialGroup.options.map(({ name }) => name)]
    : ["adversarial"];
  const changed = listChangedFlags(session.config, config, mayChange);
  if (!isSameData(setting.choice, choice)) changed.unshift("--data");
  if (changed.length > 0) {
    const flags = changed.join(", ");
    throw new UserError(
      `The training began with other values of ${flags}. Restore those values, or press Train to restart.`,
    );
  }
  const iterations = stage.isPartOf(config) ? stage.iterations(config) : 0;
  const beginsNext = config.adversarial !== null && stage.name === "shannon";
  if (iterations > iteration || (beginsNext && iterations === iteration)) return;
  if (session.trainer.stopped && beginsNext) return;
  throw new UserError(
    `Expected --${stage.option} to exceed the ${iteration} finished iterations, got ${iterations}. Increase it.`,
  );
}

/** Resumes a training from a file. If the file has only weights, or the data differ, `next` is undefined. */
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
    return { next: undefined, note: "The model was trained on other data: you cannot resume it here." };
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
      ? "Resume continues this training, bit for bit."
      : "Resume continues this training, but not bit for bit: the adapter, browser or kernels have changed.",
  };
}

type SnapshotName = `best-${Criterion}` | "last";

interface StageState {
  readonly stage: TrainingStage;
  readonly specs: readonly ParameterSpec[];
  readonly state: TrainerState;
  /** Weights for the snapshot best-loss if they were rescaled; undefined if best-loss has trained weights. */
  readonly rescaled?: RescaledBest;
}

export interface SnapshotOffer {
  readonly stage: StageName;
  readonly kind: SnapshotName;
  readonly title: string;
  readonly file: string;
}

/** Lists the snapshots of a stage that the user can save. @param isOver - true if a later stage has begun */
export function listSnapshotOffers(
  { name, shown: { loss, prec1 } }: TrainingStage,
  best: BestRecords,
  isOver: boolean,
): SnapshotOffer[] {
  const titles: Readonly<Record<SnapshotName, string>> = {
    "best-loss": `best ${loss.name}`,
    "best-prec1": `best ${prec1.name}`,
    "best-prec2": `best ${prec1.name.replace("1", "2")}`,
    last: isOver ? "end of the first stage" : "current state",
  };
  const found = criteria.filter((criterion) => Number.isFinite(best[criterion].value));
  const kinds: SnapshotName[] = [...found.map((criterion) => `best-${criterion}` as const), "last"];
  const folder = name === "adversarial" ? "adversarial-" : "";
  const file = (kind: SnapshotName) => `${folder}${kind}.safetensors`;
  return kinds.map((kind) => ({ stage: name, kind, title: titles[kind], file: file(kind) }));
}

interface Origin {
  readonly config: StagesConfig;
  readonly data: LabData;
  readonly adapter: string;
}

/**
 * Returns the bytes of a snapshot. Only the snapshot named `last` can be resumed.
 * @throws UserError if the snapshot is missing or has non-finite weights
 */
function encodeSnapshotFile(
  { stage, specs, state, rescaled }: StageState,
  kind: SnapshotName,
  { config, data, adapter }: Origin,
): Uint8Array<ArrayBuffer> {
  const criterion = criteria.find((criterion) => kind === `best-${criterion}`);
  const chosen = criterion === "loss" ? rescaled : undefined;
  const { iteration, value } = chosen?.record ?? (criterion ? state.best[criterion] : { ...state, value: 0 });
  const own = chosen?.weights ?? (criterion ? state.snapshots[criterion] : state.weights);
  if (!own || !Number.isFinite(value)) {
    throw new UserError(
      `Expected an existing snapshot, but there is no ${kind} yet. Save another snapshot.`,
    );
  }
  if (![...own.values()].every((values) => values.every(Number.isFinite))) {
    throw new UserError(
      "Expected finite weights in the snapshot, got NaN or infinity. Save another snapshot instead.",
    );
  }
  const game = stage.game(config.model, config);
  const { features, source } = data;
  const info = { model: config.model, items: source.items.shape, iteration, kind, game, features };
  const weights = fillWeights(specs, own, data);
  if (criterion) return encodeSnapshot(specs, weights, info);
  const setting = { config, stage: stage.name, data: computeDataChecksum(source), adapter };
  return encodeTraining(specs, { ...state, weights }, info, setting);
}

function fillWeights(
  specs: readonly ParameterSpec[],
  weights: Weights,
  { source: { items: { shape } }, features }: LabData,
): Weights {
  return shape.kind === "mixed" ? withMeanRows(specs, weights, features, shape.tokens) : weights;
}

/**
 * Describes adapter and kernels. A resumed training continues with the same bits if and only if this
 * description, the settings and the data are unchanged.
 */
export function describeAdapter({ adapter, variants }: Pick<Gpu, "adapter" | "variants">): string {
  return JSON.stringify({ ...adapter, matrices: variants.matrices });
}

/** Metrics of a snapshot or baseline on the test users, with 95 % bootstrap intervals over users. */
interface TestRow extends Pick<MetricDetails, "metrics" | "intervals"> {
  readonly name: string;
  /** Iteration of the snapshot; undefined for a baseline. */
  readonly iteration?: number;
}

export interface TestTable {
  readonly users: number;
  readonly rows: readonly TestRow[];
  /** Sentences with conclusions from the test metrics. */
  readonly verdict: readonly string[];
}

/** Computes test metrics of a session's snapshots. The GPU must be idle. */
export async function testSession(
  { stage, trainer, choice, config, setting: { data } }: TrainSession,
  report: (what: string) => void,
): Promise<TestTable> {
  const start = await choice?.choose();
  const { test, baselines, verdict } = await testStage(stage, trainer, data, config, report, start);
  const simple = shownBaselines.flatMap(([key, name]) => {
    const found = baselines[key];
    return found ? [{ name, details: found.details }] : [];
  });
  const snapshots = test.map(({ snapshot, iteration, details }) => ({ name: snapshot, iteration, details }));
  return {
    users: listUsers(data.source, "test").length,
    rows: [...snapshots, ...simple].map(({ details: { metrics, intervals }, ...row }) => ({
      ...{ ...row, metrics, intervals },
    })),
    // The page has a button in place of the option --resume.
    verdict: verdict.map((text) => text.replace("--resume with", "Resume with")),
  };
}
