/**
 * Tests models with tokens and dense features. A token is equivalent to a dense feature of zeros and ones, so
 * the model equals the dense model with the feature matrix [I, V + F], in f64 and on the GPU.
 */

import assert from "node:assert/strict";
import { checkLog, type ClickLog, type ItemTokens } from "../../src/data/click_log.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { UserError } from "../../src/user_error.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { ModelProgram } from "../../src/model/model_program.ts";
import { StepProducts } from "../../src/autotune/tune_kernels.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { defaultTraining, type TrainingConfig } from "../../src/train/training_config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { toDenseLog } from "../f64_model.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import {
  assertWithin,
  followTrajectory,
  SIZE,
  toWideWeights,
  trainShannon,
  withPositionWeights,
} from "./trainings.ts";
import { isUserError } from "../run/folder_check.ts";

const logs = {
  "tokens and dense features": createSmallLog(21, { ...SIZE, width: WIDTH, tokens: 13 }),
  "tokens alone": createSmallLog(22, { ...SIZE, width: 0, tokens: 20 }),
};
const both = logs["tokens and dense features"];
const models: Record<string, ModelConfig> = { LSTM: smallLstm, PW: smallPw };
const all: Record<string, ModelConfig> = {
  ...models,
  "wide & deep": { ...noHistory, dims: [7, 5], wide: 5 },
  "conditional logit": { ...noHistory, dims: [] },
  "PW of 3 weightings": { ...smallPw, pwWeightings: 3, dims: [6] },
};
const training: TrainingConfig = { ...defaultTraining, batchSize: 13, learningRate: 0.01 };

function createModel(gpu: Gpu, log: ClickLog, config: ModelConfig): UserModel {
  const model = new UserModel(gpu, log.items, config, { seed: 5 });
  assert.deepEqual(
    model.parameters.specs.map(({ name }) => name),
    listModelParameters(getItemsShape(log.items), config).map((p) => p.name),
  );
  return model;
}

/** Combinations of kernels, log and models. All models occur with CPU kernels, all logs with both kinds. */
const followed: readonly ["cpu" | "gpu", keyof typeof logs, readonly string[]][] = [
  ["cpu", "tokens and dense features", Object.keys(all)],
  ["cpu", "tokens alone", ["LSTM"]],
  ["gpu", "tokens and dense features", ["LSTM", "wide & deep"]],
  ["gpu", "tokens alone", ["PW of 3 weightings"]],
];
for (const [kind, name, shapes] of followed) {
  for (const shape of shapes) {
    Deno.test(`ten training steps follow the f64 trajectory: ${name}, ${shape}, ${kind} shapes`, () =>
      withGpu(kind, async (gpu) => {
        const model = createModel(gpu, logs[name], all[shape] ?? assert.fail(shape));
        await followTrajectory(await withPositionWeights(model), logs[name]);
      }));
  }
}

async function train(gpu: Gpu, log: ClickLog, config: ModelConfig, weights: Weights, more = {}) {
  using own = await trainShannon(gpu, log, config, { ...training, ...more }, { weights });
  const { trainer, model } = own;
  const losses: number[] = [];
  await trainer.run(20, {
    onStep: ({ nll }) => losses.push(nll),
    onValidation: ({ nll, prec1 }) => losses.push(nll, prec1),
  });
  const state = await trainer.state();
  const page = { history: [3, 40, 17, 3], page: [4, 0, 40, 4] };
  const scores = await model.score(page);
  return { losses, weights: state.weights, scores };
}

function allNear(found: readonly number[], expected: readonly number[], within: number): void {
  assert.equal(found.length, expected.length);
  expected.forEach((x, k) => assertWithin(`${k}`, found[k], x, within));
}

