/** The service of the screen Train. */

import { attainable } from "../../../data/demo_shop.ts";
import { usersOf } from "../../../data/click_log.ts";
import { differenceOf } from "../../../data/feature_meaning.ts";
import { Baselines, baselineTitles } from "../../../baselines/baselines.ts";
import type { ModelConfig } from "../../../model/config.ts";
import { fitSource } from "../../../model/item_features.ts";
import { UserModel } from "../../../model/user_model.ts";
import { expectPlaces, notePages } from "../../../options/check_data.ts";
import { decodeSnapshot, type SnapshotInfo } from "../../../snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import type { TrainingConfig } from "../../../train/config.ts";
import { GENERATOR_PREFIX } from "../../../train/networks.ts";
import { UserError } from "../../../user_error.ts";
import type { LabWorker } from "../lab_worker.ts";
import type { Method } from "../protocol.ts";
import { type DataChoice, type DataFacts, factsOf, type LabData, openLabData } from "./lab_data.ts";
import { faultsOf, readOptions, shownGroups } from "./train_options.ts";
import { type Level, StepGatherer, type TrainProgress } from "./train_progress.ts";
import { type SnapshotName, TrainSession } from "./train_session.ts";
import { type TestTable, testTable } from "./train_test.ts";

export interface TrainRequest {
  readonly data: DataChoice;
  readonly model: ModelConfig;
  readonly training: TrainingConfig;
  /** Whether to start from the snapshot that was brought. */
  readonly fromSnapshot: boolean;
}

/** How a training, or a part of it, has ended. */
export interface TrainEnd {
  readonly iteration: number;
  readonly iterations: number;
  /** Whether early stopping has ended it. */
  readonly stoppedEarly: boolean;
  readonly snapshots: readonly SnapshotName[];
}

/** A snapshot that was brought. */
export interface Brought {
  readonly model: ModelConfig;
  readonly iteration: number;
  readonly kind: string;
  readonly facts: DataFacts;
}

