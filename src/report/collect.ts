/** Reads the folders of a report: finished and unfinished runs, runs with several seeds, and experiments. */

import { basename, resolve } from "node:path";
import type { Claim } from "../metrics/baseline_verdict.ts";
import { UserError } from "../user_error.ts";
import { explainFileError, readText } from "../files/local_file.ts";
import { readJson } from "../files/json_file.ts";
import { getSeedFolder, hasConfig, readConfig, readSeeds, type RunConfig } from "../run/run_config.ts";
import { readSavedStage } from "../run/run_state.ts";
import { stages as trainedStages, type TrainingStage as TrainedStage } from "../run/stages.ts";
import type {
  BaselineMetrics,
  ReportData,
  ReportModel,
  ReportRun,
  ReportStage,
  RunLog,
  Settings,
  StageResult,
  StoredResult,
} from "./report_data.ts";
import { experimentResultSchema, experimentSchema, resultSchema } from "./report_data.ts";
import { shownBaselines } from "../run/tested_users.ts";

/**
 * Reads the models of a report.
 * @param folders - folders of runs, of `train --seeds`, or of experiments, which have several models
 * @throws UserError if a folder is missing, damaged or of another kind, or if the logs have no row yet
 */
export async function collect(folders: readonly string[]): Promise<ReportData> {
  const models: ReportModel[] = [];
  const claims: Claim[] = [];
  const notes: string[] = [];
  // Each folder is read once, even if the user names it twice.
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
    `Expected the folder of a run, got the file ${folder}. Use the folder that has this file.`,
  );
}

async function requireModel(folder: string, name: string): Promise<ReportModel> {
  const found = await readModel(folder, name);
  if (found === "none") {
    throw new UserError(
      `Expected config.json (a run), seeds.json (one run per seed) or experiment.json in ${folder}, found ` +
        "none of these files. Name an output folder of deno task train or reproduce.",
    );
  }
  if (found === "empty") {
    throw new UserError(
      `Expected rows in the train.csv or validation.csv of ${folder}, found none yet. ` +
        "Try again after some iterations.",
    );
  }
  return found;
}

/** Reads a folder's model. Returns "none" if the folder has no run, and "empty" if its logs have no row. */
async function readModel(folder: string, name: string): Promise<ReportModel | "none" | "empty"> {
  const seeds = await readSeeds(folder);
  const numbers = seeds?.seeds.toSorted((a, b) => a - b) ?? [];
  const found = await Promise.all(
    (seeds ? numbers.map((seed) => getSeedFolder(folder, seed)) : [folder]).map(readRun),
  );
  const config = seeds?.config ?? found[0]?.config;
  if (!config) return "none";
  const runs = found.flatMap((one) => one?.run ?? []);
  if (runs.length === 0) return "empty";
  const missingSeeds = numbers.filter((_, k) => !found[k]?.run);
  return { name, folder, data: describeData(config), runs, missingSeeds, ...listSettings(config) };
}

async function readExperiment(folder: string): Promise<Omit<ReportData, "title"> | undefined> {
  const experiment = await readJson(`${folder}/experiment.json`, experimentSchema);
  if (!experiment) return undefined;
  const result = await readJson(`${folder}/result.json`, experimentResultSchema);
  const models: ReportModel[] = [];
  const notes: string[] = [];
  for (const { name, folder: inner } of experiment.models) {
    const found = await readModel(`${folder}/${inner}`, name);
    if (typeof found === "string") notes.push(`${name}: not started`);
    else models.push(found);
  }
  if (models.length === 0) {
    throw new UserError(
      `Expected rows in the logs of the experiment in ${folder}, found none yet. ` +
        "Try again after some iterations.",
    );
  }
  return { models, claims: result?.claims ?? [], notes };
}

/** Makes the names of models unique: if several models have the same name, their folders are added. */
function withUniqueNames(models: readonly ReportModel[]): ReportModel[] {
  const count = (name: string) => models.filter((model) => model.name === name).length;
  return models.map((model) =>
    count(model.name) > 1 ? { ...model, name: `${model.name} (${model.folder})` } : model
  );
}

/** Columns of training and validation logs that charts show. Some logs lack some of these columns. */
const LOG_COLUMNS = [...new Set(trainedStages.flatMap(({ columns }) => Object.keys(columns)))];

/** Sections of a run's config that describe the machine. */
const MACHINE_KEYS = ["clickgan", "adapter", "system", "variants"];

/** Reads the run in a folder; undefined if the folder has no run. @throws UserError for a damaged file */
export async function readRun(
  folder: string,
): Promise<{ config: RunConfig; run: ReportRun | undefined } | undefined> {
  if (!await hasConfig(folder)) return undefined;
  const config = await readConfig(folder);
  const stages: Partial<Record<TrainedStage["name"], ReportStage>> = {};
  for (const stage of trainedStages) {
    const planned = stage.isPartOf(config) ? stage.iterations(config) : undefined;
    const found = await readStage(stage.folder(folder), planned);
    if (found) stages[stage.name] = found;
  }
  const begun = Object.keys(stages).length > 0;
  return { config, run: begun ? { folder, seed: config.training.seed, stages } : undefined };
}

