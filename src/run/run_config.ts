/** config.json of a run: all that is needed to repeat it. */

import * as z from "zod";
import { shops } from "../data/shops.ts";
import { atomicWriteFile } from "../files/atomic_write.ts";
import { exists } from "../files/file_error.ts";
import { coreSchema } from "../files/core_schema.ts";
import { readJson } from "../files/json_file.ts";
import { kernelShapesSchema } from "../gpu/kernel_shapes.ts";
import { modelConfigSchema } from "../model/config.ts";
import { adversarialConfigSchema, trainingConfigSchema } from "../train/config.ts";
import { UserError } from "../user_error.ts";

/** What a run is trained on. */
export type DataConfig =
  | {
    /** A made-up shop. */
    kind: "demo";
    /** Of its items, and of its users unless `usersSeed` is given. */
    seed: number;
    /** Which one of the shops; "demo" where it is not given. */
    shop?: string;
    usersSeed?: number;
  }
  | {
    kind: "paper";
    path: string;
    sha256: string;
    /** Seed of a new split of the users, or null for the file's own. */
    resplit: number | null;
  }
  | {
    kind: "prepared";
    path: string;
    /** Of its files, all together. */
    sha256: string;
    resplit: number | null;
    /** A log of more displayed items than this stays on disk. */
    memoryRows: number;
    /** Whether items are known one by one, where the set says so, or by their features alone. */
    itemIds: boolean;
  };

const file = { path: z.string(), sha256: z.string() };
const dataSchema: z.ZodType<DataConfig> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("demo"),
    seed: z.int(),
    shop: z.enum(shops.map(({ name }) => name)).optional(),
    usersSeed: z.int().optional(),
  }),
  z.strictObject({ kind: z.literal("paper"), ...file, resplit: z.int().nullable() }),
  z.strictObject({
    kind: z.literal("prepared"),
    ...file,
    resplit: z.int().nullable(),
    memoryRows: z.int().min(0),
    itemIds: z.boolean().default(true),
  }),
]);

export const runConfigSchema = z.object({
  clickgan: z.string(),
  /** The arguments as given, for the reader. */
  command: z.array(z.string()),
  data: dataSchema,
  model: coreSchema(modelConfigSchema),
  /** Of the Shannon stage; its seed is the run's. */
  training: coreSchema(trainingConfigSchema),
  /** Whether there is a Shannon stage. */
  pretrain: z.boolean().default(true),
  /** The adversarial stage after it, or alone. */
  adversarial: coreSchema(adversarialConfigSchema).nullable().default(null),
  /** File that the weights start from, or null for drawn ones. */
  init: z.strictObject(file).nullable(),
  adapter: z.object({
    kind: z.enum(["cpu", "gpu"]),
    description: z.string(),
    vendor: z.string(),
    architecture: z.string(),
    runtime: z.string(),
    /** "unknown" where it cannot be found out. */
    driver: z.string(),
  }),
  /** Operating system and processor, e.g. "x86_64-unknown-linux-gnu". */
  system: z.string(),
  /** Which kernels it runs on; the fixed table where there are none. */
  shapes: coreSchema(kernelShapesSchema).optional(),
}).refine(({ pretrain, adversarial }) => pretrain || adversarial, "there is no stage to train");
export type RunConfig = z.infer<typeof runConfigSchema>;

/** @throws UserError when there is no run, or its config is damaged. */
export async function readConfig(path: string): Promise<RunConfig> {
  const config = await readJson(configFile(path), runConfigSchema);
  if (!config) throw new UserError(`Expected a run folder with a config.json, found none at ${path}.`);
  return config;
}

export function hasConfig(path: string): Promise<boolean> {
  return exists(configFile(path));
}

/** @param path the run's folder, or a stage's. */
export async function writeConfig(path: string, config: RunConfig): Promise<void> {
  await atomicWriteFile(configFile(path), JSON.stringify(config, null, 2) + "\n");
}

function configFile(path: string): string {
  return `${path}/config.json`;
}

/** Takes a config back that was just written, of a run in which nothing could be saved. */
export async function removeConfig(path: string): Promise<void> {
  try {
    await Deno.remove(configFile(path));
  } catch {
    // The error that led here is the one to report; --resume begins such a run again.
  }
}
