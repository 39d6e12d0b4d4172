import assert from "node:assert/strict";
import { parseManifest } from "../../src/data/manifest.ts";
import { formatLiteral } from "../../src/data/prepare/sql_engine.ts";
import { buildLab } from "../../src/lab/build.ts";
import type { PageData } from "../../src/lab/draw/kernel_panel.ts";
import { guessColumns, sampleLog, selectLog, suggestCommand } from "../../src/data/guess_columns.ts";
import { checkFiles, readFiles } from "../../src/lab/client/reader.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { getKernelTableKey } from "../../src/serve/bundle/kernel_table.ts";
import { findChromium } from "../chromium.ts";
import { runScript, writePaperFile } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { logFiles, makeLogRecipe, makeShopLog } from "../data/synthetic_logs.ts";
import { writeSet } from "../foreign_set.ts";
import { getSharedEngine, prepareIn, withFolder } from "../prepared_folder.ts";

const page = await buildLab();

/** Bytes of the page's and the worker's scripts together, before compression. */
const MOST_BYTES = 430_000;
const toBytes = (text = "") => new TextEncoder().encode(text).length;

Deno.test("the scripts do not exceed their size limits, use no Deno or Node.js, and need no other file", () => {
  const { scripts, html } = page;
  const script = toBytes(scripts.page.text + scripts.worker.text);
  assert.ok(script <= MOST_BYTES, `${script} bytes of script, expected at most ${MOST_BYTES}`);
  for (const { text, inputs } of Object.values(scripts)) {
    assert.doesNotMatch(text, /\bDeno\.|["']node:/);
    const hosts = [...inputs.keys()].filter((path) =>
      /^src\/(run\/files|gpu\/host|data\/sets|data\/prepare|cli)\//.test(path)
    );
    assert.deepEqual(hosts, []);
  }
  assert.doesNotMatch(html, /<(script|link|img)[^>]* (src|href)="(?!data:)/);
});

Deno.test("kernels are embedded once, as data: the unchanged files that the worker uses", () => {
  const [, data = ""] = /<script type="application\/json" id="lab-data">(.*)<\/script>/.exec(page.html) ?? [];
  const { texts: { files: kernels } }: PageData = JSON.parse(data);
  const { worker, kernels: checks } = page.scripts;
  const used = [...new Set([worker, checks].flatMap(({ inputs }) => [...inputs.keys()]))].filter((path) =>
    path.endsWith(".wgsl")
  );
  assert.ok(used.length > 100, `${used.length} kernels`);
  for (const path of used) {
    assert.equal(
      kernels[getKernelTableKey(path)],
      Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url)),
    );
  }
  assert.equal(Object.keys(kernels).length, used.length);
  // Only the page's script has a kernel's entry point: the scratchpad's example.
  const entries = (text = "") =>
    [...text.matchAll(/@compute @workgroup_size\([^)]*\)(\s|\\n)*fn \w/g)].length;
  for (const [name, { text }] of Object.entries(page.scripts)) {
    assert.equal(entries(text), name === "page" ? 1 : 0, name);
  }
  assert.equal(entries(page.html), used.length + 2, "and the course has an example");
});

Deno.test("the reader script decompresses other programs' files without WebAssembly, or names unknown formats", async () => {
  const { text } = page.scripts.reader;
  assert.doesNotMatch(text, /WebAssembly/); // forbidden by the page's content security policy
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const reader: typeof import("../../src/lab/client/reader.ts") = await import(url);
  const log = createSmallLog(33, { users: 40, items: 20, width: 2, tokens: 5 });
  const paths = [
    "manifest.json",
    "users.parquet",
    "items.parquet",
    "pages/part-00000.parquet",
    "pages/part-00001.parquet",
  ];
  await withFolder({}, async (folder) => {
    await writeSet(folder, log, { files: 2 });
    const engine = await getSharedEngine();
    for (const codec of ["snappy", "gzip", "zstd", "lz4_raw", "brotli"]) {
      const last = formatLiteral(`${folder}/${paths.at(-1)}`);
      await engine.run(`CREATE OR REPLACE TABLE t AS FROM ${last}`);
      await engine.run(`COPY t TO ${last} (FORMAT parquet, COMPRESSION ${codec})`);
      const files = paths.map((path) => ({
        path,
        file: new File([Deno.readFileSync(`${folder}/${path}`)], path),
      }));
      const read = reader.readFiles(files, { report() {}, parseManifest });
      if (codec !== "brotli") {
        assert.deepEqual({ ...(await read).log, name: log.name }, log);
        continue;
      }
      await assert.rejects(
        read,
        /pages\/part-00001\.parquet: expected a supported compression \(.*ZSTD.*\), got BROTLI\. Write/,
      );
    }
  });
  URL.revokeObjectURL(url);
});

const files = (texts: Record<string, BlobPart>) =>
  Object.entries(texts).map(([path, bytes]) => ({ path, file: new File([bytes], path) }));

Deno.test("files without data are refused at once", async () => {
  const refused = (texts: Record<string, BlobPart>, why: RegExp) =>
    assert.rejects(checkFiles(files(texts)), why);
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d);
  for (const name of ["shop.png", "log.csv", "log"]) {
    await refused({ [name]: png }, new RegExp(`^UserError: ${name}: expected text, got binary data`));
  }
  for (const name of ["log.csv", "manifest.json", "own.tsv"]) {
    await refused({ [name]: "" }, /got an empty file/);
  }
  await refused({ "a.csv": "x", "b.csv": "y" }, /or all files of a prepared data set, got a\.csv, b\.csv\.$/);
  await refused({}, /got nothing/);
  const both = files({ "a.csv": "x", "b.csv": "y" });
  await assert.rejects(readFiles(both, { report() {}, parseManifest }), /got a\.csv, b\.csv/);
});

