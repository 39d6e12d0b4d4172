/** One-hot tables larger than a binding: a training through windows has the bits of one that sees its tables whole. */

import assert from "node:assert/strict";
import { Gpu } from "../../src/gpu/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { lateState, restoreLate } from "../../src/run/late_state.ts";
import type { BatchTrainer } from "../../src/train/batch_trainer.ts";
import { StepProducts } from "../../src/selftest/calibration/step_products.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { withGpu } from "../op_check.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { smallLstm, smallPw } from "../small_models.ts";
import { assertSameState, game, shannon } from "./trainings.ts";
import { userError } from "../run/folder_check.ts";

/** Bytes that a kernel sees: of the tables of 20,000 items, 16 and 8 columns wide, a third or less. */
const BINDING = 2 ** 18;
const log = smallLog(31, { users: 60, items: 20_000, width: 0, maxEvents: 6, maxPage: 7 });

/** The same device, of which kernels see less at once. */
function narrow({ device, shapes, maxGrid }: Gpu, bytes = BINDING): Gpu {
  return new Gpu(device, device.adapterInfo, shapes, maxGrid, bytes);
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
    return Promise.resolve();
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
