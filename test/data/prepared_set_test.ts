import { keepsItemNumbers } from "../../src/data/feature_difference.ts";
import assert from "node:assert/strict";
import { type ClickLog, type Clicks, eventLists } from "../../src/data/click_log.ts";
import { PreparedSet, readPreparedLog } from "../../src/data/prepared_set.ts";
import { readTexts, type TableName } from "../../src/data/prepared_tables.ts";
import type { TableFile } from "../../src/data/parquet.ts";
import { openPreparedSet, readManifest, setFiles } from "../../src/data/sets/prepared_folder.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { rewrite, writeSet } from "../foreign_set.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { makeFolderWith, withFolder } from "../prepared_folder.ts";
import { PREPARED_FILES, type PreparedContents, writePrepared } from "../../src/data/sets/prepared_writer.ts";
import { NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { type LogSource, MemoryLog } from "../../src/data/log_source.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { listFiles } from "../command_check.ts";
import type { FeatureManifest } from "../../src/data/manifest.ts";
import { mergeSets } from "../../src/data/sets/merge.ts";
import { CommandSeries } from "../command_series.ts";

const expectRead = ({ log }: LogSource, { name: _, ...expected }: ClickLog) => {
  const { name: __, ...read } = log ?? assert.fail("expected it in memory");
  assert.deepEqual(read, expected);
};

const logs: Record<string, ClickLog> = {
  "one-hot": createSmallLog(1, { users: 60, items: 30, width: 0 }),
  dense: createSmallLog(2, { users: 60, items: 30, width: 5 }),
  mixed: createSmallLog(3, { users: 60, items: 30, width: 3, tokens: 9 }),
  "tokens alone": createSmallLog(4, { users: 60, items: 30, width: 0, tokens: 9 }),
  given: createSmallLog(5, { users: 60, items: 30, width: 5, given: 0.4 }),
};

for (const [name, log] of Object.entries(logs)) {
  Deno.test(`${name}: a set that another program wrote is read unchanged, in memory and on disk`, async () => {
    const folder = await makeFolderWith();
    // Row groups have few pages, so that users span them, and several files have the pages.
    await writeSet(folder, log, { files: 3, rowGroup: 2048 });
    const { source, sha256 } = await openPrepared(folder, { memoryRows: Infinity });
    expectRead(source, log);
    const packed = await openPrepared(folder, { memoryRows: 0, cache: `${folder}/cache` });
    assert.equal(packed.source.log, undefined);
    assert.equal(packed.sha256, sha256);
    const users = Uint32Array.from({ length: 20 }, (_, k) => 3 * k);
    assert.deepEqual(packed.source.read(users), source.read(users));
    assert.deepEqual(packed.source.userSplit, source.userSplit);
    if ("close" in packed.source && typeof packed.source.close === "function") packed.source.close();
    await assert.rejects(
      () => openPrepared(folder, { memoryRows: 0 }),
      /there is no cache folder.*set HOME or XDG_CACHE_HOME, or raise --memory-rows/,
    );
  });
}

Deno.test("optional columns may be missing: context, and all columns of items except item and id", async () => {
  const log = logs["one-hot"] ?? assert.fail();
  const folder = await makeFolderWith();
  await writeSet(folder, log);
  await rewrite(folder, "pages", "SELECT * EXCLUDE context FROM t");
  await rewrite(folder, "items", "SELECT item, id FROM t");
  const { source } = await openPrepared(folder, { memoryRows: Infinity });
  expectRead(source, log);
  const { parts } = await describe(folder, "500MB");
  assert.equal(parts.reduce((sum, { events }) => sum + events, 0), log.eventClick.length);
});

Deno.test("row groups and files that end within a user are joined", async () => {
  const log = createSmallLog(6, { users: 3000, items: 30, width: 0 });
  const folder = await makeFolderWith();
  await writeSet(folder, log, { rowGroup: 2048 });
  const set = await openPreparedSet(folder);
  let chunks = 0;
  await set.readClicks(30, () => chunks++);
  assert.ok(chunks > 2, `${chunks} row groups`);
  const { source } = await openPrepared(folder, { memoryRows: Infinity });
  assert.deepEqual(source.log?.rowItem, log.rowItem);
  assert.deepEqual(source.log?.eventClick, log.eventClick);
});

Deno.test("a set is also read from bytes in memory, like files that are dropped on a web page", async () => {
  const log = logs.mixed ?? assert.fail();
  const folder = await makeFolderWith();
  await writeSet(folder, log, { files: 2 });
  const { manifest, files } = await openPreparedSet(folder);
  const part = (name: TableName) =>
    files.part(name).map(({ path }): TableFile => {
      const blob = new Blob([Deno.readFileSync(path)]);
      return {
        path,
        open: () => ({
          byteLength: blob.size,
          slice: (start, end) => blob.slice(start, end).arrayBuffer(),
          [Symbol.dispose]() {},
        }),
      };
    });
  const describeUser = new Set<string>();
  const set = await PreparedSet.open({ folder: "dropped", manifest, part });
  const source = await readPreparedLog(set, (what) => describeUser.add(what));
  expectRead(source, log);
  assert.deepEqual([...describeUser], ["Reading items", "Reading pages"]);
});

function chunks(log: ClickLog, each: number): ReadableStream<Clicks> {
  const users = Uint32Array.from(log.userSplit.keys());
  const parts = Array.from(
    { length: Math.ceil(users.length / each) },
    (_, k) => users.slice(k * each, (k + 1) * each),
  );
  return ReadableStream.from(parts.map((part) => new MemoryLog(log).read(part)));
}

const contents = { notes: ["a note"], command: ["simulate"], pageOrder: "shown" } as const;

for (
  const [kind, options] of Object.entries({
    dense: { width: 3 },
    "one-hot": { width: 0, given: 0.3 },
    mixed: { width: 2, tokens: 9, given: 0.2, further: 0.4 },
    "mixed without numbers": { width: 0, tokens: 9 },
  })
) {
  Deno.test(`a log with ${kind} items is read back unchanged`, () =>
    withFolder({}, async (folder) => {
      const log = createSmallLog(5, { users: 31, items: 14, ...options });
      const itemIds = kind === "dense"
        ? new NumberIds(14)
        : new TextIds(TextList.of(Array.from({ length: 14 }, (_, k) => `ünï-${k}`)));
      const items = new MemoryItems(log.items);
      const manifest = await writePrepared(
        folder,
        { name: "mine", items, itemIds, ...contents },
        chunks(log, 7),
      );
      const further = log.eventKind?.filter((kind) => kind === 2).length ?? 0;
      assert.equal(further > 0, kind === "mixed");
      assert.equal(manifest.counts?.rows, log.rowItem.length - further);
      assert.equal(manifest.counts?.pages, log.eventClick.length - further);
      assert.deepEqual(listFiles(folder), PREPARED_FILES.toSorted());
      const { source, items: ids, dataset } = await openDataset(folder);
      const { eventKind, ...read } = source.log ?? assert.fail();
      const { eventKind: given, ...written } = log;
      assert.deepEqual(read, { ...written, name: "mine" });
      assert.deepEqual(Array.from(eventKind ?? []), Array.from(given?.includes(1) ? given : eventKind ?? []));
      assert.equal(dataset.pageOrder, "shown");
      assert.equal(ids.of(13), kind === "dense" ? "13" : "ünï-13");
    }));
}

const ids = (texts: readonly string[]) => new TextIds(TextList.of(texts));
const makeFeatures = (width: number): FeatureManifest => ({
  dense: Array.from({ length: width }, (_, k) => ({ name: `f${k}`, meaning: "a number" })),
  tokens: [],
});

async function writeLog(
  path: string,
  log: ClickLog,
  itemIds: readonly string[],
  more: Partial<PreparedContents> = {},
): Promise<void> {
  await Deno.mkdir(path);
  const about = {
    name: "x",
    items: new MemoryItems(log.items),
    pageOrder: "shown",
    notes: [],
    command: [],
  } as const;
  await writePrepared(path, { ...about, itemIds: ids(itemIds), ...more }, ReadableStream.from([log]));
}
const usersCalled = (ids: readonly string[]) => ({ userTexts: { id: (user: number) => ids[user] ?? "" } });

async function merged(folder: string, names: readonly string[], out = "out") {
  await Deno.mkdir(`${folder}/${out}`);
  const parts = await Promise.all(
    names.map(async (name) => ({ name, data: await openDataset(`${folder}/${name}`) })),
  );
  const { newItems } = await mergeSets(`${folder}/${out}`, parts, { name: out, command: [] });
  return { data: await openDataset(`${folder}/${out}`), parts, newItems };
}

const dense = createSmallLog(2, { users: 20, items: 12, width: 3, given: 0.3 });
const later = createSmallLog(3, { users: 15, items: 12, width: 3 });
const sku = (k: number) => `sku ${k}`;
const all = Array.from({ length: 12 }, (_, k) => sku(k));

function describeUser({ source, items, users }: Awaited<ReturnType<typeof openDataset>>, user: number) {
  const { rowItem, eventKind, ...own } = source.read(Uint32Array.of(user));
  return {
    eventKind: Array.from(own.eventClick, (_, e) => eventKind?.[e] ?? 0),
    id: users.of(user),
    items: Array.from(rowItem, (item) => items.of(item)),
    ...own,
  };
}

Deno.test("merged sets: users keep their splits, and repeated ids get the name of their set", () =>
  withFolder({}, async (folder) => {
    const userIds = Array.from({ length: 25 }, (_, k) => `u${k}`);
    const features = makeFeatures(3);
    const about = { features, warnings: ["beware"] };
    await writeLog(`${folder}/a`, dense, all, { ...about, ...usersCalled(userIds.slice(0, 20)) });
    // The same items in another order; one item has changed features.
    const order = Array.from({ length: 12 }, (_, k) => (5 * k + 3) % 12);
    if (later.items.kind !== "dense" || dense.items.kind !== "dense") assert.fail();
    const { values: known } = dense.items;
    const values = Float32Array.from(order.flatMap((k) => [...known.subarray(3 * k, 3 * k + 3)]));
    values[0] = 9;
    const log = { ...later, items: { ...later.items, values } };
    await writeLog(`${folder}/b`, log, order.map(sku), { ...about, ...usersCalled(userIds.slice(10, 25)) });
    const { data, parts: [a, b], newItems } = await merged(folder, ["a", "b"]);
    assert.ok(a && b);
    assert.equal(newItems, 1);
    assert.equal(data.source.items.shape.count, 13);
    assert.equal(data.items.of(12), sku(3), "a separate version with the same id");
    assert.equal(data.items.findIndex(sku(3)), 12, "the latest");
    assert.deepEqual(
      data.source.items.items?.kind === "dense" && [...data.source.items.items.values.subarray(36)],
      [...values.subarray(0, 3)],
    );
    for (let user = 0; user < 20; user++) {
      assert.deepEqual(describeUser(data, user), describeUser(a.data, user));
    }
    for (let user = 0; user < 15; user++) {
      const { id, ...own } = describeUser(b.data, user);
      assert.deepEqual(describeUser(data, 20 + user), { id: user < 10 ? `b/${id}` : id, ...own });
    }
    assert.equal(new Set(Array.from({ length: 35 }, (_, user) => data.users.of(user))).size, 35);
    const { dataset: { pageOrder, warnings } } = data;
    assert.deepEqual({ pageOrder, warnings }, { pageOrder: "shown", warnings: ["beware"] });

    // A set that was merged before keeps the names of its sets.
    const again = await merged(folder, ["out", "b"], "again");
    assert.equal(again.newItems, 0);
    const files = setFiles(`${folder}/again`, await readManifest(`${folder}/again`));
    const sources = await readTexts(files, "users", "source", 50);
    assert.deepEqual([sources?.at(0), sources?.at(20), sources?.at(35)], ["a", "b", "b/b"]);
  }));

Deno.test("merged sets: propensities and candidates use the numbers of the merged items", () =>
  withFolder({}, async (folder) => {
    const one = createSmallLog(4, { users: 10, items: 6, width: 0 });
    const other = createSmallLog(5, { users: 10, items: 6, width: 0 });
    const chances = Array.from(other.eventClick, (_, e) => e % 3 === 0 ? [] : [1 / (2 + e)]);
    const candidates = Array.from(other.eventClick, (_, e) => e % 3 === 1 ? [0, 1, 2, 3, 4, 5] : []);
    const names = ["p", "q", "r", "s", "t", "v"];
    await writeLog(`${folder}/a`, one, names.toReversed());
    const drawn = { ...other, eventPropensities: chances, eventCandidates: candidates };
    await writeLog(`${folder}/b`, drawn, names, { lists: eventLists });
    const { data, newItems } = await merged(folder, ["a", "b"]);
    assert.equal(newItems, 0);
    const { log } = data.source;
    const first = one.eventClick.length;
    assert.deepEqual(log?.eventPropensities?.slice(0, first), Array.from(one.eventClick, () => []));
    assert.deepEqual(log?.eventPropensities?.slice(first), chances);
    assert.deepEqual(
      log?.eventCandidates?.slice(first),
      candidates.map((own) => own.map((item) => 5 - item)),
    );
    assert.deepEqual(data.dataset.warnings, []);
    // The second set has a new one-hot item, so numbers change, and its pages had fewer candidates.
    await writeLog(`${folder}/c`, createSmallLog(6, { users: 10, items: 6, width: 0 }), [
      ...names.slice(1),
      "w",
    ]);
    const wider = await merged(folder, ["b", "c"], "wider");
    assert.equal(wider.newItems, 1);
    assert.equal(wider.data.items.of(6), "w");
    assert.match(wider.data.dataset.warnings?.join() ?? "", /drawn from the 6 items of .*, not from all 7/);
    const [all, some] = [wider.data, wider.parts[0]?.data].map((data) => data?.dataset.features);
    assert.deepEqual([keepsItemNumbers(some, all), keepsItemNumbers(all, some)], [true, false]);
  }));

Deno.test("data merge: a repeated set and incompatible sets are refused and leave nothing", () =>
  withFolder({}, async (folder) => {
    await writeLog(`${folder}/a`, dense, all, { features: makeFeatures(3) });
    const turned = { dense: makeFeatures(3).dense.toReversed(), tokens: [] };
    await writeLog(`${folder}/b`, later, all, { features: turned });
    await writeLog(`${folder}/c`, createSmallLog(4, { users: 10, items: 6, width: 0 }), all.slice(0, 6));
    const out = `${folder}/out`;
    const data = new CommandSeries("data");
    await Deno.symlink(`${folder}/a`, `${folder}/link`);
    await writeLog(`${folder}/copy`, dense, all, { features: makeFeatures(3) });
    const manifest = `${folder}/copy/manifest.json`;
    await Deno.writeTextFile(
      manifest,
      (await Deno.readTextFile(manifest)).replace(/"name": "[^"]*"/, '"name": "other"'),
    );
    await Deno.mkdir(out);
    await Deno.writeTextFile(`${out}/notes.txt`, "");
    await data.refused(
      ["merge", `${folder}/a`, `${folder}/b`, "--out", out],
      /holds notes.*Choose another --out/,
    );
    await Deno.remove(out, { recursive: true });
    const before = [...Deno.readDirSync(folder)].length;
    for (const twin of ["a", "a/", "b/../a", "link", "copy"]) {
      const args = ["merge", `${folder}/a`, `${folder}/c`, `${folder}/${twin}`, "--out", out];
      await data.refused(args, /got the same contents in .* and a:/);
    }
    await data.refused(
      ["merge", `${folder}/a`, `${folder}/b`, "--out", out],
      /the numbers are f0, f1, f2 there, f2, f1, f0 here/,
    );
    await data.refused(
      ["merge", `${folder}/a`, `${folder}/c`, "--out", out],
      /same item features in .* and a,/,
    );
    await data.refused(["merge", `${folder}/a`, "--out", out], /at least two data sets to merge, got 1/);
    assert.equal([...Deno.readDirSync(folder)].length, before);
  }));
