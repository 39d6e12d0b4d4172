/** A training that stands on the device: it runs, pauses, is asked things, and survives the loss of the device. */

import type { ChoiceFigures } from "../../../data/ranking.ts";
import type { Gpu } from "../../../gpu/device.ts";
import type { ModelConfig } from "../../../model/config.ts";
import { UserModel } from "../../../model/user_model.ts";
import { withMeanRows } from "../../../run/mean_rows.ts";
import { encodeSnapshot } from "../../../snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion } from "../../../train/best_records.ts";
import type { TrainingConfig } from "../../../train/config.ts";
import type { StepResult, ValidationResult } from "../../../train/results.ts";
import { Trainer } from "../../../train/trainer.ts";
import type { TrainerState } from "../../../train/trainer_state.ts";
import { UserError } from "../../../user_error.ts";
import type { LabData } from "./lab_data.ts";

/** Seconds between two copies of the state in the page's memory: what a loss of the device costs at most. */
const SAVE_SECONDS = 20;

export type SnapshotName = `best-${Criterion}` | "last";

/** What is trained, and how. */
export interface SessionSetting {
  readonly data: LabData;
  readonly model: ModelConfig;
  readonly training: TrainingConfig;
  /** Weights to start from, instead of drawn ones. */
  readonly init: Weights | undefined;
}

export interface SessionEvents {
  onStep(result: StepResult<ChoiceFigures>): void;
  onValidation(result: ValidationResult<ChoiceFigures>): void;
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
    readonly model: UserModel,
    readonly trainer: Trainer,
    /** Of the training, which may go further than its setting said at first. */
    public iterations: number,
  ) {}

  /** @throws UserError for sizes beyond the adapter, or too few users. */
  static async create(gpu: Gpu, setting: SessionSetting): Promise<TrainSession> {
    const { data: { source }, init, training } = setting;
    const initial = init ? { weights: init } : { seed: training.seed };
    const model = new UserModel(gpu, source.items, setting.model, initial);
    try {
      const trainer = await Trainer.create(model, source, training);
      return new TrainSession(gpu, setting, model, trainer, training.iterations);
    } catch (error) {
      model.destroy();
      throw error;
    }
  }

  /** The same training on another device, as it was when it was last saved. */
  async on(gpu: Gpu): Promise<TrainSession> {
    const session = await TrainSession.create(gpu, this.setting);
    session.iterations = this.iterations;
    if (this.#saved) session.trainer.restore(this.#saved);
    session.#saved = this.#saved;
    return session;
  }

  get iteration(): number {
    return this.trainer.iteration;
  }
  get best(): BestRecords {
    return this.trainer.best;
  }

  /** Trains to the end, or until `signal` stops it. */
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
  async save(): Promise<void> {
    this.#saved = await this.trainer.state();
    this.#savedAt = performance.now();
  }

  /** Which snapshots there are. */
  get snapshots(): SnapshotName[] {
    const best = criteria.filter((criterion) => Number.isFinite(this.best[criterion].value));
    return [...best.map((criterion) => `best-${criterion}` as const), "last"];
  }

  /** The bytes of a snapshot's file. @throws UserError for one that there is none of. */
  snapshot(name: SnapshotName): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.snapshots.includes(name)) {
      throw new UserError(
        `Expected a snapshot (${this.snapshots.join(", ")}), got ${name}: there is none yet.`,
      );
    }
    return this.whenIdle(async () => {
      const { trainer, model } = this;
      const criterion = criteria.find((criterion) => name === `best-${criterion}`);
      const weights = criterion ? await trainer.snapshot(criterion) : await trainer.weights();
      const iteration = criterion ? trainer.best[criterion].iteration : trainer.iteration;
      const { features } = this.setting.data;
      const items = model.shape;
      const filled = items.kind === "mixed"
        ? withMeanRows(trainer.specs, weights, features, items.tokens)
        : weights;
      return encodeSnapshot(trainer.specs, filled, {
        model: model.config,
        items,
        iteration,
        kind: name,
        features,
      });
    });
  }

  destroy(): void {
    this.trainer.destroy();
    this.model.destroy();
  }

  #isSaveDue(): boolean {
    return performance.now() - this.#savedAt > 1000 * SAVE_SECONDS;
  }

  async #answer(): Promise<void> {
    for (const work of this.#asked.splice(0)) await work();
  }
}
