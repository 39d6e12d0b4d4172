import assert from "node:assert/strict";
import { type ClickLog, listUsers } from "../../src/data/click_log.ts";
import { UserError } from "../../src/user_error.ts";
import { getDefaultVariants } from "../../src/gpu/kernel_variants.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { criteria } from "../../src/train/best_records.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { DivergedError } from "../../src/train/training_results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { computeLossAndGradients64, type Parameters64, toParameters64 } from "../f64_model.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import {
  assertWithin,
  followTrajectory,
  logs,
  SIZE,
  trainShannon,
  withPositionWeights,
} from "./trainings.ts";

const withGiven = {
  "dense, events given": createSmallLog(23, { ...SIZE, width: WIDTH, given: 0.4 }),
  "one-hot, events given": createSmallLog(24, { ...SIZE, width: 0, given: 0.4 }),
};
const models = {
  "3 units, 6": { ...smallLstm, dims: [6] },
  "3 units, 7-5-6": { ...defaultModel, lstmUnits: 3, dims: [7, 5, 6] },
  "position weights, 7-5": smallPw,
  "position weights with tanh, 7-5": { ...smallPw, pwNonlinearity: "tanh", pwWeightings: 3 },
  "conditional logit with places": { ...noHistory, dims: [], positions: 4 },
  "wide alone, logistic": { ...noHistory, dims: [], wide: 6, loss: "logistic" },
  "wide & deep with places": { ...noHistory, dims: [7, 5], wide: 1, positions: 3 },
} satisfies Record<string, ModelConfig>;

/**
 * Combinations of adapter, log and models, in which every kernel runs. Tests in test/ops test other sizes.
 * The test adapter_kinds_test.ts tests CPU adapters that store matrices in buffers.
 */
const followed: readonly [
  kind: "cpu" | "gpu" | "cpu, buffers",
  log: keyof typeof logs | keyof typeof withGiven,
  models: readonly (keyof typeof models)[],
][] = [
  ["cpu", "dense", Object.keys(models) as (keyof typeof models)[]],
  [
    "cpu",
    "one-hot",
    [
      ...["3 units, 6", "position weights, 7-5", "position weights with tanh, 7-5"] as const,
      ...["conditional logit with places", "wide & deep with places"] as const,
    ],
  ],
  ["cpu", "dense, events given", ["position weights, 7-5", "position weights with tanh, 7-5"]],
  ["cpu", "one-hot, events given", ["3 units, 6"]],
  ["cpu, buffers", "dense", ["3 units, 6"]],
  ["gpu", "dense", ["3 units, 7-5-6", "position weights with tanh, 7-5", "wide & deep with places"]],
  ["gpu", "one-hot", ["3 units, 6", "position weights, 7-5", "wide alone, logistic"]],
  ["gpu", "dense, events given", ["3 units, 6"]],
];

for (const [kind, name, shapes] of followed) {
  const log = { ...logs, ...withGiven }[name];
  for (const shape of shapes) {
    const config: ModelConfig = models[shape];
    Deno.test(`ten training steps follow the f64 trajectory: ${name}, ${shape}, ${kind} shapes`, () =>
      withGpu(kind === "cpu, buffers" ? getDefaultVariants("cpu", "buffers") : kind, async (gpu) => {
        const model = new UserModel(gpu, log.items, config, { seed: 5 });
        // With tanh they stay near their initial value of 0.0001, at which tanh must also be exact.
        const moved = config.encoder === "pw" && config.pwNonlinearity === "none";
        await followTrajectory(moved ? await withPositionWeights(model) : model, log);
      }));
  }
}

