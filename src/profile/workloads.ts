/**
 * Workloads of the benches: synthetic logs, and the dispatches of real models in training and evaluation.
 * All pages have the same size. Items are drawn from a catalogue of fixed size, uniformly except in
 * {@link zipfWorkload}. A log has the same bits on every machine. Other files use these letters for sizes:
 * B users per batch, T events per user, K items per page.
 */

import { type ClickLog, type ItemFeatures, type ItemTokens, NONE } from "../data/click_log.ts";
import { createRandomStream, createZipfDraw } from "../data/random.ts";
import { buildCountsConfig } from "../counts/count_tables.ts";
import { MemoryLog } from "../data/log_source.ts";
import { initializeFromCounts } from "../model/model_counts.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { BatchSlice, Program } from "../gpu/program.ts";
import { maxSizes } from "../batch/plan.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../model/model_config.ts";
import { GamePrograms } from "../model/game_programs.ts";
import { ModelProgram } from "../model/model_program.ts";
import { UserModel } from "../model/user_model.ts";
import { AdversarialTrainer, buildGameOptions } from "../train/adversarial_trainer.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import { choiceSummary, ResultRing } from "../train/training_results.ts";
import { BestKeeper } from "../train/best_keeper.ts";
import { defaultAdversarial, defaultTraining } from "../train/training_config.ts";
import type { TrainedNetwork } from "../train/networks.ts";
import { Trainer } from "../train/trainer.ts";
import type { AdamKind } from "../ops/adam.ts";

export interface Workload {
  readonly name: string;
  /** Number of users per batch; the log has {@link LOG_BATCHES} times as many users, all train users. */
  readonly users: number;
  readonly events: number;
  readonly page: number;
  readonly items: number;
  /** Number of dense features per item; 0 for one-hot items. */
  readonly width: number;
  /** Sparse features of mixed items: an id, a category per field and, for 80 % of the items, a token. */
  readonly categories?: { readonly fields: number; readonly each: number };
  /** True to draw item k (from 0) with a probability proportional to (k + 1)^(-3/4); otherwise uniformly. */
  readonly zipf?: boolean;
}

/** Number of different batches in a workload's log. */
export const LOG_BATCHES = 4;

const catalogue = { items: 5000, width: 64 };

/** Workloads by name. W0 mostly measures overhead, W1 arithmetic. W2 and W5 have one-hot items only. */
export const workloads = {
  W0: { name: "W0", users: 50, events: 2, page: 5, ...catalogue },
  W4: { name: "W4", users: 128, events: 5, page: 10, ...catalogue },
  W1: { name: "W1", users: 128, events: 20, page: 10, ...catalogue },
  W2: { name: "W2", users: 128, events: 20, page: 10, items: 5000, width: 0 },
  /** Workload with one-hot items, about as many as in the Retailrocket data. */
  W5: { name: "W5", users: 128, events: 20, page: 10, items: 250_000, width: 0 },
} as const satisfies Record<string, Workload>;

/** Workload W6 with mixed features. The benches of other libraries do not support mixed features. */
export const mixedWorkload: Workload = {
  name: "W6",
  users: 128,
  events: 20,
  page: 10,
  items: 5000,
  width: 16,
  categories: { fields: 3, each: 300 },
};

/** Variant of W1 with popular items: 25 % of the impressions are of the 57 most popular items. */
export const zipfWorkload: Workload = { ...workloads.W1, name: "W1z", zipf: true };

const ROOT = 0.8;

const NO_CLICK = 0.2;

/** Creates the log of a workload, with the same bits on every machine. */
export function createWorkloadLog(workload: Workload): ClickLog {
  const { name, events, page, items, width, categories, zipf = false } = workload;
  const users = workload.users * LOG_BATCHES;
  const random = createRandomStream(1, "workload", name);
  const pages = users * events;
  const rowItem = new Uint32Array(pages * page);
  const eventClick = new Uint32Array(pages);
  const drawItem = zipf ? createZipfDraw(items, random) : () => random.integer(items);
  for (let e = 0; e < pages; e++) {
    for (let k = 0; k < page; k++) rowItem[e * page + k] = drawItem();
    eventClick[e] = random.uniform() < NO_CLICK ? NONE : e * page + random.integer(page);
  }
  const features: ItemFeatures = categories
    ? {
      kind: "mixed",
      count: items,
      width,
      values: normals(items * width),
      tokens: drawTokens(items, categories),
    }
    : width === 0
    ? { kind: "one-hot", count: items }
    : { kind: "dense", count: items, width, values: normals(items * width) };
  return {
    name,
    items: features,
    userSplit: new Uint8Array(users),
    userEvents: Uint32Array.from({ length: users + 1 }, (_, u) => u * events),
    eventRows: Uint32Array.from({ length: pages + 1 }, (_, e) => e * page),
    eventClick,
    rowItem,
  };
}

