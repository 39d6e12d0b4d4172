/** Builds, writes and reads a job, the input of every peer: model, initial weights and batches. */

import { basename } from "node:path";
import * as v from "../../src/schema.ts";
import { type ClickLog, listUsers, NONE } from "../../src/data/click_log.ts";
import { buildReferenceBatch } from "../../src/batch/reference_batch.ts";
import { toLogSource } from "../../src/data/log_source.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import { UserError } from "../../src/user_error.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { buildGeneratorConfig } from "../../src/model/game_programs.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { readSafetensors, writeSafetensors } from "../../src/run/snapshot_file.ts";
import type { TensorData } from "../../src/run/snapshot/safetensors.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { defaultTraining, paperAdversarial } from "../../src/train/training_config.ts";
import { estimateIterationFlops } from "../../src/train/iteration_flops.ts";
import { GENERATOR_PREFIX } from "../../src/train/networks.ts";
import { createWorkloadLog, LOG_BATCHES, workloads } from "../../src/profile/workloads.ts";

export const workloadNames = Object.keys(workloads).filter(isWorkloadName);

function isWorkloadName(text: string): text is keyof typeof workloads {
  return Object.hasOwn(workloads, text);
}

/** Models that peers train. A step of "pair" is a generator step and a reward step on one batch. */
export const models = ["lstm", "pw", "pair"] as const;
export type PeerModel = typeof models[number];

/** Source of the batches: the name of a workload, or the path of a log in the paper's layout. */
const sourceSchema = v.union([
  v.strictObject({ workload: v.picklist(workloadNames) }),
  v.strictObject({ file: v.string() }),
]);
export type WorkloadSource = v.InferOutput<typeof sourceSchema>;

const settingsSchema = v.object({
  model: v.picklist(models),
  items: v.finiteNumber(),
  /** Number F of features per item; 0 for one-hot items. */
  width: v.finiteNumber(),
  users: v.finiteNumber(),
  learningRate: v.finiteNumber(),
  generatorLearningRate: v.finiteNumber(),
  utilityPenalty: v.finiteNumber(),
  /** Source of the log. Only clickgan reads the whole log. */
  source: sourceSchema,
});

export interface PeerJob extends v.InferOutput<typeof settingsSchema> {
  /** Initial weights [rows, columns] by clickgan's names. Names of a generator's weights have a prefix. */
  readonly weights: ReadonlyMap<string, TensorData>;
  /** [items, F] features; undefined for one-hot items. */
  readonly features: Float32Array<ArrayBuffer> | undefined;
  /** Batches. Step t = 1, 2, ... takes batch (t - 1) modulo the number of batches. */
  readonly batches: readonly PeerBatch[];
}

/** A job with the log and users, which clickgan's trainer needs. */
export interface ClickganJob {
  readonly job: PeerJob;
  readonly log: ClickLog;
  readonly users: readonly Uint32Array[];
}

export const getModelConfig = (model: PeerModel): ModelConfig =>
  model === "pw" ? defaultPwModel : defaultModel;

/** Returns the training options of "pair": generator and reward are trained from the first step on. */
export const buildAdversarialConfig = (batchSize: number) => ({
  ...paperAdversarial,
  batchSize,
  generatorWarmup: 0,
});

/** Returns a source's log, and the number of users per batch. @throws UserError if the file is invalid. */
function openSource(source: WorkloadSource, model: PeerModel): { log: ClickLog; batchSize: number } {
  if ("workload" in source) {
    const workload = workloads[source.workload];
    return { log: createWorkloadLog(workload), batchSize: workload.users };
  }
  const { batchSize } = model === "pair" ? paperAdversarial : defaultTraining;
  return { log: readPaperFile(source.file, ["train"]), batchSize };
}

/** Estimates the FLOPs of clickgan's step, on which the number of driver threads depends. */
export function stepFlops({ job: { model, users }, log }: ClickganJob): number {
  const training = { ...defaultTraining, batchSize: users, validationUsers: 0 };
  const adversarial = model === "pair" ? buildAdversarialConfig(users) : null;
  return estimateIterationFlops(toLogSource(log), { model: getModelConfig(model), training, adversarial });
}

/**
 * Returns the job of a source. The batches of a workload are its users in order; the batches of a file are
 * drawn as in a training with seed 1.
 * @throws UserError if the file is invalid, or has too few train users for a batch.
 */
export function openJob(source: WorkloadSource, model: PeerModel): ClickganJob {
  const { log, batchSize } = openSource(source, model);
  return makeJob(log, model, batchSize, source);
}

export function makeJob(
  log: ClickLog,
  model: PeerModel,
  batchSize: number,
  source: WorkloadSource,
): ClickganJob {
  const inOrder = "workload" in source;
  const train = listUsers(log, "train");
  if (train.length < batchSize * (inOrder ? LOG_BATCHES : 1)) {
    throw new UserError(
      `Expected at least ${batchSize} train users for a batch, got ${train.length} in ${log.name}.`,
    );
  }
  const users = Array.from({ length: LOG_BATCHES }, (_, k) => {
    if (inOrder) return train.slice(k * batchSize, (k + 1) * batchSize);
    const drawn = createRandomStream(1, "batch", k + 1).sampleWithoutReplacement(train.length, batchSize);
    return drawn.map((k) => train[k] ?? 0);
  });
  const config = getModelConfig(model);
  const shape = getItemsShape(log.items);
  const weights = new Map<string, TensorData>();
  const add = (config: ModelConfig, prefix: string) => {
    const parameters = listModelParameters(shape, config);
    const initial = drawInitialWeights(parameters, 1, prefix);
    for (const { name, rows, columns } of parameters) {
      weights.set(prefix + name, { shape: [rows, columns], data: initial.get(name) ?? new Float32Array() });
    }
  };
  add(config, "");
  const adversarial = buildAdversarialConfig(batchSize);
  if (model === "pair") add(buildGeneratorConfig(config, adversarial), GENERATOR_PREFIX);
  const lags = config.encoder === "pw" ? config.pwLags : 0;
  const job: PeerJob = {
    model,
    items: shape.count,
    width: log.items.kind === "dense" ? log.items.width : 0,
    users: batchSize,
    learningRate: model === "pair" ? adversarial.rewardLearningRate : defaultTraining.learningRate,
    generatorLearningRate: adversarial.generatorLearningRate,
    utilityPenalty: adversarial.utilityPenalty,
    source,
    weights,
    features: log.items.kind === "dense" ? log.items.values : undefined,
    batches: users.map((batch) => buildPeerBatch(log, batch, lags)),
  };
  return { job, log, users };
}

