/**
 * Reports the results of `tune`: a table of settings, test metrics of the best setting, a comparison with the
 * default setting, cautions, and a `train` command with the best setting.
 */

import { writeJson } from "../../files/json_file.ts";
import { writeFileAtomically } from "../../files/atomic_write.ts";
import { classifyDifference } from "../../metrics/baseline_verdict.ts";
import { compareScorings, loadSums, type MetricDifferences } from "../../metrics/test_result.ts";
import { writeReport } from "../../report/report_page.ts";
import { shannonStage } from "../../run/stages.ts";
import { SEARCH_ADVICE } from "../../run/test_stage.ts";
import type { StageRunResult, TrainingRun } from "../../run/training_run.ts";
import { criteria, type Criterion } from "../../train/best_records.ts";
import { defaultTraining } from "../../train/training_config.ts";
import { formatSettingsCsv, listSettingRows, trainArguments } from "../../tune/tune_folder.ts";
import type { SettingRow } from "../../tune/tune_folder.ts";
import { findWinner, type SearchState } from "../../tune/search.ts";
import { testCandidate, type TuneRuns } from "./tune_runs.ts";
import { UserError } from "../../user_error.ts";
import { removeOptions, reportFile } from "../../cli/arguments.ts";
import { quotePath, quoteShellWord } from "../../shell_word.ts";
import { formatDifferencesTable } from "../test_table.ts";
import { createDelayedProgress } from "../../cli/progress.ts";
import { formatDuration } from "../../number_text.ts";
import { formatTable } from "../../cli/table.ts";
import { makeTestPrinter } from "../train/train_runs.ts";
import type { TuneOptions } from "./tune_options.ts";
import { getCriterionTitle } from "./search_progress.ts";

interface Results {
  readonly path: string;
  readonly options: TuneOptions;
  /** Options of `train` that the user typed. All settings share them. */
  readonly trainArguments: readonly string[];
  readonly iterations: number;
  readonly runs: TuneRuns;
}

/** Maximum number of settings in the printed table. The file table.csv has all settings. */
const SHOWN = 10;

/** Tests the best setting, and prints and writes results. @throws UserError if no setting has a metric. */
export async function reportTune(
  results: Results,
  { state, spentSeconds }: { readonly state: SearchState; readonly spentSeconds: number },
): Promise<void> {
  const { path, options, iterations } = results;
  const { criterion } = options;
  const rows = listSettingRows(path, state);
  await writeFileAtomically(`${path}/table.csv`, formatSettingsCsv(rows));
  const winner = rows.find(({ number }) => number === findWinner(state)?.number);
  if (!winner) throw noWinner(state);
  console.log(
    `\nBest validation metrics of each setting (${rows.length} setting${rows.length === 1 ? "" : "s"}, ` +
      `all in ${quotePath(`${path}/table.csv`)}):`,
  );
  console.log(settingsTable(rows));
  const best = await testSetting(results, winner);
  const verdict = best.result.verdict?.filter((text) => text !== SEARCH_ADVICE);
  makeTestPrinter(best.run.config.model)({ ...best.result, verdict }, shannonStage);
  const usual = rows.find((row) => row.number === 0 && row !== winner && row.end !== "diverged");
  const versusDefault = usual &&
    compareSettings(best.result, (await testSetting(results, usual)).result, criterion);
  if (versusDefault) {
    console.log("\nThe best setting minus the default, on the same test users:");
    console.log(formatDifferencesTable(versusDefault));
  }
  const isDefaultAsGood = versusDefault && !hasGain(versusDefault);
  const recommended = isDefaultAsGood && usual ? usual : winner;
  const words = [
    ...listCautions({ rows, winner, criterion, iterations, versusDefault }),
    describeBudget(spentSeconds, 60 * options.budget),
  ];
  for (const line of words) console.log(line);
  const report = reportFile(path);
  await writeReport([winner, ...(usual ? [usual] : [])].map(({ folder }) => folder), report);
  const shared = removeOptions(results.trainArguments, ["--iterations <n>"]);
  const args = trainArguments(shared, recommended, defaultTraining.iterations);
  const command = ["deno task -q train", ...args.map(quoteShellWord)].join(" ");
  const { baselines } = best.result;
  await writeJson(`${path}/result.json`, {
    ...{
      winner: winner.number,
      recommended: recommended.number,
      command,
      verdict,
      versusDefault,
      words,
      spentSeconds,
    },
    settings: rows.map(({ text: _, ...row }) => row),
    test: best.result.test?.map(({ paired: _, ...result }) => result),
    baselines,
  });
  console.log(`\n${recommended === winner ? "The best setting" : "Keep the default"}: ${recommended.text}`);
  console.log(`  run        ${quotePath(recommended.folder)}`);
  console.log(`  command    ${command}`);
  console.log(`Results are in ${quotePath(path)}, the report is ${quotePath(report)}`);
}

