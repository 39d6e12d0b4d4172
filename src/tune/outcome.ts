/** What came of a search: a row for each setting, and the command of the best one. */

import { readLog } from "../report/read_log.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { argumentsOf, type Setting, textOf } from "./space.ts";
import { bestOf, type Candidate, ranked, type Standing } from "./standing.ts";
import { folderOfSetting } from "./tune_folder.ts";

/** A setting and how good it was, each figure at its own best validation; null where there is none. */
export interface SettingRow {
  readonly number: number;
  readonly setting: Setting;
  readonly text: string;
  readonly folder: string;
  readonly iterations: number;
  readonly bestIteration: number;
  readonly seconds: number;
  readonly end: Candidate["end"];
  readonly validation: Readonly<Record<Criterion, number | null>>;
}

/** Of all settings, the best first. @param path the folder of the search. */
export async function settingRows(path: string, standing: Standing): Promise<SettingRow[]> {
  return await Promise.all(
    ranked(standing).flatMap((number) => {
      const candidate = standing.candidates[number];
      return candidate ? [rowOf(path, number, candidate, standing.criterion)] : [];
    }),
  );
}

async function rowOf(
  path: string,
  number: number,
  candidate: Candidate,
  criterion: Criterion,
): Promise<SettingRow> {
  const { setting, iterations, seconds, setUpSeconds, end } = candidate;
  const folder = folderOfSetting(path, number);
  const { columns } = await readLog(`${folder}/validation.csv`, criteria);
  const best = (name: Criterion) => {
    const values = (columns.get(name) ?? []).filter((value) => value !== null);
    if (values.length === 0 || end === "diverged") return null;
    return name === "loss" ? Math.min(...values) : Math.max(...values);
  };
  return {
    number,
    setting,
    text: textOf(setting),
    folder,
    iterations,
    bestIteration: bestOf(candidate, criterion).iteration,
    seconds: seconds + setUpSeconds,
    end,
    validation: { loss: best("loss"), prec1: best("prec1"), prec2: best("prec2") },
  };
}

/** The rows as CSV, with a column for each option that was searched. */
export function tableCsv(rows: readonly SettingRow[]): string {
  const flags = [...new Set(rows.flatMap(({ setting }) => Object.keys(setting)))].sort();
  const head = [
    "setting",
    "validation_loss",
    "validation_prec1",
    "validation_prec2",
    "best_iteration",
    "iterations",
    "end",
    "seconds",
    ...flags.map((flag) => flag.slice(2)),
  ];
  const lines = rows.map((row) => [
    row.number,
    ...criteria.map((criterion) => row.validation[criterion] ?? ""),
    row.bestIteration,
    row.iterations,
    row.end,
    row.seconds.toFixed(1),
    ...flags.map((flag) => row.setting[flag] === "" ? "yes" : row.setting[flag] ?? ""),
  ]);
  return [head, ...lines].map((line) => `${line.join(",")}\n`).join("");
}

/**
 * The arguments by which `train` trains a setting as the search has.
 * @param options those that hold for all settings. @param usual iterations where none are given.
 */
export function trainArguments(
  options: readonly string[],
  { setting, iterations }: Pick<SettingRow, "setting" | "iterations">,
  usual: number,
): string[] {
  const own = argumentsOf(setting);
  return [...options, ...own, ...(iterations === usual ? [] : ["--iterations", String(iterations)])];
}
