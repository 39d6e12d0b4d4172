import assert from "node:assert/strict";
import { describeDifference, keepsItemNumbers } from "../../src/data/feature_difference.ts";
import type { FeatureManifest } from "../../src/data/manifest.ts";
import { expectRefusal } from "../case_table.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import { OpenedDataset } from "../../src/data/sets/opened_dataset.ts";
import { extendWeights, initializeFromCounts } from "../../src/model/model_counts.ts";
import { listModelParameters, resolveWeights, UserModel } from "../../src/model/user_model.ts";
import { openGpu } from "../open_alone.ts";
import { fitDataset, type ModelItems, openDataset } from "../../src/data/sets/dataset.ts";
import { withMeanRows } from "../../src/run/snapshot/snapshot.ts";
import { readSnapshot, writeSnapshot } from "../../src/run/snapshot_file.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import type { FeatureOptions } from "../../src/data/prepare/features.ts";
import type { NewsLog } from "./synthetic_logs.ts";
import {
  logFiles,
  makeCsv,
  makeLogRecipe as recipe,
  makeMindFiles,
  makeMindRecipe,
  makeNewsLog,
  makeShopLog,
} from "./synthetic_logs.ts";
import { expectRefused, makeFolderWith, prepareIn, query } from "../prepared_folder.ts";

interface Row {
  readonly dense: readonly number[];
  readonly tokens: readonly number[];
}

async function readItems({ folder }: PreparationResult): Promise<Map<string, Row>> {
  const rows = await query(folder, "SELECT id, dense, tokens FROM items");
  const numbers = (list: unknown) => Array.isArray(list) ? list.map(Number) : [];
  return new Map(
    rows.map(({ id, dense, tokens }) => [String(id), { dense: numbers(dense), tokens: numbers(tokens) }]),
  );
}

async function trainRows({ folder }: PreparationResult): Promise<Map<string, number>> {
  const rows = await query(
    folder,
    "SELECT id, count(*) AS n FROM (SELECT unnest(items) AS item FROM pages JOIN users USING (user) WHERE split = 'train') " +
      "JOIN items USING (item) GROUP BY id",
  );
  return new Map(rows.map(({ id, n }) => [String(id), Number(n)]));
}

const field = ({ tokens }: FeatureManifest, name: string) => {
  const found = tokens.find((one) => one.name === name);
  assert.ok(found, `a field ${name}`);
  return found;
};
const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Returns next month's log: another order of columns, one category renamed, half of the items new. */
function nextMonth(): Record<"log.csv" | "items.csv", string> {
  const log: NewsLog = makeShopLog(3, { users: 30, items: 80, events: 3 });
  const renamed = (id: string) => Number(id.replace("sku-", "")) > 40 ? `new-${id}` : id;
  const { "log.csv": rows } = logFiles({
    ...log,
    rows: log.rows.map((row) => ({ ...row, item: renamed(row.item) })),
  });
  const items = log.items.map(({ item = "", category = "", ...more }) => ({
    category: category === "category-0" ? "garden" : category,
    ...more,
    vat: "20",
    item: renamed(item),
  }));
  return { "log.csv": rows, "items.csv": makeCsv(items) };
}

const shop = makeShopLog(3, { users: 60, items: 80, events: 4 });
const shopFiles = logFiles(shop);
const next = nextMonth();
const folder = await makeFolderWith({
  ...shopFiles,
  ...{ "next.csv": next["log.csv"], "next_items.csv": next["items.csv"] },
});
const nextItems = { features: `${folder}/next_items.csv` };
/** Data sets of the shop's log, which tests only read: with default features, and also with item ids. */
const first = await prepareIn(folder, recipe(folder));
const withIds = await prepareIn(folder, recipe(folder, { itemIds: true }));