for (const [name, config] of Object.entries(models)) {
  Deno.test(`the dense model over the wide matrix learns and scores the same: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const own = { ...config, batchNorm: true };
      const log = logs[name === "LSTM" ? "tokens and dense features" : "tokens alone"];
      using model = await withPositionWeights(createModel(gpu, log, own));
      const weights = await model.weights();
      const more = { itemDropout: 0.3, weightDecay: 0.1, learningRate: 0.002 };
      const found = await train(gpu, log, own, weights, more);
      const expected = await train(gpu, toDenseLog(log), own, toWideWeights(weights), more);
      allNear(found.losses, expected.losses, 1e-4);
      allNear(found.scores, expected.scores, 1e-3);
      assert.deepEqual(await train(gpu, log, own, weights, more), found, "two runs differ");
      assert.notDeepEqual(found.weights, weights);
    }));
}

Deno.test("a step over mixed features sorts its tokens once, an evaluation never", () =>
  withGpu(undefined, async (gpu) => {
    using model = createModel(gpu, both, defaultModel);
    using trainer = await Trainer.create(model, both, training, { validate: false });
    const programs = [trainer.program.layout, ...trainer.stepPrograms.map(({ program }) => program)];
    const labels = programs.flatMap(({ dispatches }) => dispatches.map(({ spec }) => spec.label));
    assert.equal(labels.length, 31, labels.join("\n"));
    assert.equal(labels.filter((label) => label === "batch group of tokens").length, 1);
    using arena = new Arena(gpu, "test");
    const { deviceLog, plan } = trainer;
    const ring = arena.allocate("ring", 16);
    const evaluation = await ModelProgram.create(model, { name: "evaluation", log: deviceLog, plan, ring });
    const evaluated = evaluation.program.dispatches.map(({ spec }) => spec.label);
    assert.ok(evaluated.includes("utility/layer1/item_part tokens"), evaluated.join("\n"));
    assert.ok(!evaluated.some((label) => label.startsWith("batch") && label.includes("tokens")));
    evaluation[Symbol.dispose]();
    using products = new StepProducts(gpu, both, defaultModel, 13);
    assert.ok(products.products().some(({ key }) => key.startsWith("weight")));
  }));

Deno.test("unsupported options of mixed features are refused", () =>
  withGpu(undefined, async (gpu) => {
    const tanh: ModelConfig = { ...defaultPwModel, pwNonlinearity: "tanh" };
    assert.throws(
      () => new UserModel(gpu, both.items, tanh, { seed: 1 }),
      /Expected one-hot or dense features[^]*tanh, got mixed[^]*--encoder lstm/,
    );
    using model = new UserModel(gpu, both.items, smallLstm, { seed: 1 });
    const other = logs["tokens alone"];
    await assert.rejects(
      Trainer.create(model, other, training),
      /\(41 mixed items of 13 tokens and 7 features\), got small with 41 mixed items of 20 tokens\./,
    );
    const { items } = both;
    assert.ok(items.kind === "mixed");
    for (const tokens of [{ ...items.tokens, count: 3 }, { ...items.tokens, first: Uint32Array.of(0, 1) }]) {
      assert.throws(() => new UserModel(gpu, { ...items, tokens }, smallLstm, { seed: 1 }), UserError);
    }
  }));

Deno.test("checkLog names inconsistent tokens", () => {
  const { items } = both;
  assert.ok(items.kind === "mixed");
  checkLog(both);
  const tokens = (more: Partial<ItemTokens>): ClickLog => ({
    ...both,
    items: { ...items, tokens: { ...items.tokens, ...more } },
  });
  const { first, token } = items.tokens;
  const item = first.findIndex((start, i) => (first[i + 1] ?? 0) - start >= 2);
  const at = first[item] ?? 0;
  const cases: [ClickLog, RegExp][] = [
    [tokens({ count: 0 }), /there are 0 tokens, expected at least one/],
    [
      tokens({ first: first.slice(1) }),
      /tokens\.first has 41 entries, expected 42 \(one per item, plus one\)/,
    ],
    [
      tokens({ token: token.slice(1) }),
      /tokens\.first ends at \d+, expected \d+, the length of tokens\.token/,
    ],
    [tokens({ first: first.with(20, 1000) }), /tokens\.first falls from/],
    [tokens({ token: token.with(at, 13) }), new RegExp(`item ${item} has token 13, but there are 13 tokens`)],
    [
      tokens({ token: token.with(at + 1, token[at] ?? 0) }),
      new RegExp(`item ${item} has token ${token[at]} twice, expected each token at most once`),
    ],
    [
      { ...both, items: { ...items, values: items.values.slice(1) } },
      /286 feature values, expected 41 items x 7/,
    ],
    [{ ...both, items: { ...items, values: items.values.with(10, NaN) } }, /feature 3 of item 1 is NaN/],
  ];
  for (const [log, message] of cases) {
    assert.throws(() => checkLog(log), isUserError(message));
  }
});
