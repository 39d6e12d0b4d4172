import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { type ClickLog, type ItemFeatures, listUsers } from "../../src/data/click_log.ts";
import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { type LogSource, MemoryLog, toLogSource } from "../../src/data/log_source.ts";
import { PackedItems, PackedItemsWriter } from "../../src/data/sets/packed_items.ts";
import { PackedLog, PackedLogWriter } from "../../src/data/sets/packed_log.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { initializeOnLog } from "../../src/model/model_counts.ts";
import { StepProducts } from "../../src/autotune/tune_kernels.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { createDataset } from "../../src/data/sets/dataset.ts";
import { listStages, type TrainingStage } from "../../src/run/stages.ts";
import { type RunCallbacks, runStage } from "../../src/run/training_run.ts";
import type { ClickTrainer } from "../../src/train/click_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { isUserError, makeRunConfig } from "../run/folder_check.ts";
import { smallLstm, smallPw } from "../small_models.ts";
import { trainGame, trainShannon } from "./trainings.ts";

const folder = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** Compares values without listing all differences, because the list could take gigabytes. */
function checkEqual<T>(found: T, expected: T, what: string): void {
  assert.ok(isDeepStrictEqual(found, expected), `${what}: not the same bits`);
}

interface DiskLog extends Disposable {
  readonly source: PackedLog;
}

function packLog(log: ClickLog): DiskLog {
  const path = `${folder}/${crypto.randomUUID()}`;
  using writer = PackedLogWriter.create(`${path}.clicks`);
  writer.write(log);
  writer.finish();
  using itemWriter = PackedItemsWriter.create(`${path}.items`, new MemoryItems(log.items).shape);
  itemWriter.write(log.items);
  itemWriter.finish();
  const items = PackedItems.open(`${path}.items`);
  const source = PackedLog.open(`${path}.clicks`, log.name, items);
  return {
    source,
    [Symbol.dispose]() {
      source.close();
      items.close();
    },
  };
}

const shop = makeDemoShop(3, { users: 150, items: 60, minEvents: 1, maxEvents: 6 }).log;
const logs: Record<string, ClickLog> = {
  dense: shop,
  "one-hot": { ...shop, items: { kind: "one-hot", count: 60 } },
  mixed: createSmallLog(5, { users: 150, items: 60, width: 3, tokens: 7, maxEvents: 6, rowWidth: 2 }),
  "events given": createSmallLog(9, { users: 150, items: 60, width: 0, maxEvents: 6, given: 0.4 }),
};
const counts = {
  fields: [{ first: 0, count: 4, slots: 2 }, { first: 4, count: 3, slots: 1 }],
  neighbours: 8,
  latest: 5,
  rowFeatures: 2,
};
const counted: ModelConfig = { ...smallLstm, counts };

function createModel(gpu: Gpu, clicks: ClickLog | LogSource, config: ModelConfig): UserModel {
  return new UserModel(gpu, clicks.items, config, initializeOnLog(toLogSource(clicks), config, { seed: 4 }));
}
const training = {
  ...defaultTraining,
  batchSize: 12,
  learningRate: 0.01,
  validateEvery: 5,
  evaluationShards: 2,
};
const adversarial = {
  ...defaultAdversarial,
  batchSize: 12,
  validateEvery: 5,
  behaviourDims: [8],
  generatorWarmup: 2,
  rewardLearningRate: 0.01,
};

/** Number of steps: enough for several windows and four validations. */
const STEPS = 15;
async function outcome<F extends ChoiceMetrics>(trainer: ClickTrainer<F>, clicks: ClickLog | LogSource) {
  const seen: unknown[] = [];
  await trainer.run(STEPS, { onStep: (r) => seen.push(r), onValidation: (r) => seen.push(r) });
  assert.equal(seen.length, STEPS + 4);
  const state = await trainer.state();
  using evaluation = await trainer.evaluation(listUsers(clicks, "test"), 3);
  return { seen, state, test: await evaluation.evaluate() };
}

