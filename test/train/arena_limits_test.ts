/** Parameters that are more than a binding together train as those that are not; one that is larger by itself is refused. */

import assert from "node:assert/strict";
import { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import type { BatchTrainer } from "../../src/train/batch_trainer.ts";
import { withGpu } from "../op_check.ts";
import { userError } from "../run/folder_check.ts";
import { smallLstm } from "../small_models.ts";
import { assertSameState, game, shannon } from "./trainings.ts";

const ITEMS = 2000;
/** Of the table of an LSTM of 3 units. */
const TABLE_BYTES = 64 * ITEMS;
const log = smallLog(31, { users: 60, items: ITEMS, width: 0, maxEvents: 6, maxPage: 7 });

/** The same device, of which a kernel sees at most so many bytes at once. */
function narrow({ device, shapes, maxGrid }: Gpu, bindingBytes: number): Gpu {
  return new Gpu(device, device.adapterInfo, shapes, maxGrid, bindingBytes);
}

interface Trained extends Disposable {
  readonly trainer: Pick<BatchTrainer<never, unknown>, "run" | "state">;
  readonly model: UserModel;
}
const SHARED = { validateEvery: 3, weightDecay: 0.1 } as const;
const sparse = { ...SHARED, adam: "row-sparse", partRows: 60 } as const;
const wide: ModelConfig = { ...smallLstm, wide: 5 };
const trainings: Record<string, (gpu: Gpu) => Promise<Trained>> = {
  "dense Adam": (gpu) => shannon(gpu, log, wide, SHARED),
  "row-sparse Adam, of a batch in parts": (gpu) => shannon(gpu, log, wide, sparse),
  "the game, of a batch in parts": (gpu) => game(gpu, log, smallLstm, { ...sparse, generatorWarmup: 2 }),
};
for (const [name, make] of Object.entries(trainings)) {
  Deno.test(`parameters larger together than a binding are trained to the same bits: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using whole = await make(gpu);
      using cut = await make(narrow(gpu, TABLE_BYTES));
      assert.ok(4 * cut.model.parameters.length > TABLE_BYTES);
      for (const { trainer } of [whole, cut]) await trainer.run(7);
      assertSameState(await cut.trainer.state(), await whole.trainer.state());
    }));
}

Deno.test("a one-hot table must fit into a binding of the adapter; hashed ids take fewer rows", () =>
  withGpu(undefined, (gpu) => {
    const modelOn = (own: Gpu, items = log.items) => new UserModel(own, items, smallLstm, { seed: 1 });
    assert.throws(
      () => modelOn(narrow(gpu, TABLE_BYTES - 1)),
      userError(
        /encoder\/lstm\/input_kernel \[2000, 12\] needs 128,000 bytes/,
        /maxStorageBufferBindingSize is 127,999/,
        /At this width at most 1,999 items or tokens fit/,
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

Deno.test("a model beyond the adapter is refused: which limit, how much, what to do", () =>
  withGpu(undefined, (gpu) => {
    const tokens = { count: 1_000_000, first: Uint32Array.of(0, 1), token: Uint32Array.of(7) };
    const values = new Float32Array();
    const most = 2 ** 27;
    assert.throws(
      () =>
        new UserModel(
          narrow(gpu, most),
          { kind: "mixed", count: 1, width: 0, tokens, values },
          defaultModel,
          {
            seed: 1,
          },
        ),
      userError(
        /encoder\/lstm\/token_table \[1000000, 80\] needs 320,000,000 bytes/,
        /maxStorageBufferBindingSize is 134,217,728/,
        /Use smaller batches, smaller layers or fewer items/,
      ),
    );
  }));