Deno.test("data sets are accepted; other logs get a command with their columns", async () => {
  const looked = (name: string, text: string) => checkFiles(files({ [name]: text }));
  assert.equal(
    await looked("a.tsv", "session_new_index\tTime\titem_new_index\tis_click\ttr_val_tst\n"),
    undefined,
  );
  assert.equal(await looked("manifest.json", "{}"), undefined);
  assert.equal(await looked("pages.parquet", "PAR1"), undefined);
  assert.equal(
    await looked("my log.csv", '\ufeff"uid";ts;sku;label;request;pos\n1;2;3;0;5;6\n'),
    "deno task -q data log --source 'my log.csv' --user uid --time ts --item sku --clicked label --page request " +
      "--position pos --out runs/data/mine",
  );
  assert.equal(
    await looked("log.jsonl", '{"user":{"id":1},"at":2,"shown":{"sku":"a","x7":1}}\n'),
    "deno task -q data log --query log.sql --out runs/data/mine # with a SELECT as in data/recipes/nested_names.sql",
  );
  assert.match(await looked("log.csv.gz", "?") ?? "", /--source log\.csv\.gz --user COLUMN --time COLUMN/);
  assert.match(suggestCommand("it's.csv", "a,b"), /--source 'it'\\''s\.csv'/);
});

Deno.test("columns are guessed by name, each once", () => {
  const guessed = (header: string) => guessColumns(header.split(","));
  assert.deepEqual(guessed("userId,itemId,Timestamp,is_click,impression_id,Rank"), {
    ...{ user: "userId", time: "Timestamp", item: "itemId", clicked: "is_click" },
    ...{ page: "impression_id", position: "Rank" },
  });
  assert.deepEqual(guessed("search_id,a"), { page: "search_id" });
  assert.deepEqual(guessed("a,b,clicked_item_id"), { item: "clicked_item_id" });
  assert.deepEqual(guessed("pageview,reader"), { user: "reader", page: "pageview" });
  assert.deepEqual(guessed("view_id,a"), { page: "view_id" });
});

Deno.test("columns with unusual names are guessed by their values", () => {
  const page = (k: number) =>
    [0, 1, 2].map((j) => `r${k % 3};${1 + k % 2},5;2025-03-01T06:0${k}:00+01:00;"b;${3 * k + j}";${j % 2}`);
  const lines = ["Leser;Lesezeit;Zeitpunkt;Beitrag;Geklickt", ...[0, 1, 2, 3].flatMap(page), ""];
  const { names, rows } = sampleLog(lines.join("\n"));
  assert.equal(rows[3]?.[3], "b;3");
  const columns = { user: "Leser", time: "Zeitpunkt", item: "Beitrag", clicked: "Geklickt" };
  assert.deepEqual(guessColumns(names, rows), columns);
  assert.deepEqual(guessColumns(names, rows, { user: "Lesezeit" }), { ...columns, user: "Lesezeit" });
  assert.deepEqual(guessColumns(names), {}, "the names alone do not suffice");
  const sample = sampleLog(lines.join("\n"));
  assert.match(selectLog("log.csv", sample, columns) ?? "", /"Geklickt" AS "clicked"\nFROM .*delim = ';'/);
  assert.equal(selectLog("log.csv", { ...sample, separator: "," }, columns), undefined);
  const words = {
    ...sample,
    separator: ",",
    rows: rows.map((row) => row.with(4, row[4] === "1" ? "ja" : "nein")),
  };
  assert.deepEqual(guessColumns(names, words.rows), columns);
  assert.match(selectLog("log.csv", words, columns) ?? "", /"Geklickt" = 'ja' AS "clicked"/);
  const byPage = {
    names: ["Seite", ...names],
    rows: rows.map((row, k) => [`s${Math.floor(k / 3)}`, ...row]),
  };
  assert.equal(guessColumns(byPage.names, byPage.rows).user, "Leser", "a user has several pages");
  const twice = rows.map((row) => row.with(3, "b"));
  assert.equal(guessColumns(names, twice).item, undefined, "a page has different items");
});

const chromium = await findChromium();
if (typeof chromium !== "string") console.warn(`The lab is not tested in a browser: ${chromium.missing}`);

Deno.test({
  name:
    "the lab in a browser: trains as Deno does, reads logs and snapshots, shows pages, survives a device loss",
  ignore: typeof chromium !== "string",
  fn: async () => {
    const made = logFiles(makeShopLog(1, { users: 90, items: 30 }));
    await withFolder({ ...made, "index.html": page.html }, async (folder) => {
      writePaperFile(`${folder}/own.tsv`, createSmallLog(31, { users: 90, items: 30, width: 0 }));
      await prepareIn(folder, makeLogRecipe(folder, { features: undefined }), { out: `${folder}/set` });
      await prepareIn(folder, makeLogRecipe(folder), { out: `${folder}/set-items` });
      // The browser's driver needs all permissions, because it reads many system paths.
      const script = new URL("./lab_page_check.ts", import.meta.url);
      const { code, stdout, stderr } = await runScript(script, ["--allow-all"], [String(chromium), folder]);
      assert.equal(code, 0, stdout + stderr);
      const saved = [
        { name: "best-loss", data: `${folder}/own.tsv`, row: "best-loss" },
        { name: "adversarial-last", data: "demo", row: "last, pi" },
      ];
      const evaluate = new CommandSeries("evaluate");
      for (const { name, data, row } of saved) {
        const model = `${folder}/${name}.safetensors`;
        const evaluated = await evaluate.ok(["--model", model, "--data", data]);
        assert.ok(evaluated.stdout.includes(row), evaluated.stdout);
      }
    });
  },
});