Deno.test("the f64 model's gradients agree with finite differences", () => {
  const configs: ModelConfig[] = [
    { ...defaultModel, lstmUnits: 3, dims: [5, 4] },
    { ...defaultPwModel, pwLags: 2, dims: [5, 4] },
    { ...defaultPwModel, pwNonlinearity: "tanh", pwWeightings: 2, dims: [5], positions: 3 },
    { ...noHistory, dims: [5], wide: 2 },
    { ...noHistory, dims: [], positions: 2, loss: "logistic" },
  ];
  for (const [log, config] of Object.values(logs).flatMap((log) => configs.map((c) => [log, c] as const))) {
    const specs = listModelParameters(getItemsShape(log.items), config);
    const weights = new Map(specs.map(({ name, rows, columns }, k) => [
      name,
      Array.from({ length: rows * columns }, (_, i) => Math.sin(1 + i * 12.9898 + 78.233 * k) * 0.4),
    ]));
    const parameters = toParameters64(weights, specs);
    const users = [3, 17, 41];
    const { gradients } = computeLossAndGradients64(log, users, parameters, config);
    for (const [name, W] of parameters) {
      const row = W[0] ?? assert.fail();
      const w = row[0] ?? assert.fail();
      const at = (value: number) => {
        row[0] = value;
        const { loss } = computeLossAndGradients64(log, users, parameters, config);
        row[0] = w;
        return loss;
      };
      const slope = (at(w + 1e-5) - at(w - 1e-5)) / 2e-5;
      const gradient = gradients.get(name)?.[0]?.[0] ?? NaN;
      assertWithin(`${name} by differences`, slope, gradient, 1e-8);
    }
  }
});

async function readParameters(model: UserModel, log: ClickLog): Promise<Parameters64> {
  return toParameters64(await model.weights(), listModelParameters(getItemsShape(log.items), model.config));
}

Deno.test("score gives the utilities of the f64 model, for any history", () =>
  withGpu(undefined, async (gpu) => {
    for (const log of Object.values(logs)) {
      using model = new UserModel(gpu, log.items, smallLstm, { seed: 3 });
      const parameters = await readParameters(model, log);
      const page = [4, 0, 40, 4];
      for (const length of [0, 1, 5, 30]) {
        const history = Array.from({ length }, (_, k) => (7 * k) % 41);
        const found = await model.score({ history, page });
        const single = logOfPages(log.items, [[...history.map((item): TrainingPage => [[item], 0]), [
          page,
          -1,
        ]]]);
        const { utilities } = computeLossAndGradients64(single, [0], parameters, smallLstm);
        const expected = utilities.slice(length);
        assert.equal(found.length, expected.length);
        expected.forEach((u, k) => assertWithin(`utility ${k}`, found[k], u, 1e-5));
        assert.equal(found[0], found[3], "the same item twice on a page");
      }
      await assert.rejects(model.score({ history: [], page: [] }), UserError);
      await assert.rejects(model.score({ history: [41], page: [0] }), /Expected an item in 0\.\.40, got 41/);
      await assert.rejects(model.score({ history: [], page: [-1] }), UserError);
    }
  }));

Deno.test("a step has at most 24 dispatches", () =>
  withGpu(undefined, async (gpu) => {
    for (const log of Object.values(logs)) {
      const config = { ...defaultModel, lstmUnits: 20, dims: [64, 64] };
      using own = await trainShannon(gpu, log, config, { batchSize: 10 }, { validate: false });
      const { trainer } = own;
      const programs = [trainer.program.layout, ...trainer.stepPrograms.map(({ program }) => program)];
      const dispatches = programs.reduce((sum, { dispatches }) => sum + dispatches.length, 0);
      assert.ok(dispatches <= 24, `${dispatches}`);
    }
  }));

Deno.test("single steps and groups of steps give the same bits, and another seed gives other bits", () =>
  withGpu(undefined, async (gpu) => {
    for (const log of Object.values(logs)) {
      const run = async (byHand: boolean, seed = 5) => {
        using own = await trainShannon(gpu, log, smallLstm, { seed, batchSize: 11 }, { validate: false });
        const { trainer, model } = own;
        const losses: number[] = [];
        assert.ok(trainer.plan.slices > 4, `${trainer.plan.slices} batches at once: the case is weak`);
        if (byHand) { for (let k = 0; k < 45; k++) losses.push((await trainer.step()).nll); }
        else await trainer.run(45, { onStep: ({ nll }) => losses.push(nll) });
        return { losses, weights: await model.weights() };
      };
      const [first, other] = [await run(false), await run(false, 6)];
      assert.equal(first.losses.length, 45);
      assert.deepEqual(await run(true), first);
      assert.notDeepEqual(other.losses, first.losses);
      assert.notDeepEqual(other.weights, first.weights);
    }
  }));

