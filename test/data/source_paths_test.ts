import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "../../src/data/prepare/describe.ts";
import { formatLiteral } from "../../src/data/prepare/sql_engine.ts";
import { escapeGlob, expandGlob } from "../../src/data/prepare/glob.ts";
import type { PreparationRecipe } from "../../src/data/prepare/prepare.ts";
import { checkZstd, findFiles } from "../../src/data/prepare/sources.ts";
import { makeFifo } from "../bad_inputs/files.ts";
import { expectRefusal, parseRows } from "../case_table.ts";
import {
  expectRefused,
  getSharedEngine,
  makeFolderWith,
  makeGoodRows,
  makeRecipe,
  prepareIn,
  writeParquet,
} from "../prepared_folder.ts";
import { rewrite, writeSet } from "../foreign_set.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

const csv = "uid,sku,ts,label\n" + makeGoodRows(9);

Deno.test("globs find the expected files in order, and no file is skipped silently", async () => {
  const folder = await makeFolderWith();
  const names = "a.csv b.csv c1.csv c].csv .hidden.csv x/a.csv x/y/a.csv w*.csv w1.csv".split(" ");
  await Deno.mkdir(`${folder}/x/y`, { recursive: true });
  await Deno.mkdir(`${folder}/folder.csv`);
  for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, "");
  const cases: [pattern: string, found: string[]][] = [
    ["*.csv", [".hidden.csv", "a.csv", "b.csv", "c1.csv", "c].csv", "w*.csv", "w1.csv"]],
    ["?.csv", ["a.csv", "b.csv"]],
    ["[ab].csv", ["a.csv", "b.csv"]],
    ["[!a].csv", ["b.csv"]],
    ["[a-c]?.csv", ["c1.csv", "c].csv"]],
    ["c[]].csv", ["c].csv"]],
    ["w*.csv", ["w*.csv"]], // a file with this literal name exists
    ["w[*].csv", ["w*.csv"]],
    ["w?.csv", ["w*.csv", "w1.csv"]],
    ["*/a.csv", ["x/a.csv"]],
    ["**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]],
    ["x/**", ["x/a.csv", "x/y/a.csv"]],
    ["*/../b.csv", ["x/../b.csv", "folder.csv/../b.csv"]],
    ["a.csv", ["a.csv"]],
    ["d.csv", []],
    ["none/*.csv", []],
    ["a.csv/*", []],
  ];
  for (const [pattern, found] of cases) {
    const expected = found.map((name) => `${folder}/${name}`).sort();
    assert.deepEqual(expandGlob(`${folder}/${pattern}`), expected, pattern);
  }
  for (const name of ["x1", "x[1]"]) {
    await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/${name}/a.csv`, "");
  }
  assert.deepEqual(expandGlob(`${folder}/x[1]/*.csv`), [`${folder}/x[1]/a.csv`]);
  assert.deepEqual(expandGlob(`${folder}/x[12]/*.csv`), [`${folder}/x1/a.csv`]);
  for (const name of ["x1", "x[1]"]) await Deno.remove(`${folder}/${name}`, { recursive: true });
  // Links to folders are followed, but not in cycles.
  await Deno.symlink(folder, `${folder}/x/back`);
  await Deno.symlink(`${folder}/x/y`, `${folder}/link`);
  assert.deepEqual(
    expandGlob(`${folder}/**/a.csv`),
    ["a.csv", "link/a.csv", "x/a.csv", "x/y/a.csv"].map((name) => `${folder}/${name}`),
  );
});

Deno.test("a file with any name is found by exactly that name, by the program and by the engine", async () => {
  const engine = await getSharedEngine();
  await fc.assert(
    fc.asyncProperty(
      fc.string({
        unit: fc.constantFrom("a", "b", "*", "?", "[", "]", "!", "-", "'", "{", " "),
        minLength: 1,
        maxLength: 6,
      }),
      async (name) => {
        const folder = await makeFolderWith({
          [`${name}.csv`]: "v\n1\n",
          "a.csv": "v\n2\n",
          "ab.csv": "v\n2\n",
          "-.csv": "v\n2\n",
        });
        const path = `${folder}/${name}.csv`;
        const kept = ["a", "ab", "-"].includes(name) ? 2 : 1;
        assert.deepEqual(expandGlob(path), [path]);
        const rows = await engine.rows(
          `SELECT v, filename FROM read_csv(${formatLiteral(escapeGlob(path))}, filename = true)`,
        );
        assert.deepEqual(rows.map(({ v, filename }) => [Number(v), filename]), [[kept, path]]);
      },
    ),
    { numRuns: 80, seed: 2 },
  );
});

Deno.test("a source that is not a readable local file is refused, with its name", async () => {
  const folder = await makeFolderWith({ "a.csv": csv, "features.csv": "sku,x\ni1,2\n" });
  const at = (name: string) => `${folder}/${name}`;
  await Deno.symlink(at("none"), at("dangling.csv"));
  await Deno.symlink("loop.tsv", at("loop.tsv"));
  await Deno.mkdir(at("sub"));
  await Deno.symlink(at("none"), at("sub/gone"));
  const cases: Record<string, string> = {
    "dangling.csv is a link to …none, which is missing. Correct or remove the link": at("*.csv"),
    "dangling.csv is a link to …none, which is missing": at("dangling.csv"),
    "sub/gone is a link to …none, which is missing": at("sub/*/x.csv"),
    "cannot read …loop.tsv: links lead to each other in a loop": at("loop.tsv"),
    "got no such file…braces…--query": at("{a,features}.csv"),
    "/dev/null: expected a regular file, got a character device": "/dev/null",
    "cannot read … (# characters): the name is too long": at("x".repeat(5000)),
    "Expected a path on this machine, got s3://bucket/log.csv: only local files are read. Copy the data":
      "s3://bucket/log.csv",
    "got https:…only local files are read": "https://example.org/*.csv",
    "only local files are read": "HTTP://x/y.parquet",
    "only local files are read. Remove file://": `file://${folder}/a.csv`,
  };
  for (const [says, source] of Object.entries(cases)) {
    await expectRefused(folder, makeRecipe(source), says);
  }
  const others: PreparationRecipe[] = [
    makeRecipe(at("a.csv"), { features: "s3://bucket/f.csv" }),
    makeRecipe("gs://bucket/a.csv"),
  ];
  for (const other of others) await expectRefused(folder, other, /only local files are read/);
  await assert.rejects(describe("s3://bucket/set", "500MB"), /UserError: .*only local files are read/);
  await expectRefused(folder, makeRecipe(at("a.csv"), { features: at("dangling.csv") }), /is a link to/);
  if (Deno.build.os !== "windows") {
    await makeFifo("fifo.csv")(folder);
    await Deno.remove(at("dangling.csv"));
    await expectRefused(folder, makeRecipe(at("fifo.csv")), /fifo\.csv: expected a regular file, got a FIFO/);
    await expectRefused(folder, makeRecipe(at("*.csv")), /fifo\.csv: expected a regular file, got a FIFO/);
    await expectRefused(folder, makeRecipe(at("a.csv"), { features: at("fifo.csv") }), /got a FIFO/);
  }
  assert.throws(
    () => findFiles(at("none"), "a log"),
    /UserError: Expected a log at .*none, got no such file/,
  );
});

