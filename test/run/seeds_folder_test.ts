/** The folder of `--seeds`: each seed has its own run, and nothing else of the config differs. */

import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { defaultModel } from "../../src/model/config.ts";
import { type RunConfig, runConfigSchema } from "../../src/run/run_config.ts";
import { configOfSeed, folderOfSeed, readSeeds, writeSeeds } from "../../src/run/seeds_folder.ts";
import { defaultTraining } from "../../src/train/config.ts";

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
