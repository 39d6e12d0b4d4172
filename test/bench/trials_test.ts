import { isUserError } from "../run/folder_check.ts";
import assert from "node:assert/strict";
import { TrialRuns } from "../../bench/trials/runs.ts";
import { readTrial } from "../../bench/trials/table.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { splitArgs, writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

Deno.test("trials: a finished training is repeated only for other settings", () =>
  withFolder({}, async (folder) => {
    const data = `${folder}/log.txt`;
    writePaperFile(data, createSmallLog(3, { users: 30, items: 12, width: 4 }));
    const runs = new TrialRuns(`${folder}/runs`, folder);
    const args = splitArgs(
      `--data ${data} --dims 8 --lstm-units 4 --batch-size 5 --no-report --counts none`,
      "--validate-every 1 --iterations",
    );
    const path = await runs.trained("small", [...args, "2"]);
    const before = Deno.statSync(`${path}/result.json`).mtime;
    const again = new TrialRuns(`${folder}/runs`, folder);
    assert.equal(await again.trained("small", [...args, "2"]), path);
    assert.deepEqual(Deno.statSync(`${path}/result.json`).mtime, before);
    assert.ok((await readTrial(path)).nll > 0);
    const { test: _, ...untested } = JSON.parse(await Deno.readTextFile(`${path}/result.json`));
    await Deno.writeTextFile(`${path}/result.json`, JSON.stringify(untested));
    await assert.rejects(readTrial(path), isUserError(/Expected test metrics of best-loss .*result\.json/));
    await assert.rejects(runs.trained("small", [...args, "0"]), /Expected train to succeed/);
    assert.ok(!await pathExists(path), "the folder of the earlier settings must be removed");
    await Deno.mkdir(`${folder}/runs/mine`);
    await assert.rejects(
      runs.trained("mine", [...args, "2"]),
      isUserError(/mine\.done\.json beside/),
    );
    const parallel = new TrialRuns(`${folder}/runs`, folder, undefined, 2);
    const both = ["0", "1"].map((count) => parallel.trained(`parallel-${count}`, [...args, count]));
    await assert.rejects(Promise.all(both), /--iterations/);
    await parallel.waitForAll();
    assert.ok(await pathExists(`${folder}/runs/parallel-1.done.json`), "the parallel one is kept");
  }));