async function shannonOn(
  gpu: Gpu,
  clicks: ClickLog | LogSource,
  config: ModelConfig,
  windowBatches?: number,
  microBatchRows: number | null = null,
) {
  const begun = createModel(gpu, clicks, config);
  using own = await trainShannon(gpu, clicks, begun, { ...training, microBatchRows }, { windowBatches });
  assert.equal(own.trainer.microBatches > 1, microBatchRows !== null);
  return await outcome(own.trainer, clicks);
}

async function gameOn(
  gpu: Gpu,
  clicks: ClickLog | LogSource,
  config: ModelConfig,
  generator: "network" | "exact",
  windowBatches?: number,
) {
  const begun = createModel(gpu, clicks, config);
  const options = { seed: 2, evaluationShards: 2, windowBatches };
  using own = await trainGame(gpu, clicks, begun, { ...adversarial, generator }, options);
  return await outcome(own.trainer, clicks);
}

/** One case per log. A log's content does not depend on encoder and generator, so one of each suffices. */
const cases: readonly (readonly [data: string, config: ModelConfig, generator: "network" | "exact"])[] = [
  ["dense", smallLstm, "exact"],
  ["one-hot", smallPw, "network"],
  ["mixed", counted, "network"],
  ["events given", smallLstm, "exact"],
];
for (const [data, config, generator] of cases) {
  Deno.test(`a log on disk gives the bits of one in memory, in both stages: ${data}, ${config.encoder}`, () =>
    withGpu(undefined, async (gpu) => {
      const log = logs[data] ?? assert.fail();
      using files = packLog(log);
      const disk = files.source;
      const memory = await shannonOn(gpu, log, config);
      // The number of batches that fit at once does not depend on the log.
      for (const batches of data === "dense" ? [1, 4, undefined] : [4]) {
        checkEqual(await shannonOn(gpu, disk, config, batches), memory, `${batches} batches`);
      }
      const game = await gameOn(gpu, log, config, generator);
      checkEqual(await gameOn(gpu, disk, config, generator, 2), game, generator);
    }));
}

Deno.test("micro-batches of a log on disk equal those of a log in memory", () =>
  withGpu(undefined, async (gpu) => {
    for (const [data, config] of [["events given", smallLstm], ["mixed", counted]] as const) {
      const log = logs[data] ?? assert.fail();
      using files = packLog(log);
      const memory = await shannonOn(gpu, log, config, undefined, 60);
      checkEqual(await shannonOn(gpu, files.source, config, 2, 60), memory, `in parts, ${data}`);
    }
  }));

/**
 * Returns a source that is read like a log on disk, and the numbers of users, rows and items of each read.
 */
function watch(memory: MemoryLog) {
  const reads: { users: number; rows: number }[] = [];
  const itemsRead: number[] = [];
  const { name, userSplit, userEvents, userRows, userCounted, otherRows, rowWidth, items } = memory;
  const source: LogSource = {
    ...{ name, userSplit, userEvents, userRows, userCounted, otherRows, rowWidth, log: undefined },
    items: {
      ...{ shape: items.shape, tokenCounts: items.tokenCounts, items: undefined },
      read(ids) {
        itemsRead.push(ids.length);
        return items.read(ids);
      },
    },
    read(users) {
      const found = memory.read(users);
      reads.push({ users: users.length, rows: found.rowItem.length });
      return found;
    },
    with: () => assert.fail("a training changes neither items nor users"),
  };
  return { source, reads, itemsRead };
}

