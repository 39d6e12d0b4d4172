/** The log that a page reads by itself: the same as `data log` prepares of it; what is wrong with it is told with its line. */

import assert from "node:assert/strict";
import type { ClickLog } from "../src/data/click_log.ts";
import { byCodePoint } from "../src/data/long_log/order.ts";
import { type LongLog, parseLongLog } from "../src/data/long_log/long_log.ts";
import type { LogColumns } from "../src/data/long_log/columns.ts";
import { timeOf } from "../src/data/long_log/times.ts";
import { randomStream } from "../src/data/random.ts";
import { RARE_BELOW as RARE_ON_PAGE } from "../src/data/long_log/tokens.ts";
import { RARE_BELOW } from "../src/prepare/features.ts";
import { openPrepared } from "../src/run/prepared_dataset.ts";
import { prepareLong } from "./long_log.ts";
import { withFolder } from "./prepared_folder.ts";

const HEADER = "user,time,page,item,position,clicked\n";

/** Users whose order and bytes are no plain letters; pages at one time, clicked twice, with an item twice; rare items. */
function strangeLog(): string {
  const random = randomStream(5, "strange");
  const whole = (end: number) => random.integer(end);
  const lines: string[] = [];
  const users = [..."abcdefghijklmnopqrstuvwxyz"].flatMap((
    letter,
  ) => [letter, `${letter}\u00e9`, `\uffee${letter}`, `\u{1f600}${letter}`]);
  for (const user of users) {
    for (let page = 0; page < 1 + whole(5); page++) {
      const time = 1_600_000_000_000 + 60_000 * whole(4) + whole(3);
      for (let place = 0; place < 2 + whole(6); place++) {
        const item = whole(20) === 0 ? `rare, "${whole(30)}"` : `item \u{1f600} e\u0301 ${whole(40)}`;
        const quoted = `"${item.replaceAll('"', '""')}"`;
        lines.push(
          [user, time + whole(2), `${user}-p${page}`, quoted, whole(4) - 1.5, whole(5) === 0 ? "yes" : 0]
            .join(","),
        );
      }
    }
  }
  return HEADER + lines.join("\n") + "\n";
}

Deno.test("a long log is read as data log prepares it: users, parts, pages, tokens and what they mean", async () => {
  const texts = {
    strange: strangeLog(),
    "without-positions": strangeLog().replaceAll(/^(.*),[^,]*,([^,]*)$/gm, "$1,$2")
      .replace(/^.*$/m, "user,time,page,item,clicked"),
  };
  await withFolder({}, async (folder) => {
    for (const [name, text] of Object.entries(texts)) {
      const source = `${folder}/${name}.csv`;
      await Deno.writeTextFile(source, `\ufeff${text}`.replaceAll("\n", "\r\n"));
      await prepareLong(source, `${folder}/${name}`, {
        position: name === "strange" ? "position" : undefined,
      });
      const prepared = await openPrepared(`${folder}/${name}`, { memoryRows: Infinity });
      const read = await parseLongLog({ path: source, text: await Deno.readTextFile(source) });
      const unnamed = (log: ClickLog | undefined) => ({ ...log, name: "" });
      assert.deepEqual(unnamed(read.log), unnamed(prepared.source.log));
      assert.deepEqual(read.features, prepared.manifest.features);
      assert.equal(read.places, prepared.manifest.places);
      const { skipped } = prepared.manifest;
      const n = (what: string) => (skipped[what] ?? 0).toLocaleString("en");
      const notes = read.notes.join("\n");
      assert.match(notes, new RegExp(`Left out: ${n("rows of an item that is on its page already")} rows`));
      assert.match(
        notes,
        new RegExp(
          `Pages with several clicks: ${prepared.manifest.notes.join().match(/several clicks: (\d+)/)?.[1]},`,
        ),
      );
    }
  });
  assert.equal(RARE_ON_PAGE, RARE_BELOW);
});

/** Two hundred users who are right. */
const good = Array.from({ length: 200 }, (_, k) => `u${k},1600000000,p,a,1,1\nu${k},1600000000,p,b,2,0\n`)
  .join("");

function parse(rows: string, header = HEADER): Promise<LongLog> {
  return parseLongLog({ path: "log.csv", text: header + rows });
}

