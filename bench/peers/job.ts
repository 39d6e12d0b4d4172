/** Builds a job (model, weights, batches) for peers (compared libraries). PyTorch reads a job from a file. */

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
import { writeSafetensors } from "../../src/run/snapshot_file.ts";
import type { TensorData } from "../../src/run/snapshot/safetensors.ts";
import { defaultTraining, paperAdversarial } from "../../src/train/training_config.ts";
import { estimateIterationFlops } from "../../src/train/iteration_flops.ts";
import { GENERATOR_PREFIX } from "../../src/train/networks.ts";
import { createWorkloadLog, LOG_BATCHES, workloads } from "../../src/profile/workloads.ts";

export const workloadNames = Object.keys(workloads).filter(isWorkloadName);

function isWorkloadName(text: string): text is keyof typeof workloads {
  return Object.hasOwn(workloads, text);
}

/** Models that peers train. A step of "pair" updates generator and reward network with one batch. */
export const models = ["lstm", "pw", "pair"] as const;
export type PeerModel = typeof models[number];

/** Settings of a job. The job file that PyTorch reads contains them as JSON. */
interface PeerSettings {
  readonly model: PeerModel;
  readonly items: number;
  /** Batch size. */
  readonly users: number;
  readonly learningRate: number;
  readonly generatorLearningRate: number;
  readonly utilityPenalty: number;
}

export interface PeerJob extends PeerSettings {
  /** Number F of features per item; 0 for one-hot items. */
  readonly width: number;
  /** Initial weights [rows, columns] by clickgan's names. Names of a generator's weights have a prefix. */
  readonly weights: ReadonlyMap<string, InitialTensor>;
  /** [items, F] features; undefined for one-hot items. */
  readonly features: Float32Array<ArrayBuffer> | undefined;
  /** Batches. Step t = 1, 2, ... takes batch (t - 1) modulo the number of batches. */
  readonly batches: readonly PeerBatch[];
  /** The whole log. `batchUsers`: indices of each batch's users in this log. */
  readonly log: ClickLog;
  readonly batchUsers: readonly Uint32Array[];
}

interface InitialTensor {
  readonly shape: readonly [rows: number, columns: number];
  readonly data: Float32Array<ArrayBuffer>;
}

export const getModelConfig = (model: PeerModel): ModelConfig =>
  model === "pw" ? defaultPwModel : defaultModel;

export const buildAdversarialConfig = (batchSize: number) => ({
  ...paperAdversarial,
  batchSize,
  generatorWarmup: 0,
});

/** Estimates the FLOPs of clickgan's training step. */
export function stepFlops({ model, users, log }: PeerJob): number {
  const training = { ...defaultTraining, batchSize: users, validationUsers: 0 };
  const adversarial = model === "pair" ? buildAdversarialConfig(users) : null;
  return estimateIterationFlops(toLogSource(log), { model: getModelConfig(model), training, adversarial });
}

/**
 * Returns the job of a source: a workload's name, or the path of a log in the layout of Chen et al. 2019
 * (src/run/README.md). Batches of a workload take users in order; batches of a log draw users at random.
 * @throws UserError if the file is invalid, or has too few train users for a batch.
 */
export function openJob(source: string, model: PeerModel): PeerJob {
  if (isWorkloadName(source)) {
    const workload = workloads[source];
    return makeJob(createWorkloadLog(workload), model, workload.users, true);
  }
  const { batchSize } = model === "pair" ? paperAdversarial : defaultTraining;
  return makeJob(readPaperFile(source, ["train"]), model, batchSize, false);
}

/** @param inOrder - true: batches take the train users in order; false: they draw users at random */
export function makeJob(log: ClickLog, model: PeerModel, batchSize: number, inOrder: boolean): PeerJob {
  const train = listUsers(log, "train");
  if (train.length < batchSize * (inOrder ? LOG_BATCHES : 1)) {
    throw new UserError(
      `Expected at least ${batchSize} train users for a batch, got ${train.length} in ${log.name}.`,
    );
  }
  const batchUsers = Array.from({ length: LOG_BATCHES }, (_, k) => {
    if (inOrder) return train.slice(k * batchSize, (k + 1) * batchSize);
    const drawn = createRandomStream(1, "batch", k + 1).sampleWithoutReplacement(train.length, batchSize);
    return drawn.map((k) => train[k] ?? 0);
  });
  const config = getModelConfig(model);
  const shape = getItemsShape(log.items);
  const weights = new Map<string, InitialTensor>();
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
  return {
    model,
    items: shape.count,
    width: log.items.kind === "dense" ? log.items.width : 0,
    users: batchSize,
    learningRate: model === "pair" ? adversarial.rewardLearningRate : defaultTraining.learningRate,
    generatorLearningRate: adversarial.generatorLearningRate,
    utilityPenalty: adversarial.utilityPenalty,
    weights,
    features: log.items.kind === "dense" ? log.items.values : undefined,
    batches: batchUsers.map((batch) => buildPeerBatch(log, batch, lags)),
    log,
    batchUsers,
  };
}

/** Writes a job for PyTorch. */
export async function writeJob(file: string, job: PeerJob): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const [name, tensor] of job.weights) tensors.set(`weights/${name}`, tensor);
  if (job.features) tensors.set("features", { shape: [job.items, job.width], data: job.features });
  job.batches.forEach((batch, k) => {
    for (const name of batchArrays) {
      tensors.set(`batch${k}/${name}`, { shape: [batch[name].length], data: batch[name] });
    }
  });
  const { model, items, users, learningRate, generatorLearningRate, utilityPenalty } = job;
  const settings: PeerSettings = { model, items, users, learningRate, generatorLearningRate, utilityPenalty };
  await writeSafetensors(file, tensors, { settings: JSON.stringify(settings) });
}

/** Names of a {@link PeerBatch}'s arrays, also in the job file. */
const batchArrays = [
  /** [E + 1] first row of each event; the last element is the number of rows R. */
  "eventFirst",
  /** [E] index of each event's clicked row; NONE for no click. */
  "eventClick",
  /** [E] index of each event's state among (L + 1) * B states. The first B states, before clicks, are 0. */
  "eventState",
  /** [R] index of each row's event. */
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

/** Builds a batch. @param lags - m, the number of last clicked items that `window` stores per event. */
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

/** Returns [E] the number of rows of each event. */
export function listPageLengths({ eventFirst, eventClick }: PeerBatch): number[] {
  return Array.from(eventClick, (_, e) => eventFirst[e + 1]! - eventFirst[e]!);
}
