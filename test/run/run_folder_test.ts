import assert from "node:assert/strict";
import { listFiles, runCommand, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { drawInitialWeights } from "../../src/model/initial_weights.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { openRun } from "../../src/run/open_run.ts";
import { writeSafetensors, writeSnapshot } from "../../src/run/snapshot_file.ts";
import { withFolder } from "../prepared_folder.ts";
import { readTree } from "../bad_inputs/files.ts";
import { scoreCases } from "../score_cases.ts";
import { readSeeds, writeSeeds } from "../../src/run/run_config.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { isUserError, makeRunConfig, withEmptyFolder } from "./folder_check.ts";

const SMALL = "--batch-size 12 --dims 8 --lstm-units 4 --iterations 20 --no-report";

const train = new CommandSeries("train");

async function expectUnchanged(folder: string, line: string, says: RegExp): Promise<void> {
  const before = await readTree(folder);
  await train.refused(line, says);
  assert.deepEqual(await readTree(folder), before, `${line} changed something`);
}

Deno.test("a foreign folder is refused and unchanged, for any names of its files", () =>
  withSmallLog(async (folder, data) => {
    const own = [
      "train.csv",
      "validation.csv",
      "config.json.1a2b3c4d.tmp",
      "last.safetensors",
      "adversarial/train.csv",
    ];
    for (const name of own) {
      const run = `${folder}/run`;
      Deno.mkdirSync(`${run}/${name.includes("/") ? "adversarial" : ""}`, { recursive: true });
      Deno.writeTextFileSync(`${run}/${name}`, "the user's own");
      await expectUnchanged(
        folder,
        `--data ${data} --save-dir ${run} ${SMALL}`,
        /Expected a new or empty folder for the run, but .*run holds /,
      );
      await expectUnchanged(folder, `--resume ${run}`, /Expected a run folder/);
      Deno.removeSync(run, { recursive: true });
    }
  }));

Deno.test("a refused --resume changes nothing, in a run, an adversarial stage, or a seed", () =>
  withSmallLog(async (folder, data) => {
    const refused = (line: string, says: RegExp) => expectUnchanged(folder, line, says);
    const [run, seeds] = [`${folder}/run`, `${folder}/seeds`];
    const game =
      "--adversarial 10 --adversarial-validate-every 5 --adversarial-batch-size 12 --behaviour-dims 8";
    await train.ok(`--data ${data} --save-dir ${run} ${SMALL} ${game}`);
    await refused(`--resume ${run} --adversarial 5`, /Expected --adversarial of at least 10/);
    await refused(`--resume ${run} --iterations 40`, /because the adversarial stage has begun/);
    Deno.removeSync(`${run}/adversarial/last.safetensors`);
    await refused(`--resume ${run} --adversarial 20`, /adversarial\/last\.safetensors.* found none/);
    await train.ok(`--data ${data} --save-dir ${seeds} ${SMALL} --seeds 2`);
    await refused(`--resume ${seeds} --iterations 10`, /Expected --iterations of at least 20/);
    Deno.removeSync(`${seeds}/seed-2/best-prec1.safetensors`);
    await refused(`--resume ${seeds} --iterations 30`, /seed-2\/best-prec1.* is missing/);
    Deno.removeSync(`${seeds}/seed-2/last.safetensors`);
    await refused(`--resume ${seeds} --iterations 30`, /seed-2\/last\.safetensors.* found none/);
    Deno.writeTextFileSync(data, Deno.readTextFileSync(data).replace("\t1\t0\n", "\t0\t0\n"));
    await refused(`--resume ${run} --adversarial 30`, /found none|has changed since/);
    assert.deepEqual(listFiles(folder), ["run", "seeds", "small.tsv"]);
  }));

const { config: model, log } = scoreCases["LSTM, one-hot"] ?? assert.fail();
const items = getItemsShape(log.items);
const specs = listModelParameters(items, model);

async function snapshot(path: string, kind: string): Promise<void> {
  await writeSnapshot(path, specs, drawInitialWeights(specs, 1), { model, items, iteration: 7, kind });
}

async function refuses(path: string, says: RegExp): Promise<void> {
  await assert.rejects(openRun(path), isUserError(says));
}

Deno.test("openRun takes a run's best-loss snapshot, its replacement, or the named one", () =>
  withFolder({ "seeds.json": "{}" }, async (folder) => {
    await refuses(folder, /^Expected one run, got several in .*\. Name the folder of one seed\.$/);
    await Deno.mkdir(`${folder}/run/adversarial`, { recursive: true });
    const run = `${folder}/run`;
    await refuses(
      run,
      /^Expected a run with snapshots, or a snapshot \(\.safetensors\), got .*, a folder without snapshots/,
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
    await refuses(`${folder}/foreign.safetensors`, /which has no model config/);
  }));

Deno.test("a model uses the data of its run, unless other data are named", () =>
  withFolder({}, async (folder) => {
    await snapshot(`${folder}/best-loss.safetensors`, "best-loss");
    assert.equal((await openRun(folder)).trainedOn, undefined);
    const { code, stderr } = await runCommand("recommend", "--model", folder, "--history", "1");
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: Expected --data, because no config\.json next to \S+ names the training data\. Add --data\.\n$/,
    );
    const data = { kind: "paper", path: "log.tsv", sha256: "0", resplit: 4 };
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data, variants: "damaged" }));
    assert.deepEqual((await openRun(folder)).trainedOn, data);
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ data: { kind: "new" } }));
    assert.equal((await openRun(folder)).trainedOn, undefined);
    await Deno.writeTextFile(`${folder}/config.json`, "{");
    assert.equal((await openRun(folder)).trainedOn, undefined);
  }));

const config = makeRunConfig({ training: { ...defaultTraining, seed: 7 } });

Deno.test("seeds.json is read back unchanged; a repeated seed is refused", () =>
  withEmptyFolder(async (folder) => {
    assert.equal(await readSeeds(folder), undefined);
    await writeSeeds(folder, { seeds: [3, 1, 2], config });
    assert.deepEqual(await readSeeds(folder), { format: "clickgan-seeds", seeds: [3, 1, 2], config });
    await writeSeeds(folder, { seeds: [3, 1, 3], config });
    await assert.rejects(readSeeds(folder), /a seed occurs twice/);
  }));
