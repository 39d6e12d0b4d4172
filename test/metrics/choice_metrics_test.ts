import assert from "node:assert/strict";
import fc from "fast-check";
import { countTrain } from "../../src/counts/train_counts.ts";
import { ADDITIONAL_CLICK, checkLog, CONTEXT_EVENT } from "../../src/data/click_log.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import { computeChoiceLoss, computePrecision, meanSpearman, rankPage } from "../../src/data/ranking.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { type GameOptions, sparsemax } from "../../src/ops/minimax.ts";
import { buildRow, stages } from "../../src/run/stages.ts";
import { evaluateGame } from "../../src/train/adversarial_trainer.ts";
import { NetworkEvaluation } from "../../src/train/network_evaluation.ts";
import { choiceSummary, makeGameSummary } from "../../src/train/training_results.ts";
import { computeChoiceMetrics } from "../f64_model.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog, logOfPages } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { assertWithin } from "../train/trainings.ts";

Deno.test("sums become means over the events that they count", () => {
  // Reward: nll, prec@1, prec@2, clicks. Generator pi: loss_min, prec@1, prec@2, loss_max.
  const sums = [6, 1, 3, 4, 20, 2, 3, 10];
  assert.deepEqual(choiceSummary.means(sums, 12), { nll: 0.5, prec1: 0.25, prec2: 0.75 });
  const precisions = { prec1: 0.25, prec2: 0.75, piPrec1: 0.5, piPrec2: 0.75 };
  assert.deepEqual(makeGameSummary(true).means(sums, 12), {
    nll: 0.5,
    ...precisions,
    lossMin: 5,
    lossMax: 2.5,
  });
  assert.deepEqual(makeGameSummary(false).means(sums, 10), {
    nll: 0.6,
    ...precisions,
    lossMin: 2,
    lossMax: 1,
  });
  assert.equal(choiceSummary.bestBy, 0);
  assert.equal(makeGameSummary(true).bestBy, 1);
});

Deno.test("every column of a log has the metric of its name", () => {
  const figures = { nll: 1, lossMin: 2, lossMax: 3, piPrec1: 4, piPrec2: 5, prec1: 6, prec2: 7 };
  const named: Record<string, number> = {
    loss: 1,
    loss_min: 2,
    loss_max: 3,
    pi_prec1: 4,
    pi_prec2: 5,
    prec1: 6,
    prec2: 7,
  };
  for (const stage of stages) {
    assert.deepEqual(
      buildRow(stage, figures),
      Object.keys(stage.columns).map((name) => named[name]),
      stage.name,
    );
  }
});

/** Log of pages with one to five items; some pages have no click, and some are context events. */
const log = createSmallLog(43, { users: 80, items: 30, width: WIDTH, maxPage: 5, given: 0.1 });
const users = Array.from(log.userSplit.keys());

/** Returns the events with at least `least` items. */
function listLongEvents(least: number): number[] {
  const length = (e: number) => (log.eventRows[e + 1] ?? 0) - (log.eventRows[e] ?? 0);
  return [...log.eventClick.keys()].filter((e) => length(e) >= least && !log.eventKind?.[e]);
}

/** Returns metrics over the events with at least `least` items. */
function computeOver(least: number, utility: ArrayLike<number>): ChoiceMetrics {
  const eventKind = new Uint8Array(log.eventClick.length).fill(CONTEXT_EVENT);
  for (const e of listLongEvents(least)) eventKind[e] = 0;
  return computeChoiceMetrics({ ...log, eventKind }, users, utility);
}

