import assert from "node:assert/strict";
import { describeDifference, keepsItemNumbers } from "../../src/data/feature_difference.ts";
import { NumberIds, parseIds, TextIds, TextList } from "../../src/data/ids.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { expectRefusal } from "../case_table.ts";
import { writePaperFile } from "../command_check.ts";
import { foreignLog, rewrite, withCopy } from "../foreign_set.ts";
import { makeFolderWith, prepareIn, query, withFolder } from "../prepared_folder.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import type { ItemTokens } from "../../src/data/click_log.ts";
import { type ItemCatalogue, MemoryItems } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import type { FeatureManifest } from "../../src/data/manifest.ts";
import { findItemIdField, removeTokens } from "../../src/data/item_ids.ts";
import { createDataset, type Dataset, fitDataset, removeItemIds } from "../../src/data/sets/dataset.ts";
import { createHash } from "node:crypto";
import type { PreparationResult } from "../../src/data/prepare/prepare.ts";
import type { FeatureOptions } from "../../src/data/prepare/features.ts";
import { logFiles, makeLogRecipe, makeShopLog } from "./synthetic_logs.ts";

Deno.test("a packed list of texts returns its texts", () => {
  const some = Array.from({ length: 300 }, (_, k) => `id${k}`);
  const texts = ["", "a", "Ünïcode 漢字 😀", "x".repeat(5000), "", ...some];
  const list = TextList.of(texts);
  assert.equal(list.length, texts.length);
  assert.deepEqual(texts.map((_, k) => list.at(k)), texts);
  assert.equal(list.at(2), texts[2]);
  assert.equal(list.at(-1), undefined);
  assert.equal(list.at(texts.length), undefined);
});

Deno.test("an id with several versions has the number of the latest version", () => {
  const ids = new TextIds(TextList.of(["a", "b", "a", "c", "a", "__proto__"]));
  assert.equal(ids.of(2), "a");
  assert.equal(ids.findIndex("a"), 4);
  assert.equal(ids.findIndex("__proto__"), 5);
  assert.equal(ids.findIndex("constructor"), undefined);
  assert.deepEqual(ids.latest(), Uint32Array.of(1, 3, 4, 5));
  const numbers = new NumberIds(12);
  assert.equal(numbers.findIndex("11"), 11);
  for (const wrong of ["12", "-1", "1.0", "01", "", " 1", "1e0"]) {
    assert.equal(numbers.findIndex(wrong), undefined);
  }
  assert.equal(numbers.latest().length, 12);
});

Deno.test("many ids are found by text, and of equal ids the latest, as in a map", () => {
  const texts = Array.from({ length: 20_000 }, (_, k) => `${"é".repeat(k % 3)}${(k * 7919) % 15_000}`);
  const ids = new TextIds(TextList.of(texts));
  const map = new Map(texts.map((text, number) => [text, number]));
  assert.deepEqual(ids.latest(), Uint32Array.from(map.values()).sort());
  for (const [text, number] of map) assert.equal(ids.findIndex(text), number);
  for (const text of ["", "15000", "é", "ééé1"]) assert.equal(ids.findIndex(text), undefined);
  assert.deepEqual(new TextIds(TextList.of([])).latest(), new Uint32Array());
  assert.equal(new TextIds(TextList.of([])).findIndex(""), undefined);
});

Deno.test("ids are named literally, or by a JSON list", () => {
  for (
    const [text, expected] of [
      ["", []],
      [" ", [" "]],
      ["a, x,x", ["a", " x", "x"]],
      ['["a,b", 12, " x", "[", ""]', ["a,b", "12", " x", "[", ""]],
      ["[]", []],
      ["[a],b", ["[a]", "b"]],
    ] as const
  ) assert.deepEqual(parseIds(text, ","), expected);
  for (const wrong of ["[1.5]", "[9007199254740993]", "[[1]]"]) {
    assert.throws(() => parseIds(wrong, ","), /Expected a JSON list of ids: 0: /);
  }
});