Deno.test("bad rows of a long log are left out if they are few, and told with their lines", async () => {
  const bad = '"x\ny",1600000000,p,a,1,1\n\n,1600000000,p,a,1,1\nu,then,p,a,1,1\nu,1600000000,p,a,first,1\n';
  const { log, notes } = await parse(good + bad);
  assert.equal(log.userSplit.length, 201);
  assert.match(notes.at(-1) ?? "", /^Left out: 3 rows that cannot be read\.\n {2}1 x user is empty\n/);
  assert.match(notes.at(-1) ?? "", /log\.csv:405: expected user to be an id, found nothing\n/);
  assert.match(notes.at(-1) ?? "", /log\.csv:406: expected time to be a time \(.*\), found "then"\n/);
  assert.match(notes.at(-1) ?? "", /log\.csv:407: expected position to be a number, found "first"$/);
  const refused: [rows: string, message: RegExp][] = [
    [
      "u,1600000000,p,a,1,perhaps\nu,1600000000,p,a,1,1\n",
      /^1 of 2 rows cannot be read, expected at most 1 %.*log\.csv:2: expected clicked to be 0, 1, true, false, yes or no, found "perhaps"$/s,
    ],
    ["u,1600000000,p,a,1\n", /log\.csv:2: expected 6 values as in the header, found 5: u,1600000000,p,a,1$/],
    ["u,1600000000,p,,1,1\n", /log\.csv:2: expected item to be an id, found nothing$/],
    ["u,1600000000,,a,1,\\N\n", /log\.csv:2: expected page to be an id, found nothing$/],
    ["u,1600000000,p,a,1,\n", /log\.csv:2: expected clicked to be .*, found nothing$/],
    [
      "u,1600000000,p,a,1,1\nu,1600000001,p,a,1,1\nu,2020-01-01,p,a,1,1\n",
      /log\.csv:4: expected time to be a time of the kind that most rows have, found "2020-01-01"$/,
    ],
    [
      'u,1600000000,p,"a,1,1\nu,1600000000,p,a,1,1\n',
      /^log\.csv:2: the quote of a value that begins here is never closed: /,
    ],
    [
      'u,1600000000,p,"a"b,1,1\n',
      /^log\.csv:2: the quote of a value that begins here ends before the value does: /,
    ],
    ["", /^log\.csv: expected clicks, found none on 0 pages/],
    [good.replaceAll(",1\n", ",0\n"), /^log\.csv: expected clicks, found none on 200 pages: /],
    [
      "u,1600000000,p,a,1,1\nu,1600000000,p,b,1,0\n",
      /^log\.csv: there are no \w+ users among its 1, and train, validation, test users are needed\./,
    ],
  ];
  for (const [rows, message] of refused) {
    await assert.rejects(() => parse(rows), { name: "UserError", message });
  }
  const headers: [header: string, message: RegExp][] = [
    ["", /^log\.csv: the file is empty\./],
    [
      "user,time,item,position\n",
      /^log\.csv:1: expected the columns user, time, item, clicked, page, position; clicked, page are missing, found user, time, item, position\./,
    ],
    ["u,1600000000,p,a,1,1\n", /Is the header missing\?/],
    ["user,time,page,item,position,clicked,user\n", /^log\.csv:1: expected one column "user", found two\./],
  ];
  for (const [header, message] of headers) {
    await assert.rejects(() => parse("", header), { name: "UserError", message });
  }
  const { log: tabs } = await parse(good.replaceAll(",", ";"), HEADER.replaceAll(",", ";"));
  assert.equal(tabs.userSplit.length, 200);
});

