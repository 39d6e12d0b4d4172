/** The service of the screen Train: what stands on the device, one at a time, a training or a model that was brought. */

import { UserModel } from "../../../model/user_model.ts";
import {
  buildStagesConfig,
  describePages,
  expectPlaces,
  type StagesOptions,
} from "../../../run/options/stages_options.ts";
import { decodeSnapshot, type SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import type { Weights } from "../../../tape/parameters.ts";
import { selectNetworkWeights } from "../../../train/networks.ts";
import { RewardWatch } from "../../../train/adversarial_trainer.ts";
import { UserError } from "../../../user_error.ts";
import { expectWanted, type LabWorker, type ServiceCall } from "../lab_worker.ts";
import {
  type BaselineLevel,
  computeBaselineLevels,
  type DataChoice,
  type DataSummary,
  fitData,
  isSameData,
  type LabData,
  openLabData,
  selectTestedData,
  summarizeData,
} from "./lab_data.ts";
import {
  expectToGoOn,
  listSnapshotOffers,
  reopenSession,
  type SessionEvents,
  type SnapshotOffer,
  TrainSession,
} from "./train_session.ts";
import {
  findFaults,
  formatOptionTexts,
  listShownGroups,
  type OptionTexts,
  readOptions,
} from "./option_texts.ts";
import { listUsers } from "../../../data/click_log.ts";
import type { MetricDetails } from "../../../metrics/test_result.ts";
import { buildRow, type StageMetrics, type StageName, type TrainingStage } from "../../../run/stages.ts";
import { testStage } from "../../../run/test_stage.ts";
import { shownBaselines } from "../../../run/tested_users.ts";
import { criteria, type Criterion } from "../../../train/best_records.ts";
import type { TrainingStepResult, ValidationResult } from "../../../train/training_results.ts";

export interface TrainRequest {
  readonly data: DataChoice;
  readonly options: StagesOptions;
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

interface BringRequest {
  /** A snapshot. */
  readonly file: File;
  readonly data: DataChoice;
}

/** What is said of a snapshot that was brought. */
interface Brought {
  readonly texts: OptionTexts;
  readonly iteration: number;
  readonly kind: string;
  readonly facts: DataSummary;
  /** Of a file that holds a whole training. */
  readonly training: TrainEnd | undefined;
  /** What is to be known of it. */
  readonly note: string;
}

/** Why nothing else can begin. */
const TRAINING = "A training is under way";

export class TrainService {
  readonly options = listShownGroups;
  readonly faults = findFaults;
  readonly read = readOptions;
  /** The last data that were opened: a file is not read twice. */
  #opened: { readonly choice: DataChoice; readonly data: LabData } | undefined;
  /** What a training may start from: the snapshot that was brought last. */
  #brought: { readonly weights: Weights; readonly info: SnapshotInfo } | undefined;
  #session: TrainSession | undefined;
  /** A model that was brought and is not trained. */
  #shown: UserModel | undefined;
  /** What reads the session: it is waited for before the session is freed. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(private readonly worker: LabWorker) {}

  start(request: TrainRequest, call: ServiceCall<TrainProgress>): Promise<TrainEnd> {
    const { progress, signal } = call;
    return this.worker.alone(TRAINING, signal, async () => {
      const init = request.fromSnapshot ? this.#brought : undefined;
      const data = await this.#openData(request, init?.info, call);
      await begin("Counting the baselines", call);
      progress({ kind: "levels", levels: computeBaselineLevels(data) });
      await begin("Opening the GPU", call);
      const gpu = await this.worker.gpu();
      await this.#clear();
      await begin("Compiling kernels", call);
      const setting = {
        choice: request.data,
        data,
        init: init && { weights: init.weights, model: init.info.model },
      };
      const config = buildStagesConfig(request.options, data, setting.init?.model);
      const session = await TrainSession.create(gpu, setting, config);
      if (signal.aborted) session.destroy();
      expectWanted(signal);
      this.#present(session);
      return await this.#run(call);
    });
  }

  /** The stage goes on, or where it is done the next one begins. */
  goOn(
    { data, options }: Omit<TrainRequest, "fromSnapshot">,
    call: ServiceCall<TrainProgress>,
  ): Promise<TrainEnd> {
    const { progress, signal } = call;
    return this.worker.alone(TRAINING, signal, async () => {
      const old = this.#expectSession();
      const config = buildStagesConfig(options, old.setting.data, old.config.model);
      expectToGoOn(old, config, data);
      old.config = config;
      progress({ kind: "levels", levels: computeBaselineLevels(old.setting.data) });
      const current = await this.#living((what) => progress(doing(what)));
      if (current.isDone && current.hasNext) {
        progress(doing("Compiling kernels of the next stage"));
        const next = await current.next();
        await this.#clear();
        if (next) this.#present(next);
      }
      return await this.#run(call);
    });
  }

  /** Where the training stands, if there is one: also after it has failed. */
  standing(): TrainEnd | undefined {
    return this.#session && describeEnd(this.#session);
  }

  /** What the test users say of the stage. */
  async test(_: undefined, { progress }: ServiceCall<string>): Promise<TestTable> {
    const session = await this.#living(progress);
    return await this.#whileReading(session.whenIdle(() => testTable(session, progress)));
  }

  /** A snapshot's file. */
  async snapshot(offer: Pick<SnapshotOffer, "stage" | "kind">): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#whileReading((await this.#living(() => {})).snapshot(offer));
  }

  /**
   * Takes a snapshot's file in, to start from it, to look at what it has learned, or to go on with its training.
   * @throws UserError unless it fits the data.
   */
  bring(request: BringRequest): Promise<Brought> {
    return this.worker.alone("A snapshot is being read", undefined, () => this.#bring(request));
  }

  async #bring({ file, data: choice }: BringRequest): Promise<Brought> {
    const { name } = file;
    const snapshot = decodeSnapshot(new Uint8Array(await file.arrayBuffer()), name);
    const { info, weights } = snapshot;
    if (!info) {
      throw new UserError(
        `Expected a snapshot written by train, got ${name}, which does not say what model it is.`,
      );
    }
    const data = fitData(`The model of ${name}`, info, await this.#open(choice, () => {}));
    const gpu = await this.worker.gpu();
    const { next, note } = await reopenSession(gpu, { choice, data, init: undefined }, snapshot, name);
    const model = next
      ? undefined
      : new UserModel(gpu, data.source.items, info.model, { weights: selectNetworkWeights(weights, "") });
    await this.#clear();
    this.#brought = { weights, info };
    if (next) this.#present(next);
    if (model) this.worker.current = { model, data, iteration: () => info.iteration };
    this.#shown = model;
    const { iteration, kind } = info;
    const config = next?.config ??
      { ...buildStagesConfig(readOptions({ texts: {}, fromSnapshot: false }), data), model: info.model };
    return {
      ...{ texts: formatOptionTexts(config), iteration, kind, facts: summarizeData(data), note },
      training: next && describeEnd(next),
    };
  }

  /** What is trained on. @param info of the snapshot that is started from: the data are over its items. */
  async #openData(
    { data: choice, options }: TrainRequest,
    info: SnapshotInfo | undefined,
    call: ServiceCall<TrainProgress>,
  ): Promise<LabData> {
    const { progress, signal } = call;
    await begin("Reading the data", call);
    const data = await this.#open(choice, (what) => {
      expectWanted(signal);
      progress(doing(what));
    });
    const { name } = data.source;
    progress({ kind: "data", facts: summarizeData(data), note: describePages(name, data.source) ?? "" });
    expectPlaces(name, data, { positions: options.positionBias ?? 0 });
    return info ? fitData("The model of the snapshot", info, data) : data;
  }

  /** @throws UserError for a file that cannot be used. */
  async #open(choice: DataChoice, tell: (what: string) => void): Promise<LabData> {
    if (!this.#opened || !isSameData(this.#opened.choice, choice)) {
      this.#opened = { choice, data: await openLabData(choice, tell) };
    }
    return this.#opened.data;
  }

  /** Trains to the end of the stage, or until it is stopped. */
  async #run({ progress, signal }: ServiceCall<TrainProgress>): Promise<TrainEnd> {
    const session = this.#expectSession();
    const { trainer, stage, iterations } = session;
    const note = (text: string | undefined) => text && progress({ kind: "note", text });
    progress({ kind: "stage", stage: shownStage(stage, iterations) });
    if (trainer.microBatches > 1) {
      note(
        `A batch is computed in up to ${trainer.microBatches} parts of whole users, as it is larger than the adapter or ` +
          "--micro-batch-rows allows.",
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
    return describeEnd(session);
  }

  /** @throws UserError where there is none. */
  #expectSession(): TrainSession {
    if (this.#session) return this.#session;
    throw new UserError("Expected a training, found none: train a model first.");
  }

  /** The training on a device that is there: what the old one held is lost with its device. */
  async #living(tell: (what: string) => void): Promise<TrainSession> {
    const old = this.#expectSession();
    const gpu = await this.worker.gpu();
    if (gpu === old.gpu) return old;
    tell("Compiling kernels anew");
    this.#present(await old.on(gpu));
    return this.#expectSession();
  }

  /** The training is this one from now on; other screens have its model. */
  #present(next: TrainSession): void {
    this.#session = next;
    this.worker.current = { model: next.model, data: next.setting.data, iteration: () => next.iteration };
  }

  /** Does something that reads the session, which stays until it is done. */
  #whileReading<T>(work: Promise<T>): Promise<T> {
    this.#reading = Promise.allSettled([this.#reading, work]);
    return work;
  }

  /** Frees what stands on the device. */
  async #clear(): Promise<void> {
    await this.#reading;
    this.worker.current = undefined;
    this.#shown?.destroy();
    this.#session?.destroy();
    this.#shown = this.#session = undefined;
  }
}

