import assert from "node:assert/strict";
import type { ClickSizes } from "../../src/batch/click_sizes.ts";
import {
  computeBatchCapacity,
  countScoredEvents,
  planMicroBatches,
  splitMicroBatches,
} from "../../src/batch/plan.ts";
import { DeviceLog } from "../../src/batch/device_log.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { Gpu, LimitError } from "../../src/gpu/device.ts";
import { openGpu } from "../open_alone.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { listModelParameters, UserModel } from "../../src/model/user_model.ts";
import type { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import type { AdversarialConfig, TrainingConfig } from "../../src/train/training_config.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { fitMicroBatches, fitTraining } from "../../src/train/fit_memory.ts";
import type { BatchTrainer } from "../../src/train/batch_trainer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { UserError } from "../../src/user_error.ts";
import { ParameterArena } from "../../src/tape/parameters.ts";
import { computeLossAndGradients64, toParameters64 } from "../f64_model.ts";
import { withGpu } from "../op_check.ts";
import { isUserError } from "../run/folder_check.ts";
import { createSmallLog, drawPermutation } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import {
  assertNear,
  assertSameState,
  assertWithin,
  logs,
  SIZE,
  type TestTraining,
  trainGame,
  trainShannon,
} from "./trainings.ts";

const cutLogs: Record<string, ClickLog> = {
  ...logs,
  mixed: createSmallLog(5, { ...SIZE, width: WIDTH, tokens: 7 }),
  "events given": createSmallLog(24, { ...SIZE, width: 0, given: 0.4 }),
};
const config: ModelConfig = { ...smallLstm, dims: [6] };

Deno.test("micro-batches keep all users in order, within limits and number", () => {
  const random = createRandomStream(3, "cuts");
  for (const log of Object.values(cutLogs)) {
    const [whole, single] = [13, 1].map((users) => computeBatchCapacity(log, "all", users)) as [
      ClickSizes,
      ClickSizes,
    ];
    for (let trial = 0; trial < 100; trial++) {
      const cut = planMicroBatches(whole, single, 1 + random.integer(whole.rows));
      const users = drawPermutation(trial, 60).slice(0, 13);
      const parts = splitMicroBatches(log, users, cut.limit);
      assert.deepEqual(parts.flat(), users);
      assert.ok(parts.length <= cut.parts, `${parts.length} parts, expected at most ${cut.parts}`);
      for (const part of parts) {
        const { events, rows } = computeBatchCapacity(log, part, part.length);
        assert.ok(rows <= cut.capacity.rows && rows <= Math.max(single.rows, cut.limit.rows));
        assert.ok(events <= cut.capacity.events);
      }
      assert.equal(
        parts.reduce((sum, part) => sum + countScoredEvents(log, part), 0),
        countScoredEvents(log, users),
      );
    }
    assert.deepEqual(planMicroBatches(whole, single, whole.rows), {
      limit: whole,
      capacity: whole,
      parts: 1,
    });
  }
  assert.throws(() => splitMicroBatches(logs.dense, [3, 5, 3], { rows: 9, events: 9 }), UserError);
});

Deno.test("a batch that does not fit is split further; a too large user is reported with what to do", async () => {
  const whole = { users: 50, events: 35_000, rows: 1_400_000, items: 900 };
  const single = { users: 1, events: 700, rows: 28_000, items: 900 };
  const tried: number[] = [];
  const room = (rows: number) => (most: number) => {
    const cut = planMicroBatches(whole, single, most);
    return fitMicroBatches(cut, single, () => {
      tried.push(cut.capacity.rows);
      if (cut.capacity.rows <= rows) return Promise.resolve(cut);
      return Promise.reject(new LimitError("Too large.", rows / cut.capacity.rows));
    });
  };
  assert.equal((await fitTraining(null, room(2_000_000))).parts, 1);
  assert.equal((await fitTraining(null, room(500_000))).capacity.rows, 2 ** 17);
  assert.equal((await fitTraining(null, room(60_000))).capacity.rows, 60_000);
  assert.equal((await fitTraining(50_000, room(60_000))).capacity.rows, 50_000);
  assert.deepEqual(tried, [1_400_000, 1_400_000, 2 ** 17, 1_400_000, 60_000, 50_000]);
  await assert.rejects(
    fitTraining(null, room(14_000)),
    /700 events.*28,000 displayed items.*--max-events 315/,
  );
});

type Stage = (
  gpu: Gpu,
  log: ClickLog,
  microBatchRows: number | null,
) => Promise<TestTraining<Trainer | AdversarialTrainer>>;

const inParts = (more: Partial<TrainingConfig> = {}): Stage => (gpu, log, microBatchRows) =>
  trainShannon(gpu, log, config, { learningRate: 0.01, validateEvery: 3, microBatchRows, ...more });
const gameInParts = (more: Partial<AdversarialConfig> = {}): Stage => (gpu, log, microBatchRows) =>
  trainGame(gpu, log, config, {
    ...{ validateEvery: 3, behaviourSd: 0.3, generatorWarmup: 0 },
    ...{ generatorLearningRate: 0.01, rewardLearningRate: 0.005, microBatchRows, ...more },
  });

const cases: [name: string, log: string, Stage][] = [
  ["one-hot", "one-hot", inParts({ weightDecay: 1 })],
  ["one-hot, row-sparse", "one-hot", inParts({ adam: "row-sparse" })],
  ["mixed, row-sparse", "mixed", inParts({ adam: "row-sparse" })],
  ["events given", "events given", inParts()],
  ["game, two steps each", "dense", gameInParts({ generatorSteps: 2, rewardSteps: 2 })],
  ["game, row-sparse, reward frozen", "one-hot", gameInParts({ adam: "row-sparse", rewardSteps: 0 })],
  ["exact generator", "one-hot", gameInParts({ generator: "exact" })],
];
for (const [name, data, stage] of cases) {
  Deno.test(`six steps in micro-batches end like whole batches: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const log = cutLogs[data] ?? assert.fail();
      using whole = await stage(gpu, log, null);
      using cut = await stage(gpu, log, 60);
      assert.equal(whole.trainer.microBatches, 1);
      assert.ok(cut.trainer.microBatches > 2);
      const figures: Record<string, number>[][] = [];
      for (const { trainer } of [whole, cut]) {
        const seen: Record<string, number>[] = [];
        const take = (result: object) =>
          void seen.push(
            Object.fromEntries(Object.entries(result).filter(([, value]) => typeof value === "number")),
          );
        await trainer.run(6, { onStep: take, onValidation: take });
        figures.push(seen);
      }
      const [expected = [], found = []] = figures;
      assert.equal(found.length, 6 + 3);
      for (const [k, own] of expected.entries()) {
        for (const [figure, x] of Object.entries(own)) {
          if (figure === "lossMax") continue; // the level of lossMax is not determined, see above
          const y = found[k]?.[figure] ?? NaN;
          assertWithin(`${figure} of step ${k} in several parts`, y, x, 2e-3);
        }
      }
      const [one, several] = [await whole.trainer.state(), await cut.trainer.state()];
      // The game does not determine the level of utilities.
      assertNear("weight", several.weights, one.weights, 4e-3, { least: 1e-3, free: "utility/output/bias" });
      // Rows that no sparse gradient updated have no moments.
      for (const [tensor, v] of one.v) {
        const own = several.v.get(tensor) ?? assert.fail();
        v.forEach((x, k) => assert.equal(x === 0, own[k] === 0, `v of ${tensor}[${k}]: ${x} and ${own[k]}`));
      }
    }));
}

Deno.test("micro-batches: gradients match f64, a single one has the bits of a whole batch, resume is exact", () =>
  withGpu(undefined, async (gpu) => {
    const log = logs.dense;
    using cut = await inParts()(gpu, log, 60);
    const parameters = toParameters64(
      await cut.model.weights(),
      listModelParameters(getItemsShape(log.items), config),
    );
    const users = cut.trainer.drawBatch(1);
    const expected = computeLossAndGradients64(log, users, parameters, config);
    const { nll } = await cut.trainer.step(users);
    assertWithin("loss", nll, expected.loss, 2e-5);
    assertNear("gradient", await cut.model.gradients(), expected.gradients, 1e-5);
    const state = await cut.trainer.state();
    await cut.trainer.run(4);
    using resumed = await inParts()(gpu, log, 60);
    resumed.trainer.restore(state);
    await resumed.trainer.run(4);
    assert.deepEqual(await resumed.trainer.weights(), await cut.trainer.weights());

    using whole = await inParts()(gpu, log, null);
    const few = users.slice(0, 2);
    await cut.trainer.setWeights(await whole.trainer.weights());
    await cut.trainer.restore(await whole.trainer.state());
    assert.deepEqual(await cut.trainer.step(few), await whole.trainer.step(few));
    assert.deepEqual(await cut.trainer.state(), await whole.trainer.state());
  }));

Deno.test("an adapter with little memory gets smaller micro-batches and shards; a refusal states what fits", async () => {
  const log = createSmallLog(31, { users: 60, items: 41, width: WIDTH, maxEvents: 9, maxPage: 9 });
  const wide: ModelConfig = { ...smallLstm, dims: [8, 64] };
  const training = { ...defaultTraining, batchSize: 13, validateEvery: 3 };
  const losses: number[][] = [];
  for (const bindingBytes of [undefined, 120_000]) {
    using gpu = await openGpu({ bindingBytes });
    const own = await trainShannon(gpu, log, wide, training);
    const { model, trainer } = own;
    assert.equal(trainer.microBatches > 1, bindingBytes !== undefined);
    const seen: number[] = [];
    await trainer.run(3, { onStep: ({ nll }) => seen.push(nll), onValidation: ({ nll }) => seen.push(nll) });
    losses.push(seen);
    if (bindingBytes) {
      await assert.rejects(
        Trainer.create(model, log, { ...training, evaluationShards: 1 }),
        /Expected --evaluation-shards of at least [2-9], or 0 \(automatic\), got 1: /,
      );
    }
    own[Symbol.dispose]();
    gpu.check();
    assert.equal(gpu.liveBuffers, 0, gpu.liveBufferLabels.join(", "));
  }
  const [whole = [], cut = []] = losses;
  assert.ok(whole.length === 5 && whole.every((x, k) => Math.abs(x - (cut[k] ?? NaN)) < 1e-4), `${losses}`);

  using gpu = await openGpu({ bindingBytes: 9000 });
  const { rowItem: { length: rows } } = log;
  const fits = Math.floor(9000 / 12);
  assert.throws(
    () => new DeviceLog(gpu, log),
    (error) => error instanceof UserError && rows > fits && error.message.includes(`--memory-rows ${fits}`),
  );
  const table = { name: "item_table", rows: gpu.device.limits.maxBufferSize, columns: 2, table: true };
  assert.throws(() => new ParameterArena(gpu, [table]), /items.*--hash-items/);
});

const ITEMS = 2000;
/** Bytes of the item table of an LSTM with 3 units. */
const TABLE_BYTES = 64 * ITEMS;
const manyItems = createSmallLog(31, { users: 60, items: ITEMS, width: 0, maxEvents: 6, maxPage: 7 });

function narrow({ device, variants, maxGrid }: Gpu, bindingBytes: number): Gpu {
  return new Gpu(device, device.adapterInfo, variants, maxGrid, bindingBytes);
}

interface Bound extends Disposable {
  readonly trainer: Pick<BatchTrainer<never, unknown>, "run" | "state">;
  readonly model: UserModel;
}
const SHARED = { validateEvery: 3, weightDecay: 0.1 } as const;
const sparse = { ...SHARED, adam: "row-sparse", microBatchRows: 60 } as const;
const wide: ModelConfig = { ...smallLstm, wide: 5 };
const trainings: Record<string, (gpu: Gpu) => Promise<Bound>> = {
  "dense Adam": (gpu) => trainShannon(gpu, manyItems, wide, SHARED),
  "row-sparse Adam, of a batch in parts": (gpu) => trainShannon(gpu, manyItems, wide, sparse),
  "the game, of a batch in parts": (gpu) =>
    trainGame(gpu, manyItems, smallLstm, { ...sparse, generatorWarmup: 2 }),
};
for (const [name, make] of Object.entries(trainings)) {
  Deno.test(`parameters larger than a binding in total are trained to the same bits: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using whole = await make(gpu);
      using cut = await make(narrow(gpu, TABLE_BYTES));
      assert.ok(4 * cut.model.parameters.length > TABLE_BYTES);
      for (const { trainer } of [whole, cut]) await trainer.run(7);
      assertSameState(await cut.trainer.state(), await whole.trainer.state());
    }));
}

Deno.test("a one-hot table must fit into a binding of the adapter; hashed ids need fewer rows", () =>
  withGpu(undefined, (gpu) => {
    const modelOn = (own: Gpu, items = manyItems.items) => new UserModel(own, items, smallLstm, { seed: 1 });
    assert.throws(
      () => modelOn(narrow(gpu, TABLE_BYTES - 1)),
      isUserError(
        /encoder\/lstm\/input_kernel \[2000, 12\] needs 128,000 bytes/,
        /maxStorageBufferBindingSize is 127,999/,
        /With layers of this width, at most 1,999 items or tokens are possible/,
        /--hash-items/,
      ),
    );
    modelOn(narrow(gpu, TABLE_BYTES)).destroy();
    const tokens = {
      count: 2 * 500,
      first: Uint32Array.from({ length: ITEMS + 1 }, (_, item) => 2 * item),
      token: Uint32Array.from({ length: 2 * ITEMS }, (_, k) => (k % 2) * 500 + (7 * k) % 500),
    };
    const hashed = { kind: "mixed", count: ITEMS, width: 0, tokens, values: new Float32Array() } as const;
    modelOn(narrow(gpu, TABLE_BYTES - 1), hashed).destroy();
  }));
