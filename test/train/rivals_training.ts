/**
 * Simple models on a log whose truth is known: a ranker sorts pages by a feature that users do not care for, and what stands
 * first is clicked more often. A process for test/train/rivals_test.ts, which prints what each model came to.
 *
 *   deno run test/train/rivals_training.ts CONFIGS
 */

import { type ClickLog, NONE, usersOf } from "../../src/data/click_log.ts";
import { randomStream } from "../../src/data/random.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { positionEffects } from "../../src/model/position_effect.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { defaultTraining } from "../../src/train/config.ts";
import { Evaluation } from "../../src/train/evaluation.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";

export const PAGE = 5;
const [EVENTS, USERS, ITEMS] = [6, 900, 40];
/** Of no click, of what the ranker sorts by, and of what users like. */
export const TRUTH = { bias: -0.5, weights: [0, 1] } as const;
export const EFFECTS = [0, -0.7, -1.2, -1.5, -1.7];

function sortedLog(): ClickLog {
  const random = randomStream(3, "sorted log");
  const values = Float32Array.from({ length: 2 * ITEMS }, () => random.normal());
  const of = (item: number, feature: number) => values[2 * item + feature] ?? 0;
  const eventClick: number[] = [];
  const rowItem: number[] = [];
  for (let e = 0; e < USERS * EVENTS; e++) {
    const page = Array.from(random.sampleWithoutReplacement(ITEMS, PAGE)).sort((a, b) => of(b, 0) - of(a, 0));
    const odds = page.map((item, k) => Math.exp(TRUTH.bias + of(item, 1) + (EFFECTS[k] ?? 0)));
    let draw = random.uniform() * odds.reduce((sum, x) => sum + x, 1);
    const place = odds.findIndex((x) => (draw -= x) < 0);
    eventClick.push(place < 0 ? NONE : rowItem.length + place);
    rowItem.push(...page);
  }
  return {
    name: "sorted",
    items: { kind: "dense", count: ITEMS, width: 2, values },
    userSplit: Uint8Array.from({ length: USERS }, (_, u) => (u % 9 === 7 ? 1 : u % 9 === 8 ? 2 : 0)),
    userEvents: Uint32Array.from({ length: USERS + 1 }, (_, u) => u * EVENTS),
    eventRows: Uint32Array.from({ length: USERS * EVENTS + 1 }, (_, e) => e * PAGE),
    eventClick: Uint32Array.from(eventClick),
    rowItem: Uint32Array.from(rowItem),
  };
}

export const log = sortedLog();
const { lstmUnits: _, ...common } = defaultModel;
export const logit: ModelConfig = { ...common, encoder: "none", dims: [] };

/** The conditional logit at the end of a training on all train users at once: its loss is convex, so it is the best one. */
async function fitted(gpu: Gpu, more: Partial<ModelConfig>) {
  const model = new UserModel(gpu, log.items, { ...logit, ...more } as ModelConfig, { seed: 1 });
  const batchSize = usersOf(log, "train").length;
  const training = { ...defaultTraining, batchSize, learningRate: 0.05 };
  const trainer = await Trainer.create(model, log, training, { validate: false });
  await trainer.run(150);
  const weights = await model.weights();
  const test = await Evaluation.ofModel(model, trainer.deviceLog, log, usersOf(log, "test"), 0);
  const figures = await test.figures();
  const utilities = await test.utilities();
  const scores = await model.score({ history: [3], page: [7, 0, 21] });
  for (const part of [test, trainer, model]) part.destroy();
  const [bias = NaN] = weights.get("utility/output/bias") ?? [];
  const [sorted = NaN, liked = NaN] = weights.get("wide/item_kernel") ?? [];
  return {
    bias,
    sorted,
    liked,
    effects: positionEffects(weights),
    figures,
    utilities: Array.from(utilities),
    scores,
  };
}

/** What a model came to. */
export type Fitted = Awaited<ReturnType<typeof fitted>>;

if (import.meta.main) {
  const all: Fitted[] = [];
  for (const more of JSON.parse(Deno.args[0] ?? "[]")) {
    all.push(await withGpu(undefined, (gpu) => fitted(gpu, more)));
  }
  console.log(JSON.stringify(all));
}
