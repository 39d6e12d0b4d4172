/**
 * Results of `tune`: a table of settings, the `train` command of the best setting, and its test metrics
 * compared with the default setting and the baselines.
 */

import { writeJson } from "../../files/json_file.ts";
import { writeFileAtomically } from "../../files/atomic_write.ts";
import { writeReport } from "../../report/report_page.ts";
import type { SnapshotResult } from "../../run/tested_users.ts";
import type { StageRunResult } from "../../run/training_run.ts";
import { defaultTraining } from "../../train/training_config.ts";
import { formatSettingsCsv, listSettingRows, trainArguments } from "../../tune/tune_folder.ts";
import type { SettingRow } from "../../tune/tune_folder.ts";
import { findWinner, type SearchState } from "../../tune/search.ts";
import { testCandidate, type TuneRuns } from "./tune_runs.ts";
import { UserError } from "../../user_error.ts";
import { removeOptions, reportFile } from "../../cli/arguments.ts";
import { quotePath, quoteShellWord } from "../../shell_word.ts";
import { describeAttainedShare, describeBaselineSettings, formatResultTable } from "../test_table.ts";
import { createDelayedProgress } from "../../cli/progress.ts";
import { formatTable } from "../../cli/table.ts";
import { parseTrainOptions } from "../train/train_options.ts";
import type { TuneOptions } from "./tune_options.ts";
import { describeBudget, describeTuneVerdict, judgeBestSetting, listCautions } from "./tune_verdict.ts";

interface Results {
  readonly path: string;
  readonly options: TuneOptions;
  /** Options of `train` that the user typed. All settings share them. */
  readonly trainArguments: readonly string[];
  readonly iterations: number;
  readonly runs: TuneRuns;
}

type Tested = Required<Pick<StageRunResult, "test" | "baselines">>;

/** Maximum number of printed settings. The file table.csv has all settings. */
const SHOWN = 10;

/** Tests the best setting, prints and writes the results. @throws UserError if no setting has a metric. */
export async function reportTune(
  results: Results,
  { state, spentSeconds }: { readonly state: SearchState; readonly spentSeconds: number },
): Promise<void> {
  const { path, options } = results;
  const rows = await listSettingRows(path, state);
  await writeFileAtomically(`${path}/table.csv`, formatSettingsCsv(rows));
  const winner = rows.find(({ number }) => number === findWinner(state));
  if (!winner) throw noWinner(state);
  console.log(
    "\n" +
      `Best validation metrics of each setting (${rows.length} setting${rows.length === 1 ? "" : "s"}, ` +
      `all in ${quotePath(`${path}/table.csv`)}):`,
  );
  console.log(settingsTable(rows));
  const usual = rows.find(({ number }) => number === 0);
  const tested = await testSetting(results, winner);
  const own = usual && usual !== winner && usual.end !== "diverged"
    ? await testSetting(results, usual)
    : undefined;
  console.log("\nTest users:");
  const shown = [...named("best", tested, options), ...(own ? named("default", own, options) : [])];
  console.log(formatResultTable(shown, tested.baselines));
  const isChoice = parseTrainOptions(results.trainArguments).options.loss === "choice";
  const verdict = judgeBestSetting(tested.test, { criterion: options.criterion, isChoice, usual: own?.test });
  const args = trainArguments(withoutIterations(results.trainArguments), winner, defaultTraining.iterations);
  const command = ["deno task -q train", ...args.map(quoteShellWord)].join(" ");
  const known = [
    describeBaselineSettings(tested.baselines),
    describeAttainedShare(tested.test, tested.baselines),
  ];
  const finalists = {
    ...{ rows, winner, criterion: options.criterion, iterations: results.iterations },
  };
  const words = [
    ...known.filter((text) => text !== undefined),
    ...describeTuneVerdict(verdict, finalists),
    ...listCautions(finalists),
    describeBudget(spentSeconds, 60 * options.budget),
  ];
  for (const line of words) console.log(line);
  const report = reportFile(path);
  await writeReport([winner, ...(own && usual ? [usual] : [])].map(({ folder }) => folder), report);
  const settings = rows.map(({ text: _, ...row }) => row);
  const result = { winner: winner.number, command, verdict, words, spentSeconds, settings, test: shown };
  await writeJson(`${path}/result.json`, { ...result, baselines: tested.baselines });
  console.log(`\nThe best setting: ${winner.text}`);
  console.log(`  run        ${quotePath(winner.folder)}`);
  console.log(`  command    ${command}`);
  console.log(`Results are in ${quotePath(path)}, the report is ${quotePath(report)}`);
}

function noWinner({ candidates }: SearchState): UserError {
  const why = candidates.some(({ end }) => end === "diverged")
    ? "the training of every setting diverged. Use a smaller --learning-rate"
    : "the budget was too small for a validation, or no validation user clicked. Use a larger --budget, or " +
      "--criterion loss";
  return new UserError(`Expected a setting with a validation metric, found none: ${why}.`);
}

async function testSetting(
  { runs }: Results,
  { setting, iterations, folder }: SettingRow,
): Promise<Tested> {
  using progress = createDelayedProgress();
  const run = await runs.openRun(setting, folder, Math.max(1, iterations));
  return await testCandidate(run, { onProgress: progress.onProgress });
}

/** Returns the tested snapshots for a table, with the setting's name. */
function named(name: string, { test }: Tested, { criterion }: TuneOptions): SnapshotResult[] {
  const shown = ["best-loss", "best-prec1", `best-${criterion}`];
  return test.filter(({ snapshot }) => shown.includes(snapshot)).map(({ paired: _, ...result }) => ({
    ...result,
    snapshot: `${name}: ${result.snapshot}` as SnapshotResult["snapshot"],
  }));
}

function withoutIterations(args: readonly string[]): string[] {
  return removeOptions(args, ["--iterations <n>"]);
}

function settingsTable(rows: readonly SettingRow[]): string {
  const shown = rows.filter(({ number }, k) => k < SHOWN || number === 0);
  const digits = (value: number | null) => value === null ? "-" : value.toFixed(4);
  return formatTable(
    ["", "loss", "prec@1", "prec@2", "iterations", "setting"],
    shown.map(({ number, validation: { loss, prec1, prec2 }, iterations, text, end }) => [
      String(number),
      digits(loss),
      digits(prec1),
      digits(prec2),
      String(iterations),
      end === "diverged" ? `${text} (diverged)` : text,
    ]),
    { drop: ["prec@2"] },
  );
}
