/** A weight that is no finite number makes a loss that is none: activations and comparisons must not swallow it. */

import assert from "node:assert/strict";
import { UserModel } from "../../src/model/user_model.ts";
import { defaultTraining } from "../../src/train/config.ts";
import { criteria } from "../../src/train/best_records.ts";
import { DivergedError } from "../../src/train/results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";

for (const kind of ["cpu", "gpu"] as const) {
  for (const width of [0, WIDTH]) {
    Deno.test(`NaN and infinity reach the loss: ${width ? "dense" : "one-hot"}, ${kind} shapes`, () =>
      withGpu(kind, async (gpu) => {
        const log = smallLog(1, { users: 30, items: 12, width, maxEvents: 6 });
        const config = { ...smallLstm, dims: [6, 7, 5] };
        const model = new UserModel(gpu, log.items, { ...config, dims: [...config.dims] }, { seed: 1 });
        const good = await model.weights();
        for (const value of [NaN, Infinity]) {
          for (const name of model.parameters.names()) {
            const trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 10 }, {
              validate: false,
            });
            const weights = new Map(good);
            weights.set(name, (good.get(name) ?? assert.fail()).map(() => value));
            model.setWeights(weights);
            await assert.rejects(trainer.step(), DivergedError, `${value} in ${name}`);
            // Nor is it ever the best.
            const other = await Trainer.create(model, log, { ...defaultTraining, batchSize: 10 });
            model.setWeights(weights);
            await assert.rejects(other.run(1), DivergedError);
            assert.equal(other.best.loss.value, Infinity, `${value} in ${name} became the best`);
            for (const criterion of criteria) {
              const kept = (await other.snapshot(criterion)).get(name) ?? assert.fail();
              assert.ok(kept.every(Number.isFinite), `${value} in ${name} became the best by ${criterion}`);
            }
            trainer.destroy();
            other.destroy();
          }
        }
        model.destroy();
      }));
  }
}

Deno.test("one broken utility of a page is enough", () =>
  withGpu(undefined, async (gpu) => {
    const log = smallLog(1, { users: 30, items: 12, width: 0, maxPage: 6, noClick: 0.5 });
    const config = { ...smallLstm, dims: [6] };
    const model = new UserModel(gpu, log.items, config, { seed: 1 });
    const good = await model.weights();
    const kernel = good.get("utility/layer1/item_kernel") ?? assert.fail();
    for (let item = 0; item < 12; item++) {
      const trainer = await Trainer.create(model, log, { ...defaultTraining, batchSize: 10 }, {
        validate: false,
      });
      const broken = kernel.slice().fill(NaN, 6 * item, 6 * (item + 1));
      model.setWeights(new Map([...good, ["utility/layer1/item_kernel", broken]]));
      await assert.rejects(trainer.step(), DivergedError, `item ${item}`);
      trainer.destroy();
    }
    model.destroy();
  }));
