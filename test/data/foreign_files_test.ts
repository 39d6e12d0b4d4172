/** Files and manifests of prepared data sets that others wrote: what is no whole one is refused by name. */

import assert from "node:assert/strict";
import { Baselines } from "../../src/figures/baselines/baselines.ts";
import { usersOf } from "../../src/data/click_log.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { UserError } from "../../src/user_error.ts";
import { foreignLog, foreignPages, refuses, rewrite, withCopy } from "../foreign_set.ts";

const text = (folder: string, name: string) => `${folder}/${name}`;
/** What is wrong with the files: [what, the change, what is said]. */
const files: [what: string, change: (folder: string) => Promise<void> | void, says: RegExp][] = [
  [
    "without its first 50 bytes",
    (f) => cut(text(f, "pages.parquet"), 50),
    /pages\.parquet: not a Parquet file, or a damaged one \(it does not begin as one\)/,
  ],
  [
    "without its first 50 bytes",
    (f) => cut(text(f, "users.parquet"), 50),
    /users\.parquet: not a Parquet file.*does not begin/,
  ],
  [
    "without its last byte",
    (f) => truncate(text(f, "items.parquet"), 1),
    /items\.parquet: not a Parquet file.*does not end as one/,
  ],
  ["empty", (f) => Deno.writeTextFile(text(f, "pages.parquet"), ""), /pages\.parquet is empty\. Prepare/],
  [
    "of 8 bytes",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PAR1PAR1"),
    /pages\.parquet: .*it has 8 bytes/,
  ],
  [
    "of two magic words",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PAR1\0\0\0\0PAR1"),
    /pages\.parquet: not a Parquet file/,
  ],
  [
    "encrypted",
    (f) => Deno.writeTextFile(text(f, "pages.parquet"), "PARE12345678PARE"),
    /pages\.parquet: expected a plain Parquet file, found an encrypted one/,
  ],
  [
    "a column twice",
    (f) => renamed(f, "page", "user"),
    /pages\.parquet: expected one column user, found several\. Leave out/,
  ],
  [
    "CSV",
    (f) => Deno.writeTextFile(text(f, "users.parquet"), "user,split\n0,train\n"),
    /users\.parquet: not a Parquet file.*does not begin as one/,
  ],
  ["a folder of the file's name", async (f) => {
    await Deno.remove(text(f, "users.parquet"));
    await Deno.mkdir(text(f, "users.parquet"));
  }, /users\.parquet: expected a Parquet file, found a folder\. Rename it to users/],
  [
    "a file and a folder",
    (f) => Deno.mkdir(text(f, "users")),
    /Expected users\.parquet or a folder users in .*, found both/,
  ],
  ["an empty folder", async (f) => {
    await Deno.remove(text(f, "users.parquet"));
    await Deno.mkdir(text(f, "users"));
  }, /Expected users\.parquet, or a folder users of Parquet files, .* found neither/],
  [
    "a file that would be left out",
    (f) => inFolder(f, "part-1.csv"),
    /pages: expected files that end in \.parquet, found part-1\.csv, which would be left out/,
  ],
  [
    "a link into nowhere",
    (f) => relinked(f, "items.parquet", `${f}/none`),
    /items\.parquet is a link to .*none, which is not there\. Correct or remove the link/,
  ],
  [
    "a loop of links",
    (f) => relinked(f, "items.parquet", "items.parquet"),
    /cannot read .*items\.parquet: links lead to each other/,
  ],
  [
    "a device",
    (f) => relinked(f, "pages.parquet", "/dev/null"),
    /pages\.parquet: expected a Parquet file, found a character device/,
  ],
  [
    "a manifest that is a device",
    (f) => relinked(f, "manifest.json", "/dev/zero"),
    /manifest\.json: expected a regular file, found a character device/,
  ],
  ["a manifest that is a folder", async (f) => {
    await Deno.remove(text(f, "manifest.json"));
    await Deno.mkdir(text(f, "manifest.json"));
  }, /manifest\.json: expected a regular file, found a folder/],
];

/** The name of one column of pages becomes another's. */
async function renamed(folder: string, from: string, to: string): Promise<void> {
  const bytes = await Deno.readFile(`${folder}/pages.parquet`);
  const latin1 = new TextDecoder("latin1").decode(bytes).replaceAll(from, to);
  await Deno.writeFile(
    `${folder}/pages.parquet`,
    bytes.map((byte, k) => latin1.charCodeAt(k) < 256 ? latin1.charCodeAt(k) : byte),
  );
}
async function cut(path: string, bytes: number): Promise<void> {
  await Deno.writeFile(path, (await Deno.readFile(path)).slice(bytes));
}
async function truncate(path: string, bytes: number): Promise<void> {
  await Deno.truncate(path, (await Deno.stat(path)).size - bytes);
}
async function inFolder(folder: string, name: string): Promise<void> {
  await Deno.mkdir(`${folder}/pages`);
  await Deno.rename(`${folder}/pages.parquet`, `${folder}/pages/part-0.parquet`);
  await Deno.writeTextFile(`${folder}/pages/_SUCCESS`, "");
  await Deno.writeTextFile(`${folder}/pages/${name}`, "");
}
async function relinked(folder: string, name: string, target: string): Promise<void> {
  await Deno.remove(`${folder}/${name}`);
  await Deno.symlink(target, `${folder}/${name}`);
}