Deno.test("validation metrics and snapshots are those of the weights at their iteration", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs["one-hot"];
    const training = { batchSize: 9, learningRate: 0.02, validateEvery: 3, evaluationShards: 3 };
    const make = () => trainShannon(gpu, log, smallLstm, training, { seed: 4 });
    using own = await make();
    const { trainer } = own;
    const validations: { iteration: number; nll: number; prec1: number; prec2: number }[] = [];
    await trainer.run(24, { onValidation: (v) => validations.push(v) });
    const best = {
      loss: validations.reduce((a, b) => (b.nll < a.nll ? b : a)),
      prec1: validations.reduce((a, b) => (b.prec1 > a.prec1 ? b : a)),
      prec2: validations.reduce((a, b) => (b.prec2 > a.prec2 ? b : a)),
    };
    for (const { value } of Object.values(trainer.best)) assert.ok(Number.isFinite(value));
    const iterations = criteria.map((criterion) => best[criterion].iteration);
    assert.equal(
      new Set(iterations).size,
      3,
      `an iteration is the best by two criteria (${iterations}), so the test is weak`,
    );
    for (const criterion of criteria) {
      assert.equal(trainer.best[criterion].iteration, best[criterion].iteration);
      using stopped = await make();
      await stopped.trainer.run(best[criterion].iteration);
      assert.deepEqual(await trainer.snapshot(criterion), await stopped.model.weights(), criterion);
      if (criterion !== "loss") continue;
      const parameters = await readParameters(stopped.model, log);
      const users = listUsers(log, "validation");
      const { loss } = computeLossAndGradients64(log, users, parameters, smallLstm);
      assertWithin("loss", best.loss.nll, loss, 1e-5);
    }
  }));

Deno.test("inconsistent weights, configs and logs are refused", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs.dense;
    using model = new UserModel(gpu, log.items, smallLstm, { seed: 2 });
    const weights = await model.weights();
    using other = new UserModel(gpu, log.items, { ...smallLstm, dims: [9] }, { seed: 2 });
    assert.throws(
      () => other.setWeights(weights),
      /do not fit[^]*layer1\/bias: expected 9 values \[1, 9\], got 7/,
    );
    const missing = new Map(weights);
    missing.delete("utility/output/bias");
    assert.throws(() => model.setWeights(missing), /utility\/output\/bias \[1, 1\] is missing/);
    assert.throws(
      () => model.setWeights(new Map([...weights, ["x", new Float32Array(1)]])),
      /x is not a parameter/,
    );
    const training = { ...defaultTraining, batchSize: 5 };
    await assert.rejects(Trainer.create(model, log, { ...training, batchSize: 21 }), /at most 20 users/);
    await assert.rejects(Trainer.create(model, logs["one-hot"], training), /dense items/);
    assert.throws(() => new UserModel(gpu, log.items, { ...smallLstm, dims: [] }, { seed: 1 }), UserError);
    const short = { kind: "dense", count: 10, width: 4, values: new Float32Array(7) } as const;
    assert.throws(
      () => new UserModel(gpu, short, smallLstm, { seed: 1 }),
      /10 items x 4 features = 40 values, got 7/,
    );
  }));

// About 150 users, 370 events and 1,300 rows in workgroups of 8, 16 and 64. All grids exceed an axis of 7,
// except for the matmuls with 64 rows per workgroup; those of position weights exceed an axis of 20.
for (
  const [name, config, width, maxGrid] of [
    ["LSTM", smallLstm, WIDTH, 7],
    ["a table of position weights", models["position weights with tanh, 7-5"], 0, 20],
  ] as const
) {
  Deno.test(`a grid longer than an axis is folded with the same bits, or refused: ${name}`, async () => {
    const log = createSmallLog(8, { users: 600, items: 300, width, maxEvents: 4, maxPage: 6 });
    const run = (maxGrid?: number) =>
      withGpu("cpu", async (gpu) => {
        using own = await trainShannon(gpu, log, config, { batchSize: 150 }, { validate: false });
        const { nll } = await own.trainer.step();
        return { nll, gradients: await own.model.gradients(), weights: await own.model.weights() };
      }, maxGrid);
    assert.deepEqual(await run(maxGrid), await run());
    await assert.rejects(run(4), /needs \d+ x \d+ workgroups, but this adapter allows 4 along an axis/);
  });
}

