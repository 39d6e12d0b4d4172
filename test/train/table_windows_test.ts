/**
 * One-hot tables larger than a binding: a training through windows has the bits of one that sees its tables whole, also over as
 * many items as Retailrocket's catalogue; and what is beyond an adapter.
 */

import assert from "node:assert/strict";
import { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { lateState, restoreLate } from "../../src/run/run_state.ts";
import type { BatchTrainer } from "../../src/train/batch_trainer.ts";
import { StepProducts } from "../../src/selftest/calibration/step_products.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { withGpu } from "../op_check.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { smallLstm, smallPw } from "../small_models.ts";
import { assertSameState, game, logOfPages, type Page, shannon } from "./trainings.ts";
import { userError } from "../run/folder_check.ts";
import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { randomStream } from "../../src/data/random.ts";
import { adamKinds } from "../../src/ops/adam.ts";
import { type Weights, windows } from "../../src/tape/parameters.ts";
import { defaultTraining } from "../../src/train/config.ts";
import { Trainer } from "../../src/train/trainer.ts";

/** Bytes that a kernel sees: of the tables of 20,000 items, 16 and 8 columns wide, a third or less. */
const BINDING = 2 ** 18;
const log = smallLog(31, { users: 60, items: 20_000, width: 0, maxEvents: 6, maxPage: 7 });

/** The same device, of which kernels see less at once. */
function narrow({ device, shapes, maxGrid }: Gpu): Gpu {
  return new Gpu(device, device.adapterInfo, shapes, maxGrid, BINDING);
}

interface Trained extends Disposable {
  readonly trainer: Pick<
    BatchTrainer<never, unknown>,
    "run" | "state" | "restore" | "holders" | "iteration" | "best"
  >;
  readonly model: UserModel;
}
const ITERATIONS = 12;
const SHARED = { adam: "row-sparse", validateEvery: 3, weightDecay: 0.1 } as const;
const wide: ModelConfig = { ...smallLstm, wide: 5 };
const trainings: Record<string, (gpu: Gpu) => Promise<Trained>> = {
  "an LSTM and a wide part": (gpu) => shannon(gpu, log, wide, SHARED),
  "position weights, in parts": (gpu) => shannon(gpu, log, smallPw, { ...SHARED, partRows: 60 }),
  "the game, in parts": (gpu) => game(gpu, log, smallLstm, { ...SHARED, generatorWarmup: 2, partRows: 60 }),
};
for (const [name, make] of Object.entries(trainings)) {
  Deno.test(`${name}: trained in windows to the same bits`, () =>
    withGpu(undefined, async (gpu) => {
      using whole = await make(gpu);
      using cut = await make(narrow(gpu));
      assert.ok(cut.model.parameters.inWindows && !whole.model.parameters.inWindows);
      await whole.trainer.run(ITERATIONS);
      await cut.trainer.run(ITERATIONS / 2 + 1);
      using again = await make(narrow(gpu));
      await restoreLate(again.trainer, await lateState(cut.trainer));
      await again.trainer.run(ITERATIONS);
      const state = await whole.trainer.state();
      assertSameState(await again.trainer.state(), state);
    }));
}

Deno.test("kernels are calibrated for a model in windows", () =>
  withGpu(undefined, (gpu) => {
    using products = new StepProducts(narrow(gpu), log, smallLstm, 13);
    assert.ok(products.products().length > 0);
  }));

Deno.test("what sees no windows refuses a large table: dense Adam, simulated users", () =>
  withGpu(undefined, async (gpu) => {
    const refused = (what: RegExp) => userError(/input_kernel \[20000, 12\] needs 1,280,000 bytes/, what);
    await assert.rejects(shannon(narrow(gpu), log, smallLstm), refused(/--adam row-sparse/));
    using model = new UserModel(narrow(gpu), log.items, smallLstm, { seed: 1 });
    const options = { users: 4, slate: 2, pages: 1, seed: 1 };
    await assert.rejects(
      Simulator.create(narrow(gpu), new LearnedSource(model), options),
      refused(/fewer items/),
    );
  }));

const ITEMS = 250_000;
const USERS = 100_000;

/** Two events of two items each a user. */
function largeLog(): ClickLog {
  const random = randomStream(1, "large log");
  const events = 2 * USERS;
  return {
    name: "large",
    items: { kind: "one-hot", count: ITEMS },
    userSplit: Uint8Array.from({ length: USERS }, (_, u) => (u < 3 ? u : 0)),
    userEvents: Uint32Array.from({ length: USERS + 1 }, (_, u) => 2 * u),
    eventRows: Uint32Array.from({ length: events + 1 }, (_, e) => 2 * e),
    eventClick: Uint32Array.from({ length: events }, (_, e) => (e % 5 === 4 ? NONE : 2 * e + (e % 2))),
    rowItem: Uint32Array.from({ length: 2 * events }, () => random.integer(ITEMS)),
  };
}

/**
 * The same log over only the items of some users, in the same order. Two users more, of one event each, are there for
 * validation and test.
 */
function compact(log: ClickLog, users: number[]): { log: ClickLog; items: number[] } {
  const logged = users.map((u) =>
    [2 * u, 2 * u + 1].map((e) => ({
      shown: Array.from(log.rowItem.subarray(2 * e, 2 * e + 2)),
      click: log.eventClick[e] === NONE ? -1 : (log.eventClick[e] ?? NaN) - 2 * e,
    }))
  );
  const items = [...new Set(logged.flat().flatMap(({ shown }) => shown))].sort((a, b) => a - b);
  const pages = logged.map((own) =>
    own.map(({ shown, click }): Page => [shown.map((item) => items.indexOf(item)), click])
  );
  const split = (user: number) => Math.max(0, user - users.length + 1);
  const one: Page[] = [[[0], -1]];
  return { items, log: logOfPages({ kind: "one-hot", count: items.length }, [...pages, one, one], split) };
}

const large = largeLog();
/** Of the model over it, once they are drawn: that takes seconds. */
let drawn: Weights | undefined;
for (const adam of adamKinds) {
  Deno.test(`250,000 items and 100,000 users train through windows, as a model of few items does: ${adam} Adam`, () =>
    withGpu(undefined, async (gpu) => {
      const users = Array.from({ length: 40 }, (_, k) => 11 + 2001 * k);
      const small = compact(large, users);
      const training = { ...defaultTraining, batchSize: 40, learningRate: 0.01, adam };

      using model = new UserModel(gpu, large.items, defaultModel, drawn ? { weights: drawn } : { seed: 4 });
      const { parameters } = model;
      const most = gpu.device.limits.maxStorageBufferBindingSize;
      assert.ok(4 * parameters.length > most, "the arena fits one binding: the test tests nothing");
      assert.equal(windows(parameters.length, most).length, 2);
      const before = drawn ??= await model.weights();
      const table = (weights: Weights, name: string, columns: number, item: number) =>
        weights.get(name)?.subarray(item * columns, (item + 1) * columns) ?? assert.fail();
      const tables = [["encoder/lstm/input_kernel", 80], ["utility/layer1/item_kernel", 64]] as const;
      const initial: Weights = new Map(before);
      for (const [name, columns] of tables) {
        initial.set(
          name,
          Float32Array.from(small.items.flatMap((item) => [...table(before, name, columns, item)])),
        );
      }
      using twin = new UserModel(gpu, small.log.items, defaultModel, { weights: initial });

      using trainer = await Trainer.create(model, large, training, { validate: false });
      using reference = await Trainer.create(twin, small.log, training, { validate: false });
      for (let t = 0; t < 3; t++) {
        const { nll } = await trainer.step(users);
        const expected = await reference.step(users.map((_, k) => k));
        assert.equal(nll, expected.nll, `loss of step ${t + 1}`);
      }
      const [after, twinAfter] = [await model.weights(), await twin.weights()];
      const gradients = adam === "dense" ? await model.gradients() : undefined;
      const shown = new Set(small.items);
      for (const [name, columns] of tables) {
        small.items.forEach((item, k) =>
          assert.deepEqual(
            table(after, name, columns, item),
            table(twinAfter, name, columns, k),
            `${name} of item ${item}`,
          )
        );
        for (const item of [0, 1, 131_071, 131_072, ITEMS - 1].filter((item) => !shown.has(item))) {
          assert.deepEqual(
            table(after, name, columns, item),
            table(before, name, columns, item),
            `${name} of ${item}`,
          );
          if (gradients) assert.ok(table(gradients, name, columns, item).every((g) => g === 0));
        }
      }
    }));
}

Deno.test("a model beyond the adapter is refused: which limit, how much, what to do", () =>
  withGpu(undefined, (gpu) => {
    const tokens = { count: 1_000_000, first: Uint32Array.of(0, 1), token: Uint32Array.of(7) };
    const values = new Float32Array();
    assert.throws(
      () =>
        new UserModel(gpu, { kind: "mixed", count: 1, width: 0, tokens, values }, defaultModel, { seed: 1 }),
      userError(
        /encoder\/lstm\/token_table \[1000000, 80\] needs 320,000,000 bytes/,
        /maxStorageBufferBindingSize is 134,217,728/,
        /Use smaller batches, smaller layers or fewer items/,
      ),
    );
  }));
