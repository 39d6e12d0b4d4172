import assert from "node:assert/strict";
import fc from "fast-check";
import { checkLog, type ClickLog, type Clicks, type ItemFeatures, NONE } from "../../src/data/click_log.ts";
import {
  boundTokens,
  getItemsShape,
  joinItems,
  MemoryItems,
  restrictToOwnItems,
} from "../../src/data/item_catalogue.ts";
import { computeLogSize, type LogSource, MemoryLog, readLog, walk } from "../../src/data/log_source.ts";
import { PackedLog, PackedLogWriter } from "../../src/data/sets/packed_log.ts";
import { UserError } from "../../src/user_error.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { PackedItems, PackedItemsWriter } from "../../src/data/sets/packed_items.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { writeSet } from "../foreign_set.ts";
import { makeFolderWith } from "../prepared_folder.ts";
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import { DamagedPackedFileError, HEADER_WORDS, writeChecksums } from "../../src/data/sets/packed_file.ts";
import { isUserError } from "../run/folder_check.ts";
import { listFiles, withSmallDisk } from "../command_check.ts";

const folder = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
let files = 0;

function pack(log: ClickLog, chunk: number): string {
  const path = `${folder}/${files++}.clicks`;
  const source = new MemoryLog(log);
  const users = Array.from(log.userSplit.keys());
  using writer = PackedLogWriter.create(path);
  for (let first = 0; first < users.length; first += chunk) {
    writer.write(source.read(Uint32Array.from(users.slice(first, first + chunk))));
  }
  writer.finish();
  return path;
}

const emptyUsers: ClickLog = {
  name: "small",
  items: { kind: "one-hot", count: 3 },
  userSplit: Uint8Array.of(0, 1, 2, 0, 1),
  userEvents: Uint32Array.of(0, 0, 2, 2, 3, 3),
  eventRows: Uint32Array.of(0, 2, 3, 6),
  eventClick: Uint32Array.of(1, NONE, 3),
  rowItem: Uint32Array.of(0, 1, 2, 2, 0, 1),
};

function checkSame(memory: LogSource, packed: LogSource, users: readonly number[]): void {
  for (const name of ["userSplit", "userEvents", "userRows", "userCounted"] as const) {
    assert.deepEqual(packed[name], memory[name], name);
  }
  assert.deepEqual(computeLogSize(packed), computeLogSize(memory));
  const chosen = Uint32Array.from(users);
  checkLog(readLog(memory, chosen), []);
  assert.deepEqual(packed.read(chosen), memory.read(chosen));
  assert.deepEqual(readLog(packed, chosen), readLog(memory, chosen));
}

Deno.test("any users of any log are read back as written", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(1000),
        users: fc.integer({ min: 1, max: 40 }),
        items: fc.integer({ min: 1, max: 20 }),
        width: fc.constantFrom(0, 2),
        given: fc.constantFrom(0, 0.4),
        earlier: fc.constantFrom(0, 0.4),
        further: fc.constantFrom(0, 0.6),
        noClick: fc.constantFrom(0, 0.3, 1),
      }),
      fc.integer({ min: 1, max: 41 }),
      fc.infiniteStream(fc.boolean()),
      (options, chunk, draws) => {
        const log = createSmallLog(options.seed, options);
        const memory = new MemoryLog(log);
        using packed = PackedLog.open(pack(log, chunk), "small", log.items);
        const users = Array.from(log.userSplit.keys());
        const { name: _, items: __, ...clicks } = log;
        assert.deepEqual(memory.read(Uint32Array.from(users)), clicks);
        checkSame(memory, packed, users);
        checkSame(memory, packed, []);
        for (let k = 0; k < 3; k++) checkSame(memory, packed, users.filter(() => draws.next().value));
      },
    ),
    { numRuns: 60, seed: 7 },
  );
});

Deno.test("users without events, another split, other items, and a partial walk are read", () => {
  using packed = PackedLog.open(pack(emptyUsers, 2), "small", emptyUsers.items);
  for (const users of [[0, 1, 2, 3, 4], [0], [0, 2], [1, 3], [4]]) {
    checkSame(new MemoryLog(emptyUsers), packed, users);
  }
  const changed = packed.with({
    items: new MemoryItems({ kind: "one-hot", count: 9 }),
    userSplit: Uint8Array.of(2, 2, 2, 1, 0),
  });
  const { items, userSplit } = readLog(changed, Uint32Array.of(3, 4));
  assert.deepEqual([items.count, ...userSplit], [9, 1, 0]);
  const parts = [...walk(packed, [1, 3])];
  assert.deepEqual(parts.map(({ users }) => [...users]), [[0, 1]]);
  assert.deepEqual(parts[0]?.log, packed.read(Uint32Array.of(1, 3)));
});

