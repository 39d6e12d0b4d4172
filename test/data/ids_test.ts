/** The ids of users and items, as their source has them. */

import assert from "node:assert/strict";
import { idsIn, NumberIds, TextIds, TextList } from "../../src/data/ids.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { UserError } from "../../src/user_error.ts";
import { writePaperFile } from "../command_check.ts";
import { foreignLog, rewrite, withCopy } from "../foreign_set.ts";
import { withFolder } from "../prepared_folder.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

Deno.test("a list of texts gives back what it was given", () => {
  const texts = [
    "",
    "a",
    "Ünïcode 漢字 😀",
    "x".repeat(5000),
    "",
    ...Array.from({ length: 300 }, (_, k) => `id${k}`),
  ];
  const list = TextList.of(texts);
  assert.equal(list.length, texts.length);
  assert.deepEqual([...list], texts);
  assert.equal(list.at(2), texts[2]);
  assert.equal(list.at(-1), undefined);
  assert.equal(list.at(texts.length), undefined);
});

Deno.test("an id has a number: of several versions the latest one's", () => {
  const ids = new TextIds(TextList.of(["a", "b", "a", "c", "a", "__proto__"]));
  assert.equal(ids.of(2), "a");
  assert.equal(ids.numberOf("a"), 4);
  assert.equal(ids.numberOf("__proto__"), 5);
  assert.equal(ids.numberOf("constructor"), undefined);
  assert.deepEqual(ids.latest(), Uint32Array.of(1, 3, 4, 5));
  const numbers = new NumberIds(12);
  assert.equal(numbers.numberOf("11"), 11);
  for (const wrong of ["12", "-1", "1.0", "01", "", " 1", "1e0"]) {
    assert.equal(numbers.numberOf(wrong), undefined);
  }
  assert.equal(numbers.latest().length, 12);
});

Deno.test("ids are named as they are, and any by a JSON list", () => {
  for (
    const [text, expected] of [
      ["", []],
      [" ", [" "]],
      ["a, x,x", ["a", " x", "x"]],
      ['["a,b", 12, " x", "[", ""]', ["a,b", "12", " x", "[", ""]],
      ["[]", []],
      ["[a],b", ["[a]", "b"]],
    ] as const
  ) assert.deepEqual(idsIn(text, ","), expected);
  for (const wrong of ["[1.5]", "[9007199254740993]", "[[1]]"]) {
    assert.throws(() => idsIn(wrong, ","), /Expected a JSON list of ids: 0: /);
  }
});

Deno.test("a prepared data set has the ids of its tables, or numbers where there are none", () =>
  withCopy(async (folder) => {
    const data = await openDataset(folder);
    assert.equal(data.users.of(3), "u3");
    assert.equal(data.item("i11"), 11);
    assert.deepEqual(
      Array.from(data.historyOf(data.user("u4"))),
      clicksOf(4),
    );
    assert.throws(
      () => data.user("i1"),
      /Expected the id of a user of .* got "i1".*It has 30 users; the first is "u0"/,
    );
    await rewrite(folder, "users", "SELECT * EXCLUDE id FROM t");
    assert.equal((await openDataset(folder)).user("7"), 7);
    await rewrite(folder, "items", "SELECT * REPLACE (if(item = 5, NULL, id) AS id) FROM t");
    await assert.rejects(openDataset(folder), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(
        error.message,
        /items\.parquet: item 5: expected id to be text, found NULL in row 6\. Give each item/,
      );
      return true;
    });
    await rewrite(folder, "items", "SELECT * REPLACE (item AS id) FROM t");
    await assert.rejects(openDataset(folder), /expected id to be text/);
  }));

function clicksOf(user: number): number[] {
  const { userEvents, eventClick, rowItem } = foreignLog;
  return Array.from(eventClick.subarray(userEvents[user], userEvents[user + 1]))
    .filter((row) => row !== 0xffffffff).map((row) => rowItem[row] ?? NaN);
}

Deno.test("a file in the paper's layout has the ids that stand there", () =>
  withFolder({}, async (folder) => {
    const file = `${folder}/log.tsv`;
    writePaperFile(file, smallLog(3, { users: 9, items: 5, width: 0 }));
    const text = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, text.replace(/^(\d)\t/gm, (_, user) => `${100 - 3 * Number(user)}\t`));
    const data = await openDataset(file);
    assert.deepEqual(
      Array.from({ length: 9 }, (_, k) => data.users.of(k)),
      [76, 79, 82, 85, 88, 91, 94, 97, 100].map(String),
    );
    assert.equal(data.user("76"), 0);
    assert.equal(data.item("4"), 4);
  }));
