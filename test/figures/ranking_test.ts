import assert from "node:assert/strict";
import fc from "fast-check";
import { countTrain } from "../../src/counts/train_counts.ts";
import { checkLog, type ClickLog, NONE } from "../../src/data/click_log.ts";
import { choiceFigures, meanSpearman, pageRanking, precisionAt } from "../../src/data/ranking.ts";

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `expected ${expected}, got ${actual}`);

Deno.test("precisionAt: no ties", () => {
  const scores = [9, 3, 1, 2, 9];
  for (const [clicked, at1, at2] of [[1, 1, 1], [3, 0, 1], [2, 0, 0]] as const) {
    near(precisionAt(scores, 1, 4, [clicked], 1), at1);
    near(precisionAt(scores, 1, 4, [clicked], 2), at2);
  }
});

/** Every order of the rows. */
function permutations(rows: number[]): number[][] {
  if (rows.length === 0) return [[]];
  return rows.flatMap((row) =>
    permutations(rows.filter((other) => other !== row)).map((rest) => [row, ...rest])
  );
}

Deno.test("precision, MRR, NDCG and AUC of a page are means over all orders in which ties can be broken", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 }),
    fc.nat(),
    (scores, pick) => {
      const clicked = scores.flatMap((_, row) =>
        row === pick % scores.length || pick >> row & 1 ? [row] : []
      );
      // Of each order, the ranks of what is clicked, rising.
      const all = permutations([...scores.keys()]).filter((order) =>
        order.every((row, place) => place === 0 || scores[order[place - 1]!]! >= scores[row]!)
      ).map((order) => order.flatMap((row, place) => clicked.includes(row) ? [place + 1] : []));
      const mean = (of: (ranks: number[]) => number) =>
        all.reduce((sum, ranks) => sum + of(ranks), 0) / all.length;
      const gain = (ranks: number[]) => ranks.reduce((sum, rank) => sum + 1 / Math.log2(1 + rank), 0);
      const others = scores.length - clicked.length;
      // Those behind a clicked item: all but the clicked ones behind it.
      const behind = (ranks: number[]) =>
        ranks.reduce((sum, rank, k) => sum + scores.length - rank - (ranks.length - 1 - k), 0);
      for (const k of [1, 2] as const) {
        near(precisionAt(scores, 0, scores.length, clicked, k), mean(([first]) => Number(first! <= k)));
      }
      const found = pageRanking(scores, 0, scores.length, clicked);
      near(found.mrr, mean(([first]) => 1 / first!));
      near(found.ndcg, mean((ranks) => gain(ranks) / gain(ranks.map((_, k) => k + 1))));
      if (others === 0) assert.ok(Number.isNaN(found.auc));
      else near(found.auc, mean((ranks) => behind(ranks) / others / ranks.length));
    },
  ));
});

/** User 0: a click on row 1 and a page without a click; user 1: a click on row 5. */
const log: ClickLog = {
  name: "tiny",
  items: { kind: "one-hot", count: 3 },
  userSplit: Uint8Array.of(0, 2),
  userEvents: Uint32Array.of(0, 2, 3),
  eventRows: Uint32Array.of(0, 2, 4, 7),
  eventClick: Uint32Array.of(1, NONE, 5),
  rowItem: Uint32Array.of(0, 1, 1, 2, 0, 1, 2),
};

/** Of the ranking alone. */
function rankingFigures(...of: Parameters<typeof choiceFigures>) {
  const { nll: _, ...figures } = choiceFigures(...of);
  return figures;
}

Deno.test("rankings: means over events with a click", () => {
  assert.deepEqual(rankingFigures(log, [0, 1], [0, 1, 0, 1, 3, 1, 2]), { prec1: 1 / 2, prec2: 1 / 2 });
  assert.deepEqual(rankingFigures(log, [0], [0, 1, 0, 1, 3, 1, 2]), { prec1: 1, prec2: 1 });
  assert.deepEqual(rankingFigures(log, [], [0, 1, 0, 1, 3, 1, 2]), { prec1: NaN, prec2: NaN });
});

