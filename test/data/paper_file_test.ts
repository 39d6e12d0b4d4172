import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClickLog, Split } from "../../src/data/click_log.ts";
import { checkLog, listClickedRows, listUsers, NONE, splits } from "../../src/data/click_log.ts";
import { canonicalizeNumber, parsePaperLog } from "../../src/data/paper_log.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import { expectRefusal, parseRows, toPattern } from "../case_table.ts";
import { findRealData } from "../real_data.ts";

const header = ["session_new_index", "Time", "item_new_index", "is_click", "tr_val_tst"];
/** Rows of one page per user: user 0 is a train user, user 1 a validation user, user 2 a test user. */
const good = ["0 10 0 0 0", "0 10 1 1 0", "1 5 1 1 1", "2 5 2 1 2"];

/** Writes lines (spaces become tabs), calls `use` with the path and removes the file. */
function withFile<T>(lines: string[], use: (path: string) => T, ending = "\n"): T {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/log.tsv`;
  try {
    Deno.writeTextFileSync(path, lines.map((line) => line.replaceAll(" ", "\t")).join(ending) + ending);
    return use(path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function read(...rows: string[]): ClickLog {
  return withFile([header.join(" "), ...rows], readPaperFile);
}

Deno.test("readPaperFile: users, events and rows are read", () => {
  const log = read(
    "7 20 3 0 0", // user 7's later page
    "7 20 1 1 0",
    "9 1.5 0 1 2",
    "7 10 2 0 0", // the earlier page, without a click
    "8 3 1 1 1",
    "7 10 0 0 0",
    "9 -1 1 1 2",
  );
  assert.deepEqual(log, {
    name: "log.tsv",
    items: { kind: "one-hot", count: 4 },
    userSplit: Uint8Array.of(0, 1, 2),
    userEvents: Uint32Array.of(0, 2, 3, 5),
    eventRows: Uint32Array.of(0, 2, 4, 5, 6, 7),
    eventClick: Uint32Array.of(NONE, 3, 4, 5, 6),
    rowItem: Uint32Array.of(2, 0, 3, 1, 1, 1, 0),
  });
});

Deno.test("readPaperFile: repeated rows are dropped; of a repeated item, the clicked row is kept", () => {
  const log = read(
    "0 1 5 0 0",
    "0 1 6 0 0",
    "0 1 5 1 0",
    "0 1 6 0 0",
    "0 1 5 1 0",
    "0 1 5 0 0",
    ...good.slice(2),
  );
  assert.deepEqual([...log.rowItem.subarray(0, log.eventRows[1])], [6, 5]);
  assert.equal(log.eventClick[0], 1);
});

Deno.test("readPaperFile: each additional click of an event becomes an event, and nanoseconds separate events", () => {
  const at = ["1600000000000000001", "1600000000000000002"];
  const log = read(
    ...[4, 5, 6, 7].map((item) => `0 ${at[0]} ${item} ${item === 5 ? 0 : 1} 0`),
    ...[5, 8].map((item) => `0 ${at[1]} ${item} 1 0`),
    ...good.slice(2),
  );
  const own = log.userEvents[1] ?? 0;
  assert.deepEqual([...log.eventKind?.subarray(0, own) ?? []], [0, 2, 2, 0, 2]);
  assert.deepEqual([...log.eventRows.subarray(0, own + 1)], [0, 4, 5, 6, 8, 9]);
  assert.deepEqual(listClickedRows(log, 0).sort(), [0, 2, 3]);
  assert.deepEqual(listClickedRows(log, 3).sort(), [6, 7]);
});

Deno.test("readPaperFile: other columns, any order, CRLF, blank lines and a byte order mark are accepted", () => {
  const expected = read(...good);
  const lines = ["\ufefftr_val_tst SessionId is_click item_new_index Time session_new_index"];
  for (const row of good) {
    const [user, time, item, click, split] = row.split(" ");
    lines.push([split, `"x,`, click, item, time, user].join(" "));
  }
  assert.deepEqual(withFile([...lines, "", ""], readPaperFile, "\r\n"), expected);
});

