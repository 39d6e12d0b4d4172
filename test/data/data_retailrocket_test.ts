/** Retailrocket's raw files to prepared data: small cases with the answer written out. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { retailrocket, type RetailrocketOptions } from "../../src/data/prepare/retailrocket.ts";
import type { Features } from "../../src/data/manifest.ts";
import {
  folderWith,
  gzip,
  pagesOf,
  prepareIn,
  query,
  rawRetailrocket,
  refuses,
  shuffledBy,
  sums,
  withFolder,
} from "../prepared_folder.ts";
import { filesIn } from "../command_check.ts";
import { realData } from "../real_data.ts";

const MINUTE = 60_000;
const START = 1_433_000_000_000;

const options = { ...rawRetailrocket, keepNoClick: false, numeric: undefined, itemIds: undefined };
const recipe = (source: string, more: Partial<RetailrocketOptions> = {}) =>
  retailrocket({ source, ...options, ...more });

const at = (minutes: number) => START + minutes * MINUTE;
/** Lines of an events file; times are minutes after the start. */
function events(...rows: [minutes: number, visitor: number, kind: string, item: number][]): string {
  const lines = rows.map(([minutes, visitor, kind, item]) =>
    [at(minutes), visitor, kind, item, kind === "transaction" ? 1 : ""].join() + "\n"
  );
  return "timestamp,visitorid,event,itemid,transactionid\n" + lines.join("");
}
function properties(...rows: [minutes: number, item: number, property: string, value: string][]): string {
  const lines = rows.map(([minutes, ...values]) => [at(minutes), ...values].join() + "\n");
  return "timestamp,itemid,property,value\n" + lines.join("");
}
/** What was known of an item, by the columns of the source, of the features of a prepared set. */
function columnsOf({ dense }: Features, values: unknown): Record<string, number | null> {
  const known: Record<string, number | null> = {};
  for (const [k, { transform }] of dense.entries()) {
    const z = Array.isArray(values) ? Number(values[k]) : NaN;
    if (!transform) assert.fail("without a transform");
    if (transform.of !== "known") {
      const { column, log, mean, sd } = transform;
      const x = mean + sd * z;
      const found = log === null ? x : Math.sign(x) * log * Math.expm1(Math.abs(x));
      known[column] = Math.round(1e4 * found) / 1e4;
    } else if (z === 0) known[transform.column] = null;
  }
  return known;
}
const tree = "categoryid,parentid\n7,5\n5,1\n1,\n9,\n";
const iso = (minutes: number) =>
  new Date(START + minutes * MINUTE).toISOString().replace("T", " ").replace(/(\.000)?Z$/, "");

Deno.test("a page is what was viewed in the session so far; the click is what goes into the cart or is bought", async () => {
  const log = events(
    [0, 1, "view", 10],
    [1, 1, "view", 11],
    [2, 1, "addtocart", 10],
    [3, 1, "view", 12],
    [4, 1, "transaction", 12],
    [5, 1, "transaction", 10], // was put in the cart before: one click an item and session
    [35, 1, "view", 13], // 30 minutes after the last: the same session
    [36, 1, "addtocart", 13],
    [67, 1, "view", 14], // 31 minutes: another session
    [68, 1, "addtocart", 14],
    [69, 1, "addtocart", 11], // was viewed in the session before, not in this one
    [0, 2, "view", 10],
  );
  const folder = await folderWith({ "events.csv": log, "category_tree.csv": tree });
  const prepared = await prepareIn(folder, recipe(folder));
  assert.deepEqual(await pagesOf(prepared.folder), [
    { user: "1", time: iso(2), items: ["10", "11"], clicked: "10" },
    { user: "1", time: iso(4), items: ["10", "11", "12"], clicked: "12" },
    { user: "1", time: iso(36), items: ["10", "11", "12", "13"], clicked: "13" },
    { user: "1", time: iso(68), items: ["14"], clicked: "14" },
  ]);
  assert.deepEqual(prepared.manifest.skipped, {
    "carts and purchases of an item that was in the session's cart before": 1,
    "carts and purchases of an item that was not viewed in the session before": 1,
  });
  const kept = await prepareIn(folder, recipe(folder, { keepNoClick: true }));
  assert.deepEqual(
    (await pagesOf(kept.folder)).filter(({ clicked }) => clicked === null),
    [{ user: "2", time: iso(0), items: ["10"], clicked: null }],
  );
  const short = await prepareIn(folder, recipe(folder, { sessionGap: 29, pageSize: 2 }));
  // The gap of 30 minutes now ends a session; of a page, the clicked item and those viewed last are kept.
  const items = (await pagesOf(short.folder)).map(({ items }) => items.join());
  assert.deepEqual(items, ["10,11", "11,12", "13", "14"]);
});