Deno.test("a walk reads no more at once than declared", () => {
  const page = 2 ** 19;
  const log: ClickLog = {
    name: "long pages",
    items: { kind: "one-hot", count: 3 },
    userSplit: new Uint8Array(5),
    userEvents: Uint32Array.from({ length: 6 }, (_, u) => u),
    eventRows: Uint32Array.from({ length: 6 }, (_, e) => e * page),
    eventClick: new Uint32Array(5).fill(NONE),
    rowItem: Uint32Array.from({ length: 5 * page }, (_, r) => r % 3),
  };
  using packed = PackedLog.open(pack(log, 2), log.name, log.items);
  assert.deepEqual([...walk(packed, [0, 1, 2, 3, 4])].map(({ users }) => users.length), [2, 2, 1]);
  const rows = [...walk(packed, [0, 1, 2, 3, 4])].flatMap(({ log }) => [...log.rowItem.subarray(0, 2)]);
  assert.deepEqual(rows, [0, 1, 2].flatMap((k) => [...log.rowItem.subarray(2 * k * page, 2 * k * page + 2)]));
});

Deno.test("a file that is too short, of another kind or version, or of other items is refused", () => {
  const log = createSmallLog(5, { users: 9, items: 6, width: 0, given: 0.3 });
  const whole = Deno.readFileSync(pack(log, 4));
  const refuses = (says: RegExp, change: (words: Uint32Array) => void, items = 6, bytes = whole.slice()) => {
    const path = `${folder}/damaged`;
    change(new Uint32Array(bytes.buffer, 0, Math.floor(bytes.length / 4)));
    Deno.writeFileSync(path, resealed(bytes, path));
    assert.throws(() => {
      using packed = PackedLog.open(path, "damaged", { kind: "one-hot", count: items });
      packed.read(Uint32Array.from(log.userSplit.keys()));
    }, new RegExp(`UserError: .*${says.source}`));
  };
  refuses(/it has 10 bytes, less than a header/, () => {}, 6, whole.slice(0, 10));
  refuses(/it begins with other bytes/, (words) => void (words[0] = 1));
  refuses(/version 2, and this program reads version 4/, (words) => void (words[2] = 2));
  refuses(/is shown item \d+, but there are 3 items/, () => {}, 3);
  assert.throws(
    () => PackedLog.open(`${folder}/none`, "none", log.items),
    /UserError: cannot read .*no such file/,
  );
});

Deno.test("a writer leaves no incomplete file behind", () => {
  const own = Deno.makeTempDirSync({ dir: folder });
  const path = `${own}/log`;
  const chunk: Clicks = emptyUsers;
  {
    using writer = PackedLogWriter.create(path);
    writer.write(chunk);
  }
  assert.deepEqual(listFiles(own), []);
  {
    using writer = PackedLogWriter.create(path);
    const faults: Partial<Clicks>[] = [
      { eventRows: Uint32Array.of(0, 2, 2, 6) },
      { eventClick: Uint32Array.of(2, NONE, 3) },
      { eventKind: Uint8Array.of(1, 0, 0) },
      { eventKind: Uint8Array.of(0, 1, 0) },
    ];
    for (const fault of faults) assert.throws(() => writer.write({ ...chunk, ...fault }), UserError);
  }
  assert.deepEqual(listFiles(own), []);
  assert.throws(() => PackedLogWriter.create(`${own}/none/log`), /UserError: cannot write .*none\/log/);
  {
    using writer = PackedLogWriter.create(path);
    writer.write(chunk);
    writer.finish();
  }
  assert.deepEqual(listFiles(own), ["log"]);
});

Deno.test("a file with any bit flipped, bytes moved, or another name is refused", () => {
  const log = createSmallLog(5, { users: 9, items: 6, width: 0, given: 0.3 });
  const open = (path: string) => PackedLog.open(path, "altered", log.items);
  refusesAltered(pack(log, 4), `${folder}/altered`, open);
});

