/** Compares row-sparse Adam with f64 and dense Adam. Rows that a batch does not use must keep their bits. */

import assert from "node:assert/strict";
import { buildReferenceBatch } from "../../src/batch/reference_batch.ts";
import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { defaultModel, type ModelConfig } from "../../src/model/model_config.ts";
import { type AdamKind, adamReference } from "../../src/ops/adam.ts";
import type { ParameterArena, ParameterSpec, Weights } from "../../src/tape/parameters.ts";
import { GENERATOR_PREFIX } from "../../src/train/networks.ts";
import type { AdversarialConfig, TrainingConfig } from "../../src/train/training_config.ts";
import { compareMoves, runMoves } from "../../src/selftest/optimiser_bench.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import {
  assertSame,
  assertSameState,
  assertWithin,
  checkResume,
  SIZE,
  type TestTraining,
  trainGame,
  trainShannon,
  withPositionWeights,
} from "./trainings.ts";
import { UserModel } from "../../src/model/user_model.ts";
import type { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import type { Trainer } from "../../src/train/trainer.ts";

const RATE = 0.01;

const specs: ParameterSpec[] = [
  { name: "by event", rows: 90, columns: 6, groups: 2, table: true },
  { name: "kernel", rows: 9, columns: 17, decays: true },
  { name: "by item", rows: 70, columns: 17, table: true, decays: true },
  { name: "whole, decaying", rows: 33, columns: 3, table: true, decays: true },
  { name: "whole", rows: 21, columns: 5, table: true },
];
const moves = { specs, sparseRows: { "by event": "events", "by item": "items" }, steps: 5 } as const;

checkTest(
  "adam_rows: steps follow f64; rows without a gradient keep their bits",
  undefined,
  async (gpu, checks) => {
    const found = await runMoves(gpu, checks, moves);
    // One dispatch for each range before, between and after the two tables, and for each table.
    assert.equal(found.dispatches, 3 + 2);
    compareMoves(found, moves, () => ["adam_rows"], checks, { tolerance: 2e-6 });
    for (const most of [256, 1024]) {
      const cut = await runMoves(gpu, checks, { ...moves, most });
      assert.deepEqual({ ...cut, dispatches: 5 }, found, `windows of ${most}`);
    }
  },
);

const models: Record<string, ModelConfig> = {
  LSTM: smallLstm,
  PW: { ...smallPw, pwWeightings: 3 },
  "PW tanh": { ...smallPw, pwNonlinearity: "tanh", pwWeightings: 3 },
};
const training = {
  batchSize: 12,
  learningRate: RATE,
  weightDecay: 0.5,
  itemDropout: 0.2,
} satisfies Partial<TrainingConfig>;

function wholeLog(): ClickLog {
  const all = [0, 1, 2, 3, 4, 5, 6];
  const users = Array.from(
    { length: 18 },
    (_, u) => Array.from({ length: 9 }, (_, e): TrainingPage => [all, (9 * u + e) % 7]),
  );
  return logOfPages({ kind: "one-hot", count: 7 }, users, (u) => (u < 12 ? 0 : 1 + u % 2));
}

const fewTokens = createSmallLog(26, { ...SIZE, width: WIDTH, tokens: 4 });
/** Config without dropout, so that no token is hidden. */
const plain = { learningRate: RATE, validateEvery: 5 };
/** Cases in which every step uses every row of each table. */
const wholeRows: readonly (readonly [name: string, config: ModelConfig, log: ClickLog, plays: boolean])[] = [
  ...Object.entries(models).map(([name, config]) => [name, config, wholeLog(), false] as const),
  ...[false, true].flatMap((plays) =>
    [smallLstm, smallPw].map((config) =>
      [`${config.encoder} of tokens${plays ? ", the game" : ""}`, config, fewTokens, plays] as const
    )
  ),
];
for (const [name, config, log, plays] of wholeRows) {
  Deno.test(`row-sparse Adam equals dense Adam, bit for bit, if every step uses every row: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const run = async (adam: AdamKind) => {
        const model = await withPositionWeights(new UserModel(gpu, log.items, config, { seed: 3 }));
        using own: TestTraining<Trainer | AdversarialTrainer> = plays
          ? await trainGame(gpu, log, model, { adam, validateEvery: 5, generatorWarmup: 0 })
          : await trainShannon(gpu, log, model, { ...(log === fewTokens ? plain : training), adam });
        await own.trainer.run(15);
        return await own.trainer.state();
      };
      assertSameState(await run("row-sparse"), await run("dense"));
    }));
}

/** Log with rare items: a batch displays about a quarter of them, and fewer are clicked. */
const rare = createSmallLog(22, { users: 60, items: 150, width: 0, maxEvents: 6, maxPage: 4 });
const rareTokens = createSmallLog(25, { ...SIZE, items: 200, width: WIDTH, tokens: 150 });
/** Matches the names of tables for displayed items; all other tables are for clicked items. */
const DISPLAYED = /^(utility\/layer1|wide)\/(item_kernel|token_table)$/;

function findSparseRows(log: ClickLog, users: ArrayLike<number>, table: string): Set<number> {
  const batch = buildReferenceBatch(log, users);
  const fed = () => batch.events.map(({ fed }) => fed).filter((item) => item !== NONE);
  const items = DISPLAYED.test(table) ? batch.slotItem : fed();
  if (log.items.kind !== "mixed") return new Set(items);
  const { first, token } = log.items.tokens;
  return new Set(items.flatMap((item) => Array.from(token.subarray(first[item], first[item + 1]))));
}
function listTables(parameters: ParameterArena): ParameterSpec[] {
  return parameters.specs.filter(({ name, table }) => table && !name.endsWith("pw/bias"));
}

const followed: readonly [string, ModelConfig, ClickLog][] = [
  ...["LSTM", "PW"].flatMap((name): [string, ModelConfig, ClickLog][] => {
    const config = models[name] ?? defaultModel;
    return [[`${name}, one-hot`, config, rare], [`${name}, tokens`, config, rareTokens]];
  }),
  ["wide & deep, tokens", { ...noHistory, dims: [7, 5], wide: 5 }, rareTokens],
];
for (const [name, config, log] of followed) {
  Deno.test(`row-sparse training follows f64 from dense gradients, step by step: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using own = await trainShannon(gpu, log, config, { ...training, adam: "row-sparse" }, { seed: 3 });
      using other = await trainShannon(gpu, log, config, training, { seed: 3, validate: false });
      const [{ model, trainer }, { model: twin, trainer: dense }] = [own, other];
      const dispatches = (of: typeof trainer) => of.stepPrograms.flatMap(({ program }) => program.dispatches);
      if (log === rare) assert.equal(dispatches(trainer).length, dispatches(dense).length + 2);
      let before = await trainer.state();
      let [moved, left] = [0, 0];
      for (let t = 1; t <= 5; t++) {
        const users = trainer.drawBatch(t);
        twin.setWeights(before.weights);
        const { nll } = await dense.step(users);
        assert.equal((await trainer.step(users)).nll, nll);
        const gradients = await twin.gradients();
        const after = await trainer.state();
        for (const { name, table, columns, decays } of model.parameters.specs) {
          const sparseRows = table ? findSparseRows(log, users, name) : undefined;
          gradients.get(name)?.forEach((g, i) => {
            const states = [before, after].map(({ weights, m, v }) =>
              [weights, m, v].map((part) => part.get(name)?.[i] ?? NaN)
            );
            const [old, found] = [states[0] ?? [], states[1] ?? []];
            if (sparseRows && !sparseRows.has(Math.floor(i / columns))) {
              left++;
              assert.deepEqual(found, old, `${name} ${i} at step ${t}`);
              return;
            }
            moved++;
            const [w = NaN, m = NaN, v = NaN] = old;
            const own = { w: [w], m: [m], v: [v] };
            const decay = decays ? RATE * training.weightDecay : 0;
            adamReference(own, [g], { t, learningRate: RATE, decay });
            const expected = [...own.w, ...own.m, ...own.v];
            // If a gradient is near epsilon, rounding changes the step.
            expected.forEach((x, k) => {
              assertWithin(`${name} ${i}`, found[k], x, k === 0 ? 2e-6 : 1e-6 * Math.abs(x) + 1e-9);
            });
          });
        }
        before = after;
      }
      assert.ok(moved > 2000 && left > 1000, `${moved} moved, ${left} left`);
      const known = [...(await model.gradients()).keys()];
      const tables = listTables(model.parameters).map((spec) => spec.name);
      assert.deepEqual(known, model.parameters.names().filter((name) => !tables.includes(name)));
    }));
}

