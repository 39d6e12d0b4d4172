import assert from "node:assert/strict";
import { toCatalogue } from "../../src/data/item_catalogue.ts";
import { findItemCategories } from "../../src/metrics/baselines/find_categories.ts";
import { listItemGroups } from "../../src/metrics/item_categories.ts";
import { ItemGainCollector, LEAST_DISPLAYS } from "../../src/metrics/item_gains.ts";
import type { EvaluatedPage } from "../../src/metrics/metric_columns.ts";
import { TasteCollector } from "../../src/metrics/user_tastes.ts";

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
