import assert from "node:assert/strict";
import fc from "fast-check";
import { type ClickLog, NONE } from "../../src/data/click_log.ts";
import { toCatalogue } from "../../src/data/item_catalogue.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { findItemCategories } from "../../src/metrics/baselines/find_categories.ts";
import { Bootstrap, computeInterval, MOST_GROUPS } from "../../src/metrics/bootstrap.ts";
import { CalibrationSums, findBin } from "../../src/metrics/probability_calibration.ts";
import { MetricCollector } from "../../src/metrics/metric_collector.ts";
import { listItemGroups } from "../../src/metrics/item_categories.ts";
import { ItemGainCollector, LEAST_DISPLAYS } from "../../src/metrics/item_gains.ts";
import type { EvaluatedPage, MetricName } from "../../src/metrics/metric_columns.ts";
import type { TestResult } from "../../src/metrics/test_result.ts";
import { compareLoadedSums, compareScorings, loadSums, packSums } from "../../src/metrics/test_result.ts";
import { TasteCollector } from "../../src/metrics/user_tastes.ts";
import { createSmallLog, logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";

function near(found: number | undefined, expected: number, what = "", tolerance = 1e-9): void {
  assert.ok(Math.abs((found ?? NaN) - expected) <= tolerance, `${what}: expected ${expected}, got ${found}`);
}

/** Log of pages with one to five items; some have no click, some several clicks, some are context events. */
const log = createSmallLog(43, { users: 80, items: 30, width: 0, maxPage: 5, given: 0.1, further: 0.3 });
const users = Array.from(log.userSplit.keys());
const random = createRandomStream(7, "scores");
const scores = Float64Array.from(log.rowItem, () => random.normal());
const isSeen = (item: number) => item % 3 > 0;
/** Even items are in group 0, every third item is in group 1, all others in group 2. */
const categories = {
  ...{ field: "genre", names: ["drama", "war", "other"] },
  groups: Uint16Array.from({ length: 30 }, (_, item) => (item % 2 ? 0 : 1) + (item % 3 ? 0 : 2) || 4),
};
const ETA = 1.5;

function evaluate(values: Float64Array, eta: number | undefined, of: ClickLog = log): TestResult {
  const counted = of.userSplit.length - usersWithoutEvents(of).length;
  const collector = new MetricCollector({ users: counted, eta, isSeen, categories });
  collector.add({ log: of, places: Array.from(of.userSplit.keys()), scores: values });
  return collector.tested();
}

function usersWithoutEvents(of: ClickLog): number[] {
  return Array.from(of.userSplit.keys()).filter((user) => {
    const given = of.eventKind?.subarray(of.userEvents[user], of.userEvents[user + 1]);
    return given?.every((x) => x > 0);
  });
}

interface Event {
  readonly user: number;
  readonly scores: number[];
  /** Clicked positions in the order of the clicks. */
  readonly clicks: number[];
  readonly history: number;
  readonly items: number[];
}

function events(): Event[] {
  return users.flatMap((user) => {
    const found: Event[] = [];
    let history = 0;
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [start, end, clicked] = [log.eventRows[e]!, log.eventRows[e + 1]!, log.eventClick[e]!];
      const items = Array.from(log.rowItem.subarray(start, end));
      if (log.eventKind?.[e] === 2) found.at(-1)!.clicks.push(found.at(-1)!.items.indexOf(items[0]!));
      if (!log.eventKind?.[e]) {
        const clicks = clicked === NONE ? [] : [clicked - start];
        found.push({ user, scores: Array.from(scores.subarray(start, end)), clicks, history, items });
      }
      if (clicked !== NONE) history++;
    }
    return found;
  });
}

const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

function probabilities({ scores }: Event): number[] {
  const weights = [...scores.map((u) => Math.exp(ETA * u)), 1];
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
}

/** Returns -log P of the clicks, which users choose one after another. */
function computeLoss(event: Event): number {
  const p = probabilities(event);
  let [left, loss] = [1, 0];
  event.clicks.forEach((click, j) => {
    loss -= Math.log(p[click]! / left);
    left -= p[click]! + (j === 0 ? p.at(-1)! : 0);
  });
  return event.clicks.length === 0 ? -Math.log(p.at(-1)!) : loss;
}

