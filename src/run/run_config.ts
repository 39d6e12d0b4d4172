/**
 * config.json of a run: everything that is needed to repeat the run. Runs that differ only in their seed are
 * subfolders of one folder. This folder has a file seeds.json with their common config.
 */

import * as v from "../schema.ts";
import { dataConfigSchema } from "../data/sets/dataset.ts";
import { pathExists } from "../files/local_file.ts";
import { FOLDER_FORMATS, readJson, writeJson } from "../files/json_file.ts";
import { kernelVariantsSchema } from "../gpu/kernel_variants.ts";
import { stagesConfigSchema } from "../train/training_config.ts";
import { UserError } from "../user_error.ts";

export const runConfigSchema = v.pipe(
  v.object({
    format: v.literal(FOLDER_FORMATS.run),
    clickgan: v.string(),
    /** Command-line arguments, for information only. */
    command: v.array(v.string()),
    data: dataConfigSchema,
    ...stagesConfigSchema.entries,
    /** File of the initial weights; null if the initial weights are random. */
    init: v.nullable(v.strictObject({ path: v.string(), sha256: v.string() })),
    adapter: v.object({
      kind: v.picklist(["cpu", "gpu"]),
      description: v.string(),
      vendor: v.string(),
      architecture: v.string(),
      runtime: v.string(),
      /** Version of the graphics driver; "unknown" if it cannot be determined. */
      driver: v.string(),
    }),
    /** Operating system and processor, such as "x86_64-unknown-linux-gnu". */
    system: v.string(),
    /** Kernel variants of the run; absent if the run uses the standard variants. */
    variants: v.optional(kernelVariantsSchema),
    /** Number of ranks (MPI processes), and number of training steps between synchronisations of weights. */
    ranks: v.optional(v.strictObject({ size: v.wholeNumber(), syncEvery: v.wholeNumber() })),
  }),
  v.check(({ pretrain, adversarial }) => pretrain || adversarial !== null, "there is no stage to train"),
);
export type RunConfig = v.InferOutput<typeof runConfigSchema>;

/** Reads config.json. @throws UserError if the folder has no run, or if the run's config is damaged. */
export async function readConfig(path: string): Promise<RunConfig> {
  const config = await readJson(configFile(path), runConfigSchema);
  if (!config) throw new UserError(`Expected a run folder with a config.json, found none at ${path}.`);
  return config;
}

export function hasConfig(path: string): Promise<boolean> {
  return pathExists(configFile(path));
}

/** Writes config.json. @param path - folder of the run or of a stage. */
export async function writeConfig(path: string, config: RunConfig): Promise<void> {
  await writeJson(configFile(path), config);
}

function configFile(path: string): string {
  return `${path}/config.json`;
}

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

/** Reads seeds.json. Returns undefined without seeds.json. @throws UserError if it is damaged. */
export function readSeeds(path: string): Promise<SeedsConfig | undefined> {
  return readJson(`${path}/seeds.json`, seedsSchema);
}

export function getSeedConfig({ config }: SeedsConfig, seed: number): RunConfig {
  return { ...config, training: { ...config.training, seed } };
}

export function getSeedFolder(path: string, seed: number): string {
  return `${path}/seed-${seed}`;
}