Deno.test("what happens at the same time counts as before the click; equal times are ordered by item", async () => {
  const [views, carts] = ["view", "addtocart"].map((kind) =>
    [11, 10].map((item): Parameters<typeof events>[0] => [0, 1, kind, item])
  );
  const folder = await folderWith({ "events.csv": events(...views ?? [], ...carts ?? []) });
  const { folder: out } = await prepareIn(folder, recipe(folder));
  assert.deepEqual(await pagesOf(out), [
    { user: "1", time: iso(0), items: ["10", "11"], clicked: "10" },
    { user: "1", time: iso(0), items: ["10", "11"], clicked: "11" },
  ]);
});

Deno.test("items are as they were at the time of the page: properties from their time on, counts of what was before", async () => {
  const log = events(
    [0, 1, "view", 10],
    [1, 1, "addtocart", 10], // sees 1 view, price unknown
    [10, 2, "view", 10],
    [11, 2, "addtocart", 10], // 2 views, 1 cart, price 99, available, category 7
    [20, 3, "view", 10],
    [20, 4, "view", 10],
    [21, 3, "addtocart", 10], // 4 views, 2 carts
    [21, 4, "transaction", 10], // the same: a cart at the same ms is not before
    [40, 5, "view", 10],
    [41, 5, "addtocart", 10], // 5 views, 3 carts, 1 purchase, not available, category 9
  );
  const known = properties(
    [5, 10, "790", "n99.000"],
    [5, 10, "available", "1"],
    [5, 10, "categoryid", "7"],
    [5, 10, "888", "523 n12.000 8"],
    [30, 10, "790", "n49.000"],
    [41, 10, "available", "0"], // at the page's own ms: known then
    [41, 10, "categoryid", "9"],
    [42, 10, "790", "n1.000"], // later: not to be seen
  );
  const files = { "events.csv": log, "item_properties_part1.csv": known, "category_tree.csv": tree };
  const folder = await folderWith(files);
  const shares = { train: 1, validation: 0 };
  const { folder: out, manifest } = await prepareIn(folder, recipe(folder, { rareBelow: 1 }), { shares });
  assert.equal(
    manifest.features.dense.map(({ name }) => name).join(" "),
    "available available_known log_views log_carts log_buys property_790 property_790_known",
  );
  // The categories 1, 5, 7, 9, and all others.
  assert.deepEqual(
    manifest.features.tokens.map(({ name, first, count, values }) => [name, first, count, values]),
    [["category", 0, 5, ["1", "5", "7", "9"]]],
  );
  const rows = await query(
    out,
    "SELECT u.id AS user, i.dense, i.tokens FROM pages p JOIN users u USING (user) JOIN items i ON i.item = p.items[1] ORDER BY u.id",
  );
  const names = "available log_views log_carts log_buys property_790".split(" ");
  const item = (...values: (number | null)[]) =>
    Object.fromEntries(names.map((name, k) => [name, values[k] ?? null]));
  const found = rows.map(({ user, dense, tokens }) => [user, columnsOf(manifest.features, dense), tokens]);
  assert.deepEqual(found, [
    ["1", item(null, 1, 0, 0, null), []],
    ["2", item(1, 1, 1, 0, 99), [0, 1, 2]],
    ["3", item(1, 2, 1, 0, 99), [0, 1, 2]],
    ["4", item(1, 2, 1, 0, 99), [0, 1, 2]],
    ["5", item(0, 2, 2, 1, 49), [3]],
  ]);
  const ids = await prepareIn(folder, recipe(folder, { itemIds: true, rareBelow: 1 }), { shares });
  const fields = ids.manifest.features.tokens.map(({ name, first, count }) => [name, first, count]);
  assert.deepEqual(fields, [["category", 0, 5], ["item", 5, 2]]);
  const [own] = await query(ids.folder, "SELECT tokens FROM items ORDER BY item LIMIT 1");
  assert.deepEqual(own?.tokens, [5]);
});

