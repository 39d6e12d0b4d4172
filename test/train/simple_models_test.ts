/** Tests simple models and losses on a log with known truth: users ignore the feature that sorts pages. */

import { type ClickLog, listUsers } from "../../src/data/click_log.ts";
import { createRandomStream } from "../../src/data/random.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/model_config.ts";
import { fillPositionEffects, readPositionEffects } from "../../src/model/position_effect.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { withGpu } from "../op_check.ts";
import assert from "node:assert/strict";
import { parseTrainOptions } from "../../src/commands/train/train_options.ts";
import { buildStagesConfig, type ModelData } from "../../src/run/options/stages_options.ts";
import { noHistory, tinyData } from "../small_models.ts";
import { MetricCollector } from "../../src/metrics/metric_collector.ts";
import { logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { assertWithin, trainGame, trainShannon } from "./trainings.ts";

const PAGE = 5;
const [EVENTS, USERS, ITEMS] = [6, 900, 40];
/** True coefficients: `bias` of all items; `weights` of the two features, the first of which sorts pages. */
const TRUTH = { bias: -0.5, weights: [0, 1] } as const;
const EFFECTS = [0, -0.7, -1.2, -1.5, -1.7];

function sortedLog(): ClickLog {
  const random = createRandomStream(3, "sorted log");
  const values = Float32Array.from({ length: 2 * ITEMS }, () => random.normal());
  const of = (item: number, feature: number) => values[2 * item + feature] ?? 0;
  const makePage = (): TrainingPage => {
    const page = Array.from(random.sampleWithoutReplacement(ITEMS, PAGE)).sort((a, b) => of(b, 0) - of(a, 0));
    const odds = page.map((item, k) => Math.exp(TRUTH.bias + of(item, 1) + (EFFECTS[k] ?? 0)));
    let draw = random.uniform() * odds.reduce((sum, x) => sum + x, 1);
    const place = odds.findIndex((x) => (draw -= x) < 0);
    return [page, place];
  };
  const users = Array.from({ length: USERS }, () => Array.from({ length: EVENTS }, makePage));
  const items = { kind: "dense", count: ITEMS, width: 2, values } as const;
  return logOfPages(items, users, (u) => (u % 9 === 7 ? 1 : u % 9 === 8 ? 2 : 0));
}

const log = sortedLog();
const logit: ModelConfig = { ...noHistory, dims: [] };

/** Fits a conditional logit on all train users at once: the loss is convex, so the fit is optimal. */
async function fit(gpu: Gpu, more: Partial<ModelConfig>) {
  const config = { ...logit, ...more } as ModelConfig;
  const training = { batchSize: listUsers(log, "train").length, learningRate: 0.05 };
  using own = await trainShannon(gpu, log, config, training, { seed: 1, validate: false });
  const { model, trainer } = own;
  await trainer.run(150);
  const weights = await model.weights();
  using test = await trainer.evaluation(listUsers(log, "test"), 0);
  const figures = await test.evaluate();
  const utilities = await test.utilities();
  const scores = await model.score({ history: [3], page: [7, 0, 21] });
  const [bias = NaN] = weights.get("utility/output/bias") ?? [];
  const [sorted = NaN, liked = NaN] = weights.get("wide/item_kernel") ?? [];
  return {
    bias,
    sorted,
    liked,
    effects: readPositionEffects(weights),
    figures,
    utilities: Array.from(utilities),
    scores,
  };
}

type Fitted = Awaited<ReturnType<typeof fit>>;

Deno.test("positions behind the longest trained page have the last learned effect", () => {
  const read = (...effects: number[]) =>
    readPositionEffects(new Map([["position/effect", Float32Array.from(effects)]]));
  assert.deepEqual(read(-0.5, 0, -0.25, 0, 0), [0, -0.5, 0, -0.25]);
  assert.deepEqual([read(0, 0), readPositionEffects(new Map())], [[0], undefined]);
  const fill = (...effects: number[]) =>
    fillPositionEffects(new Map([["position/effect", Float32Array.from(effects)]])).get("position/effect");
  assert.deepEqual(fill(-0.5, 0, -0.25, 0, 0), Float32Array.of(-0.5, 0, -0.25, -0.25, -0.25));
  assert.deepEqual([fill(0, 0), fill(0, 1)], [Float32Array.of(0, 0), Float32Array.of(0, 1)]);
});

let fits: Promise<Record<"plain" | "placed" | "first" | "single", Fitted>> | undefined;
const fitAll = () =>
  withGpu(undefined, async (gpu) => ({
    plain: await fit(gpu, {}),
    placed: await fit(gpu, { positions: PAGE }),
    first: await fit(gpu, { positions: 3 }),
    single: await fit(gpu, { loss: "logistic" }),
  }));

const NEAR = 0.12;

Deno.test("--position-bias separates effects of position and item; utilities exclude it", async () => {
  const { plain, placed, first } = await (fits ??= fitAll());
  assert.ok(plain.sorted > 0.4, `${plain.sorted}`);
  assertWithin("weight of the ranker's feature", placed.sorted, TRUTH.weights[0], NEAR);
  assertWithin("weight of what is liked", placed.liked, TRUTH.weights[1], NEAR);
  assertWithin("no click", placed.bias, TRUTH.bias, NEAR);
  EFFECTS.forEach((effect, k) =>
    assertWithin(`effect of place ${k}`, placed.effects?.[k], effect, k === 0 ? 0 : 2 * NEAR)
  );
  const shared = first.effects?.[2] ?? NaN;
  assert.ok(shared < -1.2 && shared > -1.7, `${shared}`);
  assert.equal(first.effects?.length, 3);
  assert.ok(placed.figures.nll < plain.figures.nll - 0.01, `${placed.figures.nll}, ${plain.figures.nll}`);
  assert.ok(placed.figures.prec1 > plain.figures.prec1, `${placed.figures.prec1}, ${plain.figures.prec1}`);
  // The host's metrics agree with the device's, and with the log.
  const places = listUsers(log, "test");
  const collector = new MetricCollector({ users: places.length, eta: 1, positionEffects: placed.effects });
  collector.add({ log, places, scores: placed.utilities });
  const { nll, prec1, noClick = NaN, pNoClick } = collector.tested().details.metrics;
  assertWithin("the host's loss", nll, placed.figures.nll, 1e-5);
  assertWithin("the host's prec@1", prec1, placed.figures.prec1, 1e-5);
  assertWithin("P(no click)", pNoClick, noClick, 0.06);
  const { values } = log.items.kind === "dense" ? log.items : assert.fail();
  [7, 0, 21].forEach((item, k) => {
    const u = placed.bias + placed.sorted * (values[2 * item] ?? NaN) +
      placed.liked * (values[2 * item + 1] ?? NaN);
    assertWithin(`score of item ${item}`, placed.scores[k], u, 1e-5);
  });
});

Deno.test("--loss logistic: item probabilities add up to the clicks, and rank like those of the choice loss", async () => {
  const { plain, single: logistic } = await (fits ??= fitAll());
  const places = listUsers(log, "test");
  const tested = ({ utilities, figures }: Fitted, single: boolean) => {
    const collector = new MetricCollector({ users: places.length, eta: 1, single });
    collector.add({ log, places, scores: utilities });
    return { device: figures, host: collector.tested().details.metrics };
  };
  const [choice, single] = [tested(plain, false), tested(logistic, true)];
  for (const { device, host } of [choice, single]) {
    assertWithin("the host's loss", host.nll, device.nll, 1e-5);
    assertWithin("P(click)", host.pClick, host.clicked ?? NaN, 0.012);
  }
  assertWithin("P(no click) of a choice", choice.host.pNoClick, choice.host.noClick ?? NaN, 0.06);
  // Independent clicks allow several clicks per page, so they predict more pages without a click.
  const room = (single.host.pNoClick ?? NaN) - (single.host.noClick ?? NaN);
  assert.ok(room > 0.06, `${room}`);
  assert.ok(single.device.nll > choice.device.nll + 0.02, `${single.device.nll}, ${choice.device.nll}`);
  assertWithin("prec@1", single.device.prec1, choice.device.prec1, 0.02);
});

Deno.test("a logistic reward has no adversarial stage", () =>
  withGpu(undefined, async (gpu) => {
    for (const more of [{ positions: 4 }, { loss: "logistic" } as const]) {
      await assert.rejects(
        trainGame(gpu, log, { ...logit, ...more }),
        /Expected a reward model with --loss choice.* got (--position-bias 4|--loss logistic)/,
      );
    }
  }));

Deno.test("options of the simple models are recorded", () => {
  const model = (...args: string[]) =>
    buildStagesConfig(parseTrainOptions(["--counts", "none", ...args]).options, tinyData).model;
  assert.deepEqual(model(), defaultModel);
  assert.deepEqual(model("--encoder", "none", "--dims", "none"), logit);
  const rival = { ...logit, dims: [64, 64], wide: 8, loss: "logistic", positions: 20 };
  assert.deepEqual(model("--encoder", "none", "--wide", "--loss", "logistic", "--position-bias"), rival);
  const numbers = model("--wide", "3", "--position-bias", "4");
  assert.deepEqual([numbers.wide, numbers.positions], [3, 4]);
  assert.throws(
    () => model("--dims", "none"),
    /Expected --encoder none with --dims none, got --encoder lstm/,
  );
  assert.throws(
    () => model("--encoder", "none", "--dims", "none", "--batch-norm"),
    /Expected hidden layers with/,
  );
  assert.throws(() => model("--position-bias", "1"), /Expected a whole number in 2\.\.1000, got "1"/);
  assert.throws(
    () => model("--position-bias", "--adversarial", "200"),
    /Expected either --position-bias or --adversarial, got both/,
  );
});

Deno.test("options: defaults depend on the log, and the paper's model has the paper's values", () => {
  const given = (data: ModelData, ...args: string[]) => {
    const { model, training } = buildStagesConfig(parseTrainOptions(args).options, data);
    return [model.wide, model.positions, training.learningRate, training.weightDecay];
  };
  const { learningRate, weightDecay } = defaultTraining;
  assert.deepEqual(given(tinyData), [8, 20, 1e-3, 0.1]);
  assert.deepEqual(given({ ...tinyData, pageOrder: "arbitrary" }), [8, 0, 1e-3, 0.1]);
  assert.deepEqual(given(tinyData, "--adversarial", "200"), [8, 0, 1e-3, 0.1]);
  assert.deepEqual(given(tinyData, "--loss", "logistic"), [8, 0, 1e-3, 0.1]);
  assert.deepEqual(given(tinyData, "--counts", "none"), [0, 0, learningRate, weightDecay]);
  assert.deepEqual(given(tinyData, "--wide", "0", "--position-bias", "4"), [0, 4, 1e-3, 0.1]);
});
