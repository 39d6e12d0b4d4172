import assert from "node:assert/strict";
import type { ClickLog } from "../../src/data/click_log.ts";
import { ADDITIONAL_CLICK, checkLog, CONTEXT_EVENT, listUsers, NONE } from "../../src/data/click_log.ts";
import { computeLogSize, MemoryLog } from "../../src/data/log_source.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { computeChoiceMetrics } from "../f64_model.ts";
import { MetricCollector } from "../../src/metrics/metric_collector.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import { assertWithin, SIZE, trainGame, trainShannon } from "./trainings.ts";

const models: Record<string, ModelConfig> = { LSTM: smallLstm, PW: smallPw };
const given = createSmallLog(31, { ...SIZE, width: WIDTH, given: 0.4 });

Deno.test("context events do not count as pages of a log", () => {
  const past = [1, 2, 3].map((item): TrainingPage => [[item], 0, CONTEXT_EVENT]);
  const log = logOfPages(given.items, [[...past, [[4, 5], 0]], [[[6, 7, 8], -1]]]);
  assert.deepEqual(computeLogSize(new MemoryLog(log)), { events: 2, rows: 5, context: 3 });
});

for (const [name, config] of Object.entries(models)) {
  Deno.test(`metrics of an evaluation exclude context events: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const sizes = { batchSize: 9, validateEvery: 2, evaluationShards: 3 };
      using own = await trainShannon(gpu, given, config, sizes);
      const { trainer } = own;
      const users = listUsers(given, "validation");
      using evaluation = await trainer.evaluation(users, 2);
      const figures = await evaluation.evaluate();
      const utilities = await evaluation.utilities();
      const expected = computeChoiceMetrics(given, users, utilities);
      for (const key of ["nll", "prec1", "prec2"] as const) {
        assertWithin(key, figures[key], expected[key], 1e-5);
      }
      const events = Array.from(users).flatMap((user) =>
        Array.from(given.eventKind?.subarray(given.userEvents[user], given.userEvents[user + 1]) ?? [])
      );
      assert.equal(figures.events, events.filter((flag) => flag === 0).length);
      assert.ok(figures.events < events.length);
      const validations: number[] = [];
      await trainer.run(2, { onValidation: ({ nll }) => validations.push(nll) });
      assertWithin("validation", validations[0], expected.nll, 1e-5);
      const batch = users.subarray(0, 9);
      const before = computeChoiceMetrics(given, batch, await evaluation.utilities());
      const step = await trainer.step(batch);
      for (const key of ["nll", "prec1", "prec2"] as const) {
        assertWithin(`the step's ${key}`, step[key], before[key], 1e-5);
      }
    }));
}

Deno.test("metrics of the adversarial stage exclude context events", () =>
  withGpu(undefined, async (gpu) => {
    for (const skipNoClick of [false, true]) {
      using own = await trainGame(gpu, given, smallLstm, { batchSize: 9, skipNoClick }, { validate: false });
      const users = listUsers(given, "test");
      using evaluation = await own.trainer.evaluation(users, 0);
      const { nll, lossMin, lossMax } = await evaluation.evaluate();
      const expected = computeChoiceMetrics(given, users, await evaluation.utilities());
      assertWithin("loss", nll, expected.nll, 1e-5);
      assert.ok(Number.isFinite(lossMin) && Number.isFinite(lossMax));
    }
  }));

Deno.test("users without predicted events are in no batch, and are skipped in an evaluation", () =>
  withGpu(undefined, async (gpu) => {
    // User 0 has only two context events; user 1 ends with a context event, user 2 with a page.
    const past = (item: number): TrainingPage => [[item], 0, CONTEXT_EVENT];
    const log = logOfPages({ kind: "one-hot", count: 5 }, [
      [past(1), past(2)],
      [[[3, 4], 1], past(0)],
      [past(1), [[2, 3], -1]],
    ]);
    using own = await trainShannon(gpu, log, smallLstm, { batchSize: 3 }, { validate: false });
    const { trainer } = own;
    await assert.rejects(trainer.step([0]), /got 1 users whose 2 events are all context events/);
    using evaluation = await trainer.evaluation([0, 1, 2], 0);
    assert.equal(evaluation.counted, 2);
    const before = await evaluation.evaluate();
    const { nll } = await trainer.step([0, 1, 2]);
    assertWithin("loss", nll, before.nll, 1e-6);
    await assert.rejects(trainer.evaluation([0], 0), /Expected users with events to predict, found none/);
    const none = { ...log, eventClick: log.eventClick.with(2, NONE) };
    await assert.rejects(
      trainGame(gpu, none, smallLstm, { batchSize: 3 }, { validate: false }),
      /Expected clicks of train users/,
    );
  }));

/**
 * Returns pages that show four of nine items. Users click items one after another, preferring items of high
 * strength, until they stop. @param copies true to write a copy of the page per click
 */
function severalClicks(users: number, copies = false): ClickLog {
  const random = createRandomStream(3, "several clicks");
  const makePages = () =>
    Array.from({ length: 10 }, (): TrainingPage[] => {
      const page = Array.from(random.sampleWithoutReplacement(9, 4));
      const clicks: number[] = [];
      for (let going = true; going && clicks.length < 4; going = random.uniform() < 0.6) {
        const weights = page.map((item, place) => clicks.includes(place) ? 0 : Math.exp(item / 3 - 2.2));
        let left = random.uniform() * weights.reduce((sum, w) => sum + w, clicks.length === 0 ? 1 : 0);
        const place = weights.findIndex((w) => (left -= w) < 0);
        if (place < 0) break;
        clicks.push(place);
      }
      if (copies && clicks.length > 0) return clicks.map((place) => [page, place]);
      const further = copies ? [] : clicks.slice(1);
      return [
        [page, clicks[0] ?? -1],
        ...further.map((place): TrainingPage => [[page[place] ?? 0], 0, ADDITIONAL_CLICK]),
      ];
    }).flat();
  const own = Array.from({ length: users }, makePages);
  return logOfPages({ kind: "one-hot", count: 9 }, own, (user) => user % 2 === 0 ? 0 : 2);
}

Deno.test("with several clicks per page, P(no click) counts pages once; copies underestimate it", () =>
  withGpu(undefined, async (gpu) => {
    const log = severalClicks(1000);
    checkLog(log, ["train", "test"]);
    const config = { ...noHistory, dims: [] };
    const catchError = async (on: ClickLog) => {
      using own = await trainShannon(gpu, on, config, { batchSize: 250, learningRate: 0.1 }, {
        validate: false,
      });
      const { model, trainer } = own;
      for (let step = 0; step < 40; step++) {
        await trainer.step(listUsers(on, "train").subarray(250 * (step % 2), 250 * (step % 2) + 250));
      }
      const users = Uint32Array.from(log.userSplit.keys());
      const collector = new MetricCollector({ users: users.length, eta: 1 });
      using evaluation = await NetworkEvaluation.ofModel(model, log, users);
      await evaluation.evaluate(
        undefined,
        ({ log, indices, utilities, outcomes, words }) =>
          collector.add({
            ...{
              log,
              places: indices,
              scores: utilities,
              compact: true,
              outcomes: { values: outcomes, words },
            },
          }),
      );
      const { metrics } = collector.tested().details;
      return (metrics.pNoClick ?? NaN) - (metrics.noClick ?? NaN);
    };
    const error = await catchError(log);
    assert.ok(Math.abs(error) < 0.01, `P(no click) is off by ${error}`);
    const ofCopies = await catchError(severalClicks(1000, true));
    assert.ok(ofCopies < -0.03, `learned of copies it is off by ${ofCopies}`);
  }));
