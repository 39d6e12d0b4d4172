/**
 * Tests models with counts: a train user's own pages are not counted, the initial weights are the fitted
 * logit, and training keeps the initial weights unless the lowest validation loss is significantly lower.
 */

import assert from "node:assert/strict";
import { addPastPage, type ClickLog, listUsers, NO_PAST_PAGES, NONE } from "../../src/data/click_log.ts";
import { getItemsShape, toCatalogue } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { computeCountFeatures } from "../../src/counts/page_counts.ts";
import { type CountsConfig, countTableWidth, countWidth, NO_ITEM } from "../../src/counts/count_columns.ts";
import { countPairs, countTrain, PairCounts } from "../../src/counts/train_counts.ts";
import { buildCountsConfig, countTables, extendTable } from "../../src/counts/count_tables.ts";
import { createRandomStream } from "../../src/data/random.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { scaleUtilities } from "../../src/model/logit_weights.ts";
import { initializeOnLog, SCALE, TABLE } from "../../src/model/model_counts.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { withGpu } from "../op_check.ts";
import { noHistory, smallLstm, WIDTH } from "../small_models.ts";
import { fitCounts, fitLogit, type LogitSample } from "../../src/counts/logit.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { BestLossChoice, computeUserLosses, isGain } from "../../src/run/best_loss_choice.ts";
import { findSnapshot } from "../../src/run/open_run.ts";
import { readSavedStage } from "../../src/run/run_state.ts";
import { readSnapshot, readSnapshotHeader } from "../../src/run/snapshot_file.ts";
import { shannonStage } from "../../src/run/stages.ts";
import { runStage } from "../../src/run/training_run.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { makeRunConfig, withEmptyFolder } from "../run/folder_check.ts";
import { createDataset } from "../../src/data/sets/dataset.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { trainShannon } from "./trainings.ts";

Deno.test("a logit is fitted once per tables and options", () => {
  const source = new MemoryLog(createSmallLog(3, { users: 40, items: 12, width: 0 }));
  const tables = countTables(source, { fields: [], neighbours: 12, latest: 500 });
  const fit = (seed: number) => fitCounts(source, tables, { dense: false, positions: 0, seed });
  assert.equal(fit(1), fit(1));
  assert.notEqual(fit(1), fit(2));
});

Deno.test("an unshown item counts as a rarely shown item with the average click rate", () => {
  const config: CountsConfig = { fields: [], neighbours: 2, latest: 9 };
  const width = countTableWidth(config);
  // One display in 10,000 is of item 0, so 5 displays are no usual number.
  const shown = [5, 400, 900, 48_695];
  const table = Float32Array.from(
    { length: 4 * width },
    (_, k) => [shown[Math.floor(k / width)]!][k % width] ?? 0,
  );
  table[3 * width + 1] = 5000;
  const extended = extendTable(table, config, toCatalogue({ kind: "one-hot", count: 6 }));
  assert.deepEqual(extended.subarray(0, table.length), table);
  for (const item of [4, 5]) {
    const row = extended.subarray(item * width, (item + 1) * width);
    assert.deepEqual(row, Float32Array.of(899, Math.fround(89.9), 0, -1, NO_ITEM, NO_ITEM, 0, 0));
  }
  // The same holds for an item in the training set that only a test user was shown.
  const pages = [[0, 1], [0, 1], [0, 1]].map((items): TrainingPage => [items, 0]);
  const own = new MemoryLog(
    logOfPages({ kind: "one-hot", count: 3 }, [pages, [[[2], 0]]], (user) => user === 0 ? 0 : 2),
  );
  const { items } = countTables(own, config);
  assert.deepEqual([0, 1, 2].map((item) => Array.from(items.subarray(item * width, item * width + 2))), [
    [3, 3],
    [3, 0],
    [2, 1],
  ]);
});

const size = { users: 60, items: 30, width: 0, tokens: 7, maxEvents: 6, maxPage: 6, rowWidth: 3 };
const log = createSmallLog(5, size);
const other: ClickLog = { ...createSmallLog(6, size), items: log.items };
const counts = { fields: [{ first: 0, count: 7, slots: 2 }], neighbours: 8, latest: 500, rowFeatures: 3 };
const config: ModelConfig = { ...noHistory, dims: [], counts };