/** Wrong rows with expected messages. The rows follow a header and a blank line, and precede good rows. */
const faults = parseRows(`
  0 10 0 0          | :3: expected 5 tab-separated values as in the header, got 4
  0 10 0 0 0 0      | :3: expected 5 … got 6
  u7 1 0 0 0        | :3: expected session_new_index … got "u7"
  -1 1 0 0 0        | :3: expected session_new_index … got "-1"
  _ 1 0 0 0         | :3: expected session_new_index … got ""
  0 1 0.5 0 0       | :3: expected item_new_index … got "0.5"
  0 1 -2 0 0        | :3: expected item_new_index … got "-2"
  0 1 214821275 0 0 | :3: …item_new_index …renumber the items…214821275
  0 0x10 0 0 0      | :3: expected Time to be a number, got "0x10"
  0 1111111111111111111111111111111 0 0 0 | :3: expected Time …at most 30 digits
  0 noon 0 0 0      | :3: expected Time to be a number, got "noon"
  0 _ 0 0 0         | :3: expected Time to be a number, got ""
  0 1 0 2 0         | :3: expected is_click to be 0 or 1 … got "2"
  0 1 0 0 3         | :3: expected tr_val_tst … got "3"
  0 11 0 0 2        | :4: user 0 has tr_val_tst 0 here and 2 in line 3
`).map(([row = "", says = ""]): [lines: string[], says: string] => [
  [header.join(" "), "", row.replace("_", ""), ...good],
  says,
]);
const files: [lines: string[], says: string][] = [
  [[], ": the file is empty"],
  [[header.join(" ")], ": expected rows below the header"],
  [
    ["session_new_index Time item_new_index", "0 1 2"],
    ":1: …is_click, tr_val_tst are missing; got session_new_index, Time, item_new_index.",
  ],
  [[`${header.join(" ")} Time`, "0 10 0 0 0 11"], ":1: expected one column Time, got several. Rename"],
  [[header.join(","), "0,1,2,1,0"], "session_new_index, … are missing…separated by commas"],
  // These times differ only in digits that a double does not have.
  [
    [header.join(" "), "0 1.00000000000000001 0 0 0", "0 1.00000000000000002 1 0 0", ...good.slice(2)],
    ":3: expected Times that differ as float64, but the Times of user 0 here and in line 2 round to 1. Use",
  ],
  ...splits.map((split, code): [lines: string[], says: string] => [
    [header.join(" "), ...good.filter((row) => !row.endsWith(`${code}`))],
    `: no ${split} users (rows with tr_val_tst ${code})`,
  ]),
];

Deno.test("readPaperFile refuses other files with path, line and the value found", async () => {
  for (const [lines, says] of [...faults, ...files]) {
    const refusal = withFile(lines, (path) => {
      const text = Deno.readTextFileSync(path);
      return expectRefusal(
        () => parsePaperLog(path, text),
        `log.tsv${says.startsWith(":") ? "" : "…"}${says}`,
      );
    });
    assert.match(await refusal, /^\/.*log\.tsv/);
  }
});

Deno.test("readPaperFile: times differ by nanosecond or notation", () => {
  const events = (...times: string[]) => {
    const log = read(...times.map((time, k) => `0 ${time} ${k} 0 0`), ...good.slice(2));
    return [...log.rowItem.subarray(0, log.eventRows[log.userEvents[1] ?? 0])].map((item, row) =>
      `${log.eventRows.findLastIndex((first) => first <= row)}:${item}`
    ).join(" ");
  };
  // As doubles, each group of three times would be one number.
  assert.equal(events("1600000000000000003", "1600000000000000001", "1600000000000000002"), "0:1 1:2 2:0");
  assert.equal(events("-1600000000000000003", "-1600000000000000001", "+5"), "0:0 1:1 2:2");
  assert.equal(events("9007199254740993", "9007199254740992", "9007199254740994"), "0:1 1:0 2:2");
  // Equal numbers are one event, and a double's shortest text denotes its number.
  assert.equal(events("10", "1e1", "10.0", "+10.", "1.0e+1"), "0:0 0:1 0:2 0:3 0:4");
  assert.equal(events("1396808691.2950001", "1396808691.29500010", "01396808691.2950001"), "0:0 0:1 0:2");
  assert.equal(events("0.30000000000000004", "0.3"), "0:1 1:0");
});

Deno.test("canonical: two texts are equal if and only if they are the same number", () => {
  const number = fc.record({
    digits: fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
    places: fc.integer({ min: 0, max: 30 }),
  });
  const plain = ({ digits, places }: { digits: bigint; places: number }) => {
    const text = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
    const point = text.length - places;
    return `${digits < 0n ? "-" : ""}${text.slice(0, point)}.${text.slice(point)}`;
  };
  fc.assert(
    fc.property(number, number, fc.integer({ min: -9, max: 9 }), (a, b, shift) => {
      const moved = `${a.digits}e${-a.places}`;
      assert.equal(canonicalizeNumber(plain(a)), canonicalizeNumber(moved));
      assert.equal(canonicalizeNumber(`${plain(a)}000`), canonicalizeNumber(moved));
      const same = a.digits * 10n ** BigInt(b.places) === b.digits * 10n ** BigInt(a.places);
      assert.equal(canonicalizeNumber(plain(a)) === canonicalizeNumber(plain(b)), same);
      if (a.digits !== 0n) {
        assert.equal(
          canonicalizeNumber(`${a.digits}e${shift}`) === canonicalizeNumber(`${a.digits}`),
          shift === 0,
        );
      }
    }),
    { numRuns: 500, seed: 5 },
  );
});

