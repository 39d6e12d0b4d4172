import assert from "node:assert/strict";
import { expectLightgbm, trainLightgbm, writeFeatures } from "../../bench/trials/lightgbm.ts";
import { TrialRuns } from "../../bench/trials/runs.ts";
import { readTrial } from "../../bench/trials.ts";
import { listUsers, NONE } from "../../src/data/click_log.ts";
import { countScored, MemoryLog } from "../../src/data/log_source.ts";
import { createDataset, openDataset } from "../../src/data/sets/dataset.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { splitArgs, writePaperFile } from "../command_check.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";

Deno.test("trials: a finished training is repeated only for other settings", () =>
  withEmptyFolder(async (folder) => {
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
    await assert.rejects(
      readTrial(path),
      isUserError(/Expected test metrics .*best-loss in .*result\.json/),
    );
    await assert.rejects(runs.trained("small", [...args, "0"]), /Expected train to succeed/);
    assert.ok(!await pathExists(path), "the folder of the earlier settings must be removed");
    await Deno.mkdir(`${folder}/runs/mine`);
    await assert.rejects(runs.trained("mine", [...args, "2"]), isUserError(/found no .*mine\.done\.json/));
    const parallel = new TrialRuns(`${folder}/runs`, folder, undefined, 2);
    const both = ["0", "1"].map((count) => parallel.trained(`parallel-${count}`, [...args, count]));
    await assert.rejects(Promise.all(both), /--iterations/);
    await parallel.waitForAll();
    assert.ok(await pathExists(`${folder}/runs/parallel-1.done.json`), "the parallel one is kept");
  }));

const PYTHON = Deno.env.get("LIGHTGBM_PYTHON") ?? "python3";

Deno.test("LightGBM gets every page, and learns which items are clicked", () =>
  withEmptyFolder(async (folder) => {
    const small = { users: 300, items: 12, width: 0 };
    const log = new MemoryLog(createSmallLog(3, { ...small, given: 0.2, further: 0.3 }));
    await writeFeatures(createDataset(log, { kind: "demo", seed: 1 }), `${folder}/small`);
    const read = (name: string) => new Int32Array(Deno.readFileSync(`${folder}/small/test.${name}`).buffer);
    const pages = [...listUsers(log, "test")].reduce((sum, user) => sum + countScored(log, user), 0);
    assert.equal(read("page").filter((first) => first === 1).length, pages);
    const python = await expectLightgbm(PYTHON).catch((error: Error) => console.log(error.message));
    if (!python) return console.log("LightGBM is not tested: set LIGHTGBM_PYTHON to a Python with LightGBM");
    const { eventRows, rowItem, ...other } = createSmallLog(4, small);
    const eventClick = other.eventClick.map((click, e) => {
      const least = Math.min(...rowItem.subarray(eventRows[e], eventRows[e + 1]));
      return click === NONE ? NONE : rowItem.indexOf(least, eventRows[e]);
    });
    writePaperFile(`${folder}/log.txt`, { ...other, eventRows, rowItem, eventClick });
    const runs = new TrialRuns(`${folder}/runs`, folder, undefined, 1, python);
    const { source } = await openDataset(`${folder}/log.txt`, 1, false);
    const random = FittedBaselines.of(source).test(listUsers(source, "test")).get("random");
    for (const { nll, prec1, paired } of await trainLightgbm(runs, "small", `${folder}/log.txt`)) {
      assert.equal(paired.users, random?.users);
      assert.ok(nll < (random?.details.metrics.nll ?? NaN) - 0.2, `${nll}`);
      assert.ok(prec1 > (random?.details.metrics.prec1 ?? NaN) + 0.2, `${prec1}`);
    }
  }));
