/**
 * The folder of a search: `tune.json` (its settings and where it stands), an ordinary run for each setting that was tried,
 * `table.csv` and, when test users were looked at, `result.json`.
 */

import * as v from "../schema.ts";
import { atomicWriteFile } from "../run/files/atomic_write.ts";
import { readJson } from "../run/files/json_file.ts";
import { readLog } from "../report/read_log.ts";
import { runConfigSchema } from "../run/run_config.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import type { Candidate, Curve, Standing } from "./standing.ts";

const tuneSchema = v.strictObject({
  clickgan: v.string(),
  /** Options of train that hold for all settings, as typed. */
  options: v.array(v.string()),
  data: runConfigSchema.entries.data,
  criterion: v.picklist(criteria),
  /** Of all sessions. */
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
/** What a search is, and where it stands but for the curves, which are in the logs of its runs. */
export type Tune = v.InferOutput<typeof tuneSchema>;

function tuneFile(path: string): string {
  return `${path}/tune.json`;
}

/** Undefined for a folder of another kind. @throws UserError when tune.json is damaged. */
export function readTune(path: string): Promise<Tune | undefined> {
  return readJson(tuneFile(path), tuneSchema);
}

export async function writeTune(
  path: string,
  about: Pick<Tune, "clickgan" | "options" | "data" | "criterion">,
  { rungs, candidates }: Standing,
  spentSeconds: number,
): Promise<void> {
  const settings = candidates.map(({ setting, iterations, seconds, setUpSeconds, end }) => ({
    options: setting,
    iterations,
    seconds,
    setUpSeconds,
    end,
  }));
  const tune = { ...about, spentSeconds, rungs, settings };
  await atomicWriteFile(tuneFile(path), JSON.stringify(tune, null, 2) + "\n");
}

/** Where a search stands. @throws UserError for a log that is damaged. */
export async function standingOf(path: string, { criterion, rungs, settings }: Tune): Promise<Standing> {
  const candidates = settings.map(async ({ options, ...rest }, number): Promise<Candidate> => {
    return { ...rest, setting: options, curve: await readCurve(folderOfSetting(path, number), criterion) };
  });
  return { criterion, rungs, candidates: await Promise.all(candidates) };
}

/** Where the run of a setting stands. */
export function folderOfSetting(path: string, number: number): string {
  return `${path}/setting-${String(number).padStart(3, "0")}`;
}

/** The validation figures of a run. */
export async function readCurve(run: string, criterion: Criterion): Promise<Curve> {
  const { iteration, columns } = await readLog(`${run}/validation.csv`, [criterion]);
  return { iteration, value: columns.get(criterion) ?? iteration.map(() => null) };
}