Deno.test("a step takes any users of the log; a refused one leaves no trace", () =>
  withGpu(undefined, async (gpu) => {
    const small = createSmallLog(3, { users: 40, items: 20, width: 0, maxEvents: 2, maxPage: 3 });
    // Every second and third user (validation and test) has a far longer history.
    const log = createSmallLog(3, { users: 40, items: 20, width: 0, maxEvents: 30, maxPage: 9 });
    assert.ok(log.rowItem.length > 4 * small.rowItem.length);
    const userSplit = log.userSplit.map((_, u) =>
      (log.userEvents[u + 1] ?? 0) - (log.userEvents[u] ?? 0) <= 10 ? 0 : 1 + (u % 2)
    );
    const mixed = { ...log, userSplit };
    using model = new UserModel(gpu, log.items, smallLstm, { seed: 2 });
    const parameters = await readParameters(model, log);
    const trainer = await Trainer.create(model, mixed, { ...defaultTraining, batchSize: 4 });
    await assert.rejects(trainer.step([40]), /Expected a user number in 0\.\.39/);
    const long = Array.from(listUsers(mixed, "validation").subarray(0, 4));
    const { nll } = await trainer.step(long);
    const expected = computeLossAndGradients64(mixed, long, parameters, smallLstm);
    assertWithin("loss", nll, expected.loss, 1e-5);
    trainer.destroy();
    using fresh = await Trainer.create(model, mixed, { ...defaultTraining, batchSize: 4 });
    await assert.rejects(fresh.step([40]));
    const validations: number[] = [];
    await fresh.run(20, { onValidation: ({ iteration }) => validations.push(iteration) });
    assert.deepEqual(validations, [0, 10, 20]);
  }));

// Activations and comparisons must not swallow NaN or infinities.
for (const [kind, width] of [["cpu", 0], ["gpu", WIDTH]] as const) {
  Deno.test(`NaN and infinity reach the loss: ${width ? "dense" : "one-hot"}, ${kind} shapes`, () =>
    withGpu(kind, async (gpu) => {
      const log = createSmallLog(1, { users: 30, items: 12, width, maxEvents: 6 });
      const make = () => trainShannon(gpu, log, { ...smallLstm, dims: [6, 7, 5] }, { batchSize: 10 });
      using first = await make();
      const good = await first.model.weights();
      for (const value of [NaN, Infinity]) {
        for (const name of first.model.parameters.names()) {
          const broken = new Map([...good, [name, (good.get(name) ?? assert.fail()).map(() => value)]]);
          using run = await make();
          run.model.setWeights(broken);
          await assert.rejects(run.trainer.run(1), DivergedError, `${value} in ${name}`);
          // NaN never becomes the best loss.
          assert.equal(run.trainer.best.loss.value, Infinity, `${value} in ${name} became the best`);
          for (const criterion of criteria) {
            const kept = (await run.trainer.snapshot(criterion)).get(name) ?? assert.fail();
            assert.ok(kept.every(Number.isFinite), `${value} in ${name} became the best by ${criterion}`);
          }
        }
      }
    }));
}

Deno.test("a single NaN utility of a page makes the loss NaN", () =>
  withGpu(undefined, async (gpu) => {
    const log = createSmallLog(1, { users: 30, items: 12, width: 0, maxPage: 6, noClick: 0.5 });
    const make = () =>
      trainShannon(gpu, log, { ...smallLstm, dims: [6] }, { batchSize: 10 }, { validate: false });
    using first = await make();
    const good = await first.model.weights();
    const kernel = good.get("utility/layer1/item_kernel") ?? assert.fail();
    for (let item = 0; item < 12; item++) {
      using own = await make();
      const broken = kernel.slice().fill(NaN, 6 * item, 6 * (item + 1));
      own.model.setWeights(new Map([...good, ["utility/layer1/item_kernel", broken]]));
      await assert.rejects(own.trainer.step(), DivergedError, `item ${item}`);
    }
  }));
