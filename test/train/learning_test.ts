/**
 * Training must reach the claimed share of the demo's attainable metrics, and on the paper's data the metrics
 * of an independent program. The adversarial stage must not make the reward worse, for any page length.
 */

import assert from "node:assert/strict";
import { type ClickLog, listUsers, NONE } from "../../src/data/click_log.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { type BestRecords, criteria, type Criterion } from "../../src/train/best_records.ts";
import type { AdversarialConfig } from "../../src/train/training_config.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import type { EvaluationMetrics } from "../../src/train/network_evaluation.ts";
import type { GameMetrics, ValidationResult } from "../../src/train/training_results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { allSizes, withGpu } from "../op_check.ts";
import { type DemoShop, makeDemoShop } from "../../src/data/demo_shop.ts";
import { meanSpearman } from "../../src/data/ranking.ts";
import { computeChoiceMetrics } from "../f64_model.ts";
import { runOk } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { findRealData } from "../real_data.ts";
import { logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { assertWithin, trainShannon } from "./trainings.ts";

interface Training {
  readonly model: ModelConfig;
  readonly iterations: number;
  readonly games?: { readonly after: number; readonly generators: readonly Generator[] };
}
type Generator = AdversarialConfig["generator"];
/** Iterations of an adversarial stage; metrics are averaged over some validations from iteration 500 on. */
const GAMES = 600;

interface Trained {
  readonly test: Readonly<Record<Criterion, EvaluationMetrics>>;
  readonly best: BestRecords;
  /** prec@1 on the train users, as a mean over the last 100 iterations. */
  readonly lastPrec1: number;
  readonly games: Partial<Record<Generator, readonly ValidationResult<GameMetrics>[]>>;
}

async function train(
  gpu: Gpu,
  log: ClickLog,
  { model: config, iterations, games }: Training,
): Promise<Trained> {
  const model = new UserModel(gpu, log.items, config, { seed: 1 });
  const trainer = await Trainer.create(model, log, defaultTraining);
  const prec1: number[] = [];
  const run = (count: number) => trainer.run(count, { onStep: (r) => prec1.push(r.prec1) });
  await run(games?.after ?? 0);
  const start = games && await trainer.snapshot("prec1");
  await run(iterations - (games?.after ?? 0));
  const evaluation = await trainer.evaluation(listUsers(log, "test"), 0);
  const test: Partial<Record<Criterion, EvaluationMetrics>> = {};
  for (const criterion of criteria) {
    model.setWeights(await trainer.snapshot(criterion));
    test[criterion] = await evaluation.evaluate();
  }
  const { best } = trainer;
  for (const part of [evaluation, trainer]) part.destroy();
  const played: Partial<Record<Generator, ValidationResult<GameMetrics>[]>> = {};
  for (const generator of games?.generators ?? []) {
    if (start) model.setWeights(start);
    played[generator] = await play(model, log, generator);
  }
  model.destroy();
  const lastPrec1 = prec1.slice(-100).reduce((sum, p) => sum + p, 0) / 100;
  return { test: test as Trained["test"], best, lastPrec1, games: played };
}

async function play(model: UserModel, log: ClickLog, generator: Generator) {
  const config = { ...defaultAdversarial, generator, iterations: GAMES };
  using trainer = await AdversarialTrainer.create(model, log, config, { seed: 1, evaluationShards: 0 });
  const validations: ValidationResult<GameMetrics>[] = [];
  await trainer.run(GAMES, { onValidation: (v) => validations.push(v) });
  return validations;
}

/**
 * Config with a fiftieth of the default number of steps, at 25 times its learning rate, and with the exact
 * generator, which needs no training. With the earlier penalty (0.02 times a sum over the page), pages of 40
 * items would lose 0.03 in Spearman correlation, and mixed pages 0.02.
 */
const hurried = {
  ...defaultAdversarial,
  generator: "exact",
  rewardLearningRate: 5e-4,
  batchSize: 25,
} as const;

type Sizes = readonly number[];
interface Ranking {
  readonly before: number;
  readonly after: number;
}

async function rankings(gpu: Gpu, sizes: Sizes): Promise<Ranking> {
  const { log, truth } = pagedShop(3, sizes, sizes[0] === 40 ? 100 : 300);
  const users = listUsers(log, "validation");
  const training = { batchSize: 25, learningRate: 3e-3 };
  using begun = await trainShannon(gpu, log, defaultModel, training, { seed: 1, validate: false });
  const { model } = begun;
  await begun.trainer.run(150);
  const options = { seed: 1, evaluationShards: 0, validate: false };
  using trainer = await AdversarialTrainer.create(model, log, hurried, options);
  const ranking = async () => {
    using evaluation = await trainer.evaluation(users, 0);
    return meanSpearman(log, users, await evaluation.utilities(), truth.utility);
  };
  const before = await ranking();
  await trainer.run(100);
  return { before, after: await ranking() };
}

function listUserPages(log: ClickLog, user: number): TrainingPage[] {
  const clicks = Array.from(log.eventClick.subarray(log.userEvents[user], log.userEvents[user + 1]));
  return clicks.map((click, k) => {
    const event = log.userEvents[user]! + k;
    const [row, end] = [log.eventRows[event]!, log.eventRows[event + 1]!];
    return [Array.from(log.rowItem.subarray(row, end)), click === NONE ? -1 : click - row];
  });
}

const EVENTS = { minEvents: 4, maxEvents: 10 };

/**
 * Returns a log of several shops with the same items and equally many users.
 * @param pageSizes items per page of each shop. @param users number of users of all shops
 */
function pagedShop(seed: number, pageSizes: readonly number[], users: number): DemoShop {
  const shops = pageSizes.map((pageSize) =>
    makeDemoShop(seed, { users: Math.round(users / pageSizes.length), pageSize, ...EVENTS })
  );
  const [first = assert.fail()] = shops;
  const pages = shops.flatMap(({ log }) => Array.from(log.userSplit, (_, user) => listUserPages(log, user)));
  const splits = shops.flatMap(({ log }) => Array.from(log.userSplit));
  const log = logOfPages(first.log.items, pages, (user) => splits[user]!);
  const utility = shops.flatMap(({ truth }) => Array.from(truth.utility));
  return { log, truth: { utility: Float64Array.from(utility) } };
}

Deno.test("demo shop, 350 iterations: 97 % of the attainable prec@1, log-likelihood within 3 % of the truth's", () =>
  withFolder({}, async (folder) => {
    const args = ["--save-dir", `${folder}/run`, "--iterations", "350", "--no-report"];
    const { stdout } = await runOk("train", ...args, "--validate-every", "175");
    const [, nll, prec1] = stdout.match(/^best-loss +\d+ +(\d\.\d+) +(0\.\d+) /m) ?? assert.fail(stdout);
    const { log, truth } = makeDemoShop(1);
    const best = computeChoiceMetrics(log, listUsers(log, "test"), truth.utility);
    const share = Number(prec1) / best.prec1;
    assert.ok(share >= 0.97, `${share} of the attainable prec@1`);
    const loss = Number(nll) / best.nll;
    assert.ok(loss <= 1.03, `${loss} times the truth's own loss`);
  }));

/** Pairs of a mean over the reference's five seeds and a tolerance (three of its sds plus our spread). */
interface ReferenceFigures {
  readonly name: string;
  readonly file: string;
  readonly model: ModelConfig;
  readonly nll: readonly [number, number];
  readonly prec1: readonly [number, number];
  readonly prec2: readonly [number, number];
  readonly best: readonly [number, number];
  /** prec@1 on the train users in the last 100 iterations, if it was measured for the reference. */
  readonly last?: readonly [number, number];
}
const lstm = { model: defaultModel, best: [80, 170] } as const;
const pw = { model: defaultPwModel, best: [80, 200] } as const;
const tanh = { model: { ...defaultPwModel, pwNonlinearity: "tanh" }, best: [150, 260] } as const;
const norm = { model: { ...defaultModel, batchNorm: true }, best: [150, 320] } as const;
const references = ([
  ["LSTM", "yelp.txt", lstm, [0.8747, 0.07], [0.7332, 0.05], [0.8709, 0.04], [0.99, 1]],
  ["LSTM", "rsc.txt", lstm, [0.9761, 0.04], [0.5513, 0.04], [0.7785, 0.04], [0.91, 0.97]],
  ["PW", "yelp.txt", pw, [0.8525, 0.04], [0.7378, 0.05], [0.8673, 0.05]],
  ["PW", "rsc.txt", pw, [0.9619, 0.03], [0.5298, 0.05], [0.7538, 0.05]],
  ["PW tanh", "yelp.txt", tanh, [0.791, 0.03], [0.7429, 0.04], [0.878, 0.04]],
  ["PW tanh", "rsc.txt", tanh, [0.9145, 0.02], [0.5118, 0.05], [0.7512, 0.05]],
  ["LSTM, batch norm", "yelp.txt", norm, [1.0678, 0.06], [0.7521, 0.06], [0.8398, 0.05]],
] as const).map(([name, file, of, nll, prec1, prec2, last]): ReferenceFigures => ({
  ...{ name, file, ...of, nll, prec1, prec2, last: allSizes ? last : undefined },
})).filter(({ name, file }) => allSizes || `${name} ${file}` === "LSTM yelp.txt");

const GENERATORS = allSizes ? ["network", "exact"] as const : [];

for (const [k, reference] of references.entries()) {
  const { name, file, model, last } = reference;
  const path = findRealData(file);
  Deno.test({
    name: `on the paper's data test metrics agree with the reference: ${file}, ${name}`,
    ignore: path === undefined,
    fn: () =>
      withGpu(undefined, async (gpu) => {
        const trained = await train(gpu, readPaperFile(path ?? assert.fail()), {
          model,
          iterations: last ? defaultTraining.iterations : 400,
          games: allSizes && k === 0 ? { after: 600, generators: GENERATORS } : undefined,
        });
        agrees(trained, reference);
        if (k === 0) { for (const generator of GENERATORS) staysStable(trained, generator); }
      }),
  });
}

function agrees(
  { test, best, lastPrec1 }: Trained,
  { nll, prec1, prec2, best: range, last }: ReferenceFigures,
): void {
  assertWithin("loss", test.loss.nll, ...nll);
  assertWithin("prec@1", test.prec1.prec1, ...prec1);
  assertWithin("prec@2", test.prec2.prec2, ...prec2);
  const { iteration } = best.loss;
  assert.ok(iteration >= range[0] && iteration <= range[1], `best loss at iteration ${iteration}`);
  if (last) {
    assert.ok(lastPrec1 >= last[0] && lastPrec1 <= last[1], `train prec@1 at the end: ${lastPrec1}`);
  }
}

function staysStable(trained: Trained, generator: Generator): void {
  const validations = trained.games[generator] ?? [];
  assert.equal(validations.at(-1)?.iteration, GAMES);
  const start = validations[0]?.prec1 ?? NaN;
  for (const { iteration, piPrec1, lossMin, lossMax } of validations) {
    assert.ok(Math.abs(lossMin) < 20 && Math.abs(lossMax) < 60, `${iteration}: ${lossMin}, ${lossMax}`);
    if (iteration >= 500) {
      assert.ok(piPrec1 >= start - 0.05, `${iteration}: pi ${piPrec1}, start ${start}`);
    }
  }
}

for (const sizes of [...(allSizes ? [[2], [40]] : []), [2, 5, 10, 40]]) {
  Deno.test(`the adversarial stage keeps the reward's ranking on pages of ${sizes.join(", ")} items`, () =>
    withGpu(undefined, async (gpu) => {
      const { before, after } = await rankings(gpu, sizes);
      assert.ok(before > 0.6, `${before}`);
      assert.ok(after > before - 0.015, `Spearman with the truth: ${before} before, ${after} after`);
    }));
}
