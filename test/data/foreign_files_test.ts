/** Files and manifests of prepared data sets that others wrote: what is no whole one is refused by name. */

import assert from "node:assert/strict";
import { Baselines } from "../../src/figures/baselines/baselines.ts";
import { usersOf } from "../../src/data/click_log.ts";
import { describe } from "../../src/data/prepare/describe.ts";
import { openPrepared } from "../../src/data/sets/packed_set.ts";
import { refused } from "../case_table.ts";
import { copiedSet, foreignLog, foreignPages, refuses, rewrite, withCopy } from "../foreign_set.ts";

/** What is said of files that are no whole ones, and how they come to be so. */
const files: Readonly<Record<string, (folder: string) => Promise<void> | void>> = {
  "pages.parquet: not a Parquet file, or a damaged one (it does not begin as one)": (f) =>
    cut(f, "pages", 50),
  "items.parquet: not a Parquet file…does not end as one": (f) => cut(f, "items", 0, 1),
  "pages.parquet is empty. Prepare": (f) => write(f, "pages.parquet", ""),
  "pages.parquet: …it has 8 bytes": (f) => write(f, "pages.parquet", "PAR1PAR1"),
  "pages.parquet: not a Parquet file": (f) => write(f, "pages.parquet", "PAR1\0\0\0\0PAR1"),
  "pages.parquet: expected a plain Parquet file, found an encrypted one": (f) =>
    write(f, "pages.parquet", "PARE12345678PARE"),
  "pages.parquet: expected one column user, found several. Leave out": (f) => renamed(f, "page", "user"),
  "users.parquet: not a Parquet file…does not begin as one": (f) =>
    write(f, "users.parquet", "user,split\n0,train\n"),
  "users.parquet: expected a Parquet file, found a folder. Rename it to users": (f) =>
    isFolder(f, "users.parquet", "users.parquet"),
  "Expected users.parquet or a folder users in …, found both": (f) => Deno.mkdir(`${f}/users`),
  "Expected users.parquet, or a folder users of Parquet files, … found neither": (f) =>
    isFolder(f, "users.parquet", "users"),
  "pages: expected files that end in .parquet, found part-1.csv, which would be left out": (f) =>
    inFolder(f, "part-1.csv"),
  "items.parquet is a link to …none, which is not there. Correct or remove the link": (f) =>
    relinked(f, "items.parquet", `${f}/none`),
  "cannot read …items.parquet: links lead to each other": (f) =>
    relinked(f, "items.parquet", "items.parquet"),
  "pages.parquet: expected a Parquet file, found a character device": (f) =>
    relinked(f, "pages.parquet", "/dev/null"),
  "manifest.json: expected a regular file, found a character device": (f) =>
    relinked(f, "manifest.json", "/dev/zero"),
  "manifest.json: expected a regular file, found a folder": (f) =>
    isFolder(f, "manifest.json", "manifest.json"),
  "Expected a prepared data set, a folder with a manifest.json, found none": (f) =>
    Deno.remove(`${f}/manifest.json`),
  "is not valid JSON": (f) => write(f, "manifest.json", "{"),
  "Expected pages.parquet, or a folder pages of Parquet files": (f) => Deno.remove(`${f}/pages.parquet`),
};

/** The name of one column of pages becomes another's. */
async function renamed(folder: string, from: string, to: string): Promise<void> {
  const bytes = await Deno.readFile(`${folder}/pages.parquet`);
  const latin1 = new TextDecoder("latin1").decode(bytes).replaceAll(from, to);
  await Deno.writeFile(
    `${folder}/pages.parquet`,
    bytes.map((byte, k) => latin1.charCodeAt(k) < 256 ? latin1.charCodeAt(k) : byte),
  );
}
const write = (folder: string, name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
async function cut(folder: string, part: string, before: number, behind = 0): Promise<void> {
  const path = `${folder}/${part}.parquet`;
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.slice(before, bytes.length - behind));
}
async function isFolder(folder: string, file: string, name: string): Promise<void> {
  await Deno.remove(`${folder}/${file}`);
  await Deno.mkdir(`${folder}/${name}`);
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
  for (const [says, change] of Object.entries(files)) {
    const folder = await copiedSet();
    await change(folder);
    await refuses(folder, says);
  }
});

Deno.test("a FIFO in a data set is not waited for", async () => {
  for (const name of ["manifest.json", "users.parquet", "items.parquet", "pages.parquet"]) {
    const folder = await copiedSet();
    await Deno.remove(`${folder}/${name}`);
    const made = await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output().catch(() =>
      undefined
    );
    if (made?.success) await refuses(folder, /expected a (regular|Parquet) file, found a FIFO/, name);
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
/** Changes after which it is no manifest. */
const none: readonly Record<string, unknown>[] = [
  { format: "x" },
  fields({ first: 0, count: 2 ** 60 }),
  fields({ first: 0, count: -1 }),
  fields({ first: -1, count: 3 }),
  fields({ first: 0.5, count: 1 }),
  { counts: { ...counts, clicks: undefined } },
];
/** What is said of a manifest, and its changes. */
const manifests: Readonly<Record<string, Record<string, unknown>>> = {
  '"t" has the tokens 0 to 999999999999, expected at most 100,000,000 in all: a model has a row': fields({
    first: 0,
    count: 1e12,
  }),
  "expected at most 100,000,000": fields({ first: 1e15, count: 1 }),
  'expected each field of tokens to have numbers of its own, but "t" has 0 to 8 and "u" begins at 8': fields(
    { first: 0, count: 9 },
    { name: "u", first: 8, count: 3 },
  ),
  "the manifest says 11 users of the train part, found 10": {
    counts: { ...counts, users: { ...counts.users, train: 11 } },
  },
  "the manifest says 1 pages, found #": { counts: { ...counts, pages: 1 } },
  "the manifest says 1 displayed items, found #": { counts: { ...counts, rows: 1 } },
  "the manifest says 13 items, found 12": { counts: { ...counts, items: 13 } },
  "the manifest says 0 clicks, found #": { counts },
  "pages.parquet is not what the manifest says (SHA-256 …it was damaged or changed": {
    files: { pages: { rows: foreignPages.length, bytes: 1, sha256: "0".repeat(64) } },
  },
};

Deno.test("a manifest that does not fit its files, or itself, is refused", async () => {
  const cases = [
    ...Object.entries(manifests),
    ...none.map((change) => ["is not a manifest", change] as const),
  ];
  for (const [says, change] of cases) {
    const folder = await copiedSet();
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`));
    await write(folder, "manifest.json", JSON.stringify({ ...manifest, ...change }));
    await refused(() => openPrepared(folder, { memoryRows: Infinity }), says, JSON.stringify(change));
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
    const folder = await copiedSet();
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
  }
});
