/** Prepared data sets that are made wrong at random end with a message, whatever it is that is wrong. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { UserError } from "../../src/user_error.ts";
import { foreignPages, refuses, rewrite, withCopy } from "../foreign_set.ts";

const kinds: Record<string, string> = {
  NULL: "NULL",
  fraction: "x + 0.5::DOUBLE",
  negative: "-1 - x",
  NaN: "'nan'::DOUBLE",
  "too large": "1e39::DOUBLE",
  "beyond 2^53": "9007199254740993::BIGINT",
  "wrong type": "'x' || x",
  truth: "true",
};
const whole = Object.keys(kinds);
/** What may become of a value of each column, such that it is wrong whatever it was. */
const columns: [part: string, column: string, kinds: string[], list?: boolean][] = [
  ["users", "user", whole],
  ["users", "split", ["NULL", "wrong type"]],
  ["users", "pages", whole],
  ["users", "rows", whole],
  ["items", "item", whole],
  ["items", "dense", ["NULL", "NaN", "too large", "wrong type", "truth"], true],
  ["items", "tokens", whole, true],
  ["pages", "user", whole],
  ["pages", "page", whole],
  ["pages", "items", whole, true],
  ["pages", "clicked", whole.filter((kind) => kind !== "NULL")],
  ["pages", "also", ["NULL", "wrong type"], true],
  ["pages", "given", ["NULL", "wrong type"]],
];

Deno.test("any value that is made wrong in any way ends with a message that names its column", async () => {
  const rows: Record<string, number> = { users: 30, items: 12, pages: foreignPages.length };
  const corruption = fc.constantFrom(...columns).chain(([part, column, kinds, list = false]) =>
    fc.record({
      part: fc.constant(part),
      column: fc.constant(column),
      list: fc.constant(list),
      kind: fc.constantFrom(...kinds),
      row: fc.nat((rows[part] ?? 1) - 1),
    })
  );
  await fc.assert(
    fc.asyncProperty(corruption, async ({ part, column, list, kind, row }) => {
      await withCopy(async (folder) => {
        const sql = kinds[kind] ?? "";
        // With the wrong type, the whole column is of it.
        const other = kind === "wrong type" ? "VARCHAR" : kind === "truth" ? "BOOLEAN" : undefined;
        const old = other ? `"${column}"::${other}${list ? "[]" : ""}` : `"${column}"`;
        const one = sql.replaceAll(
          /\bx\b/g,
          list ? `coalesce("${column}"[1], 0)` : `coalesce("${column}"::INTEGER, 0)`,
        );
        const value = part === "users" && column === "split" ? sql.replaceAll(/\bx\b/g, '"split"') : one;
        const wrong = column === "given" && kind === "wrong type" ? "'x'" : value;
        await rewrite(
          folder,
          part,
          `SELECT * EXCLUDE n REPLACE (CASE WHEN n = ${row} THEN ${
            list ? `list_concat([${wrong}], "${column}"[2:]${other ? `::${other}[]` : ""})` : wrong
          } ELSE ${old} END AS "${column}") FROM (SELECT *, row_number() OVER () - 1 AS n FROM t)`,
        );
        await refuses(folder, new RegExp(`\\b${column}s?\\b`), `${part}.${column} of row ${row}: ${kind}`);
      });
    }),
    { numRuns: 60, seed: 17 },
  );
});

Deno.test("rows in any other order are refused", async () => {
  const part = fc.constantFrom("users", "items", "pages");
  await fc.assert(
    fc.asyncProperty(part, fc.nat(11), fc.integer({ min: 1, max: 11 }), async (part, first, distance) => {
      const second = (first + distance) % 12;
      await withCopy(async (folder) => {
        const order = `CASE n WHEN ${first} THEN ${second} WHEN ${second} THEN ${first} ELSE n END`;
        await rewrite(
          folder,
          part,
          `SELECT * EXCLUDE n FROM (SELECT *, row_number() OVER () - 1 AS n FROM t) ORDER BY ${order}`,
        );
        await refuses(
          folder,
          /expected (users|items) numbered|expected (user|page) \d+/,
          `${part} ${first} <> ${second}`,
        );
      });
    }),
    { numRuns: 15, seed: 5 },
  );
});

Deno.test("bytes that are changed, cut out or doubled never end with anything but a message", async () => {
  await withCopy(async (folder) => {
    for (const part of ["users", "items", "pages"]) {
      const path = `${folder}/${part}.parquet`;
      const bytes = await Deno.readFile(path);
      const place = fc.nat(bytes.length - 1);
      await fc.assert(
        fc.asyncProperty(
          place,
          place,
          fc.nat(255),
          fc.constantFrom("set", "cut", "double"),
          async (a, b, byte, how) => {
            const [from, to] = [Math.min(a, b), Math.max(a, b)];
            const changed = how === "set"
              ? bytes.with(a, byte)
              : how === "cut"
              ? Uint8Array.of(...bytes.subarray(0, from), ...bytes.subarray(to))
              : Uint8Array.of(...bytes.subarray(0, to), ...bytes.subarray(from));
            await Deno.writeFile(path, changed);
            try {
              const set = await openPreparedSet(folder);
              await set.readItems(() => {});
              await set.readClicks(12, () => {});
            } catch (error) {
              assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
            }
          },
        ),
        { numRuns: 300, seed: 3 },
      );
      await Deno.writeFile(path, bytes);
    }
  });
});