Deno.test("items: numbers are standardised over train impressions; heavy tails become logarithms, NULL the mean", async () => {
  const { manifest: { features, notes } } = first;
  assert.deepEqual(features.dense.map(({ name, transform }) => [name, transform?.of]), [
    ["price", "number"],
    ["price_known", "known"],
    ["rating", "number"],
    ["rating_known", "known"],
    ["stock", "number"],
    ["created", "age"],
  ]);
  const items = await readItems(first);
  const seen = await trainRows(first);
  for (const [k, { transform }] of features.dense.entries()) {
    assert.ok(transform);
    const known = shop.items.filter((row) => row[transform.column] !== "" && seen.has(row.item ?? ""));
    const z = known.map(({ item = "" }) => items.get(item)?.dense[k] ?? NaN);
    if (transform.of === "known") {
      assert.ok(z.every((x) => x === 1));
      continue;
    }
    assert.ok(Math.abs(mean(z)) < 1e-5 && Math.abs(mean(z.map((x) => x * x)) - 1) < 1e-5, transform.column);
    assert.equal(transform.log === null, transform.column === "rating", `${transform.column} by logarithm`);
    if (transform.of === "age") continue;
    for (const { item = "", [transform.column]: text = "" } of shop.items) {
      const dense = items.get(item)?.dense;
      if (!dense) continue;
      const x = Math.min(Math.max(Number(text), transform.low), transform.high);
      const y = transform.log === null ? x : Math.sign(x) * Math.log(1 + Math.abs(x) / transform.log);
      const expected = text === "" ? 0 : (y - transform.mean) / transform.sd;
      assert.ok(Math.abs((dense[k] ?? NaN) - expected) < 1e-5, `${item}, ${transform.column} ${text}`);
    }
  }
  assert.match(notes.join("\n"), /one value for all items: currency$/m);
});

Deno.test("items: rare values share the last token of their field; every token has a trained row", async () => {
  const { features } = withIds.manifest;
  const items = await readItems(withIds);
  const seen = await trainRows(withIds);
  const brand = field(features, "brand");
  assert.equal(brand.other, "trained");
  const rowsOf = new Map<string, number>();
  for (const { item = "", brand: value = "" } of shop.items) {
    rowsOf.set(value, (rowsOf.get(value) ?? 0) + (seen.get(item) ?? 0));
  }
  const frequent = [...rowsOf].filter(([, rows]) => rows >= 10).map(([value]) => value).sort();
  assert.deepEqual(brand.values, frequent);
  for (const { item = "", brand: value = "" } of shop.items) {
    const own = items.get(item)?.tokens.find((t) => t >= brand.first && t < brand.first + brand.count);
    if (!items.has(item)) continue;
    const place = frequent.indexOf(value);
    assert.equal(own, brand.first + (place < 0 ? brand.count - 1 : place), `${item}, ${value}`);
  }
  const trained = new Set([...seen.keys()].flatMap((item) => items.get(item)?.tokens ?? []));
  for (const [id, { tokens }] of items) {
    assert.ok(tokens.every((token) => trained.has(token)), `${id} has a token that no train user saw`);
  }
});

Deno.test("items: values separated by | are tokens if they repeat; a text column must have shared values", async () => {
  const names = "action comedy crime drama family horror music war".split(" ");
  const films = Array.from({ length: 60 }, (_, k) => {
    const genres = names.filter((_, g) => g === k % 8 || g === Math.floor(k / 8)).join("|");
    return { item: `${k + 1}`, title: `The ${genres.replace("|", " and ")} no. ${k + 1}`, genres };
  });
  const shown = Array.from({ length: 1200 }, (_, k) => {
    const page = Math.floor(k / 6);
    const row = { user: `u${page % 20}`, page: `p${page}`, time: 1_600_000_000 + page };
    return { ...row, item: `${1 + (7 * k + 11 * Math.floor(k / 120)) % 60}`, clicked: k % 6 === 1 };
  });
  const folder = await makeFolderWith({ "log.csv": makeCsv(shown), "items.csv": makeCsv(films) });
  const prepared = await prepareIn(folder, recipe(folder));
  const genres = field(prepared.manifest.features, "genres");
  assert.deepEqual(genres.values, names);
  assert.equal(genres.split, true);
  const items = await readItems(prepared);
  for (const { item, genres: text } of films) {
    const own = items.get(item)?.tokens.map((token) => genres.values?.[token - genres.first]);
    assert.equal(own?.join("|"), text);
  }
  assert.equal(prepared.manifest.features.tokens.length, 1);
  const says = "Expected title (--tokens) to have values that several items share, got # values for # items";
  await expectRefused(folder, recipe(folder, { tokens: ["title"] }), says);
});