/** 600 visitors who each view two of 40 items and put one in the cart, 39 seldom; prices over five decades, three categories and rare ones. */
function catalogue(months: number): Record<string, string> {
  const rows: Parameters<typeof events> = [];
  const known: Parameters<typeof properties> = [];
  const begin = months * 43_200;
  for (let visitor = 0; visitor < 600; visitor++) {
    const item = visitor * 7 % 39;
    const minutes = begin + 10 * visitor;
    rows.push([minutes, visitor, "view", item], [minutes + 1, visitor, "view", item + 1]);
    rows.push([minutes + 2, visitor, "addtocart", item]);
  }
  for (let item = 0; item < 40; item++) {
    if (item % 5 > 0) known.push([begin - 1, item, "790", `n${(Math.exp(item / 3) + months).toFixed(3)}`]);
    known.push([begin - 1, item, "available", `${item % 3 > 0 ? 1 : 0}`]);
    known.push([begin - 1, item, "categoryid", `${item < 39 ? 7 - item % 3 : 9 + months}`]);
  }
  return {
    "events.csv": events(...rows),
    "item_properties.csv": properties(...known),
    "category_tree.csv": "categoryid,parentid\n7,1\n6,1\n5,2\n1,\n2,\n9,\n",
  };
}

Deno.test("features are standardised over what train users were shown, and the manifest says how", async () => {
  const folder = await folderWith(catalogue(0));
  const { folder: out, manifest } = await prepareIn(folder, recipe(folder));
  const { dense, tokens } = manifest.features;
  const shown =
    "SELECT DISTINCT unnest(items) AS item FROM pages JOIN users USING (user) WHERE split = 'train'";
  for (const [k, { name, transform }] of dense.entries()) {
    const [of] = await query(
      out,
      `SELECT avg(x) AS mean, stddev_pop(x) AS sd FROM (SELECT dense[${k + 1}]::DOUBLE AS x FROM items ` +
        `JOIN (${shown}) USING (item) WHERE ${name !== "property_790"} OR dense[${k + 2}] = 1)`,
    );
    // 0 and 1 stay what they are.
    if (name === "available" || transform?.of === "known") continue;
    assert.ok(Math.abs(Number(of?.mean)) < 1e-5, `${name} ${of?.mean}`);
    assert.ok(Math.abs(Number(of?.sd) - 1) < 1e-5, `${name} ${of?.sd}`);
  }
  const price = dense.find(({ name }) => name === "property_790")?.transform;
  assert.ok(price?.of === "number" && price.log !== null, "a heavy tail is taken by its logarithm");
  assert.ok(dense.some(({ name }) => name === "property_790_known"));
  // One item is in category 9: it shares the token of the rare ones.
  assert.deepEqual(tokens.map(({ values, other, count }) => [values, other, count]), [
    [["1", "2", "5", "6", "7"], "trained", 6],
  ]);
  assert.ok(manifest.files.vocabulary, "which token means what is in a file");
  assert.match(manifest.notes.join("\n"), /heavy tail are taken as logarithms: property_790/);
});