function packItems(chunks: readonly ItemFeatures[], whole: ItemFeatures): string {
  const path = `${folder}/${files++}.items`;
  using writer = PackedItemsWriter.create(path, getItemsShape(whole));
  for (const chunk of chunks) writer.write(chunk);
  writer.finish();
  return path;
}

function part(items: ItemFeatures, first: number, end: number): ItemFeatures {
  if (items.kind === "one-hot") return { kind: items.kind, count: end - first };
  return new MemoryItems(items).read(Uint32Array.from({ length: end - first }, (_, k) => first + k));
}

const inChunks = (items: ItemFeatures, size: number) =>
  Array.from(
    { length: Math.ceil(items.count / size) },
    (_, k) => part(items, k * size, Math.min(items.count, (k + 1) * size)),
  );

const kinds = fc.constantFrom({ width: 0 }, { width: 3 }, { width: 0, tokens: 6 }, { width: 2, tokens: 9 });

Deno.test("any items of any catalogue are read back as written, in any chunks", () => {
  fc.assert(
    fc.property(
      fc.nat(1000),
      fc.integer({ min: 1, max: 40 }),
      kinds,
      fc.integer({ min: 1, max: 41 }),
      fc.infiniteStream(fc.boolean()),
      (seed, count, kind, chunk, draws) => {
        const { items } = createSmallLog(seed, { users: 1, items: count, ...kind });
        const chunks = inChunks(items, chunk);
        assert.deepEqual(joinItems(getItemsShape(items), chunks), items);
        const memory = new MemoryItems(items);
        using packed = PackedItems.open(packItems(chunks, items));
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

Deno.test("distant items of a large file are read", () => {
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
  using packed = PackedItems.open(packItems(inChunks(items, 7000), items));
  const ids = Uint32Array.from([0, 1, 2, 4095, 4096, 15_000, 29_998, 29_999]);
  assert.deepEqual(packed.read(ids), new MemoryItems(items).read(ids));
  assert.deepEqual(packed.read(ids.subarray(0, 2)), new MemoryItems(items).read(ids.subarray(0, 2)));
});

Deno.test("a log over its own items shows the same features in the same order", () => {
  const { items } = createSmallLog(8, { users: 1, items: 20, width: 2, tokens: 5 });
  const clicks = {
    userSplit: new Uint8Array(1),
    userEvents: Uint32Array.of(0, 1),
    eventRows: Uint32Array.of(0, 5),
    eventClick: Uint32Array.of(2),
    rowItem: Uint32Array.of(17, 3, 17, 9, 4),
  };
  const own = restrictToOwnItems(clicks, new MemoryItems(items));
  assert.deepEqual([...own.rowItem], [3, 0, 3, 2, 1]);
  assert.deepEqual(own.items, new MemoryItems(items).read(Uint32Array.of(3, 4, 9, 17)));
  const oneHot = restrictToOwnItems(clicks, new MemoryItems({ kind: "one-hot", count: 20 }));
  assert.deepEqual(oneHot, { rowItem: clicks.rowItem, items: { kind: "one-hot", count: 20 } });
});

Deno.test("the largest token counts are those of the items with the most tokens", () => {
  // Three items have no token, two have one token, and one has four.
  const counts = Uint32Array.of(3, 2, 0, 0, 1);
  assert.deepEqual([0, 1, 2, 3, 4, 9].map((items) => boundTokens(counts, items)), [0, 4, 5, 6, 6, 6]);
  assert.equal(boundTokens(new Uint32Array(), 3), 0);
});

Deno.test("a packed catalogue with any bit flipped, bytes moved, or another name is refused", () => {
  const { items } = createSmallLog(2, { users: 1, items: 9, width: 2, tokens: 5 });
  refusesAltered(packItems([items], items), `${folder}/altered`, (path) => PackedItems.open(path));
});

const cachedLog = createSmallLog(31, { users: 40, items: 20, width: 2, tokens: 9 });

async function openCached(
  folder: string,
  cache: string,
): Promise<{ source: LogSource & Disposable; notes: string[] }> {
  const notes: string[] = [];
  const { source } = await openPrepared(folder, { memoryRows: 0, cache, onNote: (text) => notes.push(text) });
  const close = Symbol.dispose in source ? source : assert.fail("expected it on disk");
  return { source: close as LogSource & Disposable, notes };
}

function whole(source: LogSource): ClickLog {
  return readLog(source, Uint32Array.from(cachedLog.userSplit.keys()));
}

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

Deno.test("an altered cache file is written again, with a message", async () => {
  const folder = await makeFolderWith();
  await Deno.mkdir(`${folder}/set`);
  await writeSet(`${folder}/set`, cachedLog);
  const cache = `${folder}/cache`;
  const first = await openCached(`${folder}/set`, cache);
  const expected = whole(first.source);
  first.source[Symbol.dispose]();
  assert.deepEqual(first.notes, []);
  const names = listFiles(`${cache}/logs`);
  assert.equal(names.length, 2);
  for (const name of names) {
    const path = `${cache}/logs/${name}`;
    const bytes = Deno.readFileSync(path);
    for (const [what, alter] of Object.entries(alterations)) {
      Deno.writeFileSync(path, alter(bytes, path));
      const again = await openCached(`${folder}/set`, cache);
      const says =
        /^the cache's file .* is not a complete packed .*: the file is created again from the data set$/;
      assert.match(again.notes.join("\n"), says, `${name}: ${what}`);
      assert.deepEqual(whole(again.source), expected, `${name}: ${what}`);
      again.source[Symbol.dispose]();
      assert.deepEqual(Deno.readFileSync(path), bytes, `${name}: ${what}`);
    }
  }
  const last = await openCached(`${folder}/set`, cache);
  assert.deepEqual(last.notes, []);
  last.source[Symbol.dispose]();
  assert.deepEqual(listFiles(`${cache}/logs`), names);
});

Deno.test("a read-only cache is reported with the alternatives", async () => {
  const folder = await makeFolderWith({ "file": "" });
  await Deno.mkdir(`${folder}/set`);
  await writeSet(`${folder}/set`, cachedLog);
  const remedy = /XDG_CACHE_HOME, or read this data set into memory with --memory-rows \d+\.$/;
  const refuses = (cache: string, says: RegExp) =>
    assert.rejects(openCached(`${folder}/set`, cache), isUserError(says, remedy));
  await refuses(`${folder}/file`, /cannot make the folder .*file\/logs: /);
  await Deno.mkdir(`${folder}/taken/logs`, { recursive: true });
  const { source } = await openCached(`${folder}/set`, `${folder}/cache`);
  source[Symbol.dispose]();
  for (const name of listFiles(`${folder}/cache/logs`)) await Deno.mkdir(`${folder}/taken/logs/${name}`);
  await refuses(`${folder}/taken`, /cannot (read|write) .*taken\/logs\/\w+\.items: /);

  const disk = `${folder}/disk`;
  await withSmallDisk(disk, "4k", async () => {
    await refuses(disk, /cannot write .*disk\/logs\/\w+\.(items|clicks): the disk is full/);
    assert.ok(listFiles(`${disk}/logs`).every((name) => !name.endsWith(".tmp")));
  });
});

/** Recomputes the checksums of an altered file, so that only the file's reader can find the error. */
function resealed(bytes: Uint8Array, path: string): Uint8Array {
  const own = bytes.slice();
  if (own.length < 4 * HEADER_WORDS) return own;
  writeChecksums(new Uint32Array(own.buffer, 0, HEADER_WORDS), path, crc32(own.subarray(4 * HEADER_WORDS)));
  return own;
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const own = bytes.slice();
  own[bit >> 3] = (own[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return own;
}

function refusesAltered(original: string, altered: string, open: (path: string) => Disposable): void {
  const whole = Deno.readFileSync(original);
  const sealed = resealed(whole, basename(altered));
  const openAltered = (bytes: Uint8Array) => {
    Deno.writeFileSync(altered, bytes);
    using _ = open(altered);
  };
  openAltered(sealed);
  const refuses = (bytes: Uint8Array) =>
    assert.throws(
      () => openAltered(bytes),
      (error) => error instanceof DamagedPackedFileError || assert.fail(`got ${error}`),
    );
  fc.assert(
    fc.property(fc.nat(8 * whole.length - 1), (bit) => refuses(flipped(sealed, bit))),
    { numRuns: 500, seed: 11 },
  );
  refuses(whole); // a file with another name
  const swapped = sealed.slice();
  swapped.copyWithin(64, 72, 80);
  refuses(swapped);
}