Deno.test("metrics of longer pages exclude only pages of one item", () =>
  withGpu(undefined, async (gpu) => {
    const lengths = [1, 2, 3].map((least) => listLongEvents(least).length);
    assert.ok((lengths[0] ?? 0) > (lengths[1] ?? 0) && (lengths[1] ?? 0) > (lengths[2] ?? 0), `${lengths}`);
    using model = new UserModel(gpu, log.items, { ...smallLstm, dims: [6], kernelSd: 1 }, { seed: 1 });
    using evaluation = await NetworkEvaluation.ofModel(model, log, users, { shards: 3 });
    const utility = await evaluation.utilities();
    const { longerPages, ...all } = await evaluation.evaluate();
    const whole = computeChoiceMetrics(log, users, utility);
    const longer = computeOver(2, utility);
    for (const name of ["nll", "prec1", "prec2"] as const) {
      assertWithin(name, all[name], whole[name], 1e-5);
      assertWithin(`${name} of longer pages`, longerPages[name], longer[name], 1e-5);
      assert.notEqual(whole[name], longer[name]);
    }
    assert.equal(all.events, lengths[0]);
  }));

Deno.test("the exact generator's precisions are those of sparsemax, and top 1 is at most top 2", () =>
  withGpu(undefined, async (gpu) => {
    using model = new UserModel(gpu, log.items, { ...smallLstm, dims: [6], kernelSd: 1 }, { seed: 1 });
    const game: GameOptions = {
      eta: 1,
      generatorEta: 0.3,
      etaByPage: false,
      utilityPenalty: 0,
      skipNoClick: true,
    };
    using evaluation = await evaluateGame(model, undefined, game, log, users, { shards: 2 });
    const utility = await evaluation.utilities();
    const { longerPages, ...all } = await evaluation.evaluate();
    const policy = new Float64Array(utility.length);
    for (const e of listLongEvents(1)) {
      const [start = 0, end = 0] = [log.eventRows[e], log.eventRows[e + 1]];
      policy.set(sparsemax(Array.from(utility.subarray(start, end), (x) => 0.3 * x)), start);
    }
    const [whole, longer] = [computeOver(1, policy), computeOver(2, policy)];
    assertWithin("prec@1", all.piPrec1, whole.prec1, 1e-5);
    assertWithin("prec@2", all.piPrec2, whole.prec2, 1e-5);
    assertWithin("prec@1 of longer pages", longerPages.piPrec1, longer.prec1, 1e-5);
    assertWithin("prec@2 of longer pages", longerPages.piPrec2, longer.prec2, 1e-5);
    assert.ok(all.piPrec1 < all.piPrec2 - 0.05, `${all.piPrec1} ${all.piPrec2}`);
  }));

Deno.test("meanSpearman: the mean is over pages of two or more items, and ties have their mean rank", () => {
  const pages = logOfPages({ kind: "one-hot", count: 4 }, [
    [[[0], 0], [[0, 1], 0], [[0, 1, 2], 0], [[0, 1, 2, 3], -1]],
  ]);
  // A page of one item does not count; pages of two (equal orders) and of three (a tie: 3 / sqrt(12)) do.
  const scores = [5, 1, 2, 1, 1, 2, 4, 3, 2, 1];
  const truth = [9, 0, 3, 1, 2, 3, 1, 2, 3, 4];
  const expected = (1 + Math.sqrt(3) / 2 - 1) / 3;
  assert.ok(Math.abs(meanSpearman(pages, [0], scores, truth) - expected) < 1e-12);
  const single = { ...pages, userEvents: Uint32Array.of(0, 1) };
  assert.ok(Number.isNaN(meanSpearman(single, [0], scores, truth)));
});

const exactly = (found: number, expected: number) => assertWithin("", found, expected, 1e-12);

function permutations(rows: number[]): number[][] {
  if (rows.length === 0) return [[]];
  return rows.flatMap((row) =>
    permutations(rows.filter((other) => other !== row)).map((rest) => [row, ...rest])
  );
}

