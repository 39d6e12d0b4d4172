/** Which snapshot a run's folder stands for, and what is no run. */

import assert from "node:assert/strict";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { initialWeights } from "../../src/model/initial_weights.ts";
import { modelParameters } from "../../src/model/user_model.ts";
import { openRun } from "../../src/run/open_run.ts";
import { writeSafetensors, writeSnapshot } from "../../src/run/snapshot.ts";
import { UserError } from "../../src/user_error.ts";
import { runCommand } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { scoreCases } from "../score_cases.ts";

const { config: model, log } = scoreCases["LSTM, one-hot"] ?? assert.fail();
const items = itemsShape(log.items);
const specs = modelParameters(items, model);

async function snapshot(path: string, kind: string): Promise<void> {
  await writeSnapshot(path, specs, initialWeights(specs, 1), { model, items, iteration: 7, kind });
}

async function refuses(path: string, says: RegExp): Promise<void> {
  await assert.rejects(openRun(path), (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, says);
    return true;
  });
}

Deno.test("openRun takes a run's best-loss snapshot, or what stands in its place, or the snapshot that is named", () =>
  withFolder({ "seeds.json": "{}" }, async (folder) => {
    await refuses(folder, /^Expected one run, got .*, which holds several: name one of its seeds\.$/);
    await Deno.mkdir(`${folder}/run/adversarial`, { recursive: true });
    const run = `${folder}/run`;
    await refuses(
      run,
      /^Expected a run with snapshots, or a snapshot \(\.safetensors\), got .*, a folder without them/,
    );
    for (const name of ["adversarial/last", "last", "adversarial/best-prec1", "best-loss"]) {
      await snapshot(`${run}/${name}.safetensors`, name.replace(/^.*\//, ""));
      const { path, info, weights } = await openRun(run);
      assert.equal(path, `${run}/${name}.safetensors`);
      assert.equal(info.iteration, 7);
      assert.deepEqual([...weights.keys()].sort(), specs.map((spec) => spec.name).sort());
    }
    assert.equal((await openRun(`${run}/last.safetensors`)).info.kind, "last");
    await refuses(`${folder}/none`, /cannot read .*none: no such file or folder/);
    await writeSafetensors(`${folder}/foreign.safetensors`, new Map(), {});
    await refuses(`${folder}/foreign.safetensors`, /which does not say what model it is/);
  }));

Deno.test("a model's data are those that its run was trained on, unless others are named", () =>
  withFolder({}, async (folder) => {
    await snapshot(`${folder}/best-loss.safetensors`, "best-loss");
    assert.equal((await openRun(folder)).trainedOn, undefined);
    const { code, stderr } = await runCommand("recommend", "--model", folder, "--history", "1");
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: Expected --data: \S+ stands in no run that says what it was trained on\.\n$/,
    );
    const data = { kind: "paper", path: "log.tsv", sha256: "0", resplit: 4 };
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data, shapes: "damaged" }));
    assert.deepEqual((await openRun(folder)).trainedOn, data);
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data: { kind: "new" } }));
    assert.equal((await openRun(folder)).trainedOn, undefined);
    await Deno.writeTextFile(`${folder}/config.json`, "{");
    assert.equal((await openRun(folder)).trainedOn, undefined);
  }));