Deno.test("folders and files whose names contain *, ? or [ are read by name", async () => {
  const folder = await makeFolderWith();
  const odd = `${folder}/rr[1]*?`;
  await Deno.mkdir(odd);
  await Deno.writeTextFile(`${odd}/log[2].csv`, csv);
  await Deno.writeTextFile(`${odd}/bad.csv`, csv + makeGoodRows(300) + "a,x,1600000000,perhaps\nshort\n");
  await Deno.writeTextFile(`${odd}/log.ndjson`, '{"uid": 1, "sku": "x", "ts": 1600000000, "label": 1}\n');
  await writeParquet(`${odd}/log.parquet`, "SELECT 1 AS uid, 2 AS sku, 1600000000 AS ts, 1 AS label");
  const users = async (recipe: PreparationRecipe, described = false) => {
    const { manifest: { counts }, bad, folder: out } = await prepareIn(into, recipe);
    if (described) assert.ok((await describe(out, "500MB")).items > 0);
    return [Object.values(counts?.users ?? {}).reduce((sum, n) => sum + n, 0), bad.examples.length];
  };
  await expectRefused(
    odd,
    makeRecipe(`${odd}/log[2].csv`),
    /Expected an output path without a question mark/,
  );
  const into = `${folder}/out[1]*`;
  await Deno.mkdir(into);
  assert.deepEqual(await users(makeRecipe(`${odd}/log[2].csv`)), [9, 0]);
  assert.deepEqual(await users(makeRecipe(`${odd}/log.ndjson`)), [1, 0]);
  assert.deepEqual(await users(makeRecipe(`${odd}/log.parquet`)), [1, 0]);
  assert.deepEqual(await users(makeRecipe(`${odd}/bad.csv`), true), [300, 2]);
});

