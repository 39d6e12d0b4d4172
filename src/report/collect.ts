/** Reads the folders that a report is about: runs, seeds of a run, and experiments. */

import { basename, resolve } from "node:path";
import { UserError } from "../user_error.ts";
import { explainFileError } from "../run/files/file_error.ts";
import { readJson } from "../run/files/json_file.ts";
import { folderOfSeed } from "../run/seeds_folder.ts";
import { dataOf, readRun, settingsOf } from "./read_run.ts";
import type { Claim, Model, ReportData, Run } from "./report_data.ts";
import { experimentResultSchema, experimentSchema, seedsSchema } from "./schemas.ts";

/**
 * @param folders runs, seeds folders or experiments; each is a model to compare, an experiment is several
 * @throws UserError for a folder that is missing, is none of these, holds no row yet, or is damaged
 */
export async function collect(folders: readonly string[]): Promise<ReportData> {
  const models: Model[] = [];
  const claims: Claim[] = [];
  const notes: string[] = [];
  // The same folder twice would be compared with itself.
  const paths = folders.map((folder) => resolve(folder));
  const distinct = folders.filter((_, index) => paths.indexOf(paths[index] ?? "") === index);
  for (const folder of distinct) {
    await checkFolder(folder);
    const experiment = await readExperiment(folder);
    if (!experiment) {
      models.push(await requireModel(folder, basename(resolve(folder))));
      continue;
    }
    models.push(...experiment.models);
    claims.push(...experiment.claims);
    notes.push(...experiment.notes);
  }
  const title = distinct.map((folder) => basename(resolve(folder))).join(", ");
  return { title, models: withUniqueNames(models), claims, notes };
}

async function checkFolder(folder: string): Promise<void> {
  try {
    if ((await Deno.stat(folder)).isDirectory) return;
  } catch (error) {
    throw explainFileError(error, "read the folder", folder);
  }
  throw new UserError(
    `Expected the folder of a run, but ${folder} is a file. Name the folder that it is in.`,
  );
}

async function requireModel(folder: string, name: string): Promise<Model> {
  const found = await readModel(folder, name);
  if (found === "none") {
    throw new UserError(
      `Expected ${folder} to be the folder of a run (with a config.json), of seeds (seeds.json) or of an ` +
        "experiment (experiment.json), found none of these files. Name a folder that train wrote.",
    );
  }
  if (found === "empty") {
    throw new UserError(
      `Expected rows in the train.csv or validation.csv of ${folder}, found none yet. ` +
        "Try again when the run has made some iterations.",
    );
  }
  return found;
}

/** "none" where there is no run, "empty" where none has a row yet. */
async function readModel(folder: string, name: string): Promise<Model | "none" | "empty"> {
  const seeds = await readJson(`${folder}/seeds.json`, seedsSchema);
  if (!seeds) {
    const found = await readRun(folder);
    if (!found) return "none";
    const { run, config } = found;
    if (!run) return "empty";
    return { name, folder, data: dataOf(config), runs: [run], missingSeeds: [], ...settingsOf(config) };
  }
  const runs: Run[] = [];
  const missingSeeds: number[] = [];
  for (const seed of [...seeds.seeds].sort((a, b) => a - b)) {
    const found = await readRun(folderOfSeed(folder, seed));
    if (found?.run) runs.push(found.run);
    else missingSeeds.push(seed);
  }
  if (runs.length === 0) return "empty";
  return { name, folder, data: dataOf(seeds.config), runs, missingSeeds, ...settingsOf(seeds.config) };
}

/** Undefined for a folder of another kind. Models that have not begun are noted. */
async function readExperiment(folder: string): Promise<Omit<ReportData, "title"> | undefined> {
  const experiment = await readJson(`${folder}/experiment.json`, experimentSchema);
  if (!experiment) return undefined;
  const result = await readJson(`${folder}/result.json`, experimentResultSchema);
  const models: Model[] = [];
  const notes: string[] = [];
  for (const { name, folder: inner } of experiment.models) {
    const found = await readModel(`${folder}/${inner}`, name);
    if (typeof found === "string") notes.push(`${name}: not begun`);
    else models.push(found);
  }
  if (models.length === 0) {
    throw new UserError(
      `Expected a model of the experiment in ${folder} to have begun, found none with a row. ` +
        "Try again when it has made some iterations.",
    );
  }
  return { models, claims: result?.claims ?? [], notes };
}

/** Models of one name are told apart by their folders. */
function withUniqueNames(models: readonly Model[]): Model[] {
  const count = (name: string) => models.filter((model) => model.name === name).length;
  return models.map((model) =>
    count(model.name) > 1 ? { ...model, name: `${model.name} (${model.folder})` } : model
  );
}