export function trainService(worker: LabWorker) {
  let session: TrainSession | undefined;
  let brought: { readonly weights: Weights; readonly info: SnapshotInfo } | undefined;
  /** A model that was brought and not trained. */
  let shown: UserModel | undefined;
  /** The last data that were opened: a file is not read twice. */
  let opened: { readonly choice: DataChoice; readonly data: LabData } | undefined;

  const dataOf = async (choice: DataChoice, tell: (what: string) => void): Promise<LabData> => {
    if (!opened || !sameData(opened.choice, choice)) {
      opened = { choice, data: await openLabData(choice, tell) };
    }
    return opened.data;
  };
  /** What reads the session: it is waited for before the session is freed. */
  let reading: Promise<unknown> = Promise.resolve();
  const whileReading = <T>(work: Promise<T>): Promise<T> => {
    reading = Promise.allSettled([reading, work]);
    return work;
  };
  const clear = async () => {
    await reading;
    worker.current = undefined;
    shown?.destroy();
    shown = undefined;
    session?.destroy();
    session = undefined;
  };
  const present = (next: TrainSession) => {
    session = next;
    worker.current = { model: next.model, data: next.setting.data, iteration: () => next.iteration };
  };

  const start: Method<TrainRequest, TrainEnd, TrainProgress> = (request, { progress, signal }) =>
    worker.alone("A training is under way", async () => {
      const { training } = request;
      progress({ kind: "doing", what: "Reading the data" });
      let data = await dataOf(request.data, (what) => progress({ kind: "doing", what }));
      const { name } = data.source;
      const notes = [notePages(name, data.source), ...data.notes ?? []];
      progress({ kind: "data", facts: factsOf(data), note: notes.filter((note) => note).join("\n") });
      expectPlaces(name, data, request.model);
      const init = request.fromSnapshot ? brought : undefined;
      if (init) {
        expectSameFeatures("The model of the snapshot", init.info, data);
        data = { ...data, source: fitSource(data.source, init.info.items, "The model of the snapshot") };
      }
      progress({ kind: "doing", what: "Counting the baselines" });
      progress({ kind: "levels", levels: levelsOf(data) });
      progress({ kind: "doing", what: "Opening the GPU" });
      const gpu = await worker.gpu();
      await clear();
      progress({ kind: "doing", what: "Compiling kernels" });
      present(await TrainSession.create(gpu, { data, model: request.model, training, init: init?.weights }));
      return await run(progress, signal);
    });

  const goOn: Method<{ readonly iterations: number }, TrainEnd, TrainProgress> = (
    { iterations },
    { progress, signal },
  ) =>
    worker.alone("A training is under way", async () => {
      const old = expectSession();
      const gpu = await worker.gpu();
      if (gpu !== old.gpu) {
        progress({ kind: "doing", what: "Compiling kernels anew" });
        present(await old.on(gpu)); // what the old one held is lost with its device
      }
      expectSession().iterations = iterations;
      return await run(progress, signal);
    });

  async function run(progress: (value: TrainProgress) => void, signal: AbortSignal): Promise<TrainEnd> {
    const current = expectSession();
    const { trainer } = current;
    if (trainer.batchParts > 1) progress({ kind: "parts", parts: trainer.batchParts });
    await current.run(new StepGatherer(progress), signal);
    const { iteration, iterations, snapshots } = current;
    return { iteration, iterations, snapshots, stoppedEarly: trainer.stopped && iteration < iterations };
  }

  function expectSession(): TrainSession {
    if (session) return session;
    throw new UserError("Expected a training, found none: train a model first.");
  }

  return {
    options: shownGroups,
    faults: faultsOf,
    read: readOptions,
    start,
    goOn,

    /** What the test users say. */
    test: ((_, { progress }) => {
      const current = expectSession();
      return whileReading(current.whenIdle(() => testTable(current, progress)));
    }) satisfies Method<undefined, TestTable, string>,

    /** A snapshot's file. */
    async snapshot({ name }: { readonly name: SnapshotName }): Promise<Uint8Array<ArrayBuffer>> {
      return await whileReading(expectSession().snapshot(name));
    },

    /** Takes a snapshot's file in, to start from it, or to look at what it has learned. @throws UserError unless it fits the data. */
    bring: (({ file, data: choice }) =>
      worker.alone("A snapshot is being read", async () => {
        const { info, weights } = decodeSnapshot(new Uint8Array(await file.arrayBuffer()), file.name);
        if (!info) {
          throw new UserError(
            `Expected a snapshot written by train, got ${file.name}, which does not say what model it is.`,
          );
        }
        const whole = await dataOf(choice, () => {});
        expectSameFeatures(`The model of ${file.name}`, info, whole);
        const source = fitSource(whole.source, info.items, `The model of ${file.name}`);
        const data = { ...whole, source };
        const reward = new Map([...weights].filter(([name]) => !name.startsWith(GENERATOR_PREFIX)));
        const gpu = await worker.gpu();
        const model = new UserModel(gpu, source.items, info.model, { weights: reward });
        await clear();
        shown = model;
        brought = { weights: reward, info };
        worker.current = { model, data, iteration: () => info.iteration };
        return { model: info.model, iteration: info.iteration, kind: info.kind, facts: factsOf(data) };
      })) satisfies Method<{ readonly file: File; readonly data: DataChoice }, Brought>,
  };
}

/** @throws UserError for items whose features mean something else than those of the model. */
function expectSameFeatures(what: string, { features }: SnapshotInfo, data: LabData): void {
  const difference = features && data.features && differenceOf(features, data.features);
  if (difference === undefined) return;
  throw new UserError(
    `${what} was trained on items whose features mean something else than those of ${data.source.name}: ${difference}. ` +
      "Prepare this log with --like and the set that the model was trained on.",
  );
}

function sameData(a: DataChoice, b: DataChoice): boolean {
  if (a.kind === "shop") return b.kind === "shop" && a.name === b.name && a.seed === b.seed;
  if (b.kind === "shop" || a.files.length !== b.files.length) return false;
  // A file is another one each time that it crosses over to the worker.
  return a.files.every(({ path, file: { size, lastModified } }, k) => {
    const other = b.files[k];
    return path === other?.path && size === other.file.size && lastModified === other.file.lastModified;
  });
}

/** On the validation users, whom the curves are of, too. */
function levelsOf({ source, truth, features }: LabData): Level[] {
  const users = usersOf(source, "validation");
  const levels: Level[] = [...Baselines.of(source, features?.tokens).test(users)].map((
    [name, { details: { figures } }],
  ) => ({
    name: baselineTitles[name],
    loss: figures.nll,
    prec1: figures.prec1 ?? NaN,
  }));
  if (truth && source.log) {
    const { nll, prec1 } = attainable(source.log, { utility: new Float64Array(truth.utility) }, users);
    levels.push({ name: "best attainable", loss: nll, prec1 });
  }
  return levels;
}
