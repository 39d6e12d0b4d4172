/** A weight that is no finite number makes a loss that is none: activations and comparisons must not swallow it. */

import assert from "node:assert/strict";
import { criteria } from "../../src/train/best_records.ts";
import { DivergedError } from "../../src/train/results.ts";
import { withGpu } from "../op_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { shannon } from "./trainings.ts";

for (const [kind, width] of [["cpu", 0], ["gpu", WIDTH]] as const) {
  Deno.test(`NaN and infinity reach the loss: ${width ? "dense" : "one-hot"}, ${kind} shapes`, () =>
    withGpu(kind, async (gpu) => {
      const log = smallLog(1, { users: 30, items: 12, width, maxEvents: 6 });
      const make = (validate: boolean) =>
        shannon(gpu, log, { ...smallLstm, dims: [6, 7, 5] }, { batchSize: 10 }, { validate });
      using first = await make(false);
      const good = await first.model.weights();
      for (const value of [NaN, Infinity]) {
        for (const name of first.model.parameters.names()) {
          const broken = new Map([...good, [name, (good.get(name) ?? assert.fail()).map(() => value)]]);
          using stepped = await make(false);
          stepped.model.setWeights(broken);
          await assert.rejects(stepped.trainer.step(), DivergedError, `${value} in ${name}`);
          // Nor is it ever the best.
          using run = await make(true);
          run.model.setWeights(broken);
          await assert.rejects(run.trainer.run(1), DivergedError);
          assert.equal(run.trainer.best.loss.value, Infinity, `${value} in ${name} became the best`);
          for (const criterion of criteria) {
            const kept = (await run.trainer.snapshot(criterion)).get(name) ?? assert.fail();
            assert.ok(kept.every(Number.isFinite), `${value} in ${name} became the best by ${criterion}`);
          }
        }
      }
    }));
}

Deno.test("one broken utility of a page is enough", () =>
  withGpu(undefined, async (gpu) => {
    const log = smallLog(1, { users: 30, items: 12, width: 0, maxPage: 6, noClick: 0.5 });
    const make = () => shannon(gpu, log, { ...smallLstm, dims: [6] }, { batchSize: 10 }, { validate: false });
    using first = await make();
    const good = await first.model.weights();
    const kernel = good.get("utility/layer1/item_kernel") ?? assert.fail();
    for (let item = 0; item < 12; item++) {
      using own = await make();
      const broken = kernel.slice().fill(NaN, 6 * item, 6 * (item + 1));
      own.model.setWeights(new Map([...good, ["utility/layer1/item_kernel", broken]]));
      await assert.rejects(own.trainer.step(), DivergedError, `item ${item}`);
    }
  }));