Deno.test("a page of several clicks: displays count once, each click once, and its loss is that of one choice after another", () => {
  // User 0 clicks row 1 and then the item of row 0; user 1 clicks row 2 of three, then the first, then what is left.
  const several: ClickLog = {
    ...log,
    userEvents: Uint32Array.of(0, 3, 6),
    eventRows: Uint32Array.of(0, 2, 3, 5, 8, 9, 10),
    eventClick: Uint32Array.of(1, 2, NONE, 7, 8, 9),
    eventGiven: Uint8Array.of(0, 2, 0, 0, 2, 2),
    rowItem: Uint32Array.of(0, 1, 0, 1, 2, 0, 1, 2, 0, 1),
  };
  checkLog(several, []);
  const u = [0.5, -1, 9, 2, 1, 0.25, 0.75, -0.5, 9, 9];
  const e = u.map(Math.exp);
  const likelihood = e[1]! / (1 + e[0]! + e[1]!) * 1 / (1 + e[3]! + e[4]!) *
    e[7]! / (1 + e[5]! + e[6]! + e[7]!) * e[5]! / (e[5]! + e[6]!);
  near(choiceFigures(several, [0, 1], u).nll, -Math.log(likelihood) / 3);
  // Of both pages with a click, the best clicked row is the first of its page.
  assert.deepEqual(rankingFigures(several, [0, 1], u), { prec1: 1, prec2: 1 });
  assert.deepEqual(rankingFigures(several, [0], [0, 0, 9, 0, 0]), { prec1: 1, prec2: 1 });
  const train = { ...several, userSplit: Uint8Array.of(0, 0) };
  assert.deepEqual(countTrain(train), {
    users: 2,
    shown: Uint32Array.of(2, 3, 2),
    clicks: Uint32Array.of(2, 2, 1),
    meanRate: (5 + 1) / (7 + 2),
    longestPage: 3,
  });
});

Deno.test("given events are not counted in any figure, nor as shown", () => {
  // The same with two clicks before the pages, the second of them between them.
  const given: ClickLog = {
    ...log,
    userEvents: Uint32Array.of(0, 4, 5),
    eventRows: Uint32Array.of(0, 1, 3, 4, 6, 9),
    eventClick: Uint32Array.of(0, 2, 3, NONE, 7),
    eventGiven: Uint8Array.of(1, 0, 1, 0, 0),
    rowItem: Uint32Array.of(2, 0, 1, 2, 1, 2, 0, 1, 2),
  };
  const scores = [0, 1, 0, 1, 3, 1, 2];
  const with2 = [-5, 0, 1, 7, 0, 1, 3, 1, 2];
  assert.deepEqual(rankingFigures(given, [0, 1], with2), rankingFigures(log, [0, 1], scores));
  assert.deepEqual(choiceFigures(given, [0, 1], with2), choiceFigures(log, [0, 1], scores));
  const truth = [1, 0, 2, 2, 3, 1, 0];
  assert.equal(
    meanSpearman(given, [0, 1], with2, [9, 1, 0, 9, 2, 2, 3, 1, 0]),
    meanSpearman(log, [0, 1], scores, truth),
  );
  assert.deepEqual(countTrain(given), countTrain(log));
});

Deno.test("choiceFigures: -log P with no click as utility 0, also where exp overflows", () => {
  const utility = [0, 1, 0, 1, 3, 1, 2];
  const e = Math.exp;
  const expected = [
    Math.log(1 + e(0) + e(1)) - 1,
    Math.log(1 + e(0) + e(1)),
    Math.log(1 + e(3) + e(1) + e(2)) - 1,
  ];
  near(choiceFigures(log, [0, 1], utility).nll, expected.reduce((sum, x) => sum + x) / 3);
  // A generator can be walked through once only.
  near(choiceFigures(log, log.userSplit.keys(), utility).prec1, 1 / 2);
  assert.equal(choiceFigures(log, [0], [0, 1000, 0, 1000, 0, 0, 0]).nll, 500);
  assert.equal(choiceFigures(log, [0], [-1000, -1000, -1000, -1000, 0, 0, 0]).nll, 500);
});