Deno.test("a prepared data set has the ids of its tables, or numbers if there are no ids", () =>
  withCopy(async (folder) => {
    const data = await openDataset(folder);
    assert.equal(data.users.of(3), "u3");
    assert.equal(data.item("i11"), 11);
    assert.deepEqual(Array.from(data.readHistory(data.user("u4"))), listClicks(4));
    assert.throws(
      () => data.user("i1"),
      /Expected the id of a user of .* got the unknown id "i1"\. There are 30 users; the first is "u0"/,
    );
    await rewrite(folder, "users", "SELECT * EXCLUDE id FROM t");
    assert.equal((await openDataset(folder)).user("7"), 7);
    await rewrite(folder, "items", "SELECT * REPLACE (if(item = 5, NULL, id) AS id) FROM t");
    const says = "items.parquet: item 5: expected id to be text, got NULL in row 6. Give each item";
    await expectRefusal(() => openDataset(folder), says);
    await rewrite(folder, "items", "SELECT * REPLACE (item AS id) FROM t");
    await assert.rejects(openDataset(folder), /expected id to be text/);
  }));

function listClicks(user: number): number[] {
  const { userEvents, eventClick, rowItem } = foreignLog;
  return Array.from(eventClick.subarray(userEvents[user], userEvents[user + 1]))
    .filter((row) => row !== 0xffffffff).map((row) => rowItem[row] ?? NaN);
}

Deno.test("a file in the paper's layout keeps its ids", () =>
  withFolder({}, async (folder) => {
    const file = `${folder}/log.tsv`;
    writePaperFile(file, createSmallLog(3, { users: 9, items: 5, width: 0 }));
    const text = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, text.replace(/^(\d)\t/gm, (_, user) => `${100 - 3 * Number(user)}\t`));
    const data = await openDataset(file);
    assert.deepEqual(
      Array.from({ length: 9 }, (_, k) => data.users.of(k)),
      [76, 79, 82, 85, 88, 91, 94, 97, 100].map(String),
    );
    assert.equal(data.user("76"), 0);
    assert.equal(data.item("4"), 4);
  }));

const tokens: ItemTokens = {
  count: 5,
  first: Uint32Array.of(0, 2, 4, 5),
  token: Uint32Array.of(0, 2, 1, 3, 4),
};
const items = new MemoryItems({
  kind: "mixed",
  count: 3,
  width: 1,
  values: Float32Array.of(1, 2, 3),
  tokens,
});
const onDisk: ItemCatalogue = {
  shape: items.shape,
  tokenCounts: items.tokenCounts,
  items: undefined,
  read: (ids) => items.read(ids),
};

const features: FeatureManifest = {
  dense: [{ name: "price", meaning: "" }],
  tokens: [
    { name: "category", first: 0, count: 2, meaning: "", column: "category" },
    { name: "item", first: 2, count: 3, meaning: "the item itself", column: null },
  ],
};

Deno.test("item ids can be left out, in memory and on disk; items without tokens are dense", () => {
  for (const catalogue of [items, onDisk]) {
    const left = removeTokens(catalogue, 2);
    assert.deepEqual(left.shape, { kind: "mixed", count: 3, width: 1, tokens: 2 });
    assert.deepEqual(left.read(Uint32Array.of(1, 2)), {
      kind: "mixed",
      count: 2,
      width: 1,
      values: Float32Array.of(2, 3),
      tokens: { count: 2, first: Uint32Array.of(0, 1, 1), token: Uint32Array.of(1) },
    });
    const dense = removeTokens(catalogue, 0);
    assert.deepEqual(dense.shape, { kind: "dense", count: 3, width: 1 });
    assert.deepEqual(dense.read(Uint32Array.of(0)), {
      kind: "dense",
      count: 1,
      width: 1,
      values: Float32Array.of(1),
    });
  }
});

Deno.test("item ids are the last token field with that name, if the set has other features", () => {
  assert.equal(findItemIdField(features)?.first, 2);
  assert.equal(findItemIdField({ ...features, dense: [] })?.first, 2);
  const [category, item] = features.tokens;
  assert.ok(category && item);
  assert.equal(findItemIdField({ dense: [], tokens: [{ ...item, first: 0 }] }), undefined, "no other");
  assert.equal(findItemIdField({ dense: [], tokens: [category] }), undefined);
  const column = { ...features, tokens: [category, { ...item, column: "item" }] };
  assert.equal(findItemIdField(column), undefined, "a feature column with this name is no id field");
  assert.equal(findItemIdField(undefined), undefined);
});