Deno.test("a new item of a later log has the counts that the training set's table gives unshown items", () => {
  const all = createSmallLog(5, { ...size, items: 40 }).items;
  assert.ok(all.kind === "mixed");
  const { tokens: { first, token } } = all;
  const tokens = { ...all.tokens, first: first.slice(0, 36), token: token.slice(0, first[35]) };
  const some = { ...all, count: 35, tokens };
  const tableOf = (items: ClickLog["items"]) => countTables(new MemoryLog({ ...log, items }), counts).items;
  assert.deepEqual(extendTable(tableOf(some), counts, toCatalogue(all)), tableOf(all));
});

function weightsOn(clicks: ClickLog) {
  const drawn = drawInitialWeights(listModelParameters(getItemsShape(log.items), config), 3);
  const found = initializeOnLog(new MemoryLog(clicks), config, { seed: 3 });
  return new Map([...drawn, ...("start" in found ? found.start ?? [] : [])]);
}

Deno.test("weights of --init keep their count features, and count tables are those of the log", () => {
  const theirs = weightsOn(other);
  const found = initializeOnLog(new MemoryLog(log), config, { weights: theirs });
  assert.ok("weights" in found);
  const own = weightsOn(log);
  assert.deepEqual(found.weights.get(TABLE), own.get(TABLE));
  const C = (own.get(SCALE)?.length ?? 0) / 3;
  assert.deepEqual(found.weights.get(SCALE)?.subarray(0, 2 * C), theirs.get(SCALE)?.subarray(0, 2 * C));
  assert.deepEqual(
    found.weights.get(SCALE)?.subarray(2 * C, 2 * C + 4),
    own.get(SCALE)?.subarray(2 * C, 2 * C + 4),
  );
  assert.deepEqual(found.weights.get(SCALE)?.subarray(3 * C - 3), theirs.get(SCALE)?.subarray(C - 3, C));
  assert.deepEqual(initializeOnLog(new MemoryLog(log), config, { weights: own }), { weights: own });
});

Deno.test("users in the counts are evaluated without their own pages, other users with all counts", () =>
  withGpu(undefined, async (gpu) => {
    using model = new UserModel(gpu, log.items, config, { weights: weightsOn(log) });
    const loss = (clicks: ClickLog, counted?: { latest?: number }) => computeLoss(model, clicks, counted);
    const own = await loss(log);
    assert.equal(own, await loss(log, { latest: 500 }));
    assert.notEqual(own, await loss(log, {}));
    const others = await loss(other);
    assert.equal(others, await loss(other, {}));
    assert.notEqual(others, await loss(other, { latest: 500 }));
  }));

async function computeLoss(
  model: UserModel,
  clicks: ClickLog,
  counted?: { latest?: number },
): Promise<number> {
  const users = listUsers(clicks, "train");
  const given = counted && { ...counted, rowFeatures: counts.rowFeatures };
  using evaluation = await NetworkEvaluation.ofModel(model, clicks, users, { shards: 1, counted: given });
  return (await evaluation.evaluate()).nll;
}

Deno.test("a request with the user's earlier pages has the utilities of the log's page, also in a catalogue", () =>
  withGpu(undefined, async (gpu) => {
    const weights = weightsOn(log);
    // A request does not include impressions without a click.
    weights.get("counts/kernel")?.fill(1).fill(0, 5, 6);
    using model = new UserModel(gpu, other.items, config, { weights });
    const users = listUsers(other, "train").slice(0, 9);
    using evaluation = await NetworkEvaluation.ofModel(model, other, users, { shards: 1 });
    for await (const { log: own, utilities } of evaluation.scored()) {
      for (const [user, end] of own.userEvents.subarray(1).entries()) {
        let past = NO_PAST_PAGES;
        const history: number[] = [];
        for (let e = own.userEvents[user]!; e < end; e++) {
          const [from, to] = [own.eventRows[e]!, own.eventRows[e + 1]!];
          const page = own.rowItem.subarray(from, to);
          const features = own.rowFeatures?.slice(3 * from, 3 * to);
          const found = await model.score({ history, page, past, features });
          found.forEach((u, k) => assert.ok(Math.abs(u - utilities[from + k]!) < 1e-5));
          past = addPastPage(past, own, e);
          if (own.eventClick[e] !== NONE) history.push(own.rowItem[own.eventClick[e]!]!);
        }
        const items = Uint32Array.from({ length: other.items.count }, (_, item) => item);
        const rows = Float32Array.from({ length: 3 * items.length }, (_, k) => k % 7 - 3);
        const state = {
          ...await model.encode(history, past),
          features: (item: number) => rows.slice(3 * item, 3 * item + 3),
        };
        const all = await model.scoreItems(state, items);
        const asPage = await model.score({ history, page: items, past, features: rows });
        all.forEach((u, k) => assert.ok(Math.abs(u - asPage[k]!) < 1e-5));
      }
    }
  }));

