/** Benches that take minutes or hours, on very small data: they end well, and write their table between the lines of a page. */

import assert from "node:assert/strict";
import { kinds } from "../../bench/logs/make.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { runBench } from "./run_bench.ts";

/** @returns the rows of the table that a study writes, as cells. */
async function written(
  folder: string,
  markers: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
) {
  const page = `${folder}/page.md`;
  await Deno.writeTextFile(page, `<!-- ${markers} -->\n<!-- end of ${markers} -->\n`);
  const { code, stderr } = await runBench([...args, "--readme", page], { cwd: folder, env });
  assert.equal(code, 0, stderr);
  const rows = (await Deno.readTextFile(page)).split("\n").filter((line) => line.startsWith("| "));
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("bench stability plays a setting and writes its row", () =>
  withFolder({}, async (folder) => {
    const size = { users: 160, items: 30, width: 0, maxEvents: 3, maxPage: 4 };
    writePaperFile(`${folder}/small.tsv`, smallLog(31, size));
    const short = ["--pretrain", "20", "--iterations", "1000", "--batch-size", "2", "--only", "^defaults$"];
    const args = ["stability", "--data", "small.tsv", ...short];
    const rows = await written(folder, "stability small", args);
    const [name, ...figures] = rows.at(-1) ?? [];
    assert.equal(name, "defaults");
    assert.ok(
      figures.length >= 10 && figures.every((figure) => figure !== "" && Number.isFinite(Number(figure))),
    );
  }));

Deno.test("bench data writes files in Retailrocket's layout, prepares them and trains on them", () =>
  withFolder({}, async (folder) => {
    const scale = ["data", "--scales", "0.0005", "--iterations", "2"];
    const PATH = `${folder}/bin`; // what a machine with little more than Node.js has: no ps
    await Deno.mkdir(PATH);
    await Deno.symlink("/bin/cat", `${PATH}/cat`);
    const bare: Record<string, string> = Deno.build.os === "linux" ? { PATH } : {};
    const rows = await written(folder, "bench data sampled", scale, bare);
    const [share, sourceRows, pages, , , , , mebibytes] = rows.at(-1) ?? [];
    assert.ok(Number(mebibytes) > 50, mebibytes);
    assert.equal(share, "0.0005");
    assert.match(sourceRows ?? "", /^1\d,\d{3}$/);
    assert.match(pages ?? "", /^1,\d{3}$/);
  }));

Deno.test("bench logs: each made-up log is prepared whole, and nobody predicts it better than who knows its truth", () =>
  withFolder({}, async (folder) => {
    const { code, stderr } = await runBench(["logs", "made", "--users", "100"], { cwd: folder });
    assert.equal(code, 0, stderr);
    const json = async (path: string) => JSON.parse(await Deno.readTextFile(`${folder}/made/${path}`));
    for (const { name, goesOn, columns } of kinds) {
      const { counts, test: { truth, history, noClick } } = await json(`${name}.json`);
      const { counts: prepared, features, places } = await json(`${name}/manifest.json`);
      const { train, validation, test } = prepared.users;
      assert.deepEqual([train + validation + test, prepared.clicks], [100, counts.clicks], name);
      if (goesOn === 0) assert.equal(prepared.pages, counts.pages, name);
      else assert.ok(truth.drawnLaterLoss > 0 && truth.drawnAnyPrec1 >= truth.drawnPrec1, name);
      assert.equal(places, "shown");
      const fields = [...features.dense, ...features.tokens].map((field: { name: string }) => field.name);
      for (const column of columns) assert.ok(fields.includes(column), `${name}: ${fields}`);
      // By Gibbs' inequality, and as no ranking has more of the chance at its top than that of the chances.
      assert.ok(truth.loss <= history.loss + 1e-9 && truth.prec1 >= history.prec1 - 1e-9, name);
      assert.ok(noClick > 0.05 && noClick < 0.6, `${name}: ${noClick}`);
    }
  }));
