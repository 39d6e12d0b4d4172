/** The cache's packed files: what was altered is made anew, and a cache that cannot be written to is said to be one. */

import assert from "node:assert/strict";
import type { ClickLog } from "../../src/data/click_log.ts";
import type { LogSource } from "../../src/data/log_source.ts";
import { readLog } from "../../src/data/log_source.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { UserError } from "../../src/user_error.ts";
import { writeSet } from "../foreign_set.ts";
import { flipped, resealed } from "./packed_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

const log = smallLog(31, { users: 40, items: 20, width: 2, tokens: 9 });

async function open(
  folder: string,
  cache: string,
): Promise<{ source: LogSource & Disposable; notes: string[] }> {
  const notes: string[] = [];
  const { source } = await openPrepared(folder, { memoryRows: 0, cache, onNote: (text) => notes.push(text) });
  const close = Symbol.dispose in source ? source : assert.fail("expected it on disk");
  return { source: close as LogSource & Disposable, notes };
}

function whole(source: LogSource): ClickLog {
  return readLog(source, Uint32Array.from(log.userSplit.keys()));
}

/** How a file of the cache may come to be another one. */
const alterations: Record<string, (bytes: Uint8Array, path: string) => Uint8Array> = {
  "a bit of its header": (bytes) => flipped(bytes, 8 * 21),
  "a bit of its middle": (bytes) => flipped(bytes, 4 * bytes.length),
  "its last bit": (bytes) => flipped(bytes, 8 * bytes.length - 1),
  "cut off": (bytes) => bytes.subarray(0, bytes.length - 4),
  "emptied": () => new Uint8Array(),
  "longer": (bytes) => Uint8Array.of(...bytes, 0, 0, 0, 0),
  "zeros": (bytes) => new Uint8Array(bytes.length),
  "an older version": (bytes, path) => {
    const own = bytes.slice();
    own[8] = 1;
    return resealed(own, path);
  },
  "sealed under another name": (bytes) => resealed(bytes, "other.clicks"),
};

Deno.test("a file of the cache that was altered is made anew, with a line that says so", async () => {
  await withFolder({}, async (folder) => {
    await Deno.mkdir(`${folder}/set`);
    await writeSet(`${folder}/set`, log);
    const cache = `${folder}/cache`;
    const first = await open(`${folder}/set`, cache);
    const expected = whole(first.source);
    first.source[Symbol.dispose]();
    assert.deepEqual(first.notes, []);
    const names = [...Deno.readDirSync(`${cache}/logs`)].map(({ name }) => name).sort();
    assert.equal(names.length, 2);
    for (const name of names) {
      const path = `${cache}/logs/${name}`;
      const bytes = Deno.readFileSync(path);
      for (const [what, alter] of Object.entries(alterations)) {
        Deno.writeFileSync(path, alter(bytes, path));
        const again = await open(`${folder}/set`, cache);
        assert.equal(again.notes.length, 1, `${name}: ${what}`);
        assert.match(
          again.notes[0] ?? "",
          /^the cache's file .* is not a whole packed .*: it is made anew from the data set$/,
        );
        assert.deepEqual(whole(again.source), expected, `${name}: ${what}`);
        again.source[Symbol.dispose]();
        assert.deepEqual(Deno.readFileSync(path), bytes, `${name}: ${what}`);
      }
    }
    const last = await open(`${folder}/set`, cache);
    assert.deepEqual(last.notes, []);
    last.source[Symbol.dispose]();
    assert.deepEqual([...Deno.readDirSync(`${cache}/logs`)].map(({ name }) => name).sort(), names);
  });
});

Deno.test("a cache that cannot be written to is named, with the ways out", async () => {
  await withFolder({ "file": "" }, async (folder) => {
    await Deno.mkdir(`${folder}/set`);
    await writeSet(`${folder}/set`, log);
    const refuses = async (cache: string, says: RegExp) => {
      await assert.rejects(open(`${folder}/set`, cache), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, says);
        assert.match(error.message, /XDG_CACHE_HOME, or read this one into memory with --memory-rows \d+\.$/);
        return true;
      });
    };
    await refuses(`${folder}/file`, /cannot make the folder .*file\/logs: /);
    await Deno.mkdir(`${folder}/taken/logs`, { recursive: true });
    const { source } = await open(`${folder}/set`, `${folder}/cache`);
    source[Symbol.dispose]();
    for (const { name } of Deno.readDirSync(`${folder}/cache/logs`)) {
      await Deno.mkdir(`${folder}/taken/logs/${name}`);
    }
    await refuses(`${folder}/taken`, /cannot (read|write) .*taken\/logs\/\w+\.items: /);

    const disk = `${folder}/disk`;
    await Deno.mkdir(disk);
    const mount = await new Deno.Command("mount", { args: ["-t", "tmpfs", "-o", "size=4k", "tmpfs", disk] })
      .output()
      .catch(() => undefined);
    if (!mount?.success) {
      console.log("skipped: mounting is not allowed here, so a full cache is not tested");
      return;
    }
    try {
      await refuses(disk, /cannot write .*disk\/logs\/\w+\.(items|clicks): the disk is full/);
      assert.ok([...Deno.readDirSync(`${disk}/logs`)].every(({ name }) => !name.endsWith(".tmp")));
    } finally {
      await new Deno.Command("umount", { args: [disk] }).output();
    }
  });
});