/** Tells what begins, and hears whether it is still wanted: a worker that reads or counts hears nothing meanwhile. */
async function begin(what: string, { progress, signal }: ServiceCall<TrainProgress>): Promise<void> {
  progress(doing(what));
  await new Promise((resolve) => setTimeout(resolve));
  expectWanted(signal);
}

function doing(what: string): TrainProgress {
  return { kind: "doing", what };
}

function describeEnd(session: TrainSession): TrainEnd {
  const { stage, iteration, iterations, isDone, hasNext, best, place: { before } } = session;
  const snapshots = [
    ...before.flatMap((one) => listSnapshotOffers(one.stage, one.state.best, true)),
    ...listSnapshotOffers(stage, best, false),
  ];
  return { stage: shownStage(stage, iterations), iteration, iterations, isDone, hasNext, snapshots };
}

/** A stage, as the page shows it. */
export interface ShownStage {
  readonly name: StageName;
  /** Above its test figures. */
  readonly heading: string;
  readonly iterations: number;
  /** Names of its figures, as the logs of a run have them. */
  readonly columns: readonly string[];
  /** What its loss and its precision are called. */
  readonly loss: string;
  readonly prec1: string;
}

/** Figures of a validation, a value a column. */
export interface ValidationRow {
  readonly iteration: number;
  readonly row: readonly number[];
}

