/** How many bad rows end a preparation: the share itself does not, one row more does. */

import assert from "node:assert/strict";
import { type BadRows, badRowsText, joined, judge } from "../../src/data/prepare/bad_rows.ts";

const bad = (total: number): BadRows => ({
  total,
  counts: new Map([["price cannot be read", total]]),
  examples: [{ file: "log.csv", line: 7, fault: "expected a price" }],
});

Deno.test("bad rows: one in a hundred is let pass, more are not, and strictly none", async () => {
  await judge(bad(0), () => Promise.reject(new Error("nobody counts")), true);
  await judge(bad(1), () => Promise.resolve(100), false);
  await judge(bad(5), () => Promise.resolve(500), false);
  for (const [total, rows] of [[1, 99], [6, 500]] as const) {
    await assert.rejects(
      async () => await judge(bad(total), () => Promise.resolve(rows), false),
      new RegExp(
        `${total} of ${rows} rows cannot be read, expected at most 1 %[^]*log\\.csv:7: expected a price`,
      ),
    );
  }
  await assert.rejects(
    async () => await judge(bad(1), () => Promise.resolve(1000), true),
    /log\.csv:7: expected a price\. Correct or remove the row\./,
  );
});

Deno.test("of bad rows that are alike three are shown, and how many there are", () => {
  const row = (line: number, expected: string) => ({
    file: "log.csv",
    line,
    fault: `expected ${expected}, found "${line}"`,
  });
  const text = badRowsText({
    ...bad(20),
    examples: Array.from({ length: 20 }, (_, k) => row(k, k === 9 ? "a time" : "a price")),
  });
  assert.match(text, /20 x price cannot be read/);
  assert.deepEqual([...text.matchAll(/log\.csv:(\d+)/g)].map(([, line]) => line), ["0", "1", "2", "9"]);
});

Deno.test("bad rows of several readings are counted together, their examples in the order of their places", () => {
  const more = {
    ...bad(2),
    examples: [{ file: "log.csv", line: 3, fault: "a" }, { file: "a.csv", line: 9, fault: "b" }],
  };
  const { total, counts, examples } = joined([bad(1), more]);
  assert.equal(total, 3);
  assert.deepEqual([...counts], [["price cannot be read", 3]]);
  assert.deepEqual(examples.map(({ file, line }) => `${file}:${line}`), [
    "a.csv:9",
    "log.csv:3",
    "log.csv:7",
  ]);
});