Deno.test("--like prepares the next events with the scales and tokens of an earlier set", async () => {
  const folder = await folderWith(catalogue(0));
  const first = await prepareIn(folder, recipe(folder, { itemIds: true }));
  const like = first.folder;
  const next = await folderWith(catalogue(1));
  const { folder: out, manifest } = await prepareIn(next, recipe(next, { like }));
  assert.deepEqual(manifest.features, first.manifest.features);
  const [row] = await query(
    out,
    "SELECT dense, tokens FROM items WHERE id = '39' ORDER BY item DESC LIMIT 1",
  );
  // Category 10 is new, and takes the token of all others: the last one of its field.
  assert.ok(Array.isArray(row?.tokens) && row.tokens[0] === 5, JSON.stringify(row));
  const known = columnsOf(manifest.features, row.dense);
  const dearest = Math.exp(39 / 3); // that there was: the new price is brought to it
  assert.ok(Math.abs((known.property_790 ?? 0) / dearest - 1) < 1e-4, `${known.property_790}`);
  assert.match(manifest.notes.join("\n"), /values that it has no token for, .*: category \d/);
  // The same events give the same set.
  const same = await prepareIn(folder, recipe(folder, { like }));
  assert.deepEqual(sums(same), sums(first));
  await refuses(next, recipe(next, { like, numeric: ["790"] }), /--like without --numeric/);
  await refuses(next, recipe(next, { like, itemIds: true }), /--like without --item-ids/);
  // A set of other columns.
  const path = `${like}/manifest.json`;
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replaceAll('"log_views"', '"sold"'));
  await refuses(next, recipe(next, { like }), /a set of deno task data retailrocket, but .* have sold/);
});

Deno.test("a sampled page is a view among others of its category and week that were on offer", async () => {
  const rows: Parameters<typeof events> = [];
  for (let k = 0; k < 200; k++) rows.push([k, 100 + k, "view", k % 8]);
  for (let k = 0; k < 40; k++) rows.push([30_000 + k, 400 + k, "view", 20 + k % 4]);
  const known = properties(
    ...[0, 1, 2, 3, 4, 5].map((item) => [-10, item, "categoryid", "7"] as [number, number, string, string]),
    [-10, 3, "available", "0"],
    [100, 3, "available", "1"],
  );
  const folder = await folderWith({ "events.csv": events(...rows), "item_properties.csv": known });
  const prepared = await prepareIn(folder, recipe(folder, { pages: "sampled", pageSize: 4 }));
  const pages = await pagesOf(prepared.folder);
  assert.equal(pages.length, 240);
  const mixed: [number, number] = [0, 0];
  for (const { items, clicked, user, time } of pages) {
    assert.equal(new Set(items).size, items.length);
    assert.ok(items.length <= 4);
    assert.ok(clicked !== null && items.includes(clicked));
    const minutes = Number(user) < 400 ? Number(user) - 100 : 30_000 + Number(user) - 400;
    assert.equal(time, iso(minutes));
    const numbers = items.map(Number);
    if (Number(user) >= 400) assert.ok(numbers.every((item) => item >= 20), "of the week");
    else {
      assert.ok(numbers.every((item) => item < 8), "of the week");
      // 6 and 7 have no category and compete among each other, then among all of the week.
      if (numbers.some((item) => item < 6 !== Number(clicked) < 6)) mixed[Number(clicked) < 6 ? 0 : 1]++;
      if (minutes < 100 && clicked !== "3") assert.ok(!items.includes("3"), "3 was not on offer");
    }
  }
  // Six items of a category fill a page of four, but for a rare miss of eight draws; two cannot.
  assert.ok(mixed[0] < 20 && mixed[1] > 40, `${mixed}`);
  assert.ok(pages.filter(({ items }) => items.length === 4).length > 220);
  assert.ok(pages.some(({ items, user }) => Number(user) > 210 && items.includes("3")), "3 came on offer");
  const places = new Set(pages.map(({ items, clicked }) => items.indexOf(clicked ?? "")));
  assert.equal(places.size, 4, "the clicked item is in every place");
  const again = await prepareIn(folder, recipe(folder, { pages: "sampled", pageSize: 4 }));
  assert.deepEqual(sums(again), sums(prepared));
  const other = await prepareIn(folder, recipe(folder, { pages: "sampled", pageSize: 4, seed: 2 }));
  assert.notDeepEqual(sums(other), sums(prepared));
});

