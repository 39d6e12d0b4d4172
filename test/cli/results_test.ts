import { isUserError } from "../run/folder_check.ts";
import assert from "node:assert/strict";
import { readTestMetrics, referenceTable } from "../../bench/results/reference.ts";
import { FolderRuns, type ResultRuns } from "../../bench/results/runs.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

/** Returns runs that write results without training. */
function makeRuns(folder: string, results: (seed: number) => unknown): ResultRuns {
  return {
    folder,
    papers: "papers",
    trained(name, args) {
      const seeds = Number(args[args.indexOf("--seeds") + 1]);
      for (let seed = 1; seed <= seeds; seed++) {
        const path = `${folder}/${name}/seed-${seed}`;
        Deno.mkdirSync(path, { recursive: true });
        Deno.writeTextFileSync(`${path}/result.json`, JSON.stringify(results(seed)));
      }
      return Promise.resolve(`${folder}/${name}`);
    },
    kept: () => assert.fail("no results but trainings are made"),
  };
}

function makeResult(loss: number, prec1: number) {
  const of = (snapshot: string, nll: number, prec1: number) => ({
    ...{ snapshot, nll, prec1, prec2: snapshot === "best-prec2" ? 0.8 : 0.2 },
  });
  return { test: [of("best-loss", loss, 0.1), of("best-prec1", 9, prec1), of("best-prec2", 9, 0.1)] };
}

Deno.test("results: each metric is from its own snapshot, as mean and sd over seeds", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(folder, (seed) => makeResult(seed / 10, 0.5));
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
    const path = await runs.trained("small", [...args, "2"]);
    const before = Deno.statSync(`${path}/result.json`).mtime;
    assert.ok((await readTestMetrics(path)).loss > 0);
    const again = new FolderRuns(`${folder}/runs`, folder);
    assert.equal(await again.trained("small", [...args, "2"]), path);
    assert.deepEqual(Deno.statSync(`${path}/result.json`).mtime, before);
    await assert.rejects(runs.trained("small", [...args, "0"]), /Expected train to succeed/);
    assert.ok(!await pathExists(path), "the folder of the earlier settings must be removed");
    await Deno.mkdir(`${folder}/runs/mine`);
    await assert.rejects(
      runs.trained("mine", [...args, "2"]),
      isUserError(/mine\.done\.json beside/),
    );
    const parallel = new FolderRuns(`${folder}/runs`, folder, undefined, 2);
    const both = ["0", "1"].map((count) => parallel.trained(`parallel-${count}`, [...args, count]));
    await assert.rejects(Promise.all(both), /--iterations/);
    await parallel.waitForAll();
    assert.ok(await pathExists(`${folder}/runs/parallel-1.done.json`), "the parallel one is kept");
  }));