function byDefinition(some: readonly Event[]): Partial<Record<MetricName, number>> {
  const computeRank = ({ scores }: Event, click: number) =>
    scores.filter((u) => u > scores[click]!).length + 1;
  const rank = (e: Event) => Math.min(...e.clicks.map((click) => computeRank(e, click)));
  const gain = (ranks: number[]) => ranks.reduce((sum, rank) => sum + 1 / Math.log2(1 + rank), 0);
  const clicked = some.filter(({ clicks }) => clicks.length > 0);
  const longer = clicked.filter(({ scores }) => scores.length > 1);
  const pairs = clicked.filter(({ scores, clicks }) => clicks.length < scores.length);
  const auc = ({ scores, clicks }: Event) =>
    mean(
      clicks.flatMap((click) =>
        scores.flatMap((u, k) => clicks.includes(k) ? [] : [scores[click]! > u ? 1 : 0])
      ),
    );
  return {
    nll: mean(some.map(computeLoss)),
    prec1: mean(clicked.map((e) => rank(e) === 1 ? 1 : 0)),
    prec2: mean(clicked.map((e) => rank(e) <= 2 ? 1 : 0)),
    longerPrec1: mean(longer.map((e) => rank(e) === 1 ? 1 : 0)),
    mrr: mean(clicked.map((e) => 1 / rank(e))),
    ndcg: mean(
      clicked.map((e) =>
        gain(e.clicks.map((click) => computeRank(e, click))) / gain(e.clicks.map((_, k) => k + 1))
      ),
    ),
    auc: mean(pairs.map(auc)),
    noClick: mean(some.map(({ clicks }) => clicks.length === 0 ? 1 : 0)),
    pNoClick: mean(some.map((e) => probabilities(e).at(-1)!)),
    clicked: mean(some.flatMap(({ scores, clicks }) => scores.map((_, k) => k === clicks[0] ? 1 : 0))),
    pClick: mean(some.flatMap((e) => probabilities(e).slice(0, -1))),
  };
}

Deno.test("all metrics match their definitions, also by page length, history, position and item", () => {
  const { details } = evaluate(scores, ETA);
  const all = events();
  const check = (found: typeof details.metrics, some: readonly Event[], what: string) => {
    for (const [name, value] of Object.entries(byDefinition(some))) {
      if (name === "longerPrec1" && some !== all) continue; // not defined for slices
      if (Number.isNaN(value)) assert.equal(found[name as MetricName], undefined, `${what} ${name}`);
      else near(found[name as MetricName], value, `${what} ${name}`);
    }
  };
  check(details.metrics, all, "all");
  const within = (range: string, value: number) => {
    const [low = NaN, high = range.endsWith("+") ? Infinity : low] = range.split(/[-+]/).filter((x) =>
      x !== ""
    )
      .map(Number);
    return value >= low && value <= high;
  };
  const computeEce = (rows: readonly { readonly e: Event; readonly k: number }[]) => {
    const sums = new CalibrationSums(1);
    for (const { e, k } of rows) {
      const p = probabilities(e)[k]!;
      sums.add(0, findBin(p), p, e.clicks[0] === k);
    }
    return sums.calibration()!.ece;
  };
  const listRows = (some: readonly Event[]) => some.flatMap((e) => e.scores.map((_, k) => ({ e, k })));
  for (const { name, metrics, events, users, ece } of details.slices["page length"] ?? []) {
    const some = all.filter(({ scores }) => within(name, scores.length));
    check(metrics, some, name);
    near(ece, computeEce(listRows(some)), name);
    assert.deepEqual([events, users], [some.length, new Set(some.map(({ user }) => user)).size]);
  }
  for (const { name, metrics, ece } of details.slices.history ?? []) {
    const some = all.filter(({ history }) => within(name, history));
    check(metrics, some, `history ${name}`);
    near(ece, computeEce(listRows(some)), name);
  }
  type IsIn = (name: string, e: Event, k: number) => boolean;
  const byRow = (by: "position" | "item" | "category", isIn: IsIn) => {
    for (const { name, metrics, events, ece } of details.slices[by] ?? []) {
      const own = all.filter((e) => e.clicks.length > 0 && isIn(name, e, e.clicks[0]!));
      const { nll, prec1, auc } = byDefinition(own);
      assert.equal(events, own.length);
      near(metrics.nll, nll!, name);
      near(metrics.prec1, prec1!, name);
      if (!Number.isNaN(auc)) near(metrics.auc, auc!, name);
      const rows = listRows(all).filter(({ e, k }) => isIn(name, e, k));
      near(ece, computeEce(rows), name);
      near(metrics.pClick, mean(rows.map(({ e, k }) => probabilities(e)[k]!)), name);
      near(metrics.clicked, mean(rows.map(({ e, k }) => e.clicks[0] === k ? 1 : 0)), name);
    }
  };
  byRow("position", (name, _, k) => within(name, k + 1));
  byRow("item", (name, { items }, k) => isSeen(items[k]!) === (name !== "new"));
  const hasGroup = (name: string, item: number) =>
    categories.groups[item]! >> categories.names.indexOf(name) & 1;
  byRow("category", (name, { items }, k) => hasGroup(name, items[k]!) === 1);
  assert.deepEqual(Object.values(details.slices).map(({ length }) => length > 1), Array(5).fill(true));
});