export type TrainProgress =
  /** What goes on before the first step. */
  | { readonly kind: "doing"; readonly what: string }
  | { readonly kind: "data"; readonly facts: DataSummary; readonly note: string | undefined }
  /** What is to be known of how it goes. */
  | { readonly kind: "note"; readonly text: string }
  /** Baselines and the best attainable, on the validation users. */
  | { readonly kind: "levels"; readonly levels: readonly BaselineLevel[] }
  /** A stage begins, or goes on. */
  | { readonly kind: "stage"; readonly stage: ShownStage }
  /** Steps, and the validations that fell among them. */
  | {
    readonly kind: "steps";
    /** Iteration of the first. */
    readonly first: number;
    /** A row a step, of a value a column. */
    readonly rows: readonly (readonly number[])[];
    readonly validations: readonly ValidationRow[];
    /** Iterations of the best validations so far. */
    readonly best: Readonly<Record<Criterion, number>> | undefined;
  };

function shownStage(stage: TrainingStage, iterations: number): ShownStage {
  const { name, heading, columns, shown: { loss, prec1 } } = stage;
  return {
    ...{ name, heading, iterations },
    ...{ columns: Object.keys(columns), loss: loss.name, prec1: prec1.name },
  };
}

/** Gathers what comes at once, and tells it as one. */
class StepGatherer implements SessionEvents {
  #first = 0;
  #rows: number[][] = [];
  #validations: ValidationRow[] = [];
  #best: Record<Criterion, number> | undefined;
  #due = false;

  constructor(
    private readonly stage: TrainingStage,
    private readonly tell: (progress: TrainProgress) => void,
  ) {}

  onStep(result: TrainingStepResult<StageMetrics>): void {
    if (this.#rows.length === 0) this.#first = result.iteration;
    this.#rows.push(buildRow(this.stage, result));
    this.#tellSoon();
  }

  onValidation(result: ValidationResult<StageMetrics>): void {
    const { iteration, best } = result;
    this.#validations.push({ iteration, row: buildRow(this.stage, result) });
    const iterations = criteria.map((criterion) => [criterion, best[criterion].iteration]);
    this.#best = Object.fromEntries(iterations) as Record<Criterion, number>;
    this.#tellSoon();
  }

  /** The steps of a group are told of one after the other, without a wait between them. */
  #tellSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      const [first, rows, validations] = [this.#first, this.#rows, this.#validations];
      [this.#rows, this.#validations, this.#due] = [[], [], false];
      this.tell({ kind: "steps", first, rows, validations, best: this.#best });
    });
  }
}

/** Figures of test users, and the ranges in which 95 % of the resamples of the users are. */
interface TestRow extends Pick<MetricDetails, "figures" | "intervals"> {
  readonly name: string;
  /** Of a snapshot. */
  readonly iteration?: number;
}

export interface TestTable {
  readonly users: number;
  readonly rows: readonly TestRow[];
  /** What follows from it, in sentences. */
  readonly verdict: readonly string[];
}

/** Nothing may be in flight. The trainer keeps its weights. @param tell what is being done. */
async function testTable(
  { stage, trainer, choice, config, setting: { data } }: TrainSession,
  tell: (what: string) => void,
): Promise<TestTable> {
  const { test, baselines, verdict } = await testStage(
    stage,
    trainer,
    selectTestedData(data),
    config,
    tell,
    await choice?.choose(),
  );
  const simple = shownBaselines.flatMap(([key, name]) => {
    const found = baselines[key];
    return found ? [{ name, details: found.details }] : [];
  });
  const snapshots = test.map(({ snapshot, iteration, details }) => ({ name: snapshot, iteration, details }));
  return {
    users: listUsers(data.source, "test").length,
    rows: [...snapshots, ...simple].map(({ details: { figures, intervals }, ...of }) => (
      { ...of, figures, intervals }
    )),
    // What the command calls --resume is a button here.
    verdict: verdict.map((text) => text.replace("--resume with", "Go on with")),
  };
}