Deno.test("pages that cannot be what was displayed are refused as data log refuses them", async () => {
  const hour = 3_600_000;
  const columns = { user: "user", time: "time", item: "item", clicked: "clicked" };
  const rowsAt = (timeOf: (user: number, page: number) => number, items = 3) =>
    Array.from({ length: 120 }, (_, k) => {
      const [user, page] = [k % 40, Math.floor(k / 40)];
      return Array.from(
        { length: items },
        (_, item) => `u${user},${timeOf(user, page)},p${k},${(k + item) % 7},${item},${item === 0 ? 1 : 0}\n`,
      ).join("");
    }).join("");
  const start = 1_600_000_000_000;
  const whole = (ms: number) => Math.floor(start / ms) * ms;
  type Case = [rows: string, columns: LogColumns, refused: RegExp | undefined, told: RegExp];
  const cases: Case[] = [
    [
      rowsAt((_, page) => whole(24 * hour) + 24 * hour * page),
      columns,
      /the times \(time\) are whole days: /,
      /./,
    ],
    [
      rowsAt((_, page) => whole(24 * hour) + 24 * hour * page),
      { ...columns, page: "page" },
      undefined,
      /Times are whole days: pages of a user in one day go by their ids\./,
    ],
    // The same minute of each hour, and too few hours to tell.
    [rowsAt((user, page) => start + hour * (3 * user + page)), columns, /are whole hours: /, /./],
    [rowsAt((_, page) => start + hour * page), columns, undefined, /^There are no/],
    [
      rowsAt((user, page) => whole(60_000) + 60_000 * (3 * user + page)),
      columns,
      undefined,
      /Times are whole minutes, and/,
    ],
    [
      rowsAt((user, page) => start + 1001 * (3 * user + page), 1),
      columns,
      /each of the 120 pages shows one item: no two/,
      /./,
    ],
    [rowsAt(() => start), { ...columns, page: "page" }, undefined, /All pages have the same time: /],
    [
      rowsAt((_, page) => 2007 + page),
      { ...columns, page: "page" },
      /As seconds since 1970 .* 1970-01-01/,
      /./,
    ],
    [rowsAt((_, page) => 20090101120000 + page), { ...columns, page: "page" }, /would mean 2606-/, /./],
  ];
  await withFolder({}, async (folder) => {
    for (const [k, [rows, columns, refused, told]] of cases.entries()) {
      const path = `${folder}/log-${k}.csv`;
      await Deno.writeTextFile(path, HEADER + rows);
      const others = { page: undefined, position: undefined, ...columns };
      const prepared = prepareLong(path, `${folder}/set-${k}`, others).then(
        () => undefined,
        (error) => String(error),
      );
      const read = () => parseLongLog({ path, text: HEADER + rows }, { columns });
      assert.equal(await prepared === undefined, refused === undefined, `case ${k}: ${await prepared}`);
      if (refused) await assert.rejects(read, { name: "UserError", message: refused });
      else assert.match((await read()).notes.join("\n"), told, `case ${k}`);
    }
  });
});

Deno.test("times are read by their size or as ISO 8601, to the millisecond", () => {
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  const same = [
    `${ms / 1000}`,
    `${ms}`,
    `${ms}999`,
    `${ms}999999`,
    "2026-01-02T03:04:05.678Z",
    "2026-01-02 03:04:05,6789",
    "2026-01-02 05:04:05.678 +02",
    "2026-01-02T01:34:05.678-0130",
    "2026-01-02 03:04:05.678 UTC",
  ];
  for (const text of same) assert.equal(timeOf(text)?.ms, ms, text);
  for (const text of ["01-Jan-1995", "1 jan 1995", "1-JAN-1995"]) {
    assert.equal(timeOf(text)?.ms, Date.UTC(1995, 0, 1), text);
  }
  assert.equal(timeOf("2024-02-29")?.ms, Date.UTC(2024, 1, 29));
  assert.equal(timeOf("2024-02-29 10:30")?.ms, Date.UTC(2024, 1, 29, 10, 30));
  for (
    const text of [
      "2026-02-29",
      "29-Feb-2026",
      "1-Foo-1995",
      "2026-13-01",
      "2026-01-01T24:00:00",
      "2026-01-01T00:00:00+19",
      "9e18",
      "",
      "noon",
      "1,5",
    ]
  ) {
    assert.equal(timeOf(text), undefined, text);
  }
});

Deno.test("texts are ordered as their bytes are", () => {
  const texts = ["", "a", "ab", "b", "\u00e9", "\ud7ff", "\ue000", "\uffee", "\u{10000}", "\u{10ffff}"];
  assert.deepEqual(texts.toReversed().sort(byCodePoint), texts);
});