function noWinner({ candidates }: SearchState): UserError {
  const why = candidates.some(({ end }) => end === "diverged")
    ? "the training of every setting diverged. Use a smaller --learning-rate"
    : "the budget was too small for a validation, or no validation user clicked. Use a larger --budget, or " +
      "--criterion loss";
  return new UserError(`No setting has validation metrics: ${why}.`);
}

async function testSetting(
  { runs, options: { criterion } }: Results,
  { setting, iterations, folder }: SettingRow,
): Promise<{ readonly run: TrainingRun; readonly result: StageRunResult }> {
  using progress = createDelayedProgress();
  const run = await runs.openRun(setting, folder, Math.max(1, iterations));
  return { run, result: await testCandidate(run, criterion, { onProgress: progress.onProgress }) };
}

/** Compares the metrics of two settings' best snapshots; undefined if a snapshot was not tested. */
function compareSettings(
  one: StageRunResult,
  other: StageRunResult,
  criterion: Criterion,
): MetricDifferences | undefined {
  const [a, b] = [one, other].map(({ test = [] }) =>
    loadSums(
      test.flatMap(({ snapshot, paired }) => snapshot === `best-${criterion}` && paired ? [paired] : []),
    )
  );
  return a && b && compareScorings(a, b);
}

export interface SearchSummary {
  readonly rows: readonly SettingRow[];
  readonly winner: SettingRow;
  readonly criterion: Criterion;
  /** Number of iterations of a complete training. */
  readonly iterations: number;
  /** Metrics of the best setting minus metrics of the default; undefined if they were not compared. */
  readonly versusDefault: MetricDifferences | undefined;
}

/** Returns true if a setting is significantly better than another in any metric. */
function hasGain(differences: MetricDifferences): boolean {
  return Object.entries(differences).some(([name, { interval }]) =>
    classifyDifference(interval, { lowerIsBetter: name === "nll" }) === "better"
  );
}

/** Lists cautions about the choice of the best setting, and says whether a larger budget may help. */
export function listCautions(
  { rows, winner, criterion, iterations, versusDefault }: SearchSummary,
): string[] {
  const metric = `validation ${getCriterionTitle(criterion)}`;
  const lines: string[] = [];
  if (versusDefault && !hasGain(versusDefault)) {
    lines.push(
      "No setting is significantly better than the default, which is simpler. Better data may help more: " +
        "item features, positions, more users.",
    );
  }
  if (rows.length > 1 && winner.number === 0) {
    lines.push(`The default has the best ${metric} of ${rows.length} settings.`);
  } else if (rows.length > 1) {
    lines.push(
      `The best of ${rows.length} settings was chosen by its ${metric}, which is therefore ` +
        "optimistic. The test metrics are not optimistic.",
    );
  }
  for (const row of rows) {
    if (row.number === 0 && row.end === "diverged") {
      lines.push("The default diverged: use a smaller --learning-rate for this log.");
    }
    if (row.number > 0 && row !== winner || row.end !== "open" || row.iterations >= iterations) continue;
    lines.push(
      `The ${row.number === 0 ? "default" : "best setting"} was trained for ${row.iterations} of ` +
        `${iterations} iterations, because the budget was spent. To train it longer, ` +
        "use a larger --budget, or run its train command without --iterations.",
    );
  }
  return lines;
}

/** Describes how long the search took, and how long it was allowed to take. */
export function describeBudget(spentSeconds: number, budgetSeconds: number): string {
  const over = spentSeconds - budgetSeconds;
  const took = `The search took ${formatDuration(spentSeconds)} of ${formatDuration(budgetSeconds)}`;
  return over > 0 ? `${took}, ${over.toFixed(1)} s more than its budget.` : `${took}.`;
}

function settingsTable(rows: readonly SettingRow[]): string {
  const shown = rows.filter(({ number }, k) => k < SHOWN || number === 0);
  const digits = (value: number | null) => value === null ? "-" : value.toFixed(4);
  return formatTable(
    ["", "loss", "prec@1", "prec@2", "iterations", "setting"],
    shown.map(({ number, validation, iterations, text, end }) => [
      String(number),
      ...criteria.map((name) => digits(validation[name])),
      String(iterations),
      end === "diverged" ? `${text} (diverged)` : text,
    ]),
    { drop: ["prec@2"] },
  );
}