/** Reads a training stage; undefined if its logs have no row. */
async function readStage(folder: string, planned: number | undefined): Promise<ReportStage | undefined> {
  const train = await readLog(`${folder}/train.csv`, LOG_COLUMNS);
  const validation = await readLog(`${folder}/validation.csv`, LOG_COLUMNS);
  const result = await readJson(`${folder}/result.json`, resultSchema);
  const rows = train.iteration.length + validation.iteration.length;
  if (rows === 0) {
    if (!result?.test) return undefined;
    throw new UserError(
      `Expected rows in train.csv or validation.csv of ${folder}, found none, but the run ended: ` +
        "it has a result.json. Restore the logs of the run, or train again.",
    );
  }
  const iteration = Math.max(train.iteration.at(-1) ?? 0, validation.iteration.at(-1) ?? 0);
  // While a resumed run trains, result.json is from an earlier session: its iteration is lower.
  const finished = result?.test !== undefined && result.iteration >= iteration;
  const kept = readSavedStage(folder)?.kept;
  const parsed = finished ? parseStageResult(result) : undefined;
  return { train, validation, iteration, planned, kept, result: parsed };
}

function parseStageResult(result: StoredResult): StageResult {
  const shown = shownBaselines.flatMap(([key, name]): BaselineMetrics[] => {
    const found = result.baselines[key];
    return found ? [{ ...found, name }] : [];
  });
  return { ...result, test: result.test ?? [], shown };
}

function describeData({ data }: RunConfig): string {
  if (data.kind === "demo") {
    const users = data.usersSeed === undefined ? "" : `, users of seed ${data.usersSeed}`;
    return `the ${data.shop ?? "demo"} shop, seed ${data.seed}${users}`;
  }
  return basename(data.path) + (data.resplit === null ? "" : `, split again with seed ${data.resplit}`);
}

/** Lists a run's settings (without the seed) and facts about its machine, by their path in the config. */
function listSettings(config: RunConfig): { settings: Settings; machine: Settings } {
  const all = [...flatten(config, "")].filter(([path]) => path !== "training.seed");
  const isMachine = ([path]: readonly [string, string]) => MACHINE_KEYS.includes(path.split(".", 1)[0] ?? "");
  return {
    settings: new Map(all.filter((entry) => !isMachine(entry))),
    machine: new Map(all.filter((entry) => isMachine(entry) && entry[1] !== "")),
  };
}

function* flatten(value: unknown, path: string): Generator<readonly [string, string]> {
  if (Array.isArray(value)) {
    yield [path, value.map((x) => typeof x === "object" ? JSON.stringify(x) : String(x)).join(" ") || "none"];
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) yield* flatten(inner, path ? `${path}.${key}` : key);
  } else yield [path, value === null ? "none" : String(value)];
}

/**
 * Reads columns of a log. A missing file counts as a log without rows. A last line without newline is
 * ignored. @throws UserError with file and line if the column `iteration` is missing, or a row is damaged
 */
export async function readLog(path: string, columns: readonly string[]): Promise<RunLog> {
  const text = await readText(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return "";
    throw explainFileError(error, "read the log", path);
  });
  return parseLog(text, path, columns);
}

export function parseLog(text: string, path: string, columns: readonly string[]): RunLog {
  const lines = text.split(/\r?\n/).slice(0, -1); // the last is "" or an incomplete line
  const [header = ["iteration"], ...rows] = lines.map((line) => line.split(","));
  const at = header.indexOf("iteration");
  if (at < 0) {
    throw new UserError(
      `${path}:1: expected a header with a column "iteration", found "${header.join(",")}". ` +
        "Put back the log that train wrote, or remove the file.",
    );
  }
  const iteration: number[] = [];
  const values = new Map(
    columns.filter((name) => header.includes(name)).map((name) => [name, new Array<number | null>()]),
  );
  rows.forEach((row, index) => {
    const damaged = (expected: string) =>
      new UserError(
        `${path}:${index + 2}: expected ${expected}, found "${row.join(",")}". Correct or remove this line.`,
      );
    if (row.length !== header.length) throw damaged(`${header.length} values`);
    const number = Number(row[at] || NaN);
    const last = iteration.at(-1) ?? -1;
    if (!Number.isSafeInteger(number) || number <= last) throw damaged(`an iteration above ${last}`);
    iteration.push(number);
    for (const [name, own] of values) {
      const value = parseValue(row[header.indexOf(name)] ?? "");
      if (value === undefined) throw damaged(`a number for ${name}`);
      own.push(value);
    }
  });
  return { iteration, columns: values };
}

function parseValue(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  return /^(nan|[-+]?inf(inity)?)$/i.test(text.trim()) ? null : undefined;
}
