/** Logs written as prepared data sets are read back as they were, and hand-overs end as they should. */

import assert from "node:assert/strict";
import type { ClickLog, Clicks } from "../../src/data/click_log.ts";
import { Handover, PREPARED_FILES, writePrepared } from "../../src/data/sets/prepared_writer.ts";
import { NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { filesIn } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

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

Deno.test("what is handed over arrives in order, one at a time", async () => {
  const handover = new Handover<number>();
  const seen: number[] = [];
  const reader = handover.read(async (from) => {
    for await (const value of from) seen.push(value);
    return "done";
  });
  for (let k = 0; k < 5; k++) {
    await handover.put(k);
    assert.ok(seen.length >= k - 1); // no more than one is on the way
  }
  handover.end();
  assert.equal(await reader, "done");
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
});

Deno.test("a reader that fails ends whoever hands over; an end with an error ends the reader", async () => {
  const full = new Handover<number>();
  const reader = full.read(async (from) => {
    for await (const value of from) if (value === 1) throw new Error("the disk is full");
  });
  reader.catch(() => {});
  await full.put(0);
  await full.put(1);
  await assert.rejects(full.put(2), /the disk is full/);
  await assert.rejects(full.put(3), /the disk is full/);
  await assert.rejects(reader, /the disk is full/);
  const stopped = new Handover<number>();
  const other = stopped.read((from) => Array.fromAsync(from));
  stopped.end(new Error("stopped"));
  await assert.rejects(other, /stopped/);
});