Deno.test("a ranking has no loss and no probabilities; sums of parts of a log add up to the whole log", () => {
  const { details } = evaluate(scores, undefined);
  assert.equal(details.metrics.nll, undefined);
  assert.equal(details.metrics.pClick, undefined);
  assert.equal(details.calibration, undefined);
  near(details.metrics.ndcg, byDefinition(events()).ndcg!);
  const whole = evaluate(scores, ETA);
  const counted = 80 - usersWithoutEvents(log).length;
  const collector = new MetricCollector({ users: counted, eta: ETA, isSeen, categories });
  for (const places of [users.slice(0, 31), users.slice(31)]) {
    const rows = places.flatMap((user) => {
      const [from, to] = [log.eventRows[log.userEvents[user]!]!, log.eventRows[log.userEvents[user + 1]!]!];
      return Array.from(scores.subarray(from, to));
    });
    collector.add({ log, places, scores: rows, compact: true });
  }
  assert.deepEqual(collector.tested().details, whole.details);
});

Deno.test("the device's outcomes replace those from scores, event by event", () => {
  const words = 7;
  const collector = new MetricCollector({ users: 80 - usersWithoutEvents(log).length, eta: ETA, isSeen });
  const getOutcome = (e: number) => Array.from({ length: words }, (_, word) => e % 11 + word / 8);
  for (const places of [users.slice(0, 31), users.slice(31)]) {
    const [from, to] = [log.userEvents[places[0]!]!, log.userEvents[places.at(-1)! + 1]!];
    const found = Array.from({ length: to - from }, (_, k) => getOutcome(from + k)).flat();
    collector.add({ log, places, scores, outcomes: { values: Float32Array.from(found), words } });
  }
  // On a page with several clicks, the device counts only the first click; loss and ranks include all clicks.
  const all = events();
  const indices = Array.from(log.eventClick.keys()).filter((e) => !log.eventKind?.[e]);
  const counted = all.map((event, k) => ({
    event,
    outcome: getOutcome(indices[k]!),
    one: byDefinition([event]),
  }));
  const clicked = counted.filter(({ event }) => event.clicks.length > 0);
  const longer = clicked.filter(({ event }) => event.scores.length > 1);
  assert.ok(clicked.some(({ event }) => event.clicks.length > 1));
  const { metrics } = collector.tested().details;
  const expected = (some: typeof counted, name: "nll" | "prec1" | "prec2", word: number) =>
    mean(some.map(({ event, outcome, one }) => event.clicks.length > 1 ? one[name]! : outcome[word]!));
  near(metrics.nll, expected(counted, "nll", 0));
  near(metrics.prec1, expected(clicked, "prec1", 1));
  near(metrics.prec2, expected(clicked, "prec2", 2));
  near(metrics.longerPrec1, expected(longer, "prec1", 1));
  near(metrics.longerPrec2, expected(longer, "prec2", 2));
  near(metrics.piPrec1, mean(clicked.map(({ outcome }) => outcome[5]!)));
  near(metrics.piPrec2, mean(clicked.map(({ outcome }) => outcome[6]!)));
  near(metrics.mrr, byDefinition(all).mrr!); // which the device does not compute
});

Deno.test("resamples add each column separately", () => {
  const [groups, columns] = [6, 19];
  const sums = Float64Array.from(
    { length: groups * columns },
    (_, k) => k % columns === 4 ? 0 : (k * k) % 101,
  );
  const bootstrap = new Bootstrap(groups, 40);
  const all = bootstrap.totals(sums, columns);
  for (let column = 0; column < columns; column++) {
    const alone = bootstrap.totals(sums.filter((_, k) => k % columns === column), 1);
    assert.deepEqual(all.filter((_, k) => k % columns === column), alone, `column ${column}`);
  }
  // Only two groups are resampled, so their draws exclude each other.
  const two = new Bootstrap(2, 30).totals(Float64Array.of(1, 0, 0, 10), 2);
  for (let b = 0; b < 30; b++) assert.equal(two[2 * b]! + two[2 * b + 1]! / 10, 2);
  assert.notEqual(computeInterval(Float64Array.of(1, 2, 3), 2), null);
});

