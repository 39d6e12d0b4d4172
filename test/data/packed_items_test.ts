/** Packed items: what is written is what is read, item by item, and what is damaged is refused. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { ItemFeatures } from "../../src/data/click_log.ts";
import {
  type ItemCatalogue,
  itemsShape,
  joinItems,
  MemoryItems,
  overOwnItems,
  tokensAtMost,
} from "../../src/data/item_catalogue.ts";
import { PackedItems, PackedItemsWriter } from "../../src/data/sets/packed_items.ts";
import { UserError } from "../../src/user_error.ts";
import { refusesAltered, resealed } from "./packed_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

const folder = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
let files = 0;

function pack(chunks: readonly ItemFeatures[], whole: ItemFeatures): string {
  const path = `${folder}/${files++}.items`;
  using writer = PackedItemsWriter.create(path, itemsShape(whole));
  for (const chunk of chunks) writer.write(chunk);
  writer.finish();
  return path;
}

/** Items from `first` to `end` of a catalogue. */
function part(items: ItemFeatures, first: number, end: number): ItemFeatures {
  if (items.kind === "one-hot") return { kind: items.kind, count: end - first };
  return new MemoryItems(items).read(Uint32Array.from({ length: end - first }, (_, k) => first + k));
}

function inChunks(items: ItemFeatures, size: number): ItemFeatures[] {
  const chunks: ItemFeatures[] = [];
  for (let first = 0; first < items.count; first += size) {
    chunks.push(part(items, first, Math.min(items.count, first + size)));
  }
  return chunks;
}

const kinds = fc.constantFrom({ width: 0 }, { width: 3 }, { width: 0, tokens: 6 }, { width: 2, tokens: 9 });

Deno.test("any items of any catalogue are read as they were written, in whatever chunks", () => {
  fc.assert(
    fc.property(
      fc.nat(1000),
      fc.integer({ min: 1, max: 40 }),
      kinds,
      fc.integer({ min: 1, max: 41 }),
      fc.infiniteStream(fc.boolean()),
      (seed, count, kind, chunk, draws) => {
        const { items } = smallLog(seed, { users: 1, items: count, ...kind });
        const chunks = inChunks(items, chunk);
        assert.deepEqual(joinItems(itemsShape(items), chunks), items);
        const memory = new MemoryItems(items);
        using packed = PackedItems.open(pack(chunks, items));
        assert.deepEqual(packed.shape, memory.shape);
        assert.deepEqual(packed.tokenCounts, memory.tokenCounts);
        const all = Uint32Array.from({ length: count }, (_, k) => k);
        for (const ids of [all, all.filter(() => draws.next().value), all.subarray(0, 0)]) {
          assert.deepEqual(packed.read(ids), memory.read(ids));
        }
        assert.deepEqual(memory.read(all), items);
      },
    ),
    { numRuns: 100, seed: 3 },
  );
});

Deno.test("items far apart in a large file", () => {
  const count = 30_000;
  const values = Float32Array.from({ length: 2 * count }, (_, k) => k / 3);
  const first = Uint32Array.from({ length: count + 1 }, (_, k) => 2 * k);
  const token = Uint32Array.from({ length: 2 * count }, (_, k) => (k % 2) * 50 + k % 50);
  const items: ItemFeatures = {
    kind: "mixed",
    count,
    width: 2,
    values,
    tokens: { count: 100, first, token },
  };
  using packed = PackedItems.open(pack(inChunks(items, 7000), items));
  const ids = Uint32Array.from([0, 1, 2, 4095, 4096, 15_000, 29_998, 29_999]);
  assert.deepEqual(packed.read(ids), new MemoryItems(items).read(ids));
  assert.deepEqual(packed.read(ids.subarray(0, 2)), new MemoryItems(items).read(ids.subarray(0, 2)));
});