Deno.test("row-sparse training resumes bit for bit, and keeps the best of a model of many windows", () =>
  withGpu(undefined, async (gpu) => {
    const log = { ...rare, items: { kind: "one-hot", count: 4000 } } as const;
    const config = { ...training, adam: "row-sparse", learningRate: 1e-3, validateEvery: 3 } as const;
    const make = () => trainShannon(gpu, log, defaultModel, config, { seed: 6 });
    using whole = await checkResume(make, 7, 15);
    assert.ok(whole.model.parameters.length > 2 * 4 * 2 ** 16);
    using third = await make();
    await third.trainer.run(whole.trainer.best.loss.iteration);
    assert.ok(third.trainer.iteration > 0);
    assertSame(await third.model.weights(), await whole.trainer.snapshot("loss"), "the best loss");
  }));

for (const generator of ["network", "exact"] as const) {
  Deno.test(`reward and generator update only sparse rows, and resume bit for bit: generator ${generator}`, () =>
    withGpu(undefined, async (gpu) => {
      const config: Partial<AdversarialConfig> = {
        generator,
        batchSize: 8,
        validateEvery: 2,
        behaviourSd: 0.3,
        generatorSteps: 2,
        rewardSteps: 2,
        generatorWarmup: 0,
        adam: "row-sparse",
      };
      const make = () => trainGame(gpu, rare, { ...smallLstm, kernelSd: 0.3 }, config);
      using start = await make();
      const before = await start.trainer.weights();
      using whole = await checkResume(make, 2, 4);
      const state = await whole.trainer.state();

      const users = new Set([1, 2, 3, 4].flatMap((t) => Array.from(whole.trainer.drawBatch(t))));
      const prefixes = generator === "network" ? ["", GENERATOR_PREFIX] : [""];
      for (const prefix of prefixes) {
        for (const { name, columns } of listTables(whole.model.parameters)) {
          const width = name.endsWith("item_kernel") && prefix ? 8 : columns;
          const sparseRows = findSparseRows(rare, Array.from(users), name);
          const part = (weights: Weights, item: number) =>
            weights.get(prefix + name)?.subarray(item * width, (item + 1) * width) ?? assert.fail(name);
          assert.ok(sparseRows.size > 10 && sparseRows.size < 140, `${sparseRows.size}`);
          let moved = 0;
          for (let item = 0; item < 150; item++) {
            const [old, now] = [part(before, item), part(state.weights, item)];
            if (sparseRows.has(item)) {
              moved += now.some((w, k) => w !== old[k]) ? 1 : 0;
              continue;
            }
            assert.deepEqual(now, old, `${prefix}${name} of item ${item}`);
            for (const moment of [state.m, state.v]) assert.ok(part(moment, item).every((x) => x === 0));
          }
          // Not all rows change, because pages of one item and events without a click have zero gradients.
          assert.ok(moved > sparseRows.size / 2, `${moved} of ${sparseRows.size}`);
        }
      }
    }));
}
