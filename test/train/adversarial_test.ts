import assert from "node:assert/strict";
import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { buildGeneratorConfig } from "../../src/model/game_programs.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { computePageEta, sparsemax } from "../../src/ops/minimax.ts";
import { criteria } from "../../src/train/best_records.ts";
import { type AdversarialTrainer, RewardWatch } from "../../src/train/adversarial_trainer.ts";
import { type AdversarialConfig, defaultAdversarial } from "../../src/train/training_config.ts";
import { GENERATOR_PREFIX, selectNetworkWeights } from "../../src/train/networks.ts";
import type { Page64, Parameters64 } from "../f64_model.ts";
import { Adam64, computeNetwork64, toDenseLog, toParameters64 } from "../f64_model.ts";
import { countScoredEvents, withGpu } from "../op_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import {
  assertNear,
  assertWithin,
  checkResume,
  logs,
  SIZE,
  type TestTraining,
  toWideWeights,
  trainGame,
  trainShannon,
} from "./trainings.ts";
import { smallLstm, smallPw, WIDTH } from "../small_models.ts";

const small: AdversarialConfig = {
  ...defaultAdversarial,
  iterations: 20,
  batchSize: 13,
  validateEvery: 5,
  behaviourDims: [8, 5],
  behaviourSd: 0.3,
  generatorWarmup: 0,
  generatorLearningRate: 0.01,
  rewardLearningRate: 0.005,
};

function softmax(z: readonly number[]): number[] {
  const most = Math.max(...z);
  const weights = z.map((x) => Math.exp(x - most));
  const sum = weights.reduce((s, w) => s + w, 0);
  return weights.map((w) => w / sum);
}

/** Returns the generator's objective (to be maximised) on one page. */
function computeValue({ u }: Page64, pi: readonly number[], config: AdversarialConfig): number {
  const eta = computePageEta(config, u.length);
  return u.reduce((sum, x, k) => sum + (pi[k] ?? NaN) * (x - (pi[k] ?? NaN) / (2 * eta)), 0);
}

const cases = {
  "LSTM": [smallLstm, {}],
  "LSTM, two steps each": [{ ...smallLstm, dims: [6] }, { generatorSteps: 2, rewardSteps: 2 }],
  "position weights": [smallPw, {}],
  "LSTM, reward frozen": [{ ...smallLstm, dims: [6] }, { rewardSteps: 0 }],
  "LSTM, exact generator": [{ ...smallLstm, dims: [6] }, { generator: "exact" }],
  "position weights, exact generator": [smallPw, { generator: "exact" }],
} satisfies Record<string, [ModelConfig, Partial<AdversarialConfig>]>;
const allLogs = {
  ...logs,
  "events given": createSmallLog(23, { ...SIZE, width: 0, given: 0.4 }),
  "tokens and dense features": createSmallLog(21, { ...SIZE, width: WIDTH, tokens: 13 }),
};
/** Tested combinations: all cases with dense items; other logs and GPU kernels with only some cases. */
const played: readonly ["cpu" | "gpu", keyof typeof allLogs, readonly (keyof typeof cases)[]][] = [
  ["cpu", "dense", Object.keys(cases) as (keyof typeof cases)[]],
  ["cpu", "one-hot", ["LSTM", "position weights", "LSTM, exact generator"]],
  ["cpu", "events given", ["LSTM, two steps each", "LSTM, exact generator"]],
  ["cpu", "tokens and dense features", ["LSTM", "position weights, exact generator"]],
  ["gpu", "dense", ["LSTM", "LSTM, exact generator"]],
  ["gpu", "events given", ["position weights"]],
];
for (const [kind, data, names] of played) {
  const log = allLogs[data];
  for (const name of names) {
    const [config, more] = cases[name];
    Deno.test(`ten minimax pairs follow the f64 trajectory: ${name}, ${data}, ${kind} variants`, () =>
      withGpu(kind, async (gpu) => {
        using own = await trainGame(gpu, log, config, { ...small, ...more }, { validate: false });
        await follow(own, log);
      }));
  }
}