Deno.test("items keep their titles if no option names them, and the features do not change", async () => {
  const rows = shop.rows.map((row, k) => {
    const { price = "", brand = "" } = shop.items.find(({ item }) => item === row.item) ?? {};
    return { ...row, Title: `${k % 2 ? "The" : "A"} thing ${row.item}`, price, brand };
  });
  const names = rows.map(({ Title: _, ...row }) => row);
  const folder = await makeFolderWith({ "log.csv": makeCsv(rows), "plain.csv": makeCsv(names) });
  const source = { features: `${folder}/log.csv` };
  const chosen = { tokens: ["brand"], dense: ["price"] };
  const plain = await prepareIn(folder, recipe(folder, { ...chosen, features: `${folder}/plain.csv` }));
  const first = await prepareIn(folder, recipe(folder, { ...source, ...chosen }));
  const numbers = await prepareIn(folder, recipe(folder, { ...source, dense: ["price"] }));
  const later = await prepareIn(folder, recipe(folder, { ...source, encodingFrom: first.folder }));
  for (const set of [first, numbers, later]) {
    const items = await query(set.folder, "SELECT id, title FROM items");
    for (const { id, title } of items) {
      const titles = rows.filter(({ item }) => item === id).map(({ Title }) => Title).sort();
      assert.equal(title, titles[0]);
    }
  }
  for (const set of [first, later]) assert.deepEqual(await readItems(set), await readItems(plain));
});

Deno.test("items: by default each item without features has a token; new and rare items share one", async () => {
  const news = makeNewsLog(2, { users: 80, items: 60, events: 4 });
  const folder = await makeFolderWith(logFiles(news));
  const prepare = (more: FeatureOptions = {}) => prepareIn(folder, recipe(folder, more));
  const { manifest: { features } } = await prepare();
  assert.deepEqual(features.tokens.map(({ name, column }) => [name, column]), [
    ["category", "category"],
    ["subcategory", "subcategory"],
    ["item", null],
  ]);
  const without = await prepare({ itemIds: false });
  assert.deepEqual(without.manifest.features.tokens.map(({ name }) => name), ["category", "subcategory"]);
  const alone = await prepare({ features: undefined });
  assert.deepEqual(alone.manifest.features.tokens.map(({ name }) => name), ["item"]);
  const oneHot = await prepare({ features: undefined, itemIds: false });
  assert.deepEqual(oneHot.manifest.features.tokens, []);
  assert.match(oneHot.manifest.features.catalogues?.join() ?? "", /^[0-9a-f]{64}$/);
});

Deno.test("describe: users with a history do not count as new", async () => {
  const warned = async (log: NewsLog) => {
    const folder = await makeFolderWith(makeMindFiles(log));
    const { folder: set } = await prepareIn(folder, await makeMindRecipe(folder));
    return (await describe(set, "500MB")).warnings.some((text) =>
      text.includes("have one event and no history")
    );
  };
  const news = makeNewsLog(2, { users: 30, items: 60, events: 1 });
  assert.equal(await warned(news), false);
  assert.equal(await warned({ ...news, history: new Map() }), true);
});