Deno.test("parts by time: nobody in the train part has a page after the cut", async () => {
  const rows: Parameters<typeof events> = [];
  for (let visitor = 0; visitor < 20; visitor++) {
    rows.push([visitor, visitor, "view", 1], [visitor + 1, visitor, "addtocart", 1]);
  }
  rows.push([100, 0, "view", 2], [101, 0, "addtocart", 2]); // comes early and late
  const folder = await folderWith({ "events.csv": events(...rows) });
  const { folder: out } = await prepareIn(folder, recipe(folder), { split: "time" });
  const parts = await query(
    out,
    "SELECT split, list(id ORDER BY id::INTEGER) AS ids FROM users GROUP BY split",
  );
  const of = Object.fromEntries(parts.map(({ split, ids }) => [String(split), ids]));
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => String(from + k));
  assert.deepEqual(of.train, range(1, 11));
  assert.deepEqual(of.validation, range(11, 16));
  assert.deepEqual(of.test, ["0", ...range(16, 20)]);
});

Deno.test("--max-users and --min-events take the same visitors whoever else comes", async () => {
  const rows: Parameters<typeof events> = [];
  for (let visitor = 0; visitor < 300; visitor++) {
    rows.push([visitor, visitor, "view", visitor % 5], [visitor + 1, visitor, "addtocart", visitor % 5]);
  }
  const folder = await folderWith({ "events.csv": events(...rows) });
  const all = await prepareIn(folder, recipe(folder));
  const some = await prepareIn(folder, recipe(folder, { maxUsers: 100 }));
  const ids = async (out: string) =>
    (await query(out, "SELECT id, split FROM users")).map(({ id, split }) => `${id} ${split}`);
  const everyone = new Set(await ids(all.folder));
  const chosen = await ids(some.folder);
  assert.equal(chosen.length, 100);
  const train = chosen.filter((id) => id.endsWith("train")).length;
  assert.ok(train > 30 && train < 70, `${train} of 100 are train users, of whom half are wanted`);
  assert.ok(chosen.every((id) => everyone.has(id)), "the same part, too");
  const says = "Nothing is left of the source: there is no page to learn from";
  await refuses(folder, recipe(folder, { minEvents: 3 }), says);
});

