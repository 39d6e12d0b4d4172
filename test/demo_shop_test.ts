import assert from "node:assert/strict";
import { type BaselineName, Baselines } from "../src/baselines/baselines.ts";
import { checkLog } from "../src/data/check_log.ts";
import { NONE, type Split, splits, usersOf } from "../src/data/click_log.ts";
import { attainable, makeDemoShop } from "../src/data/demo_shop.ts";
import { demoFeatures } from "../src/data/shops/items.ts";

const shop = makeDemoShop(1);
const { log, truth } = shop;
const events = log.eventClick.length;

function between(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `expected ${what} in ${low}..${high}, got ${value}`);
}

Deno.test("demo shop: same seed, same log; other seed, other log", () => {
  assert.deepEqual(makeDemoShop(1), shop);
  const other = makeDemoShop(2).log;
  assert.notDeepEqual(other.items, log.items);
  assert.notDeepEqual(other.rowItem, log.rowItem);
  assert.notDeepEqual(other.userSplit, log.userSplit);
});

Deno.test("demo shop: shapes", () => {
  checkLog(log);
  assert.equal(log.userSplit.length, 2000);
  assert.equal(log.items.kind === "dense" && log.items.width, demoFeatures);
  assert.equal(demoFeatures, 16);
  assert.equal(log.items.count, 500);
  assert.equal(truth.utility.length, log.rowItem.length);
  assert.deepEqual(splits.map((split) => usersOf(log, split).length), [1400, 300, 300]);
  const lengths = Array.from(log.userSplit, (_, user) => log.userEvents[user + 1]! - log.userEvents[user]!);
  assert.equal(Math.min(...lengths), 8);
  assert.equal(Math.max(...lengths), 22);
  between(events / 2000, 14.5, 15.5, "the events per user");
  for (let event = 0; event < events; event++) {
    const page = log.rowItem.subarray(log.eventRows[event], log.eventRows[event + 1]);
    assert.equal(page.length, 10);
    assert.equal(new Set(page).size, 10);
  }
});

Deno.test("demo shop: other sizes, and sizes that cannot be", () => {
  const small = makeDemoShop(3, { users: 7, items: 4, pageSize: 3, minEvents: 1, maxEvents: 2 });
  checkLog(small.log);
  assert.equal(small.log.userSplit.length, 7);
  assert.equal(small.log.rowItem.length, 3 * small.log.eventClick.length);
  assert.throws(
    () => makeDemoShop(1, { items: 9 }),
    /Expected items of a made-up shop to be .* 10 or more, got 9/,
  );
  assert.throws(() => makeDemoShop(1, { maxEvents: 7 }), /Expected maxEvents .* 8 or more, got 7/);
  assert.throws(() => makeDemoShop(1, { users: 10.5 }), RangeError);
});

Deno.test("demo shop: about one event in five has no click, whatever the seed", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { eventClick } = makeDemoShop(seed).log;
    between(
      eventClick.filter((click) => click === NONE).length / eventClick.length,
      0.17,
      0.23,
      "the no-click share",
    );
  }
});

/** Probabilities of the rows of an event and, last, of no click. */
function choices(event: number): number[] {
  const weights = [...truth.utility.subarray(log.eventRows[event], log.eventRows[event + 1]), 0].map(
    Math.exp,
  );
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => weight / sum);
}

Deno.test("demo shop: clicks are as frequent as the truth says, within 3 standard errors", () => {
  // By place on the page (the last is no click), and by how probable the choice was.
  const byPlace = Array.from({ length: 11 }, () => ({ expected: 0, variance: 0, observed: 0 }));
  const byChance = Array.from({ length: 10 }, () => ({ expected: 0, variance: 0, observed: 0 }));
  for (let event = 0; event < events; event++) {
    const click = log.eventClick[event]!;
    const happened = click === NONE ? 10 : click - log.eventRows[event]!;
    choices(event).forEach((p, place) => {
      for (const bin of [byPlace[place]!, byChance[Math.floor(10 * p)]!]) {
        bin.expected += p;
        bin.variance += p * (1 - p);
        if (place === happened) bin.observed++;
      }
    });
  }
  for (const { expected, variance, observed } of [...byPlace, ...byChance]) {
    const z = (observed - expected) / Math.sqrt(variance);
    assert.ok(Math.abs(z) < 3, `expected ${expected}, observed ${observed}, ${z} standard errors apart`);
  }
});

Deno.test("demo shop: the loss of the truth is the entropy of its choices, within 3 standard errors", () => {
  let entropy = 0, variance = 0;
  for (let event = 0; event < events; event++) {
    const p = choices(event);
    const mean = p.reduce((sum, x) => sum - x * Math.log(x), 0);
    entropy += mean;
    variance += p.reduce((sum, x) => sum + x * (Math.log(x) + mean) ** 2, 0);
  }
  const { nll } = attainable(log, truth, log.userSplit.keys());
  assert.ok(Math.abs(nll * events - entropy) < 3 * Math.sqrt(variance));
});

Deno.test("demo shop: the best attainable is in its range and far above the baselines", () => {
  for (const split of ["train", "validation", "test"] satisfies Split[]) {
    const users = usersOf(log, split);
    const best = attainable(log, truth, users);
    between(best.nll, 1.3, 1.43, "nll");
    between(best.prec1, 0.54, 0.6, "prec@1");
    between(best.prec2, 0.75, 0.8, "prec@2");
  }
  const users = usersOf(log, "test");
  const tested = Baselines.of(log).test(users);
  const best = attainable(log, truth, users).prec1;
  const prec1 = (name: BaselineName) => tested.get(name)?.details.figures.prec1 ?? NaN;
  assert.ok(Math.abs((tested.get("random")?.details.figures.nll ?? NaN) - Math.log(11)) < 1e-9);
  assert.ok(Math.abs(prec1("random") - 0.1) < 1e-9);
  assert.ok(prec1("clickRate") < best - 0.2);
  // Users like what they clicked: neighbours of it are better than chance, and far from the truth.
  assert.ok(prec1("itemKnn") > prec1("clickRate") + 0.1 && prec1("itemKnn") < best - 0.08);
});

Deno.test("demo shop: before the first click every user has the same taste", () => {
  const first = new Map<number, number>();
  log.userSplit.forEach((_, user) => {
    const event = log.userEvents[user]!;
    for (let row = log.eventRows[event]!; row < log.eventRows[event + 1]!; row++) {
      const item = log.rowItem[row]!;
      const utility = first.get(item) ?? truth.utility[row]!;
      assert.equal(truth.utility[row], utility);
      first.set(item, utility);
    }
  });
  assert.equal(first.size, 500);
});