Deno.test("items: --encoding-from prepares a log with the columns, scales and tokens of a set", async () => {
  const encoding = { ...nextItems, encodingFrom: withIds.folder };
  const like = await prepareIn(folder, recipe(folder, encoding, "next.csv"));
  const { features } = withIds.manifest;
  assert.equal(describeDifference(features, like.manifest.features), undefined);
  const apart = await prepareIn(folder, recipe(folder, { ...nextItems, itemIds: true }, "next.csv"));
  assert.match(describeDifference(features, apart.manifest.features) ?? "", /there, .* here/);
  const [old, now] = [await readItems(withIds), await readItems(like)];
  const [category, item] = [field(features, "category"), field(features, "item")];
  const age = features.dense.findIndex(({ transform }) => transform?.of === "age");
  const own = ({ tokens }: Row, { first, count }: typeof category) =>
    tokens.filter((token) => token >= first && token < first + count);
  for (const [id, row] of now) {
    if (!next["items.csv"].includes(`,${id}\n`)) {
      assert.deepEqual(row, old.get(id), `${id}, which the next log lacks`);
      continue;
    }
    const before = old.get(id.replace("new-", ""));
    const about = shop.items.find((one) => one.item === id.replace("new-", ""));
    if (!before || !about) continue;
    assert.deepEqual(row.dense.with(age, 0), before.dense.with(age, 0), id);
    const others = [category.first + category.count - 1];
    const expected = [
      about.category === "category-0" ? others : own(before, category),
      id.startsWith("new-") ? [item.first + item.count - 1] : own(before, item),
    ];
    assert.deepEqual([own(row, category), own(row, item)], expected, id);
  }
  const sameColumns = {
    ...encoding,
    dense: ["rating", "stock", "created", "price"],
    tokens: ["brand", "category"],
  };
  const again = await prepareIn(folder, recipe(folder, sameColumns, "next.csv"));
  assert.deepEqual(again.manifest.features, like.manifest.features);
  await Deno.writeTextFile(`${folder}/less.csv`, "item,price\nsku-1,2\n");
  const wrong: Record<string, FeatureOptions> = {
    "Expected --tokens to name the columns of … (category,brand)…got brand": { tokens: ["brand"] },
    "Expected --features with the columns price, rating, … that items of ": { features: undefined },
    "Expected a prepared data set": { encodingFrom: folder },
    'expected a column "rating" (--encoding-from)… add it to the features': {
      features: `${folder}/less.csv`,
    },
  };
  for (const [says, options] of Object.entries(wrong)) {
    await expectRefused(folder, recipe(folder, { ...encoding, ...options }, "next.csv"), says);
  }
});

Deno.test("items: --encoding-from refuses columns with mostly unknown values, and reports the shares", async () => {
  const { folder: like, manifest } = first;
  const shares = new Map(manifest.shares.map(({ column, ...shares }) => [column, shares]));
  assert.deepEqual([...shares.keys()], ["price", "rating", "stock", "created", "category", "brand"]);
  assert.ok((shares.get("rating")?.absent ?? 0) > 0.4 && shares.get("stock")?.absent === 0);
  type Item = (typeof shop.items)[number];
  const changed = async (
    change: (item: Item) => Record<string, string | undefined>,
    allowUnknownValues = false,
  ) => {
    const items = makeCsv(shop.items.map((item) => ({ ...item, ...change(item) })));
    await Deno.writeTextFile(`${folder}/other.csv`, items);
    return recipe(folder, { features: `${folder}/other.csv`, encodingFrom: like, allowUnknownValues });
  };
  const cents = ({ price = "" }: Item) => ({ price: price === "" ? "" : `${100 * Number(price)}` });
  const capitals = ({ category = "" }: Item) => ({ category: category.toUpperCase() });
  const swapped = ({ category, brand }: Item) => ({ category: brand, brand: category });
  const few = (item: Item) => item.item?.endsWith("7") ? {} : { rating: "" };
  for (
    const [change, says] of [
      [cents, "price: #.# % of the numbers are out of that set's range…--allow-unknown-values"],
      [capitals, "category: 100.0 % of the values have no token"],
      [swapped, "category: 100.0 % …; brand: 100.0 % "],
      [few, /rating: 9\d\.\d % of the items have no value/],
    ] as const
  ) await expectRefused(folder, await changed(change), says);
  const told = await prepareIn(folder, await changed(capitals, true));
  assert.equal(told.manifest.shares.find(({ column }) => column === "category")?.unknown, 1);
  const compared = ({ manifest: { notes } }: typeof told) => notes.filter((note) => note.includes(like));
  assert.match(compared(told).join("\n"), /unknown values: category 100\.0 % \(.* 0\.0 %\)$/);
  // Shares that both sets have, such as the absent ratings, are no difference.
  assert.deepEqual(compared(await prepareIn(folder, await changed(() => ({})))), []);
  await expectRefused(
    folder,
    recipe(folder, { allowUnknownValues: true }),
    /Expected --encoding-from with --allow-unknown-values/,
  );
});

