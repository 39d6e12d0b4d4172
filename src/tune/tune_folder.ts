/**
 * Folder of a search. It has `tune.json` with the options and the state of the search, and a run folder per
 * setting. A finished search also has `table.csv` and `result.json`.
 */

import { formatCsvRow } from "../csv.ts";
import * as v from "../schema.ts";
import { FOLDER_FORMATS, readJson, writeJson } from "../files/json_file.ts";
import { readLog } from "../report/collect.ts";
import type { RunLog } from "../report/report_data.ts";
import { runConfigSchema } from "../run/run_config.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { findBestValidation, rankSettings, type SearchCandidate, type SearchState } from "./search.ts";
import { describeSetting, listArguments } from "./space.ts";

const tuneSchema = v.strictObject({
  format: v.literal(FOLDER_FORMATS.tune),
  clickgan: v.string(),
  /** Options of `train` that the user typed, and that all settings share. */
  options: v.array(v.string()),
  data: runConfigSchema.entries.data,
  criterion: v.picklist(criteria),
  spentSeconds: v.atLeast(0),
  rungs: v.array(v.whole(1)),
  settings: v.array(v.strictObject({
    options: v.record(v.string(), v.string()),
    iterations: v.whole(0),
    seconds: v.atLeast(0),
    setUpSeconds: v.atLeast(0),
    end: v.picklist(["open", "stopped", "diverged"]),
  })),
});
/** Options and state of a search. The validation results are in the logs of the runs. */
export type TuneConfig = Omit<v.InferOutput<typeof tuneSchema>, "format">;

const NAME = "tune.json";

/** Reads tune.json; undefined for a folder without this file. @throws UserError for a damaged file. */
export function readTune(path: string): Promise<TuneConfig | undefined> {
  return readJson(`${path}/${NAME}`, tuneSchema);
}

export async function writeTune(
  path: string,
  about: Pick<TuneConfig, "clickgan" | "options" | "data" | "criterion">,
  { rungs, candidates }: SearchState,
  spentSeconds: number,
): Promise<void> {
  const settings = candidates.map(({ setting: options, number: _, curve: __, ...rest }) => ({
    options,
    ...rest,
  }));
  const tune = { format: FOLDER_FORMATS.tune, ...about, spentSeconds, rungs, settings };
  await writeJson(`${path}/${NAME}`, tune);
}

/** Reads the state of a search from its folder. @throws UserError if the log of a run is damaged. */
export async function readSearchState(
  path: string,
  { criterion, rungs, settings }: TuneConfig,
): Promise<SearchState> {
  const candidates = settings.map(async ({ options, ...rest }, number): Promise<SearchCandidate> => {
    const curve = await readCurve(getSettingFolder(path, number));
    return { ...rest, number, setting: options, curve };
  });
  return { criterion, rungs, candidates: await Promise.all(candidates) };
}

/** Returns the folder of the run that trains setting `number`. @param path - folder of the search */
export function getSettingFolder(path: string, number: number): string {
  return `${path}/setting-${String(number).padStart(3, "0")}`;
}

export function readCurve(run: string): Promise<RunLog> {
  return readLog(`${run}/validation.csv`, criteria);
}

/** A setting, and its best validation metrics, which are null if it diverged or was not validated. */
export interface SettingRow
  extends Pick<SearchCandidate, "number" | "setting" | "iterations" | "seconds" | "end"> {
  readonly text: string;
  readonly folder: string;
  readonly bestIteration: number;
  readonly validation: Readonly<Record<Criterion, number | null>>;
}

/** Lists all settings with their metrics, best setting first. @param path - folder of the search */
export function listSettingRows(path: string, state: SearchState): SettingRow[] {
  return rankSettings(state).map((candidate) => {
    const { number, setting, iterations, seconds, setUpSeconds, end } = candidate;
    const best = (criterion: Criterion) => findBestValidation(candidate, criterion);
    return {
      ...{ number, setting, text: describeSetting(setting), folder: getSettingFolder(path, number) },
      ...{ iterations, bestIteration: best(state.criterion).iteration, seconds: seconds + setUpSeconds, end },
      validation: { loss: best("loss").value, prec1: best("prec1").value, prec2: best("prec2").value },
    };
  });
}

/** Formats settings as CSV, with one row per setting and one column per searched option. */
export function formatSettingsCsv(rows: readonly SettingRow[]): string {
  const flags = [...new Set(rows.flatMap(({ setting }) => Object.keys(setting)))].sort();
  const lines = rows.map(({ number, validation, bestIteration, iterations, end, seconds, setting }) => ({
    setting: number,
    ...Object.fromEntries(criteria.map((name) => [`validation_${name}`, validation[name] ?? ""])),
    best_iteration: bestIteration,
    ...{ iterations, end, seconds: seconds.toFixed(1) },
    ...Object.fromEntries(
      flags.map((flag) => [flag.slice(2), setting[flag] === "" ? "yes" : setting[flag] ?? ""]),
    ),
  }));
  return [Object.keys(lines[0] ?? {}), ...lines.map(Object.values)].map(formatCsvRow).join("");
}

/** Returns arguments for `train` to train a setting again. @param usual - default number of iterations */
export function trainArguments(
  options: readonly string[],
  { setting, iterations }: Pick<SettingRow, "setting" | "iterations">,
  usual: number,
): string[] {
  const own = listArguments(setting);
  return [...options, ...own, ...(iterations === usual ? [] : ["--iterations", String(iterations)])];
}
