/** Folders of runs: which snapshot one stands for, what is none; and that of --seeds, whose seeds have runs of their own. */

import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { initialWeights } from "../../src/model/initial_weights.ts";
import { modelParameters } from "../../src/model/user_model.ts";
import { openRun } from "../../src/run/open_run.ts";
import { writeSafetensors, writeSnapshot } from "../../src/run/snapshot.ts";
import { UserError } from "../../src/user_error.ts";
import { runCommand } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";
import { scoreCases } from "../score_cases.ts";
import { defaultModel } from "../../src/model/config.ts";
import { type RunConfig, runConfigSchema } from "../../src/run/run_config.ts";
import { configOfSeed, folderOfSeed, readSeeds, writeSeeds } from "../../src/run/seeds_folder.ts";
import { defaultTraining } from "../../src/train/config.ts";

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

const config: RunConfig = v.parse(runConfigSchema, {
  clickgan: "0.1.0",
  command: [],
  data: { kind: "demo", seed: 7 },
  model: defaultModel,
  training: { ...defaultTraining, seed: 7 },
  init: null,
  adapter: { kind: "cpu", description: "", vendor: "", architecture: "", runtime: "", driver: "" },
  system: "",
});

Deno.test("--seeds: every seed trains with itself, in a folder of its own", () => {
  const seeds = { seeds: [7, 8, 4294967295], config };
  for (const seed of seeds.seeds) {
    const own = configOfSeed(seeds, seed);
    assert.equal(own.training.seed, seed);
    // The data are those of the first seed: seeds compare trainings, not splits.
    assert.deepEqual({ ...own, training: { ...own.training, seed: 7 } }, config);
  }
  assert.equal(config.training.seed, 7);
  assert.deepEqual(seeds.seeds.map((seed) => folderOfSeed("runs/a", seed)), [
    "runs/a/seed-7",
    "runs/a/seed-8",
    "runs/a/seed-4294967295",
  ]);
});

Deno.test("seeds.json: read as it was written; a seed that stands there twice is refused", async () => {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-" });
  try {
    assert.equal(await readSeeds(folder), undefined);
    await writeSeeds(folder, { seeds: [3, 1, 2], config });
    assert.deepEqual(await readSeeds(folder), { seeds: [3, 1, 2], config });
    await writeSeeds(folder, { seeds: [3, 1, 3], config });
    await assert.rejects(readSeeds(folder), /a seed stands there twice/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