function drawTokens(items: number, { fields, each }: NonNullable<Workload["categories"]>): ItemTokens {
  const random = createRandomStream(1, "workload", "tokens");
  const root = items + fields * each;
  const first = [0];
  const token: number[] = [];
  for (let item = 0; item < items; item++) {
    token.push(item);
    for (let field = 0; field < fields; field++) token.push(items + field * each + random.integer(each));
    if (random.uniform() < ROOT) token.push(root);
    first.push(token.length);
  }
  return { count: root + 1, first: Uint32Array.from(first), token: Uint32Array.from(token) };
}

/** A log to train on, and the number of users per batch. Batches are drawn from the log's train users. */
export interface BenchLog {
  readonly name: string;
  readonly log: ClickLog;
  readonly users: number;
}

export function createBenchLog(workload: Workload): BenchLog {
  return { name: workload.name, users: workload.users, log: createWorkloadLog(workload) };
}

function normals(count: number): Float32Array<ArrayBuffer> {
  const random = createRandomStream(1, "workload", "features");
  return Float32Array.from({ length: count }, () => random.normal());
}

export interface RecordedPart {
  readonly program: Program<ClickSizes>;
  readonly sizes: ClickSizes;
  readonly offset: number;
  readonly slice?: BatchSlice;
}

/** Programs (lists of dispatches) of a model. `step` has a learning rate of 0, so it changes no weights. */
export interface Recording extends Disposable {
  readonly sizes: ClickSizes;
  /** Uploads the batch again, in case training has overwritten it, and returns the programs of a step. */
  step(): RecordedPart[];
  /** Returns the model's programs besides the training step: evaluation, and copying the best weights. */
  others(): Promise<RecordedPart[]>;
  readonly trainer: Steppable;
}

/** Trainer of the Shannon stage (maximum likelihood) or of the adversarial stage. */
export type Steppable =
  & Pick<ClickTrainer<never>, "iteration" | "maxGroup" | "plan" | "drawBatch" | "stepPrograms">
  & {
    run(to: number): Promise<void>;
  };

export interface BenchModel {
  readonly name: string;
  /** True if benches time the model's training step; false if they time only its kernels. */
  readonly step: boolean;
  /** True if the model supports items with mixed features. */
  readonly mixed: boolean;
  record(gpu: Gpu, log: ClickLog, users: number): Promise<Recording>;
}

const { lstmUnits: _, ...common } = defaultModel;
const wideAlone: ModelConfig = { ...common, encoder: "none", dims: [], wide: 8, positions: 20 };
const pwTanh: ModelConfig = { ...defaultPwModel, pwNonlinearity: "tanh" };

export const benchModels: readonly BenchModel[] = [
  createShannonModel("LSTM", defaultModel, { step: true }),
  createShannonModel("PW", defaultPwModel, { step: true }),
  createShannonModel("LSTM counts", defaultModel, { step: true, counts: true }),
  createShannonModel("PW tanh", pwTanh),
  createShannonModel("wide alone", wideAlone),
  createShannonModel("LSTM batch norm", { ...defaultModel, batchNorm: true }),
  createShannonModel("LSTM item dropout", defaultModel, { itemDropout: 0.2 }),
  createShannonModel("LSTM row-sparse Adam", defaultModel, { adam: "row-sparse" }),
  // This model runs kernels for sums over more than 256 columns, and for LSTMs of more than 32 units.
  createShannonModel("LSTM 36, 16-264-16", { ...defaultModel, lstmUnits: 36, dims: [16, 264, 16] }),
  createGameModel("minimax pair", "network", { step: true }),
  createGameModel("minimax exact", "exact"),
];

