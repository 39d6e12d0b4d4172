/** The service of the screen Train. */

import { UserModel } from "../../../model/user_model.ts";
import { expectPlaces, notePages } from "../../../run/options/check_data.ts";
import { stagesConfigOf, type StagesOptions } from "../../../run/options/train.ts";
import { decodeSnapshot, type Snapshot, type SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import { partOf } from "../../../train/networks.ts";
import { RewardWatch } from "../../../train/reward_watch.ts";
import { UserError } from "../../../user_error.ts";
import { type CurrentModel, expectWanted, type LabWorker } from "../lab_worker.ts";
import type { Call, Method } from "../protocol.ts";
import {
  dataChecksum,
  type DataChoice,
  type DataFacts,
  factsOf,
  fitData,
  type LabData,
  levelsOf,
  OpenedData,
  sameData,
} from "./data.ts";
import {
  changedFlags,
  faultsOf,
  type OptionTexts,
  readOptions,
  shownGroups,
  textsOf,
} from "./train_options.ts";
import {
  type ShownStage,
  shownStage,
  StepGatherer,
  type TestTable,
  testTable,
  type TrainProgress,
} from "./train_progress.ts";
import { computedOn, offersOf, type SessionSetting, type SnapshotOffer, TrainSession } from "./session.ts";
import type { Weights } from "../../../tape/parameters.ts";
import type { Gpu } from "../../../gpu/device.ts";
import { adversarialGroup } from "../../../run/options/adversarial.ts";
import { namesOf } from "../../../run/options/definition.ts";
import { stages } from "../../../run/stages.ts";
import { trainingSetting, trainingState } from "../../../run/snapshot/training_file.ts";
import type { StagesConfig } from "../../../train/stages_config.ts";

export interface TrainRequest {
  readonly data: DataChoice;
  readonly options: StagesOptions;
  /** Whether to start from the snapshot that was brought. */
  readonly fromSnapshot: boolean;
}

export type GoOnRequest = Omit<TrainRequest, "fromSnapshot">;

/** Where a stage of a training stands. */
export interface TrainEnd {
  readonly stage: ShownStage;
  readonly iteration: number;
  readonly iterations: number;
  /** Whether the stage has come to its end, by early stopping, too. */
  readonly isDone: boolean;
  /** Whether there is another stage after it. */
  readonly hasNext: boolean;
  /** Of this stage and those before it. */
  readonly snapshots: readonly SnapshotOffer[];
}

export interface BringRequest {
  /** A snapshot. */
  readonly file: File;
  readonly data: DataChoice;
}

/** A snapshot that was brought. */
export interface Brought {
  readonly texts: OptionTexts;
  readonly iteration: number;
  readonly kind: string;
  readonly facts: DataFacts;
  /** Of a file that holds a whole training. */
  readonly training: TrainEnd | undefined;
  /** What is to be known of it. */
  readonly note: string;
}

/** Why nothing else can begin. */
const TRAINING = "A training is under way";

export function trainService(worker: LabWorker) {
  const training = new CurrentTraining(worker);
  return {
    options: shownGroups,
    faults: faultsOf,
    read: readOptions,

    start(request: TrainRequest, call: Call<TrainProgress>): Promise<TrainEnd> {
      return worker.alone(TRAINING, call.signal, () => start(training, request, call));
    },

    /** The stage goes on, or where it is done the next one begins. */
    goOn(request: GoOnRequest, call: Call<TrainProgress>): Promise<TrainEnd> {
      return worker.alone(TRAINING, call.signal, () => goOn(training, request, call));
    },

    /** Where the training stands, if there is one: also after it has failed. */
    standing: () => training.session && endOf(training.session),

    /** What the test users say of the stage. */
    test: (async (_, { progress }) => {
      const session = await training.living(progress);
      return await training.whileReading(session.whenIdle(() => testTable(session, progress)));
    }) satisfies Method<undefined, TestTable, string>,

    /** A snapshot's file. */
    async snapshot(offer: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
      return await training.whileReading((await training.living(() => {})).snapshot(offer));
    },

    /**
     * Takes a snapshot's file in, to start from it, to look at what it has learned, or to go on with its training.
     * @throws UserError unless it fits the data.
     */
    bring(request: BringRequest): Promise<Brought> {
      return worker.alone("A snapshot is being read", undefined, () => bring(training, request));
    },
  };
}

async function start(
  training: CurrentTraining,
  request: TrainRequest,
  call: Call<TrainProgress>,
): Promise<TrainEnd> {
  const { progress } = call;
  const init = request.fromSnapshot ? training.brought : undefined;
  const data = await dataOf(training, request, init?.info, call);
  await begin("Counting the baselines", call);
  progress({ kind: "levels", levels: levelsOf(data) });
  await begin("Opening the GPU", call);
  const gpu = await training.worker.gpu();
  await training.clear();
  await begin("Compiling kernels", call);
  const setting = {
    choice: request.data,
    data,
    init: init && { weights: init.weights, model: init.info.model },
  };
  const config = stagesConfigOf(request.options, data, setting.init?.model);
  const session = await TrainSession.create(gpu, setting, config);
  if (call.signal.aborted) session.destroy();
  expectWanted(call.signal);
  training.present(session);
  return await run(training, call);
}

/** Tells what begins, and hears whether it is still wanted: a worker that reads or counts hears nothing meanwhile. */
async function begin(what: string, { progress, signal }: Call<TrainProgress>): Promise<void> {
  progress(doing(what));
  await new Promise((resolve) => setTimeout(resolve));
  expectWanted(signal);
}

/** What is trained on. @param info of the snapshot that is started from: the data are over its items. */
async function dataOf(
  training: CurrentTraining,
  { data: choice, options }: TrainRequest,
  info: SnapshotInfo | undefined,
  call: Call<TrainProgress>,
): Promise<LabData> {
  const { progress, signal } = call;
  await begin("Reading the data", call);
  const data = await training.opened.of(choice, (what) => {
    expectWanted(signal);
    progress(doing(what));
  });
  const { name } = data.source;
  progress({ kind: "data", facts: factsOf(data), note: notePages(name, data.source) ?? "" });
  expectPlaces(name, data, { positions: options.positionEffect ?? 0 });
  return info ? fitData("The model of the snapshot", info, data) : data;
}

async function goOn(
  training: CurrentTraining,
  { data, options }: GoOnRequest,
  call: Call<TrainProgress>,
): Promise<TrainEnd> {
  const { progress } = call;
  const old = training.expectSession();
  const config = stagesConfigOf(options, old.setting.data, old.config.model);
  expectToGoOn(old, config, data);
  old.config = config;
  progress({ kind: "levels", levels: levelsOf(old.setting.data) });
  const current = await training.living((what) => progress(doing(what)));
  if (current.isDone && current.hasNext) {
    progress(doing("Compiling kernels of the next stage"));
    const next = await current.next();
    await training.clear();
    if (next) training.present(next);
  }
  return await run(training, call);
}

function doing(what: string): TrainProgress {
  return { kind: "doing", what };
}

/** Trains to the end of the stage, or until it is stopped. */
async function run(
  training: CurrentTraining,
  { progress, signal }: Call<TrainProgress>,
): Promise<TrainEnd> {
  const session = training.expectSession();
  const { trainer, stage, iterations } = session;
  const note = (text: string | undefined) => text && progress({ kind: "note", text });
  progress({ kind: "stage", stage: shownStage(stage, iterations) });
  if (trainer.batchParts > 1) {
    note(
      `A batch is computed in up to ${trainer.batchParts} parts of whole users, as it is larger than the adapter or ` +
        "--part-rows allows.",
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
  return endOf(session);
}

async function bring(training: CurrentTraining, { file, data: choice }: BringRequest): Promise<Brought> {
  const { name } = file;
  const snapshot = decodeSnapshot(new Uint8Array(await file.arrayBuffer()), name);
  const { info, weights } = snapshot;
  if (!info) {
    throw new UserError(
      `Expected a snapshot written by train, got ${name}, which does not say what model it is.`,
    );
  }
  const data = fitData(`The model of ${name}`, info, await training.opened.of(choice, () => {}));
  const gpu = await training.worker.gpu();
  const { next, note } = await reopen(gpu, { choice, data, init: undefined }, snapshot, name);
  const model = next
    ? undefined
    : new UserModel(gpu, data.source.items, info.model, { weights: partOf(weights, "") });
  await training.clear();
  training.brought = { weights, info };
  if (next) training.present(next);
  if (model) training.show({ model, data, iteration: () => info.iteration });
  const { iteration, kind } = info;
  const config = next?.config ??
    { ...stagesConfigOf(readOptions({ texts: {}, fromSnapshot: false }), data), model: info.model };
  return {
    ...{ texts: textsOf(config), iteration, kind, facts: factsOf(data), note },
    training: next && endOf(next),
  };
}

function endOf(session: TrainSession): TrainEnd {
  const { stage, iteration, iterations, isDone, hasNext, best, place: { before } } = session;
  const snapshots = [
    ...before.flatMap((one) => offersOf(one.stage, one.state.best, true)),
    ...offersOf(stage, best, false),
  ];
  return { stage: shownStage(stage, iterations), iteration, iterations, isDone, hasNext, snapshots };
}

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

/** @throws UserError for other settings than it was begun with, but for its iterations and a stage that is still to come. */
export function expectToGoOn(session: TrainSession, config: StagesConfig, choice: DataChoice): void {
  const { stage, iteration, setting } = session;
  const mayChange = stage.name === "shannon"
    ? ["iterations", ...namesOf([adversarialGroup])]
    : ["adversarial"];
  const changed = changedFlags(session.config, config, mayChange);
  if (!sameData(setting.choice, choice)) changed.unshift("--data");
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
export async function reopen(
  gpu: Gpu,
  setting: SessionSetting,
  snapshot: Snapshot,
  name: string,
): Promise<{ readonly next: TrainSession | undefined; readonly note: string }> {
  const found = trainingSetting(snapshot, name);
  const stage = stages.find((one) => one.name === found?.stage);
  if (!found || !stage) return { next: undefined, note: "" };
  if (found.data !== dataChecksum(setting.data.source)) {
    return { next: undefined, note: "It was trained on other data, so that it cannot go on here." };
  }
  const next = await TrainSession.create(gpu, setting, found.config, { stage, before: [] });
  try {
    next.restore(trainingState(snapshot, next.trainer.specs, name));
  } catch (error) {
    next.destroy();
    throw error;
  }
  const same = found.adapter === computedOn(gpu);
  return {
    next,
    note: same
      ? "Go on goes on with its training, bit for bit."
      : "Go on goes on with its training, but not bit for bit: it began on another adapter or browser, or with other kernels.",
  };
}