Deno.test("precision, MRR, NDCG and AUC of a page are means over all orders of ties", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 }),
    fc.nat(),
    (scores, pick) => {
      const clicked = scores.flatMap((_, row) =>
        row === pick % scores.length || pick >> row & 1 ? [row] : []
      );
      // For each order, the ascending ranks of the clicked items.
      const all = permutations([...scores.keys()]).filter((order) =>
        order.every((row, place) => place === 0 || scores[order[place - 1]!]! >= scores[row]!)
      ).map((order) => order.flatMap((row, place) => clicked.includes(row) ? [place + 1] : []));
      const mean = (of: (ranks: number[]) => number) =>
        all.reduce((sum, ranks) => sum + of(ranks), 0) / all.length;
      const gain = (ranks: number[]) => ranks.reduce((sum, rank) => sum + 1 / Math.log2(1 + rank), 0);
      const others = scores.length - clicked.length;
      // Number of unclicked items below each clicked item.
      const behind = (ranks: number[]) =>
        ranks.reduce((sum, rank, k) => sum + scores.length - rank - (ranks.length - 1 - k), 0);
      for (const k of [1, 2] as const) {
        exactly(
          computePrecision(scores, 0, scores.length, clicked, k),
          mean(([first]) => Number(first! <= k)),
        );
      }
      const found = rankPage(scores, 0, scores.length, clicked);
      exactly(found.mrr, mean(([first]) => 1 / first!));
      exactly(found.ndcg, mean((ranks) => gain(ranks) / gain(ranks.map((_, k) => k + 1))));
      if (others === 0) assert.ok(Number.isNaN(found.auc));
      else exactly(found.auc, mean((ranks) => behind(ranks) / others / ranks.length));
    },
  ));
});

/** User 0 has a click on row 1 and a page without a click; user 1 has a click on row 5. */
const tiny = logOfPages({ kind: "one-hot", count: 3 }, [
  [[[0, 1], 1], [[1, 2], -1]],
  [[[0, 1, 2], 1]],
], (user) => 2 * user);

Deno.test("impressions and clicks of a page with several clicks count once, and context events do not count", () => {
  // User 0 clicks row 1, then the item of row 0; user 1 clicks items three, one and two, in this order.
  const several = logOfPages(tiny.items, [
    [[[0, 1], 1], [[0], 0, ADDITIONAL_CLICK], [[1, 2], -1]],
    [[[0, 1, 2], 2], [[0], 0, ADDITIONAL_CLICK], [[1], 0, ADDITIONAL_CLICK]],
  ], () => 0);
  checkLog(several, []);
  assert.deepEqual(countTrain(several), {
    users: 2,
    shown: Uint32Array.of(2, 3, 2),
    clicks: Uint32Array.of(2, 2, 1),
    sampledPages: false,
    meanRate: (5 + 1) / (7 + 2),
    pageRate: (2 + 1) / (3 + 2),
    longestPage: 3,
  });
  // The same log with two context clicks before the pages.
  const given = logOfPages(tiny.items, [
    [[[2], 0, CONTEXT_EVENT], [[0, 1], 1], [[2], 0, CONTEXT_EVENT], [[1, 2], -1]],
    [[[0, 1, 2], 1]],
  ], (user) => 2 * user);
  assert.equal(
    meanSpearman(given, [0, 1], [-5, 0, 1, 7, 0, 1, 3, 1, 2], [9, 1, 0, 9, 2, 2, 3, 1, 0]),
    meanSpearman(tiny, [0, 1], [0, 1, 0, 1, 3, 1, 2], [1, 0, 2, 2, 3, 1, 0]),
  );
  assert.deepEqual(countTrain(given), countTrain(tiny));
});

Deno.test("the loss is -log P, with utility 0 for no click, even if exp overflows", () => {
  exactly(computeChoiceLoss([2, 3, 1, 2], 1, 4, [2]), Math.log(1 + Math.exp(3) + Math.E + Math.exp(2)) - 1);
  assert.equal(computeChoiceLoss([0, 1000], 0, 2, []), 1000);
  assert.equal(computeChoiceLoss([-1000, -1000], 0, 2, [1]), 1000);
});