Deno.test("differences are paired: equal scorings do not differ, and a small change is significant", () => {
  const one = evaluate(scores, ETA);
  const same = compareScorings(one, evaluate(scores.slice(), ETA));
  assert.deepEqual(same.prec1, { value: 0, interval: [0, 0] });
  // A small shift of all utilities changes each user's loss by about the same amount.
  const other = evaluate(scores.map((u) => u - 0.02), ETA);
  const { nll } = compareScorings(one, other);
  const width = ([low, high]: readonly [number, number]) => high - low;
  near(nll?.value, one.details.metrics.nll! - other.details.metrics.nll!);
  assert.ok(width(nll!.interval!) < 0.1 * width(one.details.intervals.nll!));
});

Deno.test("stored scorings are compared like those in memory, on the same users only", () => {
  const [one, other] = [evaluate(scores, ETA), evaluate(scores.map((u) => 0.9 * u + 0.1), ETA)];
  const keep = (...of: TestResult[]) => loadSums(of.map(packSums));
  const wanted = compareScorings(one, other);
  for (const name of ["nll", "prec1", "prec2"] as const) {
    const [is, should] = [compareLoadedSums(keep(one), name, keep(other)), wanted[name]];
    near(is?.value, should?.value ?? NaN, name, 1e-6);
    for (const k of [0, 1]) near(is?.interval?.[k], should?.interval?.[k] ?? NaN, name, 1e-6);
  }
  assert.equal(compareLoadedSums(keep(one), "piPrec1", keep(other)), undefined, "there is no generator");
  // The mean of several scorings is compared.
  const mean = compareLoadedSums(keep(one, other), "nll", keep(other));
  near(mean?.value, (wanted.nll?.value ?? NaN) / 2, "the mean of two", 1e-6);
  const elsewhere = createSmallLog(44, { users: 80, items: 30, width: 0, maxPage: 5, given: 0.1 });
  const strange = evaluate(Float64Array.from(elsewhere.rowItem, () => 0), ETA, elsewhere);
  assert.equal(compareLoadedSums(keep(one), "nll", keep(strange)), undefined);
  assert.equal(keep(one, strange), undefined);
  for (const sums of ["AAAA", "?"]) assert.equal(loadSums([{ ...packSums(other), sums }]), undefined);
});

/** Returns users with one page of one item, which is clicked or not, so a loss has one of two values. */
function coins(count: number): { log: ClickLog; values: Float64Array } {
  const random = createRandomStream(3, "coins", count);
  const users = Array.from({ length: count }, (): TrainingPage[] => [[[0], random.uniform() < 0.3 ? 0 : -1]]);
  const log = logOfPages({ kind: "one-hot", count: 1 }, users);
  return { log, values: new Float64Array(count).fill(Math.log(0.3 / 0.7)) };
}

Deno.test("an interval has the width of the standard error, also if users share a group", () => {
  for (const count of [400, 20 * MOST_GROUPS]) {
    const { log, values } = coins(count);
    const { details, groups } = evaluate(values, 1, log);
    assert.equal(groups, Math.min(count, MOST_GROUPS));
    const share = details.metrics.noClick!;
    const error = Math.sqrt(share * (1 - share) / count);
    const [low, high] = details.intervals.noClick!;
    near((high - low) / 2 / (1.96 * error), 1, `${count} users`, 0.12);
    near((high + low) / 2, share, `${count} users`, 0.3 * error);
    // The probabilities are correct, so the remaining error is chance.
    const { ece, eceByChance } = details.calibration!.click!;
    assert.ok(ece < 4 * eceByChance! && eceByChance! < 2 * error, `${ece}, ${eceByChance}`);
  }
});

Deno.test("an interval is the middle 95 % of values in any order, with ties", () => {
  const sorted = (values: readonly number[]) => {
    const ascending = values.toSorted((a, b) => a - b);
    return [0.025, 0.975].map((share) => {
      const place = share * (ascending.length - 1);
      const low = ascending[Math.floor(place)]!;
      return low + (place - Math.floor(place)) * ((ascending[Math.floor(place) + 1] ?? low) - low);
    });
  };
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -1e6, max: 1e6 }));
  fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), (values) => {
    assert.deepEqual(computeInterval(Float64Array.of(...values, NaN), 9), sorted(values));
  }));
});