Deno.test("with sampled pages, impressions affect no count feature", () => {
  const source = new MemoryLog({ ...log, sampledPages: true });
  const own = buildCountsConfig(source, []);
  assert.ok(own?.sampledPages);
  const x = computeCountFeatures(log, listUsers(log, "train"), countTables(source, own), own.latest);
  const C = countWidth(own);
  // The item's impressions, the user's impressions without a click and rates are equal in all rows.
  for (const column of [1, 5, C - 5, C - 4]) {
    assert.equal(new Set(x.filter((_, k) => k % C === column)).size, 1, `column ${column}`);
  }
  assert.ok(new Set(x.filter((_, k) => k % C === 0)).size > 1, "clicks count");
});

Deno.test("a page that is longer than all counted pages has the count of the longest", () =>
  withGpu(undefined, async (gpu) => {
    const weights = weightsOn(log);
    weights.get("counts/kernel")?.fill(1);
    using model = new UserModel(gpu, log.items, config, { weights });
    const page = Array.from({ length: 30 }, (_, item) => item);
    const [whole, most] = await model.scoreAll([
      { history: [4], page },
      { history: [4], page: page.slice(0, weights.get(SCALE)?.at(2 * countWidth(config.counts!) + 1)) },
    ]);
    assert.equal(whole?.[0], most?.[0]);
  }));

Deno.test("a train user is counted without their own pages, also if not all pairs fit", () => {
  // Many users and many items, of which few are popular.
  const random = createRandomStream(7, "popular");
  const many = createSmallLog(8, { users: 400, items: 300, width: 0, maxEvents: 14, maxPage: 4 });
  const rowItem = many.rowItem.slice();
  for (let e = 0; e + 1 < many.eventRows.length; e++) {
    const page = rowItem.subarray(many.eventRows[e], many.eventRows[e + 1]);
    for (let k = 0; k < page.length; k++) {
      do page[k] = Math.floor(300 * random.uniform() ** 3); while (page.indexOf(page[k]!) < k);
    }
  }
  const clicks: ClickLog = { ...many, rowItem, userSplit: new Uint8Array(400) };
  const config: CountsConfig = { fields: [], neighbours: 300, latest: 500 };
  const counted = (log: ClickLog) => {
    const source = new MemoryLog(log);
    const pairs = countPairs(source, config.latest, undefined, new PairCounts(2 ** 12));
    return { tables: countTables(source, config, undefined, { counts: countTrain(source), pairs }), pairs };
  };
  const { tables, pairs } = counted(clicks);
  assert.ok(pairs.least > 2, `${pairs.least} users`);
  let [same, users] = [0, 0];
  for (let user = 0; user < 400; user += 9) {
    const without = counted({ ...clicks, userSplit: clicks.userSplit.map((_, u) => u === user ? 2 : 0) });
    if (without.pairs.least !== pairs.least) continue;
    const own = computeCountFeatures(clicks, [user], tables, config.latest);
    const other = computeCountFeatures(
      clicks,
      [user],
      { ...without.tables, meanRate: tables.meanRate, pageRate: tables.pageRate },
      undefined,
    );
    users++;
    if (own.every((value, k) => Math.abs(value - (other[k] ?? NaN)) < 1e-12)) same++;
  }
  assert.ok(users > 30 && same === users, `${same} of ${users} users`);
});

const COLUMNS = 3;

function makeChoices(count: number): LogitSample {
  const random = createRandomStream(5, "choices");
  const [x, start, chosen, hasNone]: [number[], number[], number[], boolean[]] = [[], [0], [], []];
  for (let k = 0; k < count; k++) {
    const first = start[k]!;
    const rows = 2 + k % 4;
    for (let at = 0; at < rows * COLUMNS; at++) x.push(2 * random.uniform() - 1);
    start.push(first + rows);
    hasNone.push(k % 2 === 0);
    chosen.push(k % 6 === 0 ? -1 : first + (k * k) % rows);
  }
  return { x: Float64Array.from(x), columns: COLUMNS, start, chosen, hasNone };
}