Deno.test("files that are no whole Parquet files are refused by name", async () => {
  for (const [what, change, says] of files) {
    await withCopy(async (folder) => {
      await change(folder);
      await refuses(folder, says, what);
    });
  }
});

Deno.test("a FIFO in a data set is not waited for", async () => {
  for (const name of ["manifest.json", "users.parquet", "items.parquet", "pages.parquet"]) {
    await withCopy(async (folder) => {
      await Deno.remove(`${folder}/${name}`);
      const made = await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output().catch(() =>
        undefined
      );
      if (made?.success) await refuses(folder, /expected a (regular|Parquet) file, found a FIFO/, name);
    });
  }
});

const fields = (...tokens: { name?: string; first: number; count: number }[]) => ({
  features: {
    dense: [{ name: "f0" }, { name: "f1" }],
    tokens: tokens.map((field) => ({ name: "t", ...field })),
  },
});
const counts = {
  users: { train: 10, validation: 10, test: 10 },
  items: 12,
  pages: foreignPages.length,
  rows: foreignPages.reduce((sum, e) => sum + foreignLog.eventRows[e + 1]! - foreignLog.eventRows[e]!, 0),
  clicks: 0,
  given: 0,
};
/** Changes of the manifest, and what is said. */
const manifests: [change: Record<string, unknown>, says: RegExp][] = [
  [
    fields({ first: 0, count: 1e12 }),
    /"t" has the tokens 0 to 999999999999, expected at most 100,000,000 in all: a model has a row/,
  ],
  [fields({ first: 1e15, count: 1 }), /expected at most 100,000,000/],
  [
    fields({ first: 0, count: 9 }, { name: "u", first: 8, count: 3 }),
    /expected each field of tokens to have numbers of its own, but "t" has 0 to 8 and "u" begins at 8/,
  ],
  [fields({ first: 0, count: 2 ** 60 }), /is not a manifest/],
  [fields({ first: 0, count: -1 }), /is not a manifest/],
  [fields({ first: 0.5, count: 1 }), /is not a manifest/],
  [
    { counts: { ...counts, users: { ...counts.users, train: 11 } } },
    /the manifest says 11 users of the train part, found 10/,
  ],
  [{ counts: { ...counts, pages: 1 } }, /the manifest says 1 pages, found \d+/],
  [{ counts: { ...counts, rows: 1 } }, /the manifest says 1 displayed items, found \d+/],
  [{ counts: { ...counts, items: 13 } }, /the manifest says 13 items, found 12/],
  [{ counts }, /the manifest says 0 clicks, found \d+/],
  [{ counts: { ...counts, clicks: undefined } }, /is not a manifest/],
  // Of an earlier version.
  [
    {
      skipped: { "pages with several clicks, split into one page a click": 7 },
      command: ["log", "--source", "my log.csv"],
    },
    /has split 7 pages of several clicks into copies.*deno task data log --source 'my log\.csv'$/,
  ],
];

Deno.test("a manifest that does not fit its files, or itself, is refused", async () => {
  for (const [change, says] of manifests) {
    await withCopy(async (folder) => {
      const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`));
      await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify({ ...manifest, ...change }));
      await assert.rejects(() => openPrepared(folder, { memoryRows: Infinity }), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, says);
        return true;
      });
    });
  }
});

Deno.test("describe counts as the baselines do, pages of several clicks among them", () =>
  withCopy(async (folder) => {
    const { parts } = await describe(folder, "500MB");
    for (const { split, chance, clickRate, uniformLoss, clicks, events } of parts) {
      const users = usersOf(foreignLog, split === "train" || split === "test" ? split : "validation");
      const found = Baselines.of(foreignLog).test(users);
      const of = (name: "random" | "clickRate") => found.get(name)?.details.figures ?? assert.fail();
      const { prec1, prec2, nll, noClick } = of("random");
      const pairs = [
        ...[chance[0], prec1, chance[1], prec2, uniformLoss, nll, 1 - clicks / events, noClick],
        ...[clickRate[0], of("clickRate").prec1, clickRate[1], of("clickRate").prec2],
      ];
      for (let k = 0; k < pairs.length; k += 2) {
        assert.ok(Math.abs(pairs[k]! - pairs[k + 1]!) < 1e-12, `${k} ${pairs}`);
      }
    }
  }));

Deno.test("64-bit integers, and whole numbers as doubles, are read as they are", async () => {
  for (const type of ["BIGINT", "DOUBLE", "UBIGINT", "USMALLINT"]) {
    await withCopy(async (folder) => {
      const as = (...columns: string[]) => columns.map((c) => `"${c}"::${type} AS "${c}"`).join(", ");
      await rewrite(folder, "users", `SELECT * REPLACE (${as("user", "pages", "rows")}) FROM t`);
      await rewrite(
        folder,
        "items",
        `SELECT * REPLACE (${as("item")}, tokens::${type}[] AS tokens, dense::DOUBLE[] AS dense) FROM t`,
      );
      await rewrite(
        folder,
        "pages",
        `SELECT * REPLACE (${
          as("user", "page", "clicked")
        }, items::${type}[] AS items, also::${type}[] AS also) FROM t`,
      );
      const { source } = await openPrepared(folder, { memoryRows: Infinity });
      const { name: _, ...read } = source.log ?? assert.fail();
      const { name: __, ...expected } = foreignLog;
      assert.deepEqual(read, expected, type);
      assert.equal((await describe(folder, "500MB")).items, 12);
    });
  }
});
