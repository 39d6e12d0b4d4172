import assert from "node:assert/strict";
import type { ClickLog } from "../../src/data/click_log.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import type { LogSource } from "../../src/data/log_source.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { criteria } from "../../src/train/best_records.ts";
import type { TrainerState } from "../../src/train/networks.ts";
import { type AdversarialOptions, AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import type { AdversarialConfig, TrainingConfig } from "../../src/train/training_config.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { type Parameters64, toDenseLog, toParameters64, trainTrajectory64 } from "../f64_model.ts";
import { WIDTH } from "../small_models.ts";

export const SIZE = { users: 60, items: 41, maxEvents: 6, maxPage: 7 };
export const logs = {
  dense: createSmallLog(21, { ...SIZE, width: WIDTH }),
  "one-hot": createSmallLog(22, { ...SIZE, width: 0 }),
} as const;

type Options = Parameters<typeof Trainer.create>[3] & { readonly seed?: number; readonly weights?: Weights };

export class TestTraining<T extends { destroy(): void }> implements Disposable {
  constructor(readonly model: UserModel, readonly trainer: T) {}

  [Symbol.dispose](): void {
    this.trainer.destroy();
    this.model.destroy();
  }
}

/** Creates a Shannon stage, which frees its model. @param more changes to the test config */
export async function trainShannon(
  gpu: Gpu,
  clicks: ClickLog | LogSource,
  of: ModelConfig | UserModel,
  more: Partial<TrainingConfig> = {},
  { seed = 5, weights, ...options }: Options = {},
): Promise<TestTraining<Trainer>> {
  const training = { ...defaultTraining, batchSize: 13, ...more };
  return await createTraining(
    of instanceof UserModel ? of : new UserModel(gpu, clicks.items, of, weights ? { weights } : { seed }),
    (model) => Trainer.create(model, clicks, training, options),
  );
}

/** Creates an adversarial stage with a small generator. @param more changes to the test config */
export async function trainGame(
  gpu: Gpu,
  clicks: ClickLog | LogSource,
  of: ModelConfig | UserModel,
  more: Partial<AdversarialConfig> = {},
  options: Partial<AdversarialOptions> = {},
): Promise<TestTraining<AdversarialTrainer>> {
  const playing = { ...defaultAdversarial, batchSize: 13, behaviourDims: [8, 5], ...more };
  return await createTraining(
    of instanceof UserModel ? of : new UserModel(gpu, clicks.items, of, { seed: 5 }),
    (model) =>
      AdversarialTrainer.create(model, clicks, playing, { seed: 5, evaluationShards: 0, ...options }),
  );
}

async function createTraining<T extends { destroy(): void }>(
  model: UserModel,
  create: (model: UserModel) => Promise<T>,
): Promise<TestTraining<T>> {
  try {
    return new TestTraining(model, await create(model));
  } catch (error) {
    model.destroy();
    throw error;
  }
}

/** Asserts that a training stopped after `part` of `end` steps and resumed equals an uninterrupted one. */
export async function checkResume<T extends Trainer | AdversarialTrainer>(
  make: () => Promise<TestTraining<T>>,
  part: number,
  end: number,
): Promise<TestTraining<T>> {
  const whole = await make();
  await whole.trainer.run(end);
  using first = await make();
  await first.trainer.run(part);
  using second = await make();
  second.trainer.restore(await first.trainer.state());
  await second.trainer.run(end);
  assertSameState(await second.trainer.state(), await whole.trainer.state());
  return whole;
}

/** Asserts that two numbers are close. @param within the largest allowed difference */
export function assertWithin(
  what: string,
  found: number | undefined,
  expected: number,
  within: number,
): void {
  const gap = Math.abs((found ?? NaN) - expected);
  assert.ok(gap <= within, `${what}: expected ${expected} +- ${within}, got ${found}`);
}

/** @param tolerance relative to the parameter's largest value or `least`. @param free parameters to skip */
export function assertNear(
  what: string,
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, ArrayLike<number>> | Parameters64,
  tolerance: number,
  { least = 1e-6, free = "" }: { readonly least?: number; readonly free?: string } = {},
): void {
  for (const [name, own] of expected) {
    if (free !== "" && name.endsWith(free)) continue;
    const values = Array.from<number | readonly number[]>(own as ArrayLike<number>).flat();
    const others = found.get(name) ?? assert.fail(name);
    assert.equal(others.length, values.length, name);
    const most = values.reduce((most, x) => Math.max(most, Math.abs(x)), least);
    values.forEach((x, k) => {
      const error = Math.abs((others[k] ?? NaN) - x);
      assert.ok(error <= tolerance * most, `${what} ${name}[${k}]: expected ${x}, got ${others[k]}`);
    });
  }
}

/** Sets position weights to values that affect results, because they are initially only 0.0001. */
export async function withPositionWeights(model: UserModel): Promise<UserModel> {
  const { config } = model;
  if (config.encoder !== "pw") return model;
  const W = Float32Array.from({ length: config.pwLags * config.pwWeightings }, (_, k) => Math.sin(k + 1) / 3);
  model.setWeights(new Map([...await model.weights(), ["encoder/pw/weights", W]]));
  return model;
}

/** Pairs of a token table and a kernel of dense features; the equivalent dense kernel joins both. */
const PARTS = [
  ["encoder/lstm/token_table", "encoder/lstm/input_kernel"],
  ["utility/layer1/token_table", "utility/layer1/item_kernel"],
  ["utility/layer1/state_token_table", "utility/layer1/state_kernel"],
  ["wide/token_table", "wide/item_kernel"],
  ["wide/state_token_table", "wide/state_kernel"],
] as const;

/** Converts weights or gradients of a mixed-features model to those of the equivalent dense model. */
export function toWideWeights(weights: Weights): Weights {
  const joined = new Map(weights);
  for (const prefix of ["", "generator/"]) {
    for (const [table, kernel] of PARTS) {
      const tokens = joined.get(prefix + table);
      if (!tokens) continue;
      joined.delete(prefix + table);
      joined.set(prefix + kernel, Float32Array.from([...tokens, ...joined.get(prefix + kernel) ?? []]));
    }
  }
  return joined;
}

export async function followTrajectory(model: UserModel, log: ClickLog): Promise<void> {
  const learningRate = 0.01;
  using own = await trainShannon(model.gpu, log, model, { learningRate }, { validate: false });
  const { trainer } = own;
  const dense = log.items.kind === "mixed" ? toDenseLog(log) : log;
  const specs = listModelParameters(getItemsShape(dense.items), model.config);
  const start = toParameters64(toWideWeights(await model.weights()), specs);
  const batches = Array.from({ length: 10 }, (_, k) => trainer.drawBatch(k + 1));
  const { steps, end } = trainTrajectory64(dense, batches, start, model.config, learningRate);
  for (const [k, expected] of steps.entries()) {
    const t = k + 1;
    const { nll } = await trainer.step(batches[k]);
    assertWithin(`loss ${t}`, nll, expected.loss, 2e-5);
    // Adam divides gradients by their size, so noise in a tiny gradient changes a weight by up to 0.01 % of a
    // step. After that, gradients differ by more than rounding.
    assertNear(
      `gradient ${t}`,
      toWideWeights(await model.gradients()),
      expected.gradients,
      t === 1 ? 1e-5 : 2e-3,
    );
  }
  assertNear("weight", toWideWeights(await model.weights()), end, 2e-3);
}

/** Asserts that two states are equal. The message lists only names, because printing values takes minutes. */
export function assertSameState(found: TrainerState, expected: TrainerState): void {
  assert.deepEqual([found.iteration, found.best], [expected.iteration, expected.best]);
  for (const part of ["weights", "m", "v"] as const) assertSame(found[part], expected[part], part);
  for (const criterion of criteria) {
    assertSame(found.snapshots[criterion], expected.snapshots[criterion], criterion);
  }
}
export function assertSame(found: Weights | undefined, expected: Weights | undefined, what: string): void {
  assert.ok(found && expected && found.size === expected.size, what);
  for (const [name, values] of expected) {
    const other = found.get(name);
    const at = values.findIndex((x, i) => !Object.is(x, other?.[i]));
    assert.equal(at, -1, `${what} of ${name} at ${at}: expected ${values[at]}, got ${other?.[at]}`);
  }
}