interface Follow64 {
  readonly figures: readonly { readonly lossMin: number; readonly lossMax: number }[];
  readonly reward: Parameters64;
  /** Parameters of the generator; undefined for the exact generator. */
  readonly generator: Parameters64 | undefined;
}

/** Runs iterations in f64 and updates the weights in place. */
function follow64(
  log: ClickLog,
  model: ModelConfig,
  config: AdversarialConfig,
  start: Pick<Follow64, "reward" | "generator">,
  batches: readonly (readonly number[])[],
): Follow64 {
  const { reward, generator } = start;
  const actor = buildGeneratorConfig(model, config);
  const rewardAdam = new Adam64(config.rewardLearningRate);
  const generatorAdam = new Adam64(config.generatorLearningRate);
  const figures = batches.map((users) => {
    const events = countScoredEvents(log, users);
    const logitsNow = () => generator && computeNetwork64(log, users, generator, actor);
    let { pages, gradients } = computeNetwork64(log, users, reward, model);
    for (let k = 0; generator && k < config.generatorSteps; k++) {
      const acting = logitsNow() ?? assert.fail();
      const slopes = ({ u: logits, clicked }: Page64, e: number) => {
        if (clicked < 0) return logits.map(() => 0);
        const pi = softmax(logits);
        const slope = pi.map((p, i) => (pages[e]?.u[i] ?? NaN) - p / computePageEta(config, pi.length));
        const mean = slope.reduce((sum, x, i) => sum + x * (pi[i] ?? NaN), 0);
        return pi.map((p, i) => -p * ((slope[i] ?? NaN) - mean) / events);
      };
      generatorAdam.step(generator, acting.gradients(slopes));
    }
    const acting = logitsNow();
    const computePolicy = (page: Page64, e: number) =>
      acting
        ? softmax(acting.pages[e]?.u ?? [])
        : sparsemax(page.u.map((x) => computePageEta(config, page.u.length) * x));
    let [lossMin, lossMax] = [NaN, NaN];
    for (let k = 0; k < Math.max(1, config.rewardSteps); k++) {
      if (k > 0) ({ pages, gradients } = computeNetwork64(log, users, reward, model));
      const counted = pages.flatMap((
        page,
        e,
      ) => (page.clicked < 0 || page.given ? [] : [{ page, pi: computePolicy(page, e) }]));
      lossMax = counted.reduce((sum, { page, pi }) => sum + computeValue(page, pi, config), 0) /
        counted.length;
      lossMin = lossMax -
        counted.reduce((sum, { page }) => sum + (page.u[page.clicked] ?? NaN), 0) / counted.length;
      if (config.rewardSteps === 0) break;
      rewardAdam.step(
        reward,
        gradients((page, e) => {
          if (page.clicked < 0) return page.u.map(() => 0);
          const pi = computePolicy(page, e);
          const mean = page.u.reduce((a, b) => a + b, 0) / page.u.length;
          return page.u.map((x, i) =>
            ((pi[i] ?? NaN) - (i === page.clicked ? 1 : 0) +
              config.utilityPenalty / page.u.length * (x - mean)) /
            events
          );
        }),
      );
    }
    return { lossMin, lossMax };
  });
  return { figures, reward, generator };
}

