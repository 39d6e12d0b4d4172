/** The folder of a `--seeds` command: `seeds.json`, a run for each seed, and at the end `result.json`. */

import * as z from "zod";
import { atomicWriteFile } from "../files/atomic_write.ts";
import { type RunConfig, runConfigSchema } from "./run_config.ts";
import { readJson } from "../files/json_file.ts";
import type { RunResult } from "./training_run.ts";

const seedsSchema = z.strictObject({
  seeds: z.array(z.int().min(0).max(2 ** 32 - 1)).min(1)
    .refine((seeds) => new Set(seeds).size === seeds.length, "a seed stands there twice"),
  /** Of the first seed; the others differ in nothing else. */
  config: runConfigSchema,
});
export type Seeds = z.infer<typeof seedsSchema>;

export async function writeSeeds(path: string, seeds: Seeds): Promise<void> {
  await atomicWriteFile(`${path}/seeds.json`, JSON.stringify(seeds, null, 2) + "\n");
}

/** Undefined for a folder of another kind. @throws UserError when seeds.json is damaged. */
export function readSeeds(path: string): Promise<Seeds | undefined> {
  return readJson(`${path}/seeds.json`, seedsSchema);
}

export function configOfSeed({ config }: Seeds, seed: number): RunConfig {
  return { ...config, training: { ...config.training, seed } };
}

export function folderOfSeed(path: string, seed: number): string {
  return `${path}/seed-${seed}`;
}

/** The figures of each run; its details are in its own folder. */
export async function writeSeedsResult(path: string, results: readonly RunResult[]): Promise<void> {
  const runs = results.map(({ stage, folder, seed, iteration, test = [], verdict }) => ({
    ...{ stage, folder, seed, iteration },
    test: test.map(({ details: _, against: __, ...figures }) => figures),
    verdict,
  }));
  await atomicWriteFile(`${path}/result.json`, JSON.stringify({ runs }, null, 2) + "\n");
}