function dataset(): Dataset {
  const log = createSmallLog(3, { users: 6, items: 3, width: 1, tokens: 5 });
  const about = { kind: "prepared", path: "x", sha256: "", resplit: null } as const;
  const config = { ...about, memoryRows: 0, itemIds: true };
  return { ...createDataset(new MemoryLog(log), config), features };
}

Deno.test("a set without item ids: its config records it, and models with and without ids accept it", () => {
  const whole = dataset();
  const less = removeItemIds(whole);
  assert.deepEqual(less.config, { ...whole.config, itemIds: false });
  assert.deepEqual(less.features?.tokens.map(({ name }) => name), ["category"]);
  const { shape } = less.source.items;
  assert.deepEqual(shape, { kind: "mixed", count: 3, width: 1, tokens: 2 });
  const fit = (data: Dataset, model: Dataset) =>
    fitDataset(data, { items: model.source.items.shape, features: model.features }, "the model", () => {});
  assert.deepEqual(fit(whole, less).source.items.shape, shape);
  assert.deepEqual(fit(less, less).source.items.shape, shape);
  assert.deepEqual(fit(whole, whole).source.items.shape, whole.source.items.shape);
  assert.throws(() => fit(less, whole), /category, item there, category here/);
  assert.throws(() => removeItemIds(less), /UserError: .*Leave --no-item-ids/);
});

const folder = await makeFolderWith(logFiles(makeShopLog(3, { users: 60, items: 80, events: 4 })));
const prepared = (more: FeatureOptions, log = "log.csv") =>
  prepareIn(folder, makeLogRecipe(folder, { features: undefined, ...more }, log));

function hashTokens(id: string, first: number, buckets: number): number[] {
  const md5 = createHash("md5").update(id).digest("hex");
  const hash = (digit: number) => Number.parseInt(md5.slice(digit, digit + 8), 16) % buckets;
  return [first + hash(0), first + buckets + hash(8)];
}

async function expectHashed(
  { folder, manifest: { features } }: PreparationResult,
  buckets: number,
): Promise<void> {
  const field = features.tokens.at(-1) ?? assert.fail("a field of tokens");
  assert.deepEqual([field.name, field.column, field.hashed, field.count], [
    "item",
    null,
    buckets,
    2 * buckets,
  ]);
  const items = await query(folder, "SELECT id, tokens FROM items");
  assert.ok(items.length > 20);
  for (const { id, tokens } of items) {
    const own = (Array.isArray(tokens) ? tokens.map(Number) : []).filter((token) => token >= field.first);
    assert.deepEqual(own, hashTokens(String(id), field.first, buckets), String(id));
  }
}

Deno.test("hashed ids: an item id has two tokens after its features' tokens, also in the next log", async () => {
  const bare = await prepared({ hashItems: 7 });
  await expectHashed(bare, 7);
  assert.equal(bare.manifest.features.tokens[0]?.first, 0);
  const first = await prepared({ hashItems: 50, features: `${folder}/items.csv` });
  await expectHashed(first, 50);
  assert.ok(findItemIdField(first.manifest.features), "train --no-item-ids can leave them out");
  const text = Deno.readTextFileSync(`${folder}/log.csv`);
  Deno.writeTextFileSync(`${folder}/next.csv`, text.replaceAll("sku-1,", "sku-new,"));
  const next = await prepared({ features: `${folder}/items.csv`, encodingFrom: first.folder }, "next.csv");
  await expectHashed(next, 50);
  assert.ok((await query(next.folder, "SELECT id FROM items")).some(({ id }) => id === "sku-new"));
  assert.equal(describeDifference(first.manifest.features, next.manifest.features), undefined);
  assert.equal(keepsItemNumbers(first.manifest.features, next.manifest.features), true);
  assert.deepEqual((await prepared({ encodingFrom: bare.folder })).manifest.features, bare.manifest.features);
  const other = await prepared({ hashItems: 60, features: `${folder}/items.csv` });
  assert.match(
    describeDifference(first.manifest.features, other.manifest.features) ?? "",
    /hashed to 50 there, hashed to 60 here/,
  );
});