async function follow({ model, trainer }: TestTraining<AdversarialTrainer>, log: ClickLog): Promise<void> {
  const { config } = trainer;
  const dense = log.items.kind === "mixed" ? toDenseLog(log) : log;
  const specs = (of: ModelConfig) => listModelParameters(getItemsShape(dense.items), of);
  const weights = toWideWeights(await trainer.weights());
  const start = {
    reward: toParameters64(selectNetworkWeights(weights, ""), specs(model.config)),
    generator: config.generator === "exact" ? undefined : toParameters64(
      selectNetworkWeights(weights, GENERATOR_PREFIX),
      specs(buildGeneratorConfig(model.config, config)),
    ),
  };
  const batches = Array.from({ length: 10 }, (_, k) => Array.from(trainer.drawBatch(k + 1)));
  const { figures, reward, generator } = follow64(dense, model.config, config, start, batches);
  for (const [k, { lossMin, lossMax }] of figures.entries()) {
    const result = await trainer.step(batches[k]);
    assertWithin(`loss_min ${k + 1}`, result.lossMin, lossMin, 1e-4);
    // A constant added to all u has no effect: its gradient is noise, which Adam scales to full steps.
    if (k === 0 && config.rewardSteps < 2) assertWithin("loss_max", result.lossMax, lossMax, 1e-4);
  }
  const after = toWideWeights(await trainer.weights());
  const free = { least: 1e-3, free: "utility/output/bias" };
  assertNear("reward", selectNetworkWeights(after, ""), reward, 4e-3, free);
  if (generator) {
    assertNear("generator", selectNetworkWeights(after, GENERATOR_PREFIX), generator, 4e-3, free);
  }
}

Deno.test("a minimax pair takes at most 45 dispatches with the default layers", () =>
  withGpu(undefined, async (gpu) => {
    for (const log of Object.values(logs)) {
      for (const config of [defaultModel, defaultPwModel]) {
        using own = await trainGame(gpu, log, config, {
          behaviourDims: defaultAdversarial.behaviourDims,
        }, { validate: false });
        const { trainer } = own;
        const programs = [trainer.programs.layout, ...trainer.stepPrograms.map(({ program }) => program)];
        const parts = programs.map(({ dispatches }) => dispatches.length);
        const count = parts.reduce((a, b) => a + b, 0);
        assert.ok(count <= 45, `${log.items.kind}, ${config.encoder}: ${parts.join(" + ")} = ${count}`);
      }
    }
  }));

Deno.test("a resumed stage equals an uninterrupted one; the state holds both players", () =>
  withGpu(undefined, async (gpu) => {
    const config = { ...small, itemDropout: 0.3, weightDecay: 0.1, generatorWarmup: 4 };
    using whole = await checkResume(() => trainGame(gpu, logs.dense, smallLstm, config), 9, 20);
    const state = await whole.trainer.state();
    assert.ok([...state.weights.keys()].some((name) => name.startsWith(GENERATOR_PREFIX)));
  }));

Deno.test("the best weights of a stage are the weights at the best validation", () =>
  withGpu(undefined, async (gpu) => {
    using training = await trainGame(gpu, logs.dense, smallLstm, {
      rewardLearningRate: 0.02,
      validateEvery: 2,
    });
    const { trainer } = training;
    const after = new Map([[0, await trainer.weights()]]);
    for (let iteration = 2; iteration <= 16; iteration += 2) {
      await trainer.run(iteration);
      after.set(iteration, await trainer.weights());
    }
    for (const criterion of criteria) {
      const { iteration } = trainer.best[criterion];
      assert.deepEqual(await trainer.snapshot(criterion), after.get(iteration), `${criterion}, ${iteration}`);
    }
    assert.ok(criteria.some((criterion) => trainer.best[criterion].iteration > 2), "none stays the first");
  }));

Deno.test("warm-up and --reward-steps 0 do not change the reward", () =>
  withGpu(undefined, async (gpu) => {
    for (const more of [{ generatorWarmup: 6 }, { rewardSteps: 0 }]) {
      using own = await trainGame(gpu, logs["one-hot"], smallLstm, { ...small, ...more });
      const { model, trainer } = own;
      const before = await model.weights();
      await trainer.run(6);
      assert.deepEqual(await model.weights(), before);
      await trainer.run(8);
      const moved = "generatorWarmup" in more;
      assert.equal(JSON.stringify([...await model.weights()]) !== JSON.stringify([...before]), moved);
    }
  }));

