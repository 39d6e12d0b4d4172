import assert from "node:assert/strict";
import { expectLightgbm, trainLightgbm, writeFeatures } from "../../bench/trials/lightgbm.ts";
import { TrialRuns } from "../../bench/trials/runs.ts";
import { listUsers, NONE } from "../../src/data/click_log.ts";
import { countScored, MemoryLog } from "../../src/data/log_source.ts";
import { createDataset, openDataset } from "../../src/data/sets/dataset.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

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