function evenLog(users: number, growing: boolean): MemoryLog {
  const count = growing ? 2 * users : 40;
  const each = Array.from({ length: count }, (_, item) => item);
  const items: ItemFeatures = growing
    ? {
      ...{ kind: "mixed", count, width: 1, values: Float32Array.from(each, (i) => i / count) },
      tokens: {
        ...{ count: 5, first: Uint32Array.from([...each, count]) },
        token: Uint32Array.from(each, (i) => i % 5),
      },
    }
    : { kind: "one-hot", count };
  const page = (e: number): TrainingPage => [[0, 1, 2].map((k) => 7 * (3 * e + k) % count), e % 3];
  const pages = Array.from({ length: users }, (_, u) => [page(2 * u), page(2 * u + 1)]);
  return new MemoryLog(logOfPages(items, pages, (u) => (u < 10 ? 1 : u < 20 ? 2 : 0)));
}

const followsBatches = (growing: boolean) =>
  withGpu(undefined, async (gpu) => {
    const capacities: unknown[] = [];
    for (const users of [1000, 20_000]) {
      const { source, reads, itemsRead } = watch(evenLog(users, growing));
      using own = await trainShannon(gpu, source, smallLstm, { ...training, batchSize: 5 }, {
        windowBatches: 8,
      });
      const { trainer } = own;
      capacities.push(trainer.deviceLog.capacity);
      const before = reads.splice(0);
      assert.deepEqual(before.map((read) => read.users), [0, 10]);
      let groups = 0;
      await trainer.run(200, { onStep: () => groups = reads.length });
      const most = Math.max(...reads.map(({ rows }) => rows));
      assert.ok(most <= 8 * 5 * 6, `${most} rows were read at once`);
      assert.ok(groups >= 200 / 9, `${groups} groups`);
      const read = reads.reduce((sum, { users }) => sum + users, 0);
      assert.ok(read <= 200 * 5, `${read} users were read for 200 batches of 5`);
      using test = await trainer.evaluation(listUsers(source, "test"), 4);
      reads.length = 0;
      const { events } = await test.evaluate();
      assert.equal(events, 20);
      assert.ok(reads.length >= 4 && reads.every(({ users }) => users <= 3));
      assert.ok(Math.max(...itemsRead) <= 240, `${Math.max(...itemsRead)} items`);
      const { capacity, tokens } = trainer.deviceLog.items;
      if (growing) assert.deepEqual([capacity, tokens?.pairs], [240, 240]);
    }
    const capacity = { events: 80, rows: 240, items: growing ? 240 : 40 };
    assert.deepEqual(capacities, [capacity, capacity]);
  });
Deno.test("reads and memory grow with the batches, not with the log", () => followsBatches(false));
Deno.test("item reads and memory grow with the batches, not with the catalogue", () => followsBatches(true));

Deno.test("a manual step takes any users of a log on disk; refused ones leave no trace", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs.dense ?? assert.fail();
    using files = packLog(log);
    const disk = files.source;
    const results: unknown[] = [];
    for (const clicks of [log, disk]) {
      using own = await trainShannon(gpu, clicks, smallLstm, training, { validate: false, windowBatches: 1 });
      const { model, trainer } = own;
      await assert.rejects(trainer.step([150]), /Expected a user number in 0\.\.149, got 150/);
      await assert.rejects(trainer.step([-1]), /Expected a user number in 0\.\.149, got -1/);
      await assert.rejects(trainer.step([7, 9, 7]), /Expected each user once in a batch, got user 7 twice/);
      await assert.rejects(trainer.step([]), /Expected a batch with events/);
      await assert.rejects(trainer.step(Array.from({ length: 13 }, (_, k) => k)), /at most 12 users/);
      results.push([await trainer.step([140, 3, 77]), await trainer.step([1]), await model.weights()]);
    }
    assert.deepEqual(results[0], results[1]);
  }));

