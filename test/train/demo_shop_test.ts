import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import type { BaselineName } from "../../src/metrics/baselines/baseline_names.ts";
import { countTrain, smoothedClickRate } from "../../src/counts/train_counts.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { checkLog, listUsers, NONE, type Split, splits } from "../../src/data/click_log.ts";
import { makeDemoShop, makeShop } from "../../src/data/demo_shop.ts";
import { computeChoiceMetrics } from "../f64_model.ts";
import { demo, demoFeatures, describeDemoItem, restless } from "../../src/data/shops.ts";
import { runConfigSchema } from "../../src/run/run_config.ts";
import { openDataset, reopenDataset } from "../../src/data/sets/dataset.ts";

const shop = makeDemoShop(1);
const { log, truth } = shop;
const events = log.eventClick.length;

function between(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `expected ${what} in ${low}..${high}, got ${value}`);
}

Deno.test("demo shop: columns have the expected kinds and lengths", () => {
  checkLog(log);
  assert.equal(log.userSplit.length, 2000);
  assert.equal(log.items.kind === "dense" && log.items.width, demoFeatures);
  assert.equal(demoFeatures, 16);
  assert.equal(log.items.count, 500);
  assert.equal(truth.utility.length, log.rowItem.length);
  assert.deepEqual(splits.map((split) => listUsers(log, split).length), [1400, 300, 300]);
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

Deno.test("demo shop: other sizes are possible, and invalid sizes are refused", () => {
  const small = makeDemoShop(3, { users: 7, items: 4, pageSize: 3, minEvents: 1, maxEvents: 2 });
  checkLog(small.log);
  assert.equal(small.log.userSplit.length, 7);
  assert.equal(small.log.rowItem.length, 3 * small.log.eventClick.length);
  assert.throws(
    () => makeDemoShop(1, { items: 9 }),
    /Expected items of a synthetic shop to be .* 10 or more, got 9/,
  );
  assert.throws(() => makeDemoShop(1, { maxEvents: 7 }), /Expected maxEvents .* 8 or more, got 7/);
  assert.throws(() => makeDemoShop(1, { users: 10.5 }), RangeError);
});

function choices(event: number): number[] {
  const weights = [...truth.utility.subarray(log.eventRows[event], log.eventRows[event + 1]), 0].map(
    Math.exp,
  );
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => weight / sum);
}

Deno.test("demo shop: click rates match the truth within 3 standard errors", () => {
  // By position on the page (the last index is no click), and by the choice's probability.
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
  const { nll } = computeChoiceMetrics(log, listUsers(log, "all"), truth.utility);
  assert.ok(Math.abs(nll * events - entropy) < 3 * Math.sqrt(variance));
});

Deno.test("demo shop: the best attainable metrics are in the expected range, and far above the baselines", () => {
  for (const split of ["train", "validation", "test"] satisfies Split[]) {
    const users = listUsers(log, split);
    const best = computeChoiceMetrics(log, users, truth.utility);
    between(best.nll, 1.3, 1.43, "nll");
    between(best.prec1, 0.54, 0.6, "prec@1");
    between(best.prec2, 0.75, 0.8, "prec@2");
  }
  const users = listUsers(log, "test");
  const tested = FittedBaselines.of(log).test(users);
  const best = computeChoiceMetrics(log, users, truth.utility).prec1;
  const prec1 = (name: BaselineName) => tested.get(name)?.details.metrics.prec1 ?? NaN;
  assert.ok(Math.abs((tested.get("random")?.details.metrics.nll ?? NaN) - Math.log(11)) < 1e-9);
  assert.ok(Math.abs(prec1("random") - 0.1) < 1e-9);
  assert.ok(prec1("clickRate") < best - 0.2);
  assert.ok(prec1("itemKnn") > prec1("clickRate") + 0.1 && prec1("itemKnn") < best - 0.08);
});

Deno.test("shops: each truth equals its formula, applied to the clicks of the log", () => {
  const category = [-0.3, -0.1, 0.1, 0.3], brand = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];
  for (
    const { shop, constant, fatigue } of [
      { shop: demo, constant: -2.93, fatigue: 0 },
      { shop: restless, constant: -2.93, fatigue: 1.5 },
    ]
  ) {
    const { log, truth } = makeShop(shop, { items: 1, users: 1 }, { users: 40 });
    assert.equal(log.name, shop.name);
    assert.ok(log.items.kind === "dense");
    const { values } = log.items;
    let worst = 0;
    for (let user = 0; user < 40; user++) {
      const mean = { style_1: 0, style_2: 0, price: 0 };
      for (let event = log.userEvents[user]!; event < log.userEvents[user + 1]!; event++) {
        for (let row = log.eventRows[event]!; row < log.eventRows[event + 1]!; row++) {
          const f = describeDemoItem(values, log.rowItem[row]!) as Record<string, number> & typeof mean;
          const match = mean.style_1 * f.style_1 + mean.style_2 * f.style_2;
          const u = constant + 6 * Math.tanh(0.3 * match) - 0.3 * (f.price - mean.price) ** 2 +
            category[f.category!]! + brand[f.brand!]! + 2.2 * f.quality! + f.novelty! +
            0.5 * f.sale! * (0.5 - f.price) - fatigue * (mean.style_1 ** 2 + mean.style_2 ** 2);
          worst = Math.max(worst, Math.abs(u - truth.utility[row]!));
        }
        const click = log.eventClick[event]!;
        if (click === NONE) continue;
        const clicked = describeDemoItem(values, log.rowItem[click]!) as typeof mean;
        for (const key of Object.keys(mean) as (keyof typeof mean)[]) {
          mean[key] = 0.7 * mean[key] + 0.3 * clicked[key];
        }
      }
    }
    assert.ok(worst < 1e-12, `${shop.name}: ${worst}`);
  }
});

