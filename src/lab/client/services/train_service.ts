/** Service of the screen Train. The service keeps only the latest training or loaded model. */

import { UserModel } from "../../../model/user_model.ts";
import { buildStagesConfig, describePages, expectPlaces } from "../../../run/options/stages_options.ts";
import type { StagesOptions } from "../../../run/options/stages_options.ts";
import { decodeSnapshot, type SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import { selectNetworkWeights } from "../../../train/networks.ts";
import { RewardWatch } from "../../../train/adversarial_trainer.ts";
import { UserError } from "../../../user_error.ts";
import { expectNotCancelled, type LabWorker, type ServiceCall } from "../lab_worker.ts";
import type { DataChoice, LabData } from "./lab_data.ts";
import {
  alignDataToSnapshot,
  computeBaselineLevels,
  describeData,
  isSameData,
  openLabData,
} from "./lab_data.ts";
import type { SnapshotOffer, TestTable } from "./train_session.ts";
import {
  expectResumable,
  listSnapshotOffers,
  reopenSession,
  testSession,
  TrainSession,
} from "./train_session.ts";
import { describeStage, type ShownStage, StepGatherer, type TrainProgress } from "./train_progress.ts";
import { findFaults, formatOptionTexts, listShownGroups, readOptions } from "./option_texts.ts";
import type { OptionTexts } from "./option_texts.ts";

export interface TrainRequest {
  readonly data: DataChoice;
  readonly options: StagesOptions;
  readonly fromSnapshot: boolean;
}

/** Status of a training stage, and the snapshots that the user can save. */
export interface StageStatus {
  readonly stage: ShownStage;
  readonly iteration: number;
  readonly iterations: number;
  /** True if the stage has ended, by early stopping or at its last iteration. */
  readonly isDone: boolean;
  readonly hasNext: boolean;
  readonly snapshots: readonly SnapshotOffer[];
}

interface LoadedSnapshot {
  readonly texts: OptionTexts;
  readonly iteration: number;
  readonly kind: string;
  readonly data: string;
  /** Status of the training in the file; undefined if the file has only weights. */
  readonly training: StageStatus | undefined;
  /** Message about resuming the snapshot's training; "" if the snapshot has only weights. */
  readonly note: string;
}

const TRAINING = "A training is running";

export class TrainService {
  readonly options = listShownGroups;
  readonly faults = findFaults;
  readonly read = readOptions;
  /** Data that were opened last, kept in memory so that the same files need not be read again. */
  #opened: { readonly choice: DataChoice; readonly data: LabData } | undefined;
  /** Snapshot that was loaded last, from which a training can start. */
  #loaded: { readonly weights: Weights; readonly info: SnapshotInfo } | undefined;
  #session: TrainSession | undefined;
  /** Model of the loaded snapshot if its training cannot be resumed; otherwise undefined. */
  #loadedModel: UserModel | undefined;
  /** Promise that resolves when no task uses the session any more, so that its memory may be freed. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(private readonly worker: LabWorker) {}

  start(request: TrainRequest, call: ServiceCall<TrainProgress>): Promise<StageStatus> {
    const { progress, signal } = call;
    return this.worker.runExclusively(TRAINING, signal, async () => {
      const init = request.fromSnapshot ? this.#loaded : undefined;
      const data = await this.#openData(request, init?.info, call);
      await begin("Computing the baselines", call);
      progress({ kind: "levels", levels: computeBaselineLevels(data) });
      await begin("Opening the GPU", call);
      const gpu = await this.worker.gpu();
      await this.#clear();
      await begin("Compiling kernels", call);
      const start = init && { weights: init.weights, model: init.info.model };
      const setting = { choice: request.data, data, init: start };
      const config = buildStagesConfig(request.options, data, setting.init?.model);
      const session = await TrainSession.create(gpu, setting, config);
      if (signal.aborted) session.destroy();
      expectNotCancelled(signal);
      this.#present(session);
      return await this.#run(call);
    });
  }

  /** Resumes the current stage, or starts the next stage if the current stage is done. */
  resume(
    { data, options }: Omit<TrainRequest, "fromSnapshot">,
    call: ServiceCall<TrainProgress>,
  ): Promise<StageStatus> {
    const { progress, signal } = call;
    return this.worker.runExclusively(TRAINING, signal, async () => {
      const old = this.#expectSession();
      const config = buildStagesConfig(options, old.setting.data, old.config.model);
      expectResumable(old, config, data);
      old.config = config;
      progress({ kind: "levels", levels: computeBaselineLevels(old.setting.data) });
      const current = await this.#reviveSession((what) => progress(doing(what)));
      if (current.isDone && current.hasNext) {
        progress(doing("Compiling kernels of the next stage"));
        const next = await current.next();
        await this.#clear();
        if (next) this.#present(next);
      }
      return await this.#run(call);
    });
  }

  /** Returns the status of the current training, even after an error; undefined without a training. */
  status(): StageStatus | undefined {
    return this.#session && describeStatus(this.#session);
  }

  async test(_: undefined, { progress }: ServiceCall<string>): Promise<TestTable> {
    const session = await this.#reviveSession(progress);
    return await this.#whileReading(session.whenIdle(() => testSession(session, progress)));
  }

  async snapshot(offer: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#whileReading((await this.#reviveSession(() => {})).snapshot(offer));
  }

  /** Loads a snapshot to use or resume it. @throws UserError if the data do not fit the snapshot's model */
  load({ file, data }: { readonly file: File; readonly data: DataChoice }): Promise<LoadedSnapshot> {
    return this.worker.runExclusively("A snapshot is being loaded", undefined, () => this.#load(file, data));
  }

  async #load(file: File, choice: DataChoice): Promise<LoadedSnapshot> {
    const { name } = file;
    const snapshot = decodeSnapshot(new Uint8Array(await file.arrayBuffer()), name);
    const { info, weights } = snapshot;
    if (!info) {
      throw new UserError(
        `Expected a snapshot of a trained model, got ${name}, which lacks the configuration of the model.`,
      );
    }
    const data = alignDataToSnapshot(`the model of ${name}`, info, await this.#open(choice, () => {}));
    const gpu = await this.worker.gpu();
    const { next, note } = await reopenSession(gpu, { choice, data, init: undefined }, snapshot, name);
    const model = next
      ? undefined
      : new UserModel(gpu, data.source.items, info.model, { weights: selectNetworkWeights(weights, "") });
    await this.#clear();
    this.#loaded = { weights, info };
    if (next) this.#present(next);
    if (model) this.worker.current = { model, data, iteration: () => info.iteration };
    this.#loadedModel = model;
    const { iteration, kind } = info;
    const config = next?.config ??
      { ...buildStagesConfig(readOptions({ texts: {}, fromSnapshot: false }), data), model: info.model };
    return {
      ...{ texts: formatOptionTexts(config), iteration, kind, data: describeData(data), note },
      training: next && describeStatus(next),
    };
  }

  /** Opens the training data. @param info - initial snapshot, which the data must fit */
  async #openData(
    { data: choice, options }: TrainRequest,
    info: SnapshotInfo | undefined,
    call: ServiceCall<TrainProgress>,
  ): Promise<LabData> {
    const { progress, signal } = call;
    await begin("Reading the data", call);
    const data = await this.#open(choice, (what) => {
      expectNotCancelled(signal);
      progress(doing(what));
    });
    const { name } = data.source;
    const text = `${describeData(data)} ${describePages(name, data.source) ?? ""}`.trim();
    progress({ kind: "data", text });
    expectPlaces(name, data, { positions: options.positionBias ?? 0 });
    return info ? alignDataToSnapshot("the snapshot's model", info, data) : data;
  }

  /** Opens data, unless they are open already. @throws UserError for an invalid file */
  async #open(choice: DataChoice, report: (what: string) => void): Promise<LabData> {
    if (!this.#opened || !isSameData(this.#opened.choice, choice)) {
      this.#opened = { choice, data: await openLabData(choice, report) };
    }
    return this.#opened.data;
  }

  /** Trains to the end of the current stage, or until the user stops the training. */
  async #run({ progress, signal }: ServiceCall<TrainProgress>): Promise<StageStatus> {
    const session = this.#expectSession();
    const { trainer, stage, iterations } = session;
    const note = (text: string | undefined) => text && progress({ kind: "note", text });
    progress({ kind: "stage", stage: describeStage(stage, iterations) });
    progress(doing("Running the first steps"));
    if (trainer.microBatches > 1) {
      note(
        `Batches are split into up to ${trainer.microBatches} micro-batches of whole users, because they ` +
          "exceed the limit of the adapter or --micro-batch-rows.",
      );
    }
    const watch = stage.hasLikelihood ? undefined : new RewardWatch();
    const gatherer = new StepGatherer(stage, progress);
    await session.run({
      onStep: (result) => gatherer.onStep(result),
      onValidation: (result) => {
        gatherer.onValidation(result);
        note(watch?.take(result));
      },
    }, signal);
    note(watch?.verdict());
    return describeStatus(session);
  }

  #expectSession(): TrainSession {
    if (this.#session) return this.#session;
    throw new UserError("Expected a training run, found none: train a model first.");
  }

  /** Returns the session. Restores it on a new device if its GPU device was lost. */
  async #reviveSession(report: (what: string) => void): Promise<TrainSession> {
    const old = this.#expectSession();
    const gpu = await this.worker.gpu();
    if (gpu === old.gpu) return old;
    report("Compiling kernels again");
    this.#present(await old.restoreOn(gpu));
    return this.#expectSession();
  }

  /** Makes a session the current training. All screens then use the session's model. */
  #present(next: TrainSession): void {
    this.#session = next;
    this.worker.current = { model: next.model, data: next.setting.data, iteration: () => next.iteration };
  }

  /** Ensures that the session is not freed before `work` is done. */
  #whileReading<T>(work: Promise<T>): Promise<T> {
    this.#reading = Promise.allSettled([this.#reading, work]);
    return work;
  }

  /** Frees the memory of the training or of the loaded model. */
  async #clear(): Promise<void> {
    await this.#reading;
    this.worker.current = undefined;
    this.#loadedModel?.destroy();
    this.#session?.destroy();
    this.#loadedModel = this.#session = undefined;
  }
}

/** Reports the next task, such as "Compiling kernels". @throws CallStoppedError if the user cancelled */
async function begin(what: string, { progress, signal }: ServiceCall<TrainProgress>): Promise<void> {
  progress(doing(what));
  await new Promise((resolve) => setTimeout(resolve));
  expectNotCancelled(signal);
}

function doing(what: string): TrainProgress {
  return { kind: "doing", what };
}

function describeStatus(session: TrainSession): StageStatus {
  const { stage, iteration, iterations, isDone, hasNext, best, current: { before } } = session;
  const snapshots = [
    ...before.flatMap((one) => listSnapshotOffers(one.stage, one.state.best, true)),
    ...listSnapshotOffers(stage, best, false),
  ];
  return { stage: describeStage(stage, iterations), iteration, iterations, isDone, hasNext, snapshots };
}
