/** A run's folder as it stands, finished or not. */

import { basename } from "node:path";
import { UserError } from "../user_error.ts";
import { readJson } from "../run/files/json_file.ts";
import { readLog } from "./read_log.ts";
import { shownBaselines } from "../run/tested_users.ts";
import type { BaselineFigures, Run, Settings, Stage, StageResult } from "./report_data.ts";
import { type Config, configSchema, type Result, resultSchema } from "./schemas.ts";

/** What the charts draw; a log has some of them. */
const LOG_COLUMNS = ["loss", "prec1", "prec2", "loss_min", "loss_max", "pi_prec1", "pi_prec2"];

/** Parts of a config that say where a run was made, not what it is. */
const MACHINE_KEYS = ["clickgan", "adapter", "system", "shapes"];

export interface FoundRun {
  readonly config: Config;
  /** Undefined for a run that has no row yet. */
  readonly run: Run | undefined;
}

/** @returns undefined where there is no run. @throws UserError for what is damaged. */
export async function readRun(folder: string): Promise<FoundRun | undefined> {
  const config = await readJson(`${folder}/config.json`, configSchema);
  if (!config) return undefined;
  const likelihood = await readStage(folder, config.training.iterations);
  const adversarial = await readStage(`${folder}/adversarial`, config.adversarial?.iterations);
  const stages = { ...(likelihood && { likelihood }), ...(adversarial && { adversarial }) };
  const begun = likelihood !== undefined || adversarial !== undefined;
  return { config, run: begun ? { folder, seed: config.training.seed, stages } : undefined };
}

/** Undefined for a stage without a row. */
async function readStage(folder: string, planned: number | undefined): Promise<Stage | undefined> {
  const train = await readLog(`${folder}/train.csv`, LOG_COLUMNS);
  const validation = await readLog(`${folder}/validation.csv`, LOG_COLUMNS);
  const result = await readJson(`${folder}/result.json`, resultSchema);
  const rows = train.iteration.length + validation.iteration.length;
  if (rows === 0) {
    if (!result?.test) return undefined;
    throw new UserError(
      `Expected ${folder} to hold the train.csv and validation.csv that its result.json is of, found no row. ` +
        "Put the old files back, or train again.",
    );
  }
  const iteration = Math.max(train.iteration.at(-1) ?? 0, validation.iteration.at(-1) ?? 0);
  // A run that went on and has not ended again still has its old result; one that stopped early has no more to come.
  const finished = result?.test !== undefined && result.iteration >= iteration;
  return { train, validation, iteration, planned, result: finished ? figuresOf(result) : undefined };
}

function figuresOf(result: Result): StageResult {
  const { test = [], baselines = {}, snapshots, verdict, finished, sessionSeconds, resumed = false, data } =
    result;
  const named = shownBaselines.flatMap(([key, name]): BaselineFigures[] => {
    const found = baselines[key];
    if (!found) return [];
    const { nll = null, prec1, prec2, longerPages, setting, details } = found;
    return [{ name, figures: { nll, prec1, prec2 }, longerPages, setting, details }];
  });
  return { test, baselines: named, snapshots, verdict, finished, seconds: sessionSeconds, resumed, data };
}

/** What a run was trained on, e.g. "yelp.txt". */
export function dataOf({ data }: Config): string {
  if (!data) return "unknown data";
  const seed = data.seed === undefined ? "" : `, seed ${data.seed}`;
  if (data.kind === "demo") {
    const users = data.usersSeed === undefined ? "" : `, users of seed ${data.usersSeed}`;
    return `the ${data.shop ?? "demo"} shop${seed}${users}`;
  }
  const split = typeof data.resplit === "number" ? `, split anew with seed ${data.resplit}` : "";
  return basename(data.path ?? data.kind) + split;
}

/** What a run was made with, and on; both by the path of the setting. The seed is the runs' own matter. */
export function settingsOf(config: Config): { settings: Settings; machine: Settings } {
  const all = [...flatten(config, "")].filter(([path]) => path !== "training.seed");
  const isMachine = ([path]: readonly [string, string]) => MACHINE_KEYS.includes(path.split(".", 1)[0] ?? "");
  return {
    settings: new Map(all.filter((entry) => !isMachine(entry))),
    machine: new Map(all.filter((entry) => isMachine(entry) && entry[1] !== "")),
  };
}

function* flatten(value: unknown, path: string): Generator<readonly [string, string]> {
  if (Array.isArray(value)) {
    yield [path, value.map((x) => typeof x === "object" ? JSON.stringify(x) : String(x)).join(" ")];
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) yield* flatten(inner, path ? `${path}.${key}` : key);
  } else yield [path, value === null ? "none" : String(value)];
}
