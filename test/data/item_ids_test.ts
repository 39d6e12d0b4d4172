/** Items without the tokens that they have one by one: in memory as in a file, in training as in scoring. */

import assert from "node:assert/strict";
import type { ItemTokens } from "../../src/data/click_log.ts";
import { type ItemCatalogue, MemoryItems } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import type { Features } from "../../src/data/manifest.ts";
import { itemIdsOf, withoutTokens } from "../../src/data/item_ids.ts";
import { type Dataset, datasetOf, fitDataset, withoutItemIds } from "../../src/data/sets/dataset.ts";
import { UserError } from "../../src/user_error.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

/** Two categories, then a token for each of three items; the last item has no category. */
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
/** The same as if it were in a file. */
const onDisk: ItemCatalogue = {
  shape: items.shape,
  tokenCounts: items.tokenCounts,
  items: undefined,
  read: (ids) => items.read(ids),
};

const features: Features = {
  dense: [{ name: "price", meaning: "" }],
  tokens: [
    { name: "category", first: 0, count: 2, meaning: "", column: "category" },
    { name: "item", first: 2, count: 3, meaning: "the item itself", column: null },
  ],
};

Deno.test("items lose their last tokens, in memory as on disk; without any they are dense", () => {
  for (const catalogue of [items, onDisk]) {
    const left = withoutTokens(catalogue, 2);
    assert.deepEqual(left.shape, { kind: "mixed", count: 3, width: 1, tokens: 2 });
    assert.deepEqual(left.read(Uint32Array.of(1, 2)), {
      kind: "mixed",
      count: 2,
      width: 1,
      values: Float32Array.of(2, 3),
      tokens: { count: 2, first: Uint32Array.of(0, 1, 1), token: Uint32Array.of(1) },
    });
    const dense = withoutTokens(catalogue, 0);
    assert.deepEqual(dense.shape, { kind: "dense", count: 3, width: 1 });
    assert.deepEqual(dense.read(Uint32Array.of(0)), {
      kind: "dense",
      count: 1,
      width: 1,
      values: Float32Array.of(1),
    });
  }
});

Deno.test("item ids are the last tokens by that name, of a set that knows more of its items", () => {
  assert.equal(itemIdsOf(features)?.first, 2);
  assert.equal(itemIdsOf({ ...features, dense: [] })?.first, 2);
  const [category, item] = features.tokens;
  assert.ok(category && item);
  assert.equal(itemIdsOf({ dense: [], tokens: [{ ...item, first: 0 }] }), undefined, "nothing else is known");
  assert.equal(itemIdsOf({ dense: [], tokens: [category] }), undefined);
  const column = { ...features, tokens: [category, { ...item, column: "item" }] };
  assert.equal(itemIdsOf(column), undefined, "a column of the features by this name");
  assert.equal(itemIdsOf(undefined), undefined);
});

function dataset(): Dataset {
  const log = smallLog(3, { users: 6, items: 3, width: 1, tokens: 5 });
  const config = {
    kind: "prepared",
    path: "x",
    sha256: "",
    resplit: null,
    memoryRows: 0,
    itemIds: true,
  } as const;
  return { ...datasetOf(new MemoryLog(log), config), features };
}

Deno.test("a set without item ids: what its config says, and models with and without them fit it", () => {
  const whole = dataset();
  const less = withoutItemIds(whole);
  assert.deepEqual(less.config, { ...whole.config, itemIds: false });
  assert.deepEqual(less.features?.tokens.map(({ name }) => name), ["category"]);
  const { shape } = less.source.items;
  assert.deepEqual(shape, { kind: "mixed", count: 3, width: 1, tokens: 2 });
  const fit = (data: Dataset, model: Dataset) =>
    fitDataset(data, { items: model.source.items.shape, features: model.features }, "The model", () => {});
  assert.deepEqual(fit(whole, less).source.items.shape, shape);
  assert.deepEqual(fit(less, less).source.items.shape, shape);
  assert.deepEqual(fit(whole, whole).source.items.shape, whole.source.items.shape);
  assert.throws(() => fit(less, whole), /category, item there, category here/);
  assert.throws(
    () => withoutItemIds(less),
    (error) => error instanceof UserError && /with --no-item-ids/.test(error.message),
  );
});
