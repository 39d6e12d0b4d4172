import assert from "node:assert/strict";
import type { BaselineName } from "../../src/metrics/baselines/baseline_names.ts";
import { type BaselineResult, FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { fitLogOdds } from "../../src/metrics/baselines/utility_scale.ts";
import {
  createCategoryRateScorer,
  createItemKnnScorer,
  createLastClickScorer,
} from "../../src/metrics/baselines/scorers.ts";
import { countPairs, countTrain, PairCounts, smoothedClickRate } from "../../src/counts/train_counts.ts";
import { type ClickLog, listUsers, NONE } from "../../src/data/click_log.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { findRealData } from "../real_data.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";

/** Train pages: {0, 1} with a click on 1, {0, 2} without a click. Test page: {0, 1, 2} with a click on 2. */
const log = logOfPages(
  { kind: "one-hot", count: 3 },
  [[[[0, 1], 1], [[0, 2], -1]], [[[0, 1, 2], 2]]],
  (user) => 2 * user,
);

function evaluate(
  of: ClickLog,
  users: ArrayLike<number>,
  name: BaselineName,
): BaselineResult["details"]["metrics"] {
  return FittedBaselines.of(of).test(users).get(name)?.details.metrics ?? assert.fail(`no ${name}`);
}

Deno.test("random baseline: precision is chance, and the loss is the log of the number of choices", () => {
  const all = evaluate(log, [0, 1], "random");
  assert.ok(Math.abs((all.nll ?? NaN) - (2 * Math.log(3) + Math.log(4)) / 3) < 1e-12);
  assert.ok(Math.abs((all.prec1 ?? NaN) - (1 / 2 + 1 / 3) / 2) < 1e-12);
  assert.ok(Math.abs((all.prec2 ?? NaN) - (1 + 2 / 3) / 2) < 1e-12);
});

Deno.test("the click rate counts train users only", () => {
  // Rates: item 0: .1/3, item 1: 1.1/2, item 2: .1/2 (the test user's click is not counted).
  const { nll, prec1, prec2 } = evaluate(log, [1], "clickRate");
  assert.deepEqual({ nll, prec1, prec2 }, { nll: undefined, prec1: 0, prec2: 1 });
  const nobody = FittedBaselines.of({ ...log, userSplit: Uint8Array.of(2, 2) }).test([0, 1]);
  assert.deepEqual([...nobody.keys()], ["random"]);
  assert.match(
    FittedBaselines.of(log).test([1]).get("lastClick")?.setting ?? "",
    /the last click \(not chosen/,
  );
});

/** Yields for each event the user's earlier clicks, oldest first, and the range of the event's rows. */
function* listPages(of: ClickLog) {
  for (let user = 0; user < of.userSplit.length; user++) {
    const history: number[] = [];
    for (let e = of.userEvents[user]!; e < of.userEvents[user + 1]!; e++) {
      for (let row = of.eventRows[e]!; row < of.eventRows[e + 1]!; row++) {
        yield { user, row, item: of.rowItem[row]!, history: [...history] };
      }
      if (of.eventClick[e] !== NONE) history.push(of.rowItem[of.eventClick[e]!]!);
    }
  }
}

const small = createSmallLog(11, { users: 60, items: 12, width: 0, maxEvents: 8, given: 0.1 });
const everyone = Array.from(small.userSplit.keys());

function assertScores(found: Float64Array, expected: (page: { item: number; history: number[] }) => number) {
  for (const page of listPages(small)) {
    const value = expected(page);
    assert.ok(Math.abs(found[page.row]! - value) < 1e-9, `row ${page.row}: ${found[page.row]}, ${value}`);
  }
}

Deno.test("last click: ranks the latest clicked items first, and then by click rate", () => {
  const counts = countTrain(small);
  const scorer = createLastClickScorer(counts);
  const [one, three] = scorer.score(small, everyone, [0, 1]);
  for (const [found, most] of [[one!, 1], [three!, 3]] as const) {
    assertScores(found, ({ item, history }) => {
      const place = history.lastIndexOf(item);
      return place >= 0 && history.length - place <= most ? 1 + place : smoothedClickRate(counts, item);
    });
  }
});

Deno.test("item-kNN: scores are mean cosines between items clicked by the same train users", () => {
  const counts = countTrain(small);
  const scorer = createItemKnnScorer(countPairs(new MemoryLog(small), 500), counts);
  const clickers = Array.from({ length: 12 }, () => new Set<number>());
  for (let user = 0; user < small.userSplit.length; user++) {
    if (small.userSplit[user] !== 0) continue;
    for (let e = small.userEvents[user]!; e < small.userEvents[user + 1]!; e++) {
      if (small.eventClick[e] !== NONE) clickers[small.rowItem[small.eventClick[e]!]!]?.add(user);
    }
  }
  const cosine = (a: number, b: number) => {
    const [left, right] = [clickers[a]!, clickers[b]!];
    const both = left.intersection(right).size;
    return both === 0 ? 0 : both / Math.sqrt(left.size * right.size);
  };
  const similarity = (item: number, history: number[], most: number, own: number) => {
    const recent = [...new Set(history.toReversed())].slice(0, most);
    if (recent.length === 0) return 0;
    return recent.reduce((sum, other) => sum + (other === item ? own : cosine(item, other)), 0) /
      recent.length;
  };
  const at = (text: string) => scorer.settings.indexOf(text);
  const chosen = [
    at("the last click, ranked before the click rate"),
    at("the last 5 clicks, weight 3, an item counts as its own neighbour"),
  ];
  const [first, times] = scorer.score(small, everyone, chosen);
  assertScores(first!, ({ item, history }) => {
    const mean = similarity(item, history, 1, 0);
    return mean > 0 ? 1 + mean : smoothedClickRate(counts, item);
  });
  assertScores(
    times!,
    ({ item, history }) => smoothedClickRate(counts, item) * (1 + 3 * similarity(item, history, 5, 1)),
  );
});

Deno.test("category rate: the score is the user's share of a category relative to all users' share", () => {
  const items = 12;
  const colour = Array.from({ length: items }, (_, item) => item % 3);
  const token = Uint32Array.from(colour.flatMap((c, item) => [c, 3 + (item % 2)]));
  const first = Uint32Array.from({ length: items + 1 }, (_, item) => 2 * item);
  const values = new Float32Array();
  const mixed: ClickLog = {
    ...small,
    items: { kind: "mixed", count: items, width: 0, values, tokens: { count: 5, first, token } },
  };
  const source = new MemoryLog(mixed);
  const counts = countTrain(source);
  const fields = [
    { name: "colour", first: 0, count: 3 },
    { name: "size", first: 3, count: 2 },
    { name: "item", first: 5, count: items },
  ];
  const scorer = createCategoryRateScorer(source.items, counts, fields) ?? assert.fail();
  assert.ok(scorer.settings.every((text) => !text.includes("item")), "an item is no category");
  const share = (c: number) => {
    const own = [0, 1, 2].map((c) =>
      1 + colour.reduce((sum, other, item) => other === c ? sum + counts.clicks[item]! : sum, 0)
    );
    return own[c]! / own.reduce((a, b) => a + b);
  };
  const [found] = scorer.score(mixed, everyone, [scorer.settings.indexOf("by colour, prior 3")]);
  assertScores(found!, ({ item, history }) => {
    const c = colour[item]!;
    const clicks = history.filter((other) => colour[other] === c).length;
    return smoothedClickRate(counts, item) * (clicks + 3 * share(c)) / ((history.length + 3) * share(c));
  });
  assert.ok(scorer.settings.includes("by colour and size, prior 3"));
  assert.equal(createCategoryRateScorer(new MemoryLog(small).items, countTrain(small), []), undefined);
});

Deno.test("the best setting on validation users is selected", () => {
  // Users click the item of two pages before: the last click is wrong, one of the last three is right.
  const count = 30, pages = 12;
  const random = createRandomStream(1, "pairs");
  const users = Array.from({ length: count }, () => {
    const [first = 0, second = 0] = random.sampleWithoutReplacement(4, 2);
    return Array.from(
      { length: pages },
      (_, e): TrainingPage => [[0, 1, 2, 3], e % 3 === 0 ? second : first],
    );
  });
  const turns = logOfPages({ kind: "one-hot", count: 4 }, users, (user) => user % 3);
  const found = FittedBaselines.of(turns).test(listUsers(turns, "test")).get("lastClick");
  assert.notEqual(found?.setting, "");
  const scorer = createLastClickScorer(countTrain(turns));
  const validation = listUsers(turns, "validation");
  const precision = (setting: string) => {
    const [scores] = scorer.score(turns, validation, [scorer.settings.indexOf(setting)]);
    let hits = 0;
    validation.forEach((user, k) => {
      for (let e = 0; e < pages; e++) {
        const page = Array.from(scores!.subarray(4 * (k * pages + e), 4 * (k * pages + e + 1)));
        const best = Math.max(...page);
        const clicked = turns.eventClick[user * pages + e]! % 4;
        if (page[clicked] === best) hits += 1 / page.filter((x) => x === best).length;
      }
    });
    return hits;
  };
  const best = Math.max(...scorer.settings.map(precision));
  assert.equal(precision(found?.setting ?? ""), best);
});

Deno.test("pair counts are exact if they fit; otherwise the smallest are dropped", () => {
  const random = createRandomStream(2, "pairs");
  const exact = new Map<string, number>();
  const [roomy, narrow] = [new PairCounts(), new PairCounts(2 ** 12)];
  for (let k = 0; k < 40_000; k++) {
    const [a, b] = [random.integer(300), 300 + Math.floor(300 * random.uniform() ** 6)];
    for (const counts of [roomy, narrow]) counts.add(...(k % 2 === 0 ? [a, b] as const : [b, a] as const));
    if (narrow.isFull) narrow.keep((a, b) => Math.max(a, b) < 305);
    exact.set(`${a} ${b}`, (exact.get(`${a} ${b}`) ?? 0) + 1);
  }
  assert.equal(roomy.size, exact.size);
  assert.ok(!roomy.isFull && exact.size > 0.6 * 2 ** 12 && narrow.size <= 0.6 * 2 ** 12);
  for (const [pair, count] of exact) {
    const [a = NaN, b = NaN] = pair.split(" ").map(Number);
    assert.equal(roomy.get(b, a), count);
    if (b < 305) assert.equal(narrow.get(a, b), count);
  }
  assert.equal(roomy.get(1, 2), 0);
});

Deno.test("calibration maps scores to maximum-likelihood log-odds, and keeps their order", () => {
  const random = createRandomStream(9, "log-odds");
  const start = [0], clicked: number[] = [], logScores: number[] = [];
  // Every fourth choice is an additional click, for which no click is not an option.
  const hasNone = Array.from({ length: 2000 }, (_, k) => k % 4 < 3);
  for (const none of hasNone) {
    const scores = Array.from({ length: 1 + random.integer(6) }, () => random.normal());
    const weights = [...scores.map((x) => Math.exp(-1 + 0.7 * x)), none ? 1 : 0];
    let left = random.uniform() * weights.reduce((a, b) => a + b);
    const chosen = weights.findIndex((w) => (left -= w) < 0);
    clicked.push(chosen === scores.length ? -1 : logScores.length + chosen);
    logScores.push(...scores);
    start.push(logScores.length);
  }
  const pages = { logScores: Float64Array.from(logScores), start, chosen: clicked, hasNone };
  const found = fitLogOdds(pages) ?? assert.fail();
  // The fit is within three standard errors of the truth, and no nearby fit is more likely.
  assert.ok(Math.abs(found.offset + 1) < 0.15 && Math.abs(found.slope - 0.7) < 0.15, JSON.stringify(found));
  const loss = (offset: number, slope: number) =>
    clicked.reduce((sum, click, page) => {
      const own = logScores.slice(start[page], start[page + 1]).map((x) => offset + slope * x);
      const all = Math.log(own.reduce((sum, u) => sum + Math.exp(u), hasNone[page] ? 1 : 0));
      return sum + all - (click < 0 ? 0 : offset + slope * logScores[click]!);
    }, 0);
  const least = loss(found.offset, found.slope);
  for (const [da, db] of [[0.02, 0], [-0.02, 0], [0, 0.02], [0, -0.02]] as const) {
    assert.ok(loss(found.offset + da, found.slope + db) > least);
  }
  assert.equal(fitLogOdds({ logScores: new Float64Array(), start: [0], chosen: [], hasNone: [] }), undefined);
  assert.equal(fitLogOdds({ ...pages, logScores: pages.logScores.map((x) => -x) })?.slope, 0);
  const never = fitLogOdds({ ...pages, chosen: clicked.map(() => -1), hasNone: hasNone.map(() => true) });
  assert.ok(never && Number.isFinite(never.offset) && never.offset < -3);
});

Deno.test("a calibrated baseline keeps its ranks and beats a constant on validation users", () => {
  const validation = listUsers(small, "validation");
  const found = FittedBaselines.of(small).test(validation);
  const rate = found.get("clickRate")?.details.metrics;
  const uniform = found.get("random")?.details.metrics;
  assert.ok((rate?.nll ?? NaN) < (uniform?.nll ?? NaN));
  assert.ok(
    Math.abs((rate?.pNoClick ?? NaN) - (rate?.noClick ?? NaN)) < 0.01,
    "as many pages without a click",
  );
  const none = FittedBaselines.of({
    ...small,
    userSplit: small.userSplit.map((part) => part === 1 ? 2 : part),
  });
  const without = none.test(validation).get("clickRate")?.details.metrics;
  assert.equal(without?.nll, undefined);
  assert.equal(without?.prec1, rate?.prec1);
});

for (
  const { file, nll, random, clickRate } of [
    { file: "yelp.txt", nll: 1.492, random: [.397, .636], clickRate: [.621, .847] },
    { file: "rsc.txt", nll: 1.300, random: [.490, .721], clickRate: [.499, .739] },
  ]
) {
  const path = findRealData(file);
  Deno.test({
    name: `baselines of ${file} on its test users`,
    ignore: path === undefined,
    fn() {
      const real = readPaperFile(path!);
      const found = FittedBaselines.of(real).test(listUsers(real, "test"));
      assert.equal(found.get("random")?.details.metrics.nll?.toFixed(3), nll.toFixed(3));
      for (const [name, expected] of [["random", random], ["clickRate", clickRate]] as const) {
        const metrics = found.get(name)?.details.metrics;
        assert.equal(metrics?.prec1?.toFixed(3), expected[0]!.toFixed(3));
        assert.equal(metrics?.prec2?.toFixed(3), expected[1]!.toFixed(3));
      }
    },
  });
}
