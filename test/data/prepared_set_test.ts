/** Prepared data sets as training reads them: in memory and on disk, from one file or many, whole or damaged. */

import assert from "node:assert/strict";
import type { ClickLog, Clicks } from "../../src/data/click_log.ts";
import { PreparedSet, readPreparedLog } from "../../src/data/prepared_set.ts";
import type { Part } from "../../src/data/prepared_tables.ts";
import type { TableFile } from "../../src/data/parquet.ts";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { Engine, literal } from "../../src/data/prepare/engine.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { writeSet } from "../foreign_set.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { folderWith, withFolder } from "../prepared_folder.ts";
import { PREPARED_FILES, writePrepared } from "../../src/data/sets/prepared_writer.ts";
import { NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { filesIn } from "../command_check.ts";

const logs: Record<string, ClickLog> = {
  "one-hot": smallLog(1, { users: 60, items: 30, width: 0 }),
  dense: smallLog(2, { users: 60, items: 30, width: 5 }),
  mixed: smallLog(3, { users: 60, items: 30, width: 3, tokens: 9 }),
  "tokens alone": smallLog(4, { users: 60, items: 30, width: 0, tokens: 9 }),
  given: smallLog(5, { users: 60, items: 30, width: 5, given: 0.4 }),
};

for (const [name, log] of Object.entries(logs)) {
  Deno.test(`${name}: what another engine wrote is read as it was, in memory and on disk`, async () => {
    const folder = await folderWith();
    // Few pages a row group, so that users go over its end; and the pages in several files.
    await writeSet(folder, log, { files: 3, rowGroup: 2048 });
    const { source, sha256 } = await openPrepared(folder, { memoryRows: Infinity });
    const found = source.log ?? assert.fail("expected it in memory");
    const { name: _, ...expected } = log;
    const { name: __, ...read } = found;
    assert.deepEqual(read, expected);
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

Deno.test("what the schema lets out may be left out: given, and all columns of items but item and id", async () => {
  const log = logs["one-hot"] ?? assert.fail();
  const folder = await folderWith();
  await writeSet(folder, log);
  const engine = await Engine.open({ workFolder: "", memory: "500MB" });
  try {
    for (const [part, columns] of [["pages", "* EXCLUDE given"], ["items", "item, id"]]) {
      const path = literal(`${folder}/${part}.parquet`);
      await engine.run(`CREATE OR REPLACE TABLE t AS FROM ${path}`);
      await engine.run(`COPY (SELECT ${columns} FROM t) TO ${path} (FORMAT parquet)`);
    }
  } finally {
    engine.close();
  }
  const { source } = await openPrepared(folder, { memoryRows: Infinity });
  const { name: _, ...expected } = log;
  const { name: __, ...read } = source.log ?? assert.fail();
  assert.deepEqual(read, expected);
  const { parts } = await describe(folder, "500MB");
  assert.equal(parts.reduce((sum, { events }) => sum + events, 0), log.eventClick.length);
});

Deno.test("row groups and files that end within a user are put together again", async () => {
  const log = smallLog(6, { users: 3000, items: 30, width: 0 });
  const folder = await folderWith();
  await writeSet(folder, log, { rowGroup: 2048 });
  const set = await openPreparedSet(folder);
  let chunks = 0;
  await set.readClicks(30, () => chunks++);
  assert.ok(chunks > 2, `${chunks} row groups`);
  const { source } = await openPrepared(folder, { memoryRows: Infinity });
  assert.deepEqual(source.log?.rowItem, log.rowItem);
  assert.deepEqual(source.log?.eventClick, log.eventClick);
});

Deno.test("a set is read from bytes in memory, too, as a page does with files that were dropped on it", async () => {
  const log = logs.mixed ?? assert.fail();
  const folder = await folderWith();
  await writeSet(folder, log, { files: 2 });
  const { manifest, files } = await openPreparedSet(folder);
  const part = (name: Part) =>
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
  const told = new Set<string>();
  const set = await PreparedSet.open({ folder: "dropped", manifest, part });
  const source = await readPreparedLog(set, (what) => told.add(what));
  const { name: _, ...expected } = log;
  const { name: __, ...read } = source.log ?? assert.fail();
  assert.deepEqual(read, expected);
  assert.deepEqual([...told], ["Reading items", "Reading pages"]);
});

/** The log's users in parts of a few. */
async function* chunks(log: ClickLog, each: number): AsyncGenerator<Clicks> {
  const source = new MemoryLog(log);
  for (let first = 0; first < log.userSplit.length; first += each) {
    const count = Math.min(each, log.userSplit.length - first);
    yield await Promise.resolve(source.read(Uint32Array.from({ length: count }, (_, k) => first + k)));
  }
}

const contents = { notes: ["a note"], command: ["simulate"], places: "shown" } as const;

for (
  const [kind, options] of Object.entries({
    dense: { width: 3 },
    "one-hot": { width: 0, given: 0.3 },
    mixed: { width: 2, tokens: 9, given: 0.2, further: 0.4 },
    "mixed without numbers": { width: 0, tokens: 9 },
  })
) {
  Deno.test(`a log with ${kind} items is read back as it was written`, () =>
    withFolder({}, async (folder) => {
      const log = smallLog(5, { users: 31, items: 14, ...options });
      const itemIds = kind === "dense"
        ? new NumberIds(14)
        : new TextIds(TextList.of(Array.from({ length: 14 }, (_, k) => `ünï-${k}`)));
      const items = new MemoryItems(log.items);
      const manifest = await writePrepared(
        folder,
        { name: "mine", items, itemIds, ...contents },
        chunks(log, 7),
      );
      const further = log.eventGiven?.filter((kind) => kind === 2).length ?? 0;
      assert.equal(further > 0, kind === "mixed");
      assert.equal(manifest.counts?.rows, log.rowItem.length - further);
      assert.equal(manifest.counts?.pages, log.eventClick.length - further);
      assert.deepEqual(filesIn(folder), PREPARED_FILES.toSorted());
      const { source, items: ids, dataset } = await openDataset(folder);
      const { eventGiven, ...read } = source.log ?? assert.fail();
      const { eventGiven: given, ...written } = log;
      assert.deepEqual(read, { ...written, name: "mine" });
      assert.deepEqual(
        Array.from(eventGiven ?? []),
        Array.from(given?.includes(1) ? given : eventGiven ?? []),
      );
      assert.equal(dataset.places, "shown");
      assert.equal(ids.of(13), kind === "dense" ? "13" : "ünï-13");
    }));
}
