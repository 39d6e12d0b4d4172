import { isUserError } from "../run/folder_check.ts";
import assert from "node:assert/strict";
import { modelsTable, readTestMetrics, referenceTable } from "../../bench/results/models.ts";
import { FolderRuns, type ResultRuns } from "../../bench/results/runs.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

function makeRuns(
  folder: string,
  results: (name: string, seed: number) => unknown,
): ResultRuns & { readonly asked: string[]; readonly names: Set<string> } {
  const asked: string[] = [];
  const names = new Set<string>();
  return {
    asked,
    names,
    folder,
    papers: "papers",
    trained(name, command, args) {
      asked.push(`${command} ${args.join(" ")}`);
      names.add(name);
      const seeds = Number(args[args.indexOf("--seeds") + 1]);
      for (let seed = 1; args.includes("--seeds") && seed <= seeds; seed++) {
        const path = `${folder}/${name}/seed-${seed}`;
        Deno.mkdirSync(path, { recursive: true });
        Deno.writeTextFileSync(`${path}/result.json`, JSON.stringify(results(name, seed)));
      }
      return Promise.resolve(`${folder}/${name}`);
    },
    kept: () => assert.fail("no results but trainings are made"),
  };
}

function makeResult(loss: number, prec1: number) {
  const details = { intervals: { prec1: [0.5, 0.54] } };
  const of = (snapshot: string, nll: number, prec1: number) => ({
    ...{ snapshot, nll, prec1, prec2: snapshot === "best-prec2" ? 0.8 : 0.2, details },
  });
  return {
    test: [of("best-loss", loss, 0.1), of("best-prec1", 9, prec1), of("best-prec2", 9, 0.1)],
    baselines: { clickRate: { nll: 0.988, prec1: 0.627, prec2: 0.8 } },
  };
}

function parseTable(text: string): Record<string, string[]> {
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  return Object.fromEntries(rows.map((row) => {
    const [first = "", ...cells] = row.split("|").slice(1, -1).map((cell) => cell.trim());
    return [first, cells];
  }));
}

Deno.test("results: the table has mean and sd over seeds for models of both data sets", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(
      folder,
      (name, seed) => makeResult(name.startsWith("yelp") ? seed : 1.5, 0.5 + seed / 100),
    );
    const text = await modelsTable.make(runs);
    const rows = parseTable(text);
    assert.deepEqual(rows["click rate"], ["", ".988", ".627", ".988", ".627"]);
    assert.deepEqual(rows["LSTM"], ["", "2.000 +- 1.000", ".520 +- .010", "1.500 +- .000", ".520 +- .010"]);
    assert.match(text, /by about \.020 on yelp/);
    assert.deepEqual([runs.asked.length, runs.names.size], [16, 16]);
    assert.ok(runs.asked.every((asked) => /^train --data (papers\/yelp\.txt|demo) --seeds 3 /.test(asked)));
  }));

Deno.test("results: models are compared with metrics of another implementation", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(folder, (_, seed) => makeResult(seed / 10, 0.5));
    const text = await referenceTable.make(runs);
    const lines = text.split("\n").filter((line) => /^\| (yelp|rsc) /.test(line));
    assert.equal(lines.length, 10);
    assert.equal(
      lines[0],
      "| yelp | LSTM 64-64 | .875 +- .016 | .300 +- .158 | .733 +- .011 | .500 +- .000 | .871 +- .006 | .800 +- .000 |",
    );
  }));

Deno.test("results: a finished training is repeated only for other settings", () =>
  withFolder({}, async (folder) => {
    const data = `${folder}/log.txt`;
    writePaperFile(data, createSmallLog(3, { users: 30, items: 12, width: 4 }));
    const runs = new FolderRuns(`${folder}/runs`, folder);
    const args = [
      ...["--data", data, "--dims", "8", "--lstm-units", "4", "--batch-size", "5", "--no-report"],
      ...["--validate-every", "1", "--iterations"],
    ];
    const path = await runs.trained("small", "train", [...args, "2"]);
    const before = Deno.statSync(`${path}/result.json`).mtime;
    assert.ok((await readTestMetrics(path)).loss > 0);
    const again = new FolderRuns(`${folder}/runs`, folder);
    assert.equal(await again.trained("small", "train", [...args, "2"]), path);
    assert.deepEqual(Deno.statSync(`${path}/result.json`).mtime, before);
    await assert.rejects(runs.trained("small", "train", [...args, "0"]), /Expected train to succeed/);
    assert.ok(!await pathExists(path), "the folder of the earlier settings must be removed");
    await Deno.mkdir(`${folder}/runs/mine`);
    await assert.rejects(runs.trained("mine", "train", [...args, "2"]), isUserError(/mine without/));
    const parallel = new FolderRuns(`${folder}/runs`, folder, undefined, 2);
    const both = ["0", "1"].map((count) => parallel.trained(`parallel-${count}`, "train", [...args, count]));
    await assert.rejects(Promise.all(both), /--iterations/);
    await parallel.waitForAll();
    assert.ok(await pathExists(`${folder}/runs/parallel-1.done.json`), "the parallel one is kept");
  }));