/** Returns a model that is trained in the Shannon (maximum likelihood) stage. */
export function createShannonModel(
  name: string,
  config: ModelConfig,
  { step = false, counts = false, itemDropout = 0, adam = "dense" }: {
    step?: boolean;
    counts?: boolean;
    itemDropout?: number;
    adam?: AdamKind;
  } = {},
): BenchModel {
  const record = async (gpu: Gpu, log: ClickLog, users: number): Promise<Recording> => {
    using stack = new DisposableStack();
    const source = new MemoryLog(log);
    const own = counts ? { ...config, counts: buildCountsConfig(source, []) } : config;
    const initial = { seed: 1, start: initializeFromCounts(source, own, 1) };
    const model = stack.use(new UserModel(gpu, log.items, own, initial));
    const training = { ...defaultTraining, batchSize: users, itemDropout, adam };
    const trainer = stack.use(await Trainer.create(model, log, training, { validate: false }));
    const { plan } = trainer;
    return createRecording(stack, trainer, trainer.program.layout, async (kept) => {
      const arena = kept.use(new Arena(gpu, "bench"));
      const ring = new ResultRing(arena, 1, choiceSummary.vectors, 1);
      const options = { name: "evaluation", log: trainer.deviceLog, plan, ring: ring.view };
      const evaluation = kept.use(await ModelProgram.create(model, options));
      const network: TrainedNetwork = { prefix: "", parameters: model.parameters, adam: undefined };
      const keeper = kept.use(
        await BestKeeper.create([network], gpu, ring, { firstSlot: 0, shards: 1 }, choiceSummary),
      );
      return [evaluation.program, keeper.program];
    });
  };
  const tanh = config.encoder === "pw" && config.pwNonlinearity === "tanh";
  return { name, step, mixed: !tanh, record };
}

function createRecording(
  stack: DisposableStack,
  trainer: Steppable,
  layout: Program<ClickSizes>,
  listOthers: (kept: DisposableStack) => Promise<Program<ClickSizes>[]>,
): Recording {
  const { plan, stepPrograms } = trainer;
  const users = Array.from({ length: plan.slices }, (_, k) => trainer.drawBatch(k + 1));
  const putAll = () => {
    const all = users.map((own, k) => plan.put(k, own, { slot: k, learningRate: 0, iteration: k + 1 }));
    plan.upload(0, all.length);
    return all;
  };
  const put = () => putAll()[0] ?? nothing;
  const sizes = put();
  const kept = stack.move();
  return {
    sizes,
    step: () => {
      const slice = { index: 0, count: plan.slices };
      const batches = { program: layout, sizes: maxSizes(putAll()), offset: plan.offset(0), slice };
      const sizes = put();
      const own = stepPrograms.map(({ program, header }) => ({
        ...{ program, sizes, offset: plan.offset(0, header) },
      }));
      return [batches, ...own];
    },
    others: async () =>
      (await listOthers(kept)).map((program) => ({ program, sizes: put(), offset: plan.offset(0) })),
    trainer,
    [Symbol.dispose]: () => kept.dispose(),
  };
}
const nothing: ClickSizes = { users: 0, events: 0, rows: 0, items: 0 };

/** Returns a model that is trained in the adversarial stage, in which generator and reward alternate. */
function createGameModel(
  name: string,
  generator: "network" | "exact",
  { step = false }: { step?: boolean } = {},
): BenchModel {
  const record = async (gpu: Gpu, log: ClickLog, users: number): Promise<Recording> => {
    using stack = new DisposableStack();
    const model = stack.use(new UserModel(gpu, log.items, defaultModel, { seed: 1 }));
    const config = { ...defaultAdversarial, generator, batchSize: users };
    const options = { seed: 1, evaluationShards: 0, validate: false };
    const trainer = stack.use(await AdversarialTrainer.create(model, log, config, options));
    const { plan, programs } = trainer;
    return createRecording(stack, trainer, programs.layout, async (kept) => {
      const arena = kept.use(new Arena(gpu, "bench"));
      const ring = arena.allocate("ring", 32 * 2);
      const evaluation = kept.use(
        await GamePrograms.evaluation({
          name: "evaluation",
          log: trainer.deviceLog,
          plan,
          ring,
          game: buildGameOptions(model, config),
          reward: model,
          generator: trainer.generator,
        }),
      );
      return [evaluation.program];
    });
  };
  return { name, step, mixed: true, record };
}

export function selectModels(log: ClickLog, models: readonly BenchModel[] = benchModels): BenchModel[] {
  return models.filter(({ mixed }) => mixed || log.items.kind !== "mixed");
}
