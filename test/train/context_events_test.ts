import assert from "node:assert/strict";
import type { ClickLog } from "../../src/data/click_log.ts";
import { ADDITIONAL_CLICK, CONTEXT_EVENT, listUsers, NONE } from "../../src/data/click_log.ts";
import { computeLogSize, MemoryLog } from "../../src/data/log_source.ts";
import { computeChoiceMetrics } from "../../src/data/ranking.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { buildGameOptions, evaluateGame } from "../../src/train/adversarial_trainer.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import { logOfPages, type TrainingPage } from "../log_of_pages.ts";
import { assertWithin, SIZE, trainGame, trainShannon } from "./trainings.ts";

const models: Record<string, ModelConfig> = { LSTM: smallLstm, PW: smallPw };
const given = createSmallLog(31, { ...SIZE, width: WIDTH, given: 0.4 });

Deno.test("context events do not count as pages of a log", () => {
  const log = pagesAfterHistory(given, [
    { history: [1, 2, 3], page: [4, 5], clicked: 0 },
    { history: [], page: [6, 7, 8], clicked: -1 },
  ]);
  assert.deepEqual(computeLogSize(new MemoryLog(log)), { events: 2, rows: 5, context: 3 });
});

function pagesAfterHistory(
  { items }: ClickLog,
  users: readonly { history: number[]; page: number[]; clicked: number }[],
): ClickLog {
  return logOfPages(
    items,
    users.map(({ history, page, clicked }) => [
      ...history.map((item): TrainingPage => [[item], 0, CONTEXT_EVENT]),
      [page, clicked],
    ]),
  );
}

for (const [name, config] of Object.entries(models)) {
  Deno.test(`a page after a context history has the loss of its scores: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const users = [
        { history: [3, 1, 4, 1, 5], page: [9, 2, 6], clicked: 1 },
        { history: [], page: [5, 3], clicked: 0 },
        { history: [5, 8, 9], page: [7, 9, 3, 2], clicked: -1 },
        { history: [40], page: [1], clicked: 0 },
      ];
      const log = pagesAfterHistory(given, users);
      using own = await trainShannon(gpu, log, config, { batchSize: 4 }, { validate: false });
      let expected = 0;
      for (const { history, page, clicked } of users) {
        const u = await own.model.score({ history, page });
        expected += Math.log(u.reduce((sum, x) => sum + Math.exp(x), 1)) - (u[clicked] ?? 0);
      }
      const { nll, prec1 } = await own.trainer.step([2, 0, 3, 1]);
      assertWithin("loss by scores", nll, expected / 4, 1e-5);
      assert.ok(Number.isInteger(3 * prec1), `${prec1} is no share of three clicks`);
    }));

  Deno.test(`metrics of an evaluation exclude context events: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const sizes = { batchSize: 9, validateEvery: 2, evaluationShards: 3 };
      using own = await trainShannon(gpu, given, config, sizes);
      const { model, trainer } = own;
      const users = listUsers(given, "validation");
      using evaluation = await NetworkEvaluation.ofModel(model, given, users, {
        deviceLog: trainer.deviceLog,
        shards: 2,
      });
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
    }));
}

Deno.test("metrics of the adversarial stage exclude context events", () =>
  withGpu(undefined, async (gpu) => {
    for (const skipNoClick of [false, true]) {
      using own = await trainGame(gpu, given, smallLstm, { batchSize: 9, skipNoClick }, { validate: false });
      const { model, trainer } = own;
      const users = listUsers(given, "test");
      const played = buildGameOptions(model, trainer.config);
      const { generator, deviceLog } = trainer;
      using evaluation = await evaluateGame(model, generator, played, given, users, { deviceLog });
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
    const { model, trainer } = own;
    await assert.rejects(trainer.step([0]), /got 1 users whose 2 events are all context events/);
    using evaluation = await NetworkEvaluation.ofModel(model, log, [0, 1, 2], {
      deviceLog: trainer.deviceLog,
    });
    assert.equal(evaluation.counted, 2);
    const before = await evaluation.evaluate();
    const { nll } = await trainer.step([0, 1, 2]);
    assertWithin("loss", nll, before.nll, 1e-6);
    await assert.rejects(
      NetworkEvaluation.ofModel(model, log, [0], { deviceLog: trainer.deviceLog }),
      /Expected users with events to predict, found none/,
    );
    const none = { ...log, eventClick: log.eventClick.with(2, NONE) };
    await assert.rejects(
      trainGame(gpu, none, smallLstm, { batchSize: 3 }, { validate: false }),
      /Expected clicks of train users/,
    );
  }));

Deno.test("additional clicks do not change P(no click)", () =>
  withGpu(undefined, async (gpu) => {
    // Of three pages, one has no click, one has a click, and one has two.
    const users = Array.from({ length: 9 }, (_, k): TrainingPage[] => {
      const page = [k, (k + 1) % 9, (k + 2) % 9];
      const further = page[(k + 2) % 3] ?? 0;
      return [[page, -1], [page, k % 3], [page, (k + 1) % 3], [[further], 0, ADDITIONAL_CLICK]];
    });
    const log = logOfPages({ kind: "one-hot", count: 9 }, users);
    const settings = { batchSize: 9, learningRate: 0.1 };
    using own = await trainShannon(gpu, log, { ...noHistory, dims: [] }, settings, { validate: false });
    for (let step = 0; step < 100; step++) await own.trainer.step(listUsers(log, "train"));
    const u = await own.model.score({ history: [], page: [0, 1, 2] });
    assertWithin("P(no click)", 1 / u.reduce((sum, x) => sum + Math.exp(x), 1), 1 / 3, 0.02);
  }));
