/** Policies that go on learning with other users: what a run is made of, and that runs are repeated by their seed. */

import assert from "node:assert/strict";
import { restless } from "../../src/data/shops.ts";
import { adaptLinUcb, adaptPolicy } from "../../src/policy/adaptation/adapt.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { withGpu } from "../op_check.ts";
import { config, makeValueLearner, source } from "./value_learner.ts";

Deno.test("adaptation of a policy: click rates of all interactions, repeated by the seed, seen through another encoder", () =>
  withGpu(undefined, async (gpu) => {
    const observes = new ShopSource({ ...restless, fatigue: 0 }, source.values);
    const asked: string[] = [];
    const trained = {
      config,
      makeLearner: makeValueLearner,
      weights: (specs: readonly { readonly name: string }[]) => {
        asked.push(...specs.map(({ name }) => name));
        return new Map([["value", Float32Array.of(4, 3, 2, 1)]]);
      },
    };
    const options = { interactions: 10, users: 64, seed: 5 };
    const told: number[] = [];
    const rates = await adaptPolicy(gpu, source, observes, trained, {
      ...options,
      onProgress: (done) => void told.push(done),
    });
    assert.equal(rates.length, 10);
    assert.ok(rates.every((rate) => rate > 0 && rate < 1), rates.join());
    assert.deepEqual(told, [4, 8, 10]);
    assert.deepEqual(asked, ["value"], "it begins with its weights");
    assert.deepEqual(await adaptPolicy(gpu, source, observes, trained, options), rates);
    assert.notDeepEqual(await adaptPolicy(gpu, source, observes, trained, { ...options, seed: 6 }), rates);
    // The slates of this learner are random whatever it has learned: from scratch they are the same.
    const { weights: _, ...scratch } = trained;
    assert.deepEqual(await adaptPolicy(gpu, source, observes, scratch, options), rates);
    const other = { ...trained, config: { ...config, reward: "utility" as const } };
    await assert.rejects(adaptPolicy(gpu, source, observes, other, options), /--reward click/);
  }));

Deno.test("a policy that goes on with other users starts with its weights, and learns more slowly", () =>
  withGpu(undefined, async (gpu) => {
    const observes = new ShopSource({ ...restless, fatigue: 0 }, source.values);
    const trainer = await PolicyTrainer.create(gpu, source, config, {
      makeLearner: makeValueLearner,
      observes,
    });
    assert.equal(trainer.policy.observes, observes);
    trainer.setWeights(new Map([["value", Float32Array.of(4, 3, 2, 1)]]));
    await trainer.run(4); // nothing is learned in the first episode
    assert.deepEqual([...(await trainer.weights()).get("value") ?? []], [4, 3, 2, 1]);
    await trainer.run(8);
    assert.notDeepEqual([...(await trainer.weights()).get("value") ?? []], [4, 3, 2, 1]);
    const { returns } = await trainer.evaluate(50);
    assert.equal(returns.length, 50);
    trainer.destroy();
  }));

Deno.test("adaptation of LinUCB: it gets better with the users that it meets", () =>
  withGpu(undefined, async (gpu) => {
    const vectors = { values: source.values, width: 16 };
    const options = { interactions: 30, users: 20, seed: 5 };
    const rates = await adaptLinUcb(gpu, source, vectors, { ...config, alpha: 0.3 }, options);
    assert.equal(rates.length, 30);
    const mean = (from: number, to: number) =>
      rates.subarray(from, to).reduce((sum, rate) => sum + rate, 0) / (to - from);
    assert.ok(mean(20, 30) > mean(0, 10) + 0.05, `${mean(0, 10)} to ${mean(20, 30)}`);
  }));