Deno.test("order of rows, splitting into files and compression do not change what is prepared", async () => {
  const event = fc.tuple(
    fc.integer({ min: 0, max: 90 }),
    fc.integer({ min: 1, max: 18 }),
    fc.constantFrom("view", "view", "view", "addtocart", "transaction"),
    fc.integer({ min: 1, max: 7 }),
  );
  const property = fc.tuple(
    fc.integer({ min: 0, max: 90 }),
    fc.integer({ min: 1, max: 7 }),
    fc.constantFrom("790", "available", "categoryid"),
    fc.constantFrom("0", "1", "7", "n5.500"),
  );
  const log = fc.record({
    // Several small logs in one: a preparation costs the same.
    events: fc.oneof(...[180, 180, 20].map((maxLength) => fc.array(event, { minLength: 5, maxLength }))),
    properties: fc.array(property, { maxLength: 20 }),
    order: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  const holds = (pages: "session" | "sampled") =>
    fc.asyncProperty(log, async ({ events: rows, properties: known, order }) => {
      rows.push([0, 1, "view", 1], [1, 1, "addtocart", 1]); // so that there is a page
      const shuffled = shuffledBy(rows, () => order.next().value);
      const half = Math.floor(rows.length / 2);
      const files = { "events.csv": events(...rows), "item_properties.csv": properties(...known) };
      const split = {
        "events_1.csv.gz": await gzip(events(...shuffled.slice(0, half))),
        "events_2.csv": events(...shuffled.slice(half)),
        "item_properties_part2.csv": properties(...known.slice(0, 3)),
        "item_properties_part1.csv.gz": await gzip(properties(...known.slice(3).reverse())),
      };
      const folder = await folderWith(files);
      const other = await folderWith(split);
      const one = await prepareIn(folder, recipe(folder, { pages, pageSize: 3 }));
      const two = await prepareIn(other, recipe(other, { pages, pageSize: 3 }));
      assert.deepEqual(sums(one), sums(two));
      for (const { items, clicked } of await pagesOf(one.folder)) {
        assert.ok(clicked !== null && items.includes(clicked), "every page has its click among its items");
        assert.equal(new Set(items).size, items.length, "an item once a page");
      }
      const [parts] = await query(one.folder, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM users");
      assert.equal(parts?.n, parts?.ids, "no user in two parts");
    });
  for (const pages of ["session", "sampled"] as const) {
    await fc.assert(holds(pages), { numRuns: 3, endOnFailure: true });
  }
});

Deno.test("rows that cannot be read are told by file and line, and left out if they are few", async () => {
  const rows: Parameters<typeof events> = [];
  for (let k = 0; k < 400; k++) rows.push([k, k >> 1, k % 2 ? "addtocart" : "view", k >> 1]);
  const good = events(...rows);
  const bad = good + `${START},x7,view,3,\n${START},7,buy,3,\n\n`;
  await withFolder({ "events.csv": bad }, async (folder) => {
    const prepared = await prepareIn(folder, recipe(folder));
    assert.equal(prepared.bad.total, 2);
    assert.deepEqual(prepared.bad.examples.map(({ line, fault }) => [line, fault]), [
      [402, 'expected visitorid to be a whole number below 2^63, found "x7"'],
      [403, 'expected event to be one of view, addtocart, transaction, found "buy"'],
    ]);
    assert.equal(prepared.manifest.skipped["rows that cannot be read"], 2);
    const strict = prepareIn(folder, recipe(folder), { strict: true });
    await assert.rejects(strict, /events\.csv:402: expected visitorid/);
  });
  const lines = good.split("\n");
  const wrong = Array.from({ length: 30 }, (_, k) => `${START},${k},view,,`);
  const many = [...lines.slice(0, 50), ...wrong, ""].join("\n");
  await withFolder({ "events.csv": many }, async (folder) => {
    const says = "30 of 79 rows cannot be read, expected at most 1 %…30 x itemid cannot be read";
    await refuses(folder, recipe(folder), says);
    assert.deepEqual(filesIn(folder), ["events.csv"], "nothing is left behind");
  });
});

Deno.test("a source that is not what it should be is refused with what was found and what to do", async () => {
  const good = events([0, 1, "view", 1], [1, 1, "addtocart", 1]);
  const cases: Record<string, Record<string, string | Uint8Array>> = {
    "events_2.csv:1: expected the columns": { "events.csv": good, "events_2.csv": "time,user\n" },
    "events.csv:4: the quote of a value that begins here is never closed": {
      "events.csv": good + `${START},2,"view,3,\n${START},3,view,3,\n`,
    },
    "cut off or damaged": { "events.csv.gz": (await gzip(good.repeat(50))).subarray(0, 90) },
  };
  for (const [message, files] of Object.entries(cases)) {
    const folder = await folderWith(files);
    await refuses(folder, recipe(folder), message);
    assert.deepEqual(filesIn(folder), Object.keys(files).sort());
  }
});

const genuine = realData("retailrocket/events_sample.csv");
Deno.test({
  name: "the genuine files go through",
  ignore: genuine === undefined,
  fn: async () => {
    const source = genuine?.replace(/\/[^/]*$/, "") ?? "";
    const folder = await folderWith();
    for (const pages of ["session", "sampled"] as const) {
      const { manifest, bad } = await prepareIn(folder, recipe(source, { pages }));
      assert.equal(bad.total, 0);
      // No item is in a category without its properties.
      assert.deepEqual(manifest.features.tokens, []);
      if (pages === "sampled") assert.equal(manifest.counts?.pages, manifest.counts?.clicks);
    }
  },
});
