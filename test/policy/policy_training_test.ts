/** The training of policies: resuming, the schedule, and that values are what they should be. */

import assert from "node:assert/strict";
import { PolicySchedule } from "../../src/policy/learning/schedule.ts";
import { DivergedError } from "../../src/train/results.ts";
import { withGpu } from "../op_check.ts";
import { config, trainer } from "./value_learner.ts";

Deno.test("policy training: resumed between two episodes it gives the same bits, however its pages are submitted", () =>
  withGpu(undefined, async (gpu) => {
    const whole = await trainer(gpu);
    const { iterations } = whole.schedule;
    assert.equal(iterations, 120);
    const figures: string[] = [];
    const rewards: number[] = [];
    await whole.run(iterations, {
      onStep(result) {
        figures.push(JSON.stringify(result));
        rewards.push(result.reward);
      },
    });
    assert.ok(new Set(rewards.slice(0, 4)).size > 1, "each page has its own");
    // Slates are random in training, too: pages bring what those of an evaluation bring.
    const { byPage } = await whole.evaluate(4000);
    byPage.forEach(({ reward, shown }, page) => {
      const own = rewards.filter((_, t) => t % 4 === page).reduce((sum, r) => sum + r, 0) / (iterations / 4);
      assert.ok(Math.abs(own - reward / shown) < 0.04, `page ${page}: ${own} of ${reward / shown}`);
    });
    assert.equal(figures.length, iterations);
    assert.ok(figures.slice(0, 4).every((text) => text.includes('"loss":0,')), "nothing is learned at first");
    assert.ok(!figures[4]?.includes('"loss":0,'), figures[4]);

    const stepped = await trainer(gpu);
    for (let t = 1; t <= 22; t++) {
      assert.equal(JSON.stringify(await stepped.step()), figures[t - 1], `page ${t}`);
    }
    await stepped.run(24);
    const resumed = await trainer(gpu);
    resumed.restoreAll(await stepped.stateOfAll(), "it");
    const rest: string[] = [];
    // An evaluation in between changes nothing.
    await resumed.evaluate();
    await resumed.run(iterations, { onStep: (result) => void rest.push(JSON.stringify(result)) });
    assert.deepEqual(rest, figures.slice(24));
    assert.deepEqual(await resumed.stateOfAll(), await whole.stateOfAll());
    await assert.rejects(async () => {
      await stepped.step();
      await stepped.stateOfAll();
    }, /between two episodes/);
    for (const one of [whole, stepped, resumed]) one.destroy();
  }));

Deno.test("policy training: the schedule plays whole episodes, explores less and less, learns slower at the end", () => {
  const schedule = new PolicySchedule({ ...config, ...{ steps: 1000, stepsPerPage: 2, epsilonShare: 0.5 } });
  // 256 pages of users an episode: 4 of them.
  assert.deepEqual([schedule.iterations, schedule.evaluateEvery], [16, 40]);
  assert.deepEqual([1, 4, 5, 16].map((t) => schedule.pageOf(t)), [0, 3, 0, 3]);
  assert.deepEqual([1, 4, 5, 16].map((t) => schedule.episodeOf(t)), [0, 0, 1, 3]);
  assert.deepEqual([1, 4, 5].map((t) => schedule.endOfEpisode(t)), [4, 4, 8]);
  assert.deepEqual([1, 4, 5, 6].map((t) => schedule.stepsIn(t)), [0, 0, 2, 2]);
  assert.deepEqual([1, 5, 6, 7].map((t) => schedule.learnedBefore(t)), [0, 0, 2, 4]);
  const epsilons = [1, 5, 9, 16].map((t) => schedule.epsilon(t).toFixed(9));
  assert.deepEqual(epsilons, [1, 0.525, 0.05, 0.05].map((p) => p.toFixed(9)));
  const [early, late] = [schedule.rate(12, 1000), schedule.rate(13, 1000)];
  assert.ok(Math.abs(late / early - 0.2) < 1e-12);
});

for (const { leave, discount } of [{ leave: 0, discount: 0.9 }, { leave: 0.5, discount: 1 }]) {
  Deno.test(`policy training: values are what random slates bring, users leave by ${leave}, worth of later ${discount}`, () =>
    withGpu(undefined, async (gpu) => {
      const learned = await trainer(gpu, {
        ...{ leave, discount, steps: 64 * 4 * 100, learningRate: 0.02, rows: 256, replay: 64 * 4 * 30 },
      });
      await learned.run(learned.schedule.iterations);
      const values = (await learned.weights()).get("value") ?? assert.fail();
      const { byPage } = await learned.evaluate(4000);
      for (let page = 0; page < 4; page++) {
        const { shown = NaN } = byPage[page] ?? {};
        const left = byPage.slice(page).reduce(
          (sum, { reward }, k) => sum + discount ** k * reward / shown,
          0,
        );
        assert.ok(Math.abs((values[page] ?? NaN) - left) < 0.08, `page ${page}: ${values[page]} of ${left}`);
      }
      learned.destroy();
    }));
}

Deno.test("policy training: values that are no numbers end it", () =>
  withGpu(undefined, async (gpu) => {
    const one = await trainer(gpu);
    await one.run(8);
    one.setWeights(new Map([["value", Float32Array.of(1, NaN, 1, 1)]]));
    await assert.rejects(one.run(one.schedule.iterations), (error) => {
      assert.ok(error instanceof DivergedError);
      assert.equal(error.iteration, 9);
      assert.match(error.message, /Use a smaller --learning-rate/);
      return true;
    });
    one.destroy();
  }));