Deno.test("validation users: the requested number is drawn, equal for a seed in memory and on disk", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs["one-hot"] ?? assert.fail();
    using files = packLog(log);
    const disk = files.source;
    const validations = async (clicks: ClickLog | LogSource, change: Partial<typeof training>) => {
      using own = await trainShannon(gpu, clicks, smallLstm, { ...training, ...change });
      const seen: number[] = [];
      await own.trainer.run(5, { onValidation: ({ nll }) => seen.push(nll) });
      return seen[0];
    };
    const some = await validations(log, { validationUsers: 7 });
    assert.equal(await validations(disk, { validationUsers: 7 }), some);
    assert.notEqual(await validations(log, { validationUsers: 7, seed: 8 }), some);
    const all = await validations(log, {});
    assert.notEqual(all, some);
    assert.equal(await validations(log, { validationUsers: 1000 }), all);
  }));

Deno.test("too many validation users of a log on disk are refused before a read", () =>
  withGpu(undefined, async (gpu) => {
    const { source, reads } = watch(evenLog(30, false));
    // Ten validation users of 600,000 rows each, according to the index.
    const userRows = source.userRows.map((_, u) => 600_000 * Math.min(u, 10) + 6 * Math.max(0, u - 10));
    await assert.rejects(
      trainShannon(gpu, { ...source, userRows }, smallLstm, { ...training, batchSize: 2 }),
      isUserError(
        /at most 4,194,304 displayed items.*the 10 validation users of pages have 6,000,000/,
        /--validation-users 6$/,
      ),
    );
    assert.ok(reads.every(({ users }) => users === 0));
  }));

Deno.test("baselines and products for autotuning are those of the log in memory", () =>
  withGpu(undefined, (gpu) => {
    for (const log of Object.values(logs)) {
      using files = packLog(log);
      const disk = files.source;
      const users = listUsers(log, "test");
      const tested = (clicks: ClickLog | LogSource) => [...FittedBaselines.of(clicks).test(users)];
      assert.deepEqual(tested(disk), tested(log));
      const sizes = (clicks: ClickLog | LogSource) => {
        using products = new StepProducts(gpu, clicks, smallLstm, 12);
        return [products.sizes(), products.products()];
      };
      assert.deepEqual(sizes(disk), sizes(log));
    }
  }));

/** Runs both training stages in a new folder. @param stopAt iteration at which each stage is interrupted */
async function run(gpu: Gpu, source: LogSource, stopAt?: number): Promise<Map<string, unknown>> {
  const path = `${folder}/run-${crypto.randomUUID()}`;
  const config = makeRunConfig({
    model: smallLstm,
    training: { ...training, iterations: 20 },
    adversarial: { ...adversarial, iterations: 20 },
  });
  const data = createDataset(source, config.data);
  const through = async (stage: TrainingStage) => {
    const stop = new AbortController();
    const events: RunCallbacks = { onStep: ({ iteration }) => iteration === stopAt && stop.abort() };
    const run = { gpu, data, init: undefined, signal: stop.signal, path, config };
    const first = await runStage(stage, run, events);
    if (stopAt === undefined) return first;
    assert.ok(!first.test && first.iteration < 20, `stopped after ${first.iteration}`);
    return await runStage(stage, { ...run, signal: new AbortController().signal }, {});
  };
  const found = new Map<string, unknown>();
  for (const stage of listStages(config)) {
    const { test, baselines, iteration } = await through(stage);
    assert.equal(test?.length, 4);
    found.set(stage.name, { test, baselines, iteration });
    for (const file of ["train.csv", "validation.csv", "best-prec1.safetensors", "last.safetensors"]) {
      found.set(`${stage.name} ${file}`, Deno.readFileSync(`${stage.folder(path)}/${file}`));
    }
  }
  return found;
}

Deno.test("a run from disk writes the files of a run from memory, also after an interruption", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs.dense ?? assert.fail();
    using files = packLog(log);
    const disk = files.source;
    const memory = await run(gpu, new MemoryLog(log));
    assert.deepEqual(await run(gpu, disk), memory);
    assert.deepEqual(await run(gpu, disk, 2), memory);
  }));