Deno.test("for pages of one item, no history or no clicks there are metrics or a refusal, never NaN", () =>
  withGpu(undefined, async (gpu) => {
    const single = createSmallLog(3, { users: 40, items: 9, width: WIDTH, maxPage: 1 });
    const noHistory = createSmallLog(4, { users: 40, items: 9, width: 0, maxEvents: 1 });
    for (const log of [single, noHistory]) {
      for (const generator of ["network", "exact"] as const) {
        using own = await trainGame(gpu, log, smallLstm, { ...small, generator, batchSize: 10 });
        await own.trainer.run(10, {
          onStep: (r) =>
            Object.entries(r).forEach(([name, x]) => assert.ok(Number.isFinite(x), `${name}: ${x}`)),
        });
      }
    }
    const log = { ...single, eventClick: new Uint32Array(single.eventClick.length).fill(NONE) };
    await assert.rejects(
      trainGame(gpu, log, smallLstm, { ...small, batchSize: 10 }),
      /Expected clicks of train users/,
    );
    // On such a log the Shannon stage learns that no user clicks.
    using own = await trainShannon(gpu, log, smallLstm, { batchSize: 10, learningRate: 0.01 });
    const losses: number[] = [];
    await own.trainer.run(60, { onStep: ({ nll }) => losses.push(nll) });
    assert.ok(losses.every(Number.isFinite) && (losses.at(-1) ?? NaN) < 0.5 * (losses[0] ?? NaN));
  }));

Deno.test("early stopping ends at the same iteration for any group size", () =>
  withGpu(undefined, async (gpu) => {
    const ends: number[] = [];
    const config = { learningRate: 0.02, validateEvery: 5, patience: 20, earlyStopping: "loss" } as const;
    for (const pause of [false, true]) {
      using own = await trainShannon(gpu, logs["one-hot"], smallLstm, config);
      const { trainer } = own;
      let best = Infinity;
      await trainer.run(1000, {
        wantsPause: () => pause,
        onValidation: ({ best: b }) => best = b.loss.iteration,
      });
      assert.ok(trainer.stopped && trainer.iteration < 1000);
      assert.equal(trainer.iteration, best + 20);
      ends.push(trainer.iteration);
      await trainer.run(1000);
      assert.equal(trainer.iteration, ends[0], "a stopped training does not go on");
    }
    assert.equal(ends[0], ends[1]);
  }));

Deno.test("early stopping continues while each validation is better than all before", () =>
  withGpu(undefined, async (gpu) => {
    const config = { learningRate: 0.02, validateEvery: 2, patience: 2, earlyStopping: "loss" } as const;
    using training = await trainShannon(gpu, logs.dense, smallLstm, config);
    const losses: number[] = [];
    await training.trainer.run(200, { onValidation: ({ nll }) => void losses.push(nll) });
    const worse = losses.findIndex((loss, k) => k > 0 && loss >= Math.min(...losses.slice(0, k)));
    assert.ok(worse > 3, losses.join());
    assert.deepEqual([losses.length, training.trainer.iteration], [worse + 1, 2 * worse]);
  }));

Deno.test("a falling reward is reported once during and once after the stage; small falls and few events are not", () => {
  const told = (counted: number, ...figures: number[]) => {
    const watch = new RewardWatch();
    const texts = figures.flatMap((prec1, k) => watch.take({ iteration: 100 * k, prec1, counted }) ?? []);
    return { texts, verdict: watch.verdict() };
  };
  const fallen = told(4000, 0.213, 0.209, 0.19, 0.136);
  assert.equal(fallen.texts.length, 1);
  assert.match(
    fallen.texts[0] ?? "",
    /was 0\.213 before the stage's first step and is 0\.190 after iteration 200/,
  );
  assert.match(fallen.verdict ?? "", /0\.136 after iteration 300.*--generator exact/);
  const back = told(400, 0.5, 0.42, 0.5);
  assert.deepEqual([back.texts.length, back.verdict], [1, undefined]);
  for (const quiet of [told(4000, 0.528, 0.511), told(60, 0.5, 0.44), told(9, NaN, NaN), told(9)]) {
    assert.deepEqual(quiet, { texts: [], verdict: undefined });
  }
});