/** Returns the logit's negative log-likelihood plus its ridge penalty. */
function loss({ x, start, chosen, hasNone }: LogitSample, w: ArrayLike<number>, ridge: number[]): number {
  let sum = ridge.reduce((sum, r, k) => sum + r / 2 * w[k]! ** 2, 0);
  Array.from(chosen).forEach((click, choice) => {
    const u = (row: number) => ridge.reduce((sum, _, k) => sum + x[row * COLUMNS + k]! * w[k]!, 0);
    let all = hasNone[choice] ? 1 : 0;
    for (let row = start[choice]!; row < start[choice + 1]!; row++) all += Math.exp(u(row));
    sum += Math.log(all) - (click < 0 ? 0 : u(click));
  });
  return sum;
}

Deno.test("fitLogit: no step in any direction is more likely", () => {
  const choices = makeChoices(60);
  const ridge = [0.1, 0.01, 0.5];
  const w = fitLogit(choices, ridge);
  const least = loss(choices, w, ridge);
  assert.ok(least < loss(choices, [0, 0, 0], ridge) - 0.1);
  for (let k = 0; k < COLUMNS; k++) {
    const by = (step: number) => loss(choices, w.map((value, j) => value + (j === k ? step : 0)), ridge);
    assert.ok(Math.abs((by(1e-4) - by(-1e-4)) / 2e-4) < 1e-3, `the slope of weight ${k}`);
    assert.ok(by(0.05) > least && by(-0.05) > least);
  }
});

Deno.test("fitLogit: weights stay finite if the best item is always clicked", () => {
  const x = Float64Array.from([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0]);
  const choices = { x, columns: 3, start: [0, 2, 4], chosen: [0, 2], hasNone: [false, false] };
  const w = fitLogit(choices, [1e-3, 1e-3, 1e-3]);
  assert.ok(w.every(Number.isFinite) && w[0]! > 3);
});

const placedLog = createSmallLog(41, { users: 120, items: 20, width: WIDTH, noClick: 0.1 });
const withTrainer = (use: (trainer: Trainer, start: Weights) => Promise<void>) =>
  withGpu(undefined, async (gpu) => {
    const config = { batchSize: 15, learningRate: 0.01, validateEvery: 5 };
    using own = await trainShannon(gpu, placedLog, { ...smallLstm, dims: [6] }, config);
    await use(own.trainer, await own.trainer.weights());
  });

Deno.test("a gain is significant if it exceeds the variation over resampled users", () => {
  const random = createRandomStream(3, "gains");
  const before = Float64Array.from({ length: 400 }, () => 10 + random.uniform());
  const by = (gain: number, noise: number) =>
    before.map((loss) => loss - gain + noise * (random.uniform() - 0.5));
  assert.ok(!isGain(before, before));
  assert.ok(isGain(before, by(0.1, 0)), "all users alike");
  assert.ok(!isGain(before, by(-0.1, 0)), "a loss");
  // The standard error of the mean of 400 users is noise / sqrt(12 x 400): .0144 for a noise of 1.
  assert.ok(isGain(before, by(0.04, 1)));
  assert.ok(!isGain(before, by(0, 1).map((loss) => loss - 0.01)));
  assert.ok(!isGain(before.subarray(0, 1), before.subarray(0, 1)), "a single user gives no evidence");
  assert.ok(!isGain(before, before.map(() => NaN)));
});

Deno.test("losses per user sum the losses of the evaluated events", () =>
  withTrainer(async (trainer) => {
    using evaluation = await trainer.evaluation(listUsers(placedLog, "validation"), 3);
    const byUser = await computeUserLosses(evaluation);
    const { nll, events } = await evaluation.evaluate();
    assert.equal(byUser.length, listUsers(placedLog, "validation").length);
    const sum = byUser.reduce((a, b) => a + b);
    assert.ok(Math.abs(sum / (nll * events) - 1) < 1e-6, `${sum} ${nll * events}`);
  }));