export function nameOfSource(source: WorkloadSource): string {
  return "workload" in source ? source.workload : basename(source.file).replace(/\.\w+$/, "");
}

/** Returns the initial weights of a job in the form that clickgan's models read. */
export function readWeights({ weights }: PeerJob): Weights {
  return new Map(Array.from(weights, ([name, { data }]) => [name, Float32Array.from(data)]));
}

const formatArrayName = (batch: number, array: string) => `batch${batch}/${array}`;

export async function writeJob(file: string, job: PeerJob): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const [name, tensor] of job.weights) tensors.set(`weights/${name}`, tensor);
  if (job.features) tensors.set("features", { shape: [job.items, job.width], data: job.features });
  job.batches.forEach((batch, k) => {
    for (const name of batchArrays) {
      tensors.set(formatArrayName(k, name), { shape: [batch[name].length], data: batch[name] });
    }
  });
  const settings = v.parse(settingsSchema, job);
  await writeSafetensors(file, tensors, { settings: JSON.stringify(settings) });
}

export async function readJob(file: string): Promise<PeerJob> {
  const { tensors, metadata } = await readSafetensors(file);
  const settings = v.parse(settingsSchema, JSON.parse(metadata.settings ?? "{}"));
  const weights = new Map<string, TensorData>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith("weights/")) weights.set(name.slice("weights/".length), tensor);
  }
  const indices = (k: number, name: string): Uint32Array<ArrayBuffer> => {
    const data = tensors.get(formatArrayName(k, name))?.data;
    if (data instanceof Uint32Array) return data;
    throw new Error(`Expected an array ${formatArrayName(k, name)} in ${file}, found no such array.`);
  };
  const batches = Array.from({ length: LOG_BATCHES }, (_, k): PeerBatch => {
    const arrays = batchArrays.map((name) => [name, indices(k, name)] as const);
    return { users: settings.users, ...Object.fromEntries(arrays) as Omit<PeerBatch, "users"> };
  });
  const features = tensors.get("features")?.data;
  return { ...settings, weights, features: features instanceof Float32Array ? features : undefined, batches };
}

/** Arrays of a {@link PeerBatch}, by the names under which the file of a job stores them. */
const batchArrays = [
  /** [E + 1] first row of each event, followed by R. */
  "eventFirst",
  /** [E] clicked row of each event; NONE for no click. */
  "eventClick",
  /** [E] index of each event's state among (L + 1) B states. The first B (no clicks of B users) are zero. */
  "eventState",
  /** [R] event of each row. */
  "rowEvent",
  "rowItem",
  /** [R] index of each row's item among the distinct items. */
  "rowSlot",
  /** [D] distinct items of the batch, in ascending order. */
  "slotItem",
  /** [L, B] items that each user clicked, in order of time; NONE after a user's last click. */
  "fedItem",
  /** [E, m] last m clicked items before each event, most recent first; padded with NONE. */
  "window",
] as const;

/**
 * A batch as index arrays, which are built before timing and are the same for every peer. The batch has B
 * users, E events, R rows and D distinct items. The encoder reads at most L clicks per user.
 */
export interface PeerBatch extends Readonly<Record<typeof batchArrays[number], Uint32Array<ArrayBuffer>>> {
  readonly users: number;
}

/** Builds a batch. @param lags - number m of last clicks in `window`. */
function buildPeerBatch(log: ClickLog, users: ArrayLike<number>, lags: number): PeerBatch {
  const { userFirst, events, history, rows, rowSlot, slotItem } = buildReferenceBatch(log, users);
  const B = users.length;
  const ofUsers = userFirst.slice(1).map((to, user) => events.slice(userFirst[user], to));
  const eventUser = ofUsers.flatMap((own, user) => own.map(() => user));
  const fed = ofUsers.map((own) => own.flatMap(({ fed }) => fed === NONE ? [] : [fed]));
  const longest = Math.max(...fed.map((clicks) => clicks.length));
  return {
    users: B,
    eventFirst: Uint32Array.from([...events.map(({ first }) => first), rows.length]),
    eventClick: Uint32Array.from(events, ({ click }) => click),
    eventState: Uint32Array.from(history, ({ clicks }, e) => clicks * B + (eventUser[e] ?? NaN)),
    rowEvent: Uint32Array.from(rows, ({ event }) => event),
    rowItem: Uint32Array.from(rows, ({ item }) => item),
    rowSlot: Uint32Array.from(rowSlot),
    slotItem: Uint32Array.from(slotItem),
    fedItem: Uint32Array.from({ length: longest * B }, (_, k) => fed[k % B]?.[Math.floor(k / B)] ?? NONE),
    window: Uint32Array.from(
      history.flatMap(({ clicks }, e) =>
        Array.from({ length: lags }, (_, lag) => fed[eventUser[e] ?? NaN]?.[clicks - 1 - lag] ?? NONE)
      ),
    ),
  };
}