Deno.test("users without a predicted event are not resampled", () => {
  const given = createSmallLog(5, { users: 40, items: 9, width: 0, maxEvents: 2, given: 0.5 });
  const idle = usersWithoutEvents(given);
  assert.ok(idle.length > 2);
  const values = Float64Array.from(given.rowItem, (item) => item / 3);
  const places = Array.from(given.userSplit.keys()).filter((user) => !idle.includes(user));
  const collector = new MetricCollector({ users: places.length, eta: 1, isSeen, categories });
  collector.add({ log: given, places, scores: values });
  assert.deepEqual(collector.tested().details, evaluate(values, 1, given).details);
});

Deno.test("too few users have no interval", () => {
  const { log, values } = coins(1);
  assert.equal(evaluate(values, 1, log).details.intervals.noClick, null);
  assert.equal(computeInterval(Float64Array.of(1, NaN, NaN, NaN), 4), null);
  const drawn = new Bootstrap(3, 50).totals(Float64Array.of(1, 1, 1), 1);
  assert.ok(drawn.every((total) => total === 3), "each resample has as many users");
});

Deno.test("calibration: bins have equal counts, and too high probabilities are reported", () => {
  const random = createRandomStream(5, "calibration");
  const sums = new CalibrationSums(50);
  const wrong = new CalibrationSums(50);
  for (let k = 0; k < 20_000; k++) {
    const p = random.uniform() ** 3;
    const happened = random.uniform() < p;
    sums.add(k % 50, findBin(p), p, happened);
    wrong.add(k % 50, findBin(p ** 0.5), p ** 0.5, happened);
  }
  const right = sums.calibration(new Bootstrap(50))!;
  assert.ok(right.bins.length >= 5 && right.bins.length <= 10, `${right.bins.length}`);
  assert.equal(right.bins.reduce((sum, { cases }) => sum + cases, 0), 20_000);
  const inside = right.bins.filter(({ predicted, interval }) =>
    interval && interval[0] <= predicted && predicted <= interval[1]
  );
  assert.ok(inside.length >= right.bins.length - 2);
  assert.ok(right.ece < 0.02 && right.ece < 3 * right.eceByChance!, `${right.ece} ${right.eceByChance}`);
  const { ece } = wrong.calibration(new Bootstrap(50))!;
  // The mean of p^(1/2) - p, for p the cube of a uniform number: 1/2.5 - 1/4.
  near(ece, 0.15, "too high", 0.01);
  assert.equal(new CalibrationSums(1).calibration(), undefined);
  const same = new CalibrationSums(1);
  for (const p of [0.3, 0.3, 0.3, 0.6]) same.add(0, findBin(p), p, true);
  assert.deepEqual(same.calibration()!.bins.map(({ cases }) => cases), [3, 1]);
  // The outermost bins include all values beyond them; a probability of exactly 1/2 begins a bin.
  assert.deepEqual([0, 1e-9, 0.4999, 0.5, 1 - 1e-9, 1].map(findBin), [0, 0, 511, 512, 1023, 1023]);
  // Computed by hand: the spread of predicted minus observed over the resamples.
  const few = new CalibrationSums(3);
  for (const [group, happened] of [[0, true], [1, false], [1, true], [2, false]] as const) {
    few.add(group, findBin(0.4), 0.4, happened);
  }
  const bootstrap = new Bootstrap(3, 3);
  const totals = bootstrap.totals(Float64Array.of(...[1, 1], ...[2, 1], ...[1, 0]), 2);
  const errors = [0, 1, 2].map((b) => totals[2 * b + 1]! / totals[2 * b]! - 0.4);
  const squares = errors.reduce((sum, x) => sum + (x - mean(errors)) ** 2, 0);
  near(few.calibration(bootstrap)?.ece, 0.1);
  near(few.calibration(bootstrap)?.eceByChance ?? NaN, Math.sqrt(2 / Math.PI * squares / 2));
  assert.ok(squares > 0);
});

function makePage(items: number[], clicked: number[], chances: number[]): EvaluatedPage {
  const none = new Float64Array(items.length);
  return {
    ...{ items: Uint32Array.from(items), clicked, chances: Float64Array.from(chances) },
    ...{ history: 0, ranking: none, logits: none, logSum: 0 },
  };
}

