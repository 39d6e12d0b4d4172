/** The service of the screen Train. */

import { UserModel } from "../../../model/user_model.ts";
import { fitSource } from "../../../model/item_features.ts";
import { expectPlaces, notePages } from "../../../options/check_data.ts";
import { decodeSnapshot, type SnapshotInfo } from "../../../snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import { partOf } from "../../../train/networks.ts";
import { RewardWatch } from "../../../train/reward_watch.ts";
import type { StagesConfig } from "../../../train/stages_config.ts";
import { UserError } from "../../../user_error.ts";
import type { LabWorker } from "../lab_worker.ts";
import type { Method } from "../protocol.ts";
import { type DataChoice, type DataFacts, factsOf } from "./lab_data.ts";
import { expectToGoOn, reopen } from "./train_going_on.ts";
import { expectSameFeatures, levelsOf, OpenedData } from "./train_data.ts";
import { faultsOf, type OptionTexts, readOptions, shownGroups, textsOf } from "./train_options.ts";
import { type ShownStage, shownStage, StepGatherer, type TrainProgress } from "./train_progress.ts";
import { TrainSession } from "./train_session.ts";
import { offersOf, type SnapshotOffer } from "./train_snapshots.ts";
import { type TestTable, testTable } from "./train_test.ts";

export interface TrainRequest {
  readonly data: DataChoice;
  readonly config: StagesConfig;
  /** Whether to start from the snapshot that was brought. */
  readonly fromSnapshot: boolean;
}

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

export function trainService(worker: LabWorker) {
  let session: TrainSession | undefined;
  let brought: { readonly weights: Weights; readonly info: SnapshotInfo } | undefined;
  /** A model that was brought and not trained. */
  let shown: UserModel | undefined;
  const opened = new OpenedData();
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
      const { config, data: choice } = request;
      progress({ kind: "doing", what: "Reading the data" });
      let data = await opened.of(choice, (what) => progress({ kind: "doing", what }));
      const { name } = data.source;
      const notes = [notePages(name, data.source), ...data.notes ?? []];
      progress({ kind: "data", facts: factsOf(data), note: notes.filter((note) => note).join("\n") });
      expectPlaces(name, data, config.model);
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
      present(await TrainSession.create(gpu, { choice, data, init: init?.weights }, config));
      return await run(progress, signal);
    });

  /** The stage goes on, or where it is done the next one begins. */
  const goOn: Method<Omit<TrainRequest, "fromSnapshot">, TrainEnd, TrainProgress> = (
    { data, config },
    { progress, signal },
  ) =>
    worker.alone("A training is under way", async () => {
      const old = expectSession();
      expectToGoOn(old, config, data);
      old.config = config;
      progress({ kind: "levels", levels: levelsOf(old.setting.data) });
      const current = await living((what) => progress({ kind: "doing", what }));
      if (current.isDone && current.hasNext) {
        progress({ kind: "doing", what: "Compiling kernels of the next stage" });
        const next = await current.next();
        await clear();
        if (next) present(next);
      }
      return await run(progress, signal);
    });

  async function run(progress: (value: TrainProgress) => void, signal: AbortSignal): Promise<TrainEnd> {
    const current = expectSession();
    const { trainer, stage, iterations } = current;
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
    await current.run({
      onStep: (result) => gatherer.onStep(result),
      onValidation: (result) => {
        gatherer.onValidation(result);
        note(watch?.take(result));
      },
    }, signal);
    note(watch?.verdict());
    return endOf(current);
  }

  function expectSession(): TrainSession {
    if (session) return session;
    throw new UserError("Expected a training, found none: train a model first.");
  }

  /** The training on a device that is there: what the old one held is lost with its device. */
  async function living(tell: (what: string) => void): Promise<TrainSession> {
    const old = expectSession();
    const gpu = await worker.gpu();
    if (gpu === old.gpu) return old;
    tell("Compiling kernels anew");
    present(await old.on(gpu));
    return expectSession();
  }

  return {
    options: shownGroups,
    faults: faultsOf,
    read: readOptions,
    start,
    goOn,

    /** Where the training stands, if there is one: also after it has failed. */
    standing: () => session && endOf(session),

    /** What the test users say of the stage. */
    test: (async (_, { progress }) => {
      const current = await living(progress);
      return await whileReading(current.whenIdle(() => testTable(current, progress)));
    }) satisfies Method<undefined, TestTable, string>,

    /** A snapshot's file. */
    async snapshot(offer: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
      return await whileReading((await living(() => {})).snapshot(offer));
    },

    /**
     * Takes a snapshot's file in, to start from it, to look at what it has learned, or to go on with its training.
     * @throws UserError unless it fits the data.
     */
    bring: (({ file, data: choice }) =>
      worker.alone("A snapshot is being read", async () => {
        const { name } = file;
        const snapshot = decodeSnapshot(new Uint8Array(await file.arrayBuffer()), name);
        const { info, weights } = snapshot;
        if (!info) {
          throw new UserError(
            `Expected a snapshot written by train, got ${name}, which does not say what model it is.`,
          );
        }
        const whole = await opened.of(choice, () => {});
        expectSameFeatures(`The model of ${name}`, info, whole);
        const data = { ...whole, source: fitSource(whole.source, info.items, `The model of ${name}`) };
        const gpu = await worker.gpu();
        const { next, note } = await reopen(gpu, { choice, data, init: undefined }, snapshot, name);
        const model = next
          ? undefined
          : new UserModel(gpu, data.source.items, info.model, { weights: partOf(weights, "") });
        await clear();
        brought = { weights, info };
        if (next) present(next);
        if (model) worker.current = { model, data, iteration: () => info.iteration };
        shown = model;
        const { iteration, kind } = info;
        const config = next?.config ??
          { ...readOptions({ texts: {}, fromSnapshot: false }), model: info.model };
        return {
          ...{ texts: textsOf(config), iteration, kind, facts: factsOf(data), note },
          training: next && endOf(next),
        };
      })) satisfies Method<{ readonly file: File; readonly data: DataChoice }, Brought>,
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