Deno.test("items: --encoding-from with one-hot items keeps their numbers and refuses others", async () => {
  const bare = { features: undefined, itemIds: false };
  const oneHot = await prepareIn(folder, recipe(folder, bare));
  const some = shopFiles["log.csv"].split("\n").filter((_, k) => k < 200).join("\n") + "\n";
  await Deno.writeTextFile(`${folder}/some.csv`, some);
  const encoding = { features: undefined, encodingFrom: oneHot.folder };
  const like = await prepareIn(folder, recipe(folder, encoding, "some.csv"));
  assert.equal(keepsItemNumbers(oneHot.manifest.features, like.manifest.features), true);
  const alone = await prepareIn(folder, recipe(folder, bare, "some.csv"));
  assert.equal(keepsItemNumbers(oneHot.manifest.features, alone.manifest.features), false);
  await Deno.writeTextFile(`${folder}/new.csv`, some.replaceAll("sku-1,", "sku-x,"));
  const says = 'Expected only items of …, got 1 other items ("sku-x")';
  await expectRefused(folder, recipe(folder, encoding, "new.csv"), says);
});

Deno.test("items: a model scores a set with equal feature definitions, and otherwise reports the difference", async () => {
  const encoding = { ...nextItems, encodingFrom: first.folder };
  const like = await prepareIn(folder, recipe(folder, encoding, "next.csv"));
  const other = await prepareIn(folder, recipe(folder, nextItems, "next.csv"));
  const open = ({ folder }: PreparationResult) => openDataset(folder, 1, false, { needed: [] });
  const trained = await open(first);
  const { source: { items: { shape } }, features } = trained;
  const path = `${folder}/model.safetensors`;
  const specs = listModelParameters(shape, defaultModel);
  const info = { model: defaultModel, items: shape, iteration: 1, kind: "last", features };
  await writeSnapshot(path, specs, drawInitialWeights(specs, 1), info);
  const said = (await readSnapshot(path)).info;
  assert.ok(said);
  assert.deepEqual(said.features, features);
  const notes: string[] = [];
  const fit = async (set: PreparationResult, model: ModelItems = said) =>
    fitDataset(await open(set), model, "the model", (note) => notes.push(note));
  await fit(first);
  assert.notEqual((await open(like)).source.items.shape.count, shape.count);
  await fit(like);
  assert.deepEqual(notes, []);
  await expectRefusal(
    () => fit(other),
    "Expected the item features that the model was trained on, got a difference in …: … there, … here…--encoding-from",
  );
  await fit(first, {
    items: shape,
    features: features && { ...features, tokens: features.tokens.map(({ sha256: _, ...field }) => field) },
  });
  assert.match(notes.splice(0).join(), /category, brand may have another meaning/);
  await fit(first, { items: shape });
  assert.match(notes.join(), /the model does not describe its features/);
});