Deno.test("an item's gain is the difference in log-likelihood over its displays; rare items are left out", () => {
  const collector = new ItemGainCollector();
  // Item 7 is clicked on every third page, where the model gives 0.6, else 0.1. Item 2 is never clicked.
  for (let k = 0; k < LEAST_DISPLAYS; k++) {
    const isClicked = k % 3 === 0;
    collector.add(makePage([7, 2], isClicked ? [0, 1] : [], [isClicked ? 0.6 : 0.1, 0.3]), [0.3, 0.2]);
  }
  collector.add(makePage([5], [0], [0.9]), [0.1]);
  const { gains: [gain = assert.fail(), ...others], losses: [loss = assert.fail()], compared } = collector
    .largest();
  assert.deepEqual([gain.item, loss.item, others.length, compared], [7, 2, 0, 2]);
  const expected = {
    ...{ clicked: 1 / 3, model: 0.8 / 3, clickRate: 0.3 },
    gain: 10 * Math.log(0.6 / 0.3) + 20 * Math.log(0.9 / 0.7),
  };
  for (const key of ["clicked", "model", "clickRate", "gain"] as const) {
    assert.ok(Math.abs(gain[key] - expected[key]) < 1e-12, key);
  }
  assert.equal(gain.displays, LEAST_DISPLAYS);
  assert.ok(Math.abs(loss.gain - 30 * Math.log(0.7 / 0.8)) < 1e-12);
  assert.equal(loss.clicked, 0, "only the first click counts");
});

Deno.test("a taste has shares of the user's clicks, of the prediction, and of all clicks", () => {
  const categories = { field: "genre", names: ["drama", "war", "other"], groups: Uint16Array.of(1, 2, 3, 4) };
  const collector = new TasteCollector(categories);
  const addClicks = (user: number, clicks: number, position: number) => {
    for (let k = 0; k < clicks; k++) {
      collector.add(user, makePage([0, 1, 2, 3], [position], [0.1, 0.4, 0.2, 0.1]));
    }
  };
  addClicks(4, 4, 0); // too few clicks
  addClicks(5, 6, 1);
  collector.add(5, makePage([0], [], [0.2]));
  for (let user = 6; user < 10; user++) addClicks(user, 10, 2);
  const tastes = collector.tastes();
  assert.deepEqual(tastes.map(({ user }) => user), [6, 7, 8, 9]);
  const [{ shares, pages, clicks } = assert.fail()] = tastes;
  assert.deepEqual([pages, clicks], [10, 10]);
  // Item 2 is in both categories; 40 of 50 clicks are on it.
  const found = shares.map(({ category, observed, average }) => [category, observed, average]);
  assert.deepEqual(found, [["war", 1, 46 / 50], ["drama", 1, 44 / 50]]);
  assert.ok(Math.abs(shares[0]!.predicted - 0.6 / 0.8) < 1e-12);
});

Deno.test("items are grouped by the field named like a category, and by its most clicked values", () => {
  // Item k has brand k % 4 and genre k % 12; item 0 also has genre 1. Items 11, 11 and 10 were clicked.
  const token = Array.from({ length: 24 }, (_, k) => [k % 4, 4 + k % 12, ...(k === 0 ? [5] : [])]);
  const first = token.map((_, k) => token.slice(0, k).flat().length).concat(token.flat().length);
  const tokens = { count: 16, first: Uint32Array.from(first), token: Uint32Array.from(token.flat()) };
  const catalogue = toCatalogue({ kind: "mixed", count: 24, width: 0, values: new Float32Array(), tokens });
  const clicks = Uint32Array.from(token, (_, k) => k === 11 ? 2 : k === 10 ? 1 : 0);
  const genres = Array.from({ length: 12 }, (_, k) => `g${k}`);
  const fields = [
    { name: "brand", first: 0, count: 4, values: ["a", "b", "c", "d"] },
    { name: "main_genre", first: 4, count: 12, values: genres },
  ];
  const found = findItemCategories(catalogue, { clicks }, fields) ?? assert.fail();
  assert.equal(found.field, "main_genre");
  assert.deepEqual(found.names, ["g11", "g10", "g0", "g1", "g2", "g3", "g4", "g5", "other"]);
  assert.deepEqual([0, 10, 7].map((item) => listItemGroups(found, item)), [[2, 3], [1], [8]]);
  const unnamed = fields.map(({ values: _, ...field }) => field);
  assert.equal(findItemCategories(catalogue, { clicks }, unnamed), undefined);
});
