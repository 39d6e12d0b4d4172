/** Which weights a training ends with: what it started from, unless the lowest validation loss is lower by more than chance. */

import assert from "node:assert/strict";
import { usersOf } from "../../src/data/click_log.ts";
import { randomStream } from "../../src/data/random.ts";
import { defaultModel } from "../../src/model/config.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { isGain, keepStart, lossByUser } from "../../src/run/test_stage.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";
import { shannon } from "./trainings.ts";

const log = smallLog(41, { users: 120, items: 20, width: 3, noClick: 0.1 });
const withTrainer = (use: (trainer: Trainer, start: Weights) => Promise<void>) =>
  withGpu(undefined, async (gpu) => {
    const small = { ...defaultModel, lstmUnits: 4, dims: [6] };
    using own = await shannon(gpu, log, small, { batchSize: 15, learningRate: 0.01, validateEvery: 5 });
    await use(own.trainer, await own.trainer.weights());
  });

Deno.test("a gain is one where it is above what users drawn anew would change", () => {
  const random = randomStream(3, "gains");
  const before = Float64Array.from({ length: 400 }, () => 10 + random.uniform());
  const by = (gain: number, noise: number) =>
    before.map((loss) => loss - gain + noise * (random.uniform() - 0.5));
  assert.ok(!isGain(before, before));
  assert.ok(isGain(before, by(0.1, 0)), "all users alike");
  assert.ok(!isGain(before, by(-0.1, 0)), "a loss");
  // Of the mean of 400 users the standard error is noise / sqrt(12 x 400): .0144 of 1.
  assert.ok(isGain(before, by(0.04, 1)));
  assert.ok(!isGain(before, by(0, 1).map((loss) => loss - 0.01)));
  assert.ok(!isGain(before.subarray(0, 1), before.subarray(0, 1)), "one user alone tells nothing");
  assert.ok(!isGain(before, before.map(() => NaN)));
});

Deno.test("losses by user are those of the events that are evaluated", () =>
  withTrainer(async (trainer) => {
    using evaluation = await trainer.evaluation(usersOf(log, "validation"), 3);
    const byUser = await lossByUser(evaluation);
    const { nll, events } = await evaluation.figures();
    assert.equal(byUser.length, usersOf(log, "validation").length);
    const sum = byUser.reduce((a, b) => a + b);
    assert.ok(Math.abs(sum / (nll * events) - 1) < 1e-6, `${sum} ${nll * events}`);
  }));

Deno.test("weights that are better than the start by no more than chance give way to it, and training goes on as it stood", () =>
  withTrainer(async (trainer, start) => {
    await trainer.run(20);
    const trained = await trainer.state();
    assert.ok(trained.best.loss.iteration > 0);
    // What is kept as the best is far better than weights that know nothing: it stays.
    const nonsense = new Map([...start].map(([name, values]) => [name, values.map(() => 0.5)]));
    await keepStart(trainer, nonsense);
    assert.deepEqual(await trainer.state(), trained);
    // And no better than itself.
    const best = await trainer.snapshot("loss");
    await keepStart(trainer, best);
    const kept = await trainer.state();
    assert.equal(kept.best.loss.iteration, 0);
    assert.ok(Math.abs(kept.best.loss.value / trained.best.loss.value - 1) < 1e-5);
    assert.deepEqual(kept.snapshots, trained.snapshots);
    assert.deepEqual({ ...kept, best: trained.best }, trained);
    await trainer.run(25);
    const after = await trainer.weights();
    trainer.restore(trained);
    await trainer.run(25);
    assert.deepEqual(await trainer.weights(), after);
  }));
