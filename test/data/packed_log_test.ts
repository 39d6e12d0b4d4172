/** Packed logs: what is written is what is read, user by user, and what is damaged is refused. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { checkLog, type ClickLog, type Clicks, NONE } from "../../src/data/click_log.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { type LogSource, MemoryLog, readLog, walk } from "../../src/data/log_source.ts";
import { PackedLog, PackedLogWriter } from "../../src/data/sets/packed_log.ts";
import { UserError } from "../../src/user_error.ts";
import { refusesAltered, resealed } from "./packed_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

const folder = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
let files = 0;

/** @param chunk users that are written at once. */
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
  const chosen = Uint32Array.from(users);
  checkLog(readLog(memory, chosen), []);
  assert.deepEqual(packed.read(chosen), memory.read(chosen));
  assert.deepEqual(readLog(packed, chosen), readLog(memory, chosen));
}

Deno.test("any users of any log are read as they were written", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(1000),
        users: fc.integer({ min: 1, max: 40 }),
        items: fc.integer({ min: 1, max: 20 }),
        width: fc.constantFrom(0, 2),
        given: fc.constantFrom(0, 0.4),
        further: fc.constantFrom(0, 0.6),
        noClick: fc.constantFrom(0, 0.3, 1),
      }),
      fc.integer({ min: 1, max: 41 }),
      fc.infiniteStream(fc.boolean()),
      (options, chunk, draws) => {
        const log = smallLog(options.seed, options);
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

Deno.test("users without events, another split, other items, and a walk in parts", () => {
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

Deno.test("a walk reads no more at once than it says", () => {
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

Deno.test("a file that is cut off, of another kind, or changed in any structure is refused", () => {
  const log = smallLog(5, { users: 9, items: 6, width: 0, given: 0.3 });
  const whole = Deno.readFileSync(pack(log, 4));
  const events = log.eventClick.length;
  const read = (change: (words: Uint32Array, bytes: Uint8Array) => Uint8Array | void, items = 6) => {
    const path = `${folder}/damaged`;
    const bytes = whole.slice();
    const words = new Uint32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
    Deno.writeFileSync(path, resealed(change(words, bytes) ?? bytes, path));
    using packed = PackedLog.open(path, "damaged", { kind: "one-hot", count: items });
    packed.read(Uint32Array.from(log.userSplit.keys()));
  };
  const refuses = (says: RegExp, change: Parameters<typeof read>[0], items?: number) =>
    assert.throws(() => read(change, items), (error) => {
      assert.ok(error instanceof UserError, `expected a UserError, got ${error}`);
      assert.match(error.message, says);
      return true;
    });
  read(() => {});
  refuses(/it has 10 bytes, less than its header/, (_, bytes) => bytes.subarray(0, 10));
  refuses(/expected \d+ bytes for 9 users/, (_, bytes) => bytes.subarray(0, bytes.length - 1));
  refuses(/expected \d+ bytes for 9 users/, (_, bytes) => Uint8Array.of(...bytes, 0));
  refuses(/does not begin as one/, (words) => void (words[0] = 1));
  refuses(/version 2, and this program reads version 3/, (words) => void (words[2] = 2));
  refuses(/expected \d+ bytes for 10 users/, (words) => void (words[3] = 10));
  refuses(/event 0 of user 0 has 0 rows/, (words) => void (words[16] = 0));
  refuses(/event 0 of user 0 has/, (words) => void (words[17] = 1000));
  refuses(/event 0 of user 0 has 99 rows/, (words) => void (words[16] = 99));
  refuses(/is shown item \d+, but there are 3 items/, () => {}, 3);
  const index = 16 + 2 * events + log.rowItem.length;
  refuses(/running numbers of events/, (words) => void (words[index + 1] = events + 1));
  refuses(/running numbers of rows/, (words) => void (words[index + 10] = 1));
  refuses(/running numbers of counted events/, (words) => void (words[index + 20] = 1));
  refuses(/of user 0 have \d+ rows and \d+ are counted/, (words) => {
    words[index + 21] = (words[index + 21] ?? 0) + ((log.userEvents[1] ?? 0) > 1 ? -1 : 1);
  });
  refuses(/user 8 belongs to part 3/, (_, bytes) => void (bytes[bytes.length - 1] = 3));
  assert.throws(
    () => PackedLog.open(`${folder}/none`, "none", log.items),
    /UserError: cannot read .*no such file/,
  );
});

Deno.test("a writer leaves nothing behind that is not whole", () => {
  const own = Deno.makeTempDirSync();
  const path = `${own}/log`;
  const chunk: Clicks = emptyUsers;
  {
    using writer = PackedLogWriter.create(path);
    writer.write(chunk);
  }
  assert.deepEqual([...Deno.readDirSync(own)], []);
  {
    using writer = PackedLogWriter.create(path);
    const faults: Partial<Clicks>[] = [
      { eventRows: Uint32Array.of(0, 2, 2, 6) },
      { eventClick: Uint32Array.of(2, NONE, 3) },
      { eventGiven: Uint8Array.of(1, 0, 0) },
      { eventGiven: Uint8Array.of(0, 1, 0) },
    ];
    for (const fault of faults) assert.throws(() => writer.write({ ...chunk, ...fault }), UserError);
  }
  assert.deepEqual([...Deno.readDirSync(own)], []);
  assert.throws(() => PackedLogWriter.create(`${own}/none/log`), /UserError: cannot write .*none\/log/);
  {
    using writer = PackedLogWriter.create(path);
    writer.write(chunk);
    writer.finish();
  }
  assert.deepEqual([...Deno.readDirSync(own)].map(({ name }) => name), ["log"]);
  Deno.removeSync(own, { recursive: true });
});

Deno.test("a file with any bit turned over, bytes moved, or another name is refused when it is opened", () => {
  const log = smallLog(5, { users: 9, items: 6, width: 0, given: 0.3 });
  const open = (path: string) => PackedLog.open(path, "altered", log.items);
  refusesAltered(pack(log, 4), `${folder}/altered`, open);
});