Deno.test("a log over its own items shows the same features in the same order", () => {
  const { items } = smallLog(8, { users: 1, items: 20, width: 2, tokens: 5 });
  const clicks = {
    userSplit: new Uint8Array(1),
    userEvents: Uint32Array.of(0, 1),
    eventRows: Uint32Array.of(0, 5),
    eventClick: Uint32Array.of(2),
    rowItem: Uint32Array.of(17, 3, 17, 9, 4),
  };
  const own = overOwnItems(clicks, new MemoryItems(items));
  assert.deepEqual([...own.rowItem], [3, 0, 3, 2, 1]);
  assert.deepEqual(own.items, new MemoryItems(items).read(Uint32Array.of(3, 4, 9, 17)));
  const oneHot = overOwnItems(clicks, new MemoryItems({ kind: "one-hot", count: 20 }));
  assert.deepEqual(oneHot, { rowItem: clicks.rowItem, items: { kind: "one-hot", count: 20 } });
});

Deno.test("the most tokens of some items are those of the items with the most", () => {
  // Three items without tokens, two with one, one with four.
  const counts = Uint32Array.of(3, 2, 0, 0, 1);
  assert.deepEqual([0, 1, 2, 3, 4, 9].map((items) => tokensAtMost(counts, items)), [0, 4, 5, 6, 6, 6]);
  assert.equal(tokensAtMost(new Uint32Array(), 3), 0);
});

Deno.test("a file that is cut off, of another kind, or changed is refused", () => {
  const { items } = smallLog(2, { users: 1, items: 9, width: 2, tokens: 5 });
  const whole = Deno.readFileSync(pack([items], items));
  const refuses = (says: RegExp, change: (words: Uint32Array, bytes: Uint8Array) => Uint8Array | void) => {
    const path = `${folder}/damaged`;
    const bytes = whole.slice();
    Deno.writeFileSync(path, resealed(change(new Uint32Array(bytes.buffer), bytes) ?? bytes, path));
    assert.throws(() => {
      using packed: ItemCatalogue & Disposable = PackedItems.open(path);
      packed.read(Uint32Array.from({ length: 9 }, (_, k) => k));
    }, (error) => error instanceof UserError && says.test(error.message) || assert.fail(`got ${error}`));
  };
  refuses(/damaged is not a whole packed catalogue: it has 40 bytes/, (_, bytes) => bytes.subarray(0, 40));
  refuses(/expected \d+ bytes for 9 items/, (_, bytes) => bytes.subarray(0, -4));
  refuses(/does not begin as one/, (words) => void (words[0] = 1));
  refuses(/version 7, and this program reads version 2/, (words) => void (words[2] = 7));
  refuses(/of kind 5, expected 0, 1 or 2/, (words) => void (words[3] = 5));
  refuses(/has token 4000000000, but there are 5/, (words) => void (words[18] = 4e9));
  const index = 16 + 2 * 9 + (items.kind === "mixed" ? items.tokens.token.length : 0);
  refuses(/token 4000000000|word \d+ of \d+ is asked for/, (words) => void (words[index + 9] = 4e9));
  refuses(/item \d begins at word/, (words) => void (words[index + 4] = 0));
  assert.throws(() => PackedItems.open(`${folder}/none`), /UserError: .*none/);
});

Deno.test("a catalogue that was not finished leaves no file", () => {
  const path = `${folder}/unfinished`;
  {
    using writer = PackedItemsWriter.create(path, { kind: "dense", count: 0, width: 2 });
    writer.write({ kind: "dense", count: 1, width: 2, values: Float32Array.of(1, 2) });
  }
  assert.ok([...Deno.readDirSync(folder)].every(({ name }) => !name.startsWith("unfinished")));
});

Deno.test("a file with any bit turned over, bytes moved, or another name is refused when it is opened", () => {
  const { items } = smallLog(2, { users: 1, items: 9, width: 2, tokens: 5 });
  refusesAltered(pack([items], items), `${folder}/altered`, (path) => PackedItems.open(path));
});
