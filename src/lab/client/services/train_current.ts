/** What stands on the device, one at a time: a training, or a model that was brought to be looked at. */

import type { UserModel } from "../../../model/user_model.ts";
import type { SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import { UserError } from "../../../user_error.ts";
import type { CurrentModel, LabWorker } from "../lab_worker.ts";
import { OpenedData } from "./train_data.ts";
import type { TrainSession } from "./train_session.ts";

/** A snapshot that was brought. */
interface BroughtSnapshot {
  readonly weights: Weights;
  readonly info: SnapshotInfo;
}

export class CurrentTraining {
  readonly opened = new OpenedData();
  /** What a training may start from: the snapshot that was brought last. */
  brought: BroughtSnapshot | undefined;
  #session: TrainSession | undefined;
  /** A model that was brought and is not trained. */
  #shown: UserModel | undefined;
  /** What reads the session: it is waited for before the session is freed. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(readonly worker: LabWorker) {}

  get session(): TrainSession | undefined {
    return this.#session;
  }

  /** @throws UserError where there is none. */
  expectSession(): TrainSession {
    if (this.#session) return this.#session;
    throw new UserError("Expected a training, found none: train a model first.");
  }

  /** The training on a device that is there: what the old one held is lost with its device. */
  async living(tell: (what: string) => void): Promise<TrainSession> {
    const old = this.expectSession();
    const gpu = await this.worker.gpu();
    if (gpu === old.gpu) return old;
    tell("Compiling kernels anew");
    this.present(await old.on(gpu));
    return this.expectSession();
  }

  /** The training is this one from now on; other screens have its model. */
  present(next: TrainSession): void {
    this.#session = next;
    this.worker.current = { model: next.model, data: next.setting.data, iteration: () => next.iteration };
  }

  /** There is this model, and no training. */
  show(current: CurrentModel): void {
    this.#shown = current.model;
    this.worker.current = current;
  }

  /** Does something that reads the session, which stays until it is done. */
  whileReading<T>(work: Promise<T>): Promise<T> {
    this.#reading = Promise.allSettled([this.#reading, work]);
    return work;
  }

  /** Frees what stands on the device. */
  async clear(): Promise<void> {
    await this.#reading;
    this.worker.current = undefined;
    this.#shown?.destroy();
    this.#shown = undefined;
    this.#session?.destroy();
    this.#session = undefined;
  }
}
