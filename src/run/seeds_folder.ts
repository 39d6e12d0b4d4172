/** Folder of runs with several seeds: `seeds.json`, one run per seed, and at the end `result.json`. */

import * as v from "../schema.ts";
import { type RunConfig, runConfigSchema } from "./run_config.ts";
import { FOLDER_FORMATS } from "../files/folder_formats.ts";
import { readJson, writeJson } from "../files/json_file.ts";
import type { StageRunResult } from "./training_run.ts";

const seedsSchema = v.strictObject({
  format: v.literal(FOLDER_FORMATS.seeds),
  seeds: v.pipe(
    v.pipe(v.array(v.whole(0, 2 ** 32 - 1)), v.minLength(1)),
    v.check((seeds) => new Set(seeds).size === seeds.length, "a seed occurs twice"),
  ),
  /** Config of the run with the first seed. The configs of all other runs differ from it only in the seed. */
  config: runConfigSchema,
});
export type SeedsConfig = Omit<v.InferOutput<typeof seedsSchema>, "format">;

export async function writeSeeds(path: string, seeds: SeedsConfig): Promise<void> {
  await writeJson(`${path}/seeds.json`, { format: FOLDER_FORMATS.seeds, ...seeds });
}

/** Reads seeds.json. Returns undefined if the folder lacks the file. @throws UserError for a damaged file. */
export function readSeeds(path: string): Promise<SeedsConfig | undefined> {
  return readJson(`${path}/seeds.json`, seedsSchema);
}

export function getSeedConfig({ config }: SeedsConfig, seed: number): RunConfig {
  return { ...config, training: { ...config.training, seed } };
}

export function getSeedFolder(path: string, seed: number): string {
  return `${path}/seed-${seed}`;
}

/** Writes the metrics of all seeds' runs to result.json. Details are in the folders of the runs. */
export async function writeSeedsResult(path: string, results: readonly StageRunResult[]): Promise<void> {
  const runs = results.map(({ stage, folder, seed, iteration, test = [], verdict }) => ({
    ...{ stage, folder, seed, iteration },
    test: test.map(({ details: _, against: __, ...metrics }) => metrics),
    verdict,
  }));
  await writeJson(`${path}/result.json`, { runs });
}