Deno.test("describe accepts the columns that training accepts, and refuses invalid ones", async () => {
  const log = createSmallLog(4, { users: 30, items: 6, width: 2 });
  /** Rounds metrics, because the order in which the engine adds up a mean is not fixed. */
  const computeMetrics = async (...changes: readonly string[]) => {
    const folder = await makeFolderWith();
    await writeSet(folder, log);
    for (const change of changes) {
      const [part = "", sql = ""] = change.split(": SELECT ");
      await rewrite(folder, part, `SELECT ${sql} FROM t`);
    }
    const { parts, pageSizes, clickPositions, ids } = await describe(folder, "500MB");
    const figures = { parts, pageSizes, clickPositions, ids };
    return JSON.stringify(figures, (_, x) => typeof x === "number" ? Number(x.toPrecision(12)) : x);
  };
  const wrong = {
    "pages: SELECT * REPLACE ({a: items} AS items)":
      "page 1: expected a list of displayed items, got a structure",
    "items: SELECT * EXCLUDE item": "expected the columns item, dense, item is missing",
    "users: SELECT * REPLACE ('x' AS split)": "expected split to be train, validation, test, got x",
  };
  for (const [change, says] of Object.entries(wrong)) await expectRefusal(() => computeMetrics(change), says);
  const figures = await computeMetrics();
  const fine = `
    items: SELECT * EXCLUDE id | users: SELECT * EXCLUDE id | pages: SELECT * EXCLUDE page
    items: SELECT * REPLACE (item * 7 AS id) | pages: SELECT * EXCLUDE context
    items: SELECT * REPLACE ([item] AS id)
      | pages: SELECT * REPLACE (clicked::DOUBLE AS clicked, items::DOUBLE[] AS items)`;
  for (const changes of parseRows(fine)) {
    assert.equal(await computeMetrics(...changes), figures, changes.join());
  }
});

Deno.test("faultOfZstd finds a truncated file, except at a frame border", async () => {
  const noise = crypto.getRandomValues(new Uint8Array(300));
  const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const frames = [
    zstdCompressSync("a".repeat(1000)),
    skippable,
    zstdCompressSync(noise, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    zstdCompressSync(""),
  ];
  const whole = new Uint8Array(await new Blob(frames.map((frame) => new Uint8Array(frame))).arrayBuffer());
  const ends = new Set(
    frames.map((_, k) => frames.slice(0, k + 1).reduce((sum, { length }) => sum + length, 0)),
  );
  const folder = await makeFolderWith();
  const path = `${folder}/x.zst`;
  for (let cut = 0; cut <= whole.length; cut++) {
    await Deno.writeFile(path, whole.slice(0, cut));
    assert.equal(checkZstd(path) === undefined, ends.has(cut), `cut at ${cut} of ${whole.length}`);
  }
  await Deno.writeTextFile(path, "uid,sku\n1,2\n");
  assert.equal(checkZstd(path), "no frame header");
});

Deno.test("faultOfZstd accepts a frame of many blocks, and a block that repeats one byte", async () => {
  const noise = new Uint8Array(400_000).map((_, k) => Math.floor(256 * Math.abs(Math.sin(k * k))));
  const many = new Uint8Array(zstdCompressSync(noise));
  // A frame with one segment of 100 bytes, whose only block repeats "a".
  const block = (100 << 3) | (1 << 1) | 1;
  const repeated = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, block & 255, block >> 8, 0, 97);
  assert.equal(zstdDecompressSync(repeated).toString(), "a".repeat(100));
  for (const frame of [many, repeated]) {
    const folder = await makeFolderWith({
      "x.zst": frame,
      "cut.zst": frame.slice(0, Math.floor(0.9 * frame.length)),
    });
    assert.equal(checkZstd(`${folder}/x.zst`), undefined);
    assert.equal(checkZstd(`${folder}/cut.zst`), "unexpected end of file");
  }
});