Deno.test("items: a model with counts scores a later log: known items as before, new items without counts", async () => {
  const fresh = next["items.csv"].trimEnd().split("\n").at(-1)!.replace(/[^,]*$/, "fresh");
  await Deno.writeTextFile(`${folder}/fresh_items.csv`, `${next["items.csv"]}${fresh}\n`);
  const chosen = { dense: ["price"], tokens: ["category", "brand"] };
  const counted = await prepareIn(folder, recipe(folder, chosen));
  const more = { features: `${folder}/fresh_items.csv`, encodingFrom: counted.folder, allItems: true };
  const later = await prepareIn(folder, recipe(folder, more, "next.csv"));
  const open = async ({ folder }: PreparationResult) =>
    await OpenedDataset.of(await openDataset(folder, 1, false, { needed: [] }));
  const [old, now] = [await open(counted), await open(later)];
  const [before, after] = [await readItems(counted), await readItems(later)];
  assert.deepEqual([...after.keys()].slice(0, before.size), [...before.keys()]);
  assert.ok(after.size > before.size + 1 && after.has("fresh"));

  const { source, dataset: { features } } = old;
  const { shape } = source.items;
  const config = { ...defaultModel, counts: buildCountsConfig(source, features?.tokens ?? []) };
  const start = initializeFromCounts(source, config, 1);
  const weights = resolveWeights(listModelParameters(shape, config), { seed: 1, start });
  const trained = { items: shape, features, model: config };
  const { source: { items } } = fitDataset(now.dataset, trained, "the model");
  using gpu = await openGpu();
  using model = new UserModel(gpu, source.items, config, { weights });
  using onLater = new UserModel(gpu, items, config, { weights: extendWeights(weights, config, items) });
  const same = [...before].filter(([id, row]) => JSON.stringify(row) === JSON.stringify(after.get(id)));
  const [clicked, ...page] = same.slice(0, 9).map(([id]) => id);
  assert.ok(clicked !== undefined && page.length > 5);
  const score = (own: UserModel, data: OpenedDataset, ids: readonly string[]) =>
    own.score({ history: [data.item(clicked)], page: ids.map((id) => data.item(id)) });
  assert.deepEqual(await score(onLater, now, page), await score(model, old, page));
  assert.ok((await score(onLater, now, ["fresh"])).every(Number.isFinite));

  // Counts belong to numbers of items. Without counts a model scores any items with these features.
  const catalogues = [...features?.catalogues ?? []].map((sha256) => sha256.replace(/^./, "x"));
  const others = { ...now.dataset, features: features && { ...features, catalogues } };
  await expectRefusal(
    () => Promise.resolve().then(() => fitDataset(others, trained, "the model")),
    "Expected the items of the model to be the first items of …--encoding-from",
  );
  fitDataset(others, { ...trained, model: defaultModel }, "the model");
});

Deno.test("items: in a snapshot, a token that no train user saw has the mean of its field's rows", () => {
  const tokens = [
    { name: "category", first: 0, count: 3, meaning: "", other: "mean" as const },
    { name: "brand", first: 3, count: 2, meaning: "", other: "trained" as const },
  ];
  const specs = [
    { name: "table", rows: 5, columns: 2, table: true },
    { name: "kernel", rows: 5, columns: 2 },
  ];
  const values = Float32Array.of(1, 2, 3, 4, 9, 9, 7, 7, 8, 8);
  const weights = new Map(specs.map(({ name }) => [name, values.slice()]));
  const filled = withMeanRows(specs, weights, { dense: [], tokens }, 5);
  assert.deepEqual(filled.get("table"), Float32Array.of(1, 2, 3, 4, 2, 3, 7, 7, 8, 8));
  assert.deepEqual([filled.get("kernel"), weights.get("table")], [values, values]);
  assert.equal(withMeanRows(specs, weights, undefined, 5), weights);
});