Deno.test("shops: restless has the demo shop's items, other clicks, and more pages without one", () => {
  const other = makeShop(restless, { items: 1, users: 1 });
  checkLog(other.log);
  assert.deepEqual(other.log.items, log.items);
  assert.deepEqual(other.log.userSplit, log.userSplit);
  const { eventClick } = other.log;
  const none = (clicks: Uint32Array) => clicks.filter((click) => click === NONE).length / clicks.length;
  between(none(eventClick), none(log.eventClick) + 0.1, 0.6, "the no-click share");
  const best = computeChoiceMetrics(other.log, listUsers(other.log, "test"), other.truth.utility);
  const counts = countTrain(other.log);
  const rates = Float64Array.from(other.log.rowItem, (item) => smoothedClickRate(counts, item));
  const byRate = computeChoiceMetrics(other.log, listUsers(other.log, "test"), rates);
  assert.ok(best.prec1 > byRate.prec1 + 0.05, "the truth beats the click rate");
});

Deno.test("shops: the same seeds give the same log; users of another seed visit the same items", () => {
  assert.deepEqual(makeDemoShop(1), shop);
  const sizes = { users: 50 };
  const one = makeShop(restless, { items: 1, users: 1 }, sizes).log;
  const two = makeShop(restless, { items: 1, users: 2 }, sizes).log;
  const three = makeShop(restless, { items: 2, users: 1 }, sizes).log;
  assert.deepEqual(two.items, one.items);
  for (const key of ["rowItem", "eventClick", "userSplit"] as const) assert.notDeepEqual(two[key], one[key]);
  assert.notDeepEqual(three.items, one.items);
  assert.deepEqual(three.userSplit, one.userSplit);
  const pages = (log: typeof one) => log.rowItem.subarray(0, 10);
  assert.deepEqual(pages(three), pages(one)); // the first page does not depend on clicks
});

Deno.test("shops: data sets are opened by name and seeds, and recorded in a run", async () => {
  const open = async (name: string, options = {}) => (await openDataset(name, 5, false, options));
  assert.deepEqual((await open("demo")).config, { kind: "demo", seed: 5 });
  assert.deepEqual((await open("demo", { dataSeed: 3 })).config, { kind: "demo", seed: 3 });
  const own = await open("restless", { dataSeed: 3, usersSeed: 4 });
  assert.deepEqual(own.config, { kind: "demo", seed: 3, shop: "restless", usersSeed: 4 });
  assert.equal(own.source.name, "restless");
  assert.deepEqual(own.truth, makeShop(restless, { items: 3, users: 4 }).truth.utility);
  const recorded = v.parse(runConfigSchema.entries.data, JSON.parse(JSON.stringify(own.config)));
  assert.deepEqual((await reopenDataset(recorded)).truth, own.truth);
  assert.throws(() => v.parse(runConfigSchema.entries.data, { kind: "demo", seed: 1, shop: "shop" }));
  await assert.rejects(
    open("log.tsv", { dataSeed: 3 }),
    /Expected a synthetic shop \(demo or restless\) with --data-seed, got log\.tsv/,
  );
  await assert.rejects(
    open("log.tsv", { usersSeed: 3 }),
    /Expected a synthetic shop \(.*\) with --data-users-seed, got log/,
  );
});