Deno.test("checkLog names inconsistencies", () => {
  const u32 = (...values: number[]) => Uint32Array.from(values);
  const given = (...values: number[]) => ({ eventKind: Uint8Array.from(values) });
  const singles = { eventRows: u32(0, 1, 2, 3), eventClick: u32(0, 1, NONE), rowItem: u32(0, 1, 2) };
  const several = (clicks: number[], kinds = [0, 2, 2], click = 1) => ({
    userEvents: u32(0, 3, 3, 3),
    eventRows: u32(0, 3, 4, 5),
    eventClick: u32(click, 3, 4),
    eventKind: Uint8Array.from(kinds),
    rowItem: u32(0, 1, 2, ...clicks),
  });
  const dense = (...values: number[]): Partial<ClickLog> => ({
    items: { kind: "dense", count: 3, width: 2, values: Float32Array.from(values) },
  });
  const whole = read(...good);
  for (const fine of [{}, { ...singles, ...given(1, 1, 0) }, several([2, 0]), dense(1, 2, 3, 4, 5, 6)]) {
    checkLog({ ...whole, ...fine });
  }
  const wrong: Record<string, Partial<ClickLog>> = {
    "userEvents has 3 entries, expected 4 (one per user, plus one)": { userEvents: u32(0, 1, 3) },
    "userEvents starts at 1, expected 0": { userEvents: u32(1, 1, 2, 3) },
    "userEvents falls from 2 to 1 after user 1": { userEvents: u32(0, 2, 1, 3) },
    "userEvents ends at 2, expected 3, the length of eventClick": { userEvents: u32(0, 1, 2, 2) },
    "eventRows ends at 5, expected 4, the length of rowItem": { eventRows: u32(0, 2, 3, 5) },
    "event 1 of user 1 displays no items": { eventRows: u32(0, 2, 2, 4) },
    "event 0 of user 0: the clicked row is not displayed": { eventClick: u32(2, 2, 3) },
    "event 1 of user 1: the clicked row is not displayed": { eventClick: u32(1, 1, 3) },
    "row 3 displays item 3, but there are 3 items": { rowItem: u32(0, 1, 1, 3) },
    "userSplit of user 2 is 3": { userSplit: Uint8Array.of(0, 1, 3) },
    "has no test users": { userSplit: Uint8Array.of(0, 1, 0) },
    "eventKind has 2 entries, expected one per event = 3": given(0, 0),
    "event 1 of user 1 is an additional click on item 1, expected an unclicked item": {
      ...{ ...singles, ...given(0, 2, 0) },
    },
    "eventKind of event 1 is 4, expected 0, 1, 2 or 3": { ...singles, ...given(0, 4, 0) },
    "event 0 of train user 0 is an earlier page": { ...singles, ...given(3, 0, 0) },
    "event 2 of user 2 is a context event, … it has 1 rows and no click": { ...singles, ...given(0, 0, 1) },
    "event 0 of user 0 is a context event, expected one row, which is clicked; it has 2": given(1, 0, 0),
    "event 2 of user 0 is an additional click on item 1, expected … preceding clicked page": several([2, 1]),
    "event 2 of user 0 is an additional click on item 2": several([2, 2]),
    "event 2 of user 0 is an additional click on item 0": several([2, 0], [0, 1, 2]),
    "event 1 of user 0 is an additional click on item 2": several([2, 0], [0, 2, 2], NONE),
    "5 feature values, expected 3 items x 2 features = 6": dense(1, 2, 3, 4, 5),
    "feature 1 of item 1 is NaN": dense(1, 2, 3, NaN, 5, 6),
    "feature 0 of item 2 is Infinity": dense(1, 2, 3, 4, Infinity, 6),
  };
  for (const [says, change] of Object.entries(wrong)) {
    assert.throws(() => checkLog({ ...whole, ...change }), toPattern(says), says);
  }
});

const counts = {
  "yelp.txt": {
    ...{ users: [703, 351, 352], items: 804, events: [841, 447, 437] },
    ...{ rows: 6676, longest: 11, widest: 10, single: 293 },
  },
  "rsc.txt": {
    ...{ users: [541, 270, 271], items: 890, events: [1051, 519, 493] },
    ...{ rows: 6624, longest: 12, widest: 10, single: 505 },
  },
};

for (const [file, expected] of Object.entries(counts)) {
  const path = findRealData(file);
  Deno.test({
    name: `readPaperFile: the counts of ${file}`,
    ignore: path === undefined,
    fn() {
      const log = readPaperFile(path!);
      assert.equal(log.name, file);
      const lengths = (starts: Uint32Array) => [...starts.subarray(1)].map((end, i) => end - starts[i]!);
      const events = lengths(log.userEvents), widths = lengths(log.eventRows);
      const countEvents = (split: Split) =>
        listUsers(log, split).reduce((sum, user) => sum + events[user]!, 0);
      const found: typeof expected = {
        users: splits.map((split) => listUsers(log, split).length),
        items: log.items.count,
        events: splits.map(countEvents),
        rows: log.rowItem.length,
        longest: Math.max(...events),
        widest: Math.max(...widths),
        single: widths.filter((width) => width === 1).length,
      };
      assert.deepEqual(found, expected);
      assert.ok(log.eventClick.every((click) => click !== NONE));
    },
  });
}