Deno.test("best-loss has rescaled weights, of the logit unless trained ones are better; training continues", () =>
  withTrainer(async (trainer, start) => {
    await trainer.run(20);
    const trained = await trainer.state();
    assert.ok(trained.best.loss.iteration > 0);
    const best = await trainer.snapshot("loss");
    // Trained weights are chosen if they are far better than the initial weights, else the logit is chosen.
    const nonsense = new Map([...start].map(([name, values]) => [name, values.map(() => 0.5)]));
    for (const [initial, iteration] of [[nonsense, trained.best.loss.iteration], [best, 0]] as const) {
      const choice = new BestLossChoice(trainer, () => initial, smallLstm, () => initial);
      const kept = await choice.choose() ?? assert.fail();
      assert.deepEqual(await trainer.state(), trained);
      assert.equal(kept.record.iteration, iteration);
      assert.deepEqual(await choice.choose(), kept);
      assert.deepEqual(kept.weights, scaleUtilities(best, kept.scale));
      // The scale that is fitted to the validation users gives the lowest loss of these users.
      const losses: number[] = [];
      for (const slope of [1, 0.9, 1.1]) {
        trainer.setWeights(scaleUtilities(kept.weights, { offset: 0, slope }));
        const own = await trainer.withValidation((users) => computeUserLosses(users ?? assert.fail()));
        losses.push(own.reduce((a, b) => a + b));
      }
      assert.equal(kept.record.value, Math.fround(losses[0]!));
      assert.ok(kept.record.value < trained.best.loss.value);
      assert.ok(losses[1]! > losses[0]! && losses[2]! > losses[0]!, `${losses}`);
      trainer.restore(trained);
    }
    assert.deepEqual(await trainer.state(), trained);
    await trainer.run(25);
    const after = await trainer.weights();
    trainer.restore(trained);
    await trainer.run(25);
    assert.deepEqual(await trainer.weights(), after);
  }));

const checkKills = (seed: number, expected: string) =>
  withEmptyFolder((folder) =>
    withGpu(undefined, async (gpu) => {
      const noise = createSmallLog(seed, { users: 80, items: 12, width: 0, noClick: 0.3 });
      const config = makeRunConfig({
        model: { ...noHistory, dims: [8], counts: { fields: [], neighbours: 4, latest: 500 } },
        training: { ...defaultTraining, iterations: 24, batchSize: 20, learningRate: 1e-2, validateEvery: 3 },
      });
      const data = createDataset(new MemoryLog(noise), config.data);
      let ms = 0;
      const train = async (path: string, iterations: number) => {
        Deno.mkdirSync(path);
        const own = shannonStage.withIterations(config, iterations);
        const signal = new AbortController().signal;
        await runStage(shannonStage, { gpu, data, init: undefined, signal, path, config: own }, {
          onStep: () => void (ms += 3e4), // with the clock that is set below, a save is due
        });
        return path;
      };
      // Every file is created by a rename, so a kill leaves the files before or after a rename.
      const left: string[] = [];
      const copy = () => {
        const to = `${folder}/left-${left.length}`;
        Deno.mkdirSync(to);
        for (const { name } of Deno.readDirSync(`${folder}/run`)) {
          Deno.copyFileSync(`${folder}/run/${name}`, `${to}/${name}`);
        }
        left.push(to);
      };
      const [rename, now] = [Deno.rename, performance.now];
      try {
        performance.now = () => ms;
        Deno.rename = async (from, to) => {
          await rename(from, to);
          copy();
        };
        await train(`${folder}/run`, 24);
      } finally {
        Deno.rename = rename;
        performance.now = now;
      }
      const seen = new Set<string>();
      const ended = new Map<number, Weights>();
      for (const path of left) {
        const saved = readSavedStage(path);
        if (!saved) continue; // before the first save
        const { file, unfinished } = await findSnapshot(path);
        const { iteration } = saved;
        if (!ended.has(iteration) && iteration > 0) {
          const { file } = await findSnapshot(await train(`${folder}/ended-${iteration}`, iteration));
          ended.set(iteration, (await readSnapshot(file)).weights);
        }
        const { weights } = await readSnapshot(file);
        assert.deepEqual(weights, ended.get(iteration) ?? weights, `${file} at ${iteration}`);
        assert.equal(unfinished?.includes(` iteration ${iteration} of 24.`) ?? iteration === 24, true);
        if (file.includes("aside")) seen.add("aside");
        const { metadata } = readSnapshotHeader(`${path}/last.safetensors`);
        if (saved.kept.loss !== undefined) {
          const trained = metadata.rescaled === undefined ? "lowest" : "rescaled";
          seen.add(saved.kept.loss > 0 ? trained : saved.best.loss.iteration > 0 ? "start" : "first");
        }
      }
      assert.equal([...seen].sort().join(" "), expected);
    })
  );
for (const [seed, expected] of [[5, "aside first rescaled start"], [8, "aside lowest start"]] as const) {
  Deno.test(`a run killed at any moment has the weights of a run that ends there, seed ${seed}`, () =>
    checkKills(seed, expected));
}
