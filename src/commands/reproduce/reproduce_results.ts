/** What `reproduce` ends with: a table, what it says of the published claims, and a report. */

import {
  claimsOn,
  type ModelOutcome,
  OUTCOME_HEAD,
  type OutcomeRow,
  outcomeRows,
  readOutcome,
  SAMPLING_NOTE,
} from "../../tune/experiment/outcome.ts";
import type { Claim } from "../../figures/verdict.ts";
import type { Experiment, ExperimentModel } from "../../tune/experiment/models.ts";
import { writeJson } from "../../files/json_file.ts";
import { writeReport } from "../../report/page.ts";
import { markdownTable, writeBetweenMarkers } from "../../run/markers.ts";
import { reportFile } from "../../cli/default_paths.ts";
import { quoted } from "../../cli/arguments.ts";
import { fits, outputWidth, table } from "../../cli/table.ts";
import { basename } from "node:path";

/**
 * Prints the table and the claims, and writes them to result.json and a report.
 * @param path the folder of the experiments. @param readme a Markdown file that takes the table, too.
 */
export async function tellResults(
  path: string,
  experiment: Experiment,
  models: readonly ExperimentModel[],
  readme: string | undefined,
): Promise<void> {
  const outcomes = await Promise.all(models.map(async (model): Promise<ModelOutcome> => {
    const seeds = await Promise.all(experiment.seeds.map((seed) => readOutcome(model, path, seed)));
    return { model, seeds: seeds.filter((outcome) => outcome !== undefined) };
  }));
  const rows = outcomeRows(outcomes);
  const claims = claimsOn(outcomes);
  const count = experiment.seeds.length;
  console.log(
    `\nMean +- sd over ${count} seed${count === 1 ? "" : "s"}, each figure from its best validation:`,
  );
  console.log(outcomeTable(rows));
  console.log(SAMPLING_NOTE);
  console.log("\nThe published claims on this data:");
  for (const { claim, text } of claims) console.log(`  ${claim}\n      ${text}`);
  const result = { table: rows.map(({ name, cells }) => ({ model: name, figures: cells })), claims };
  await writeJson(`${path}/result.json`, result);
  if (readme !== undefined) {
    const { name, text } = readmeBlock(experiment, rows, claims);
    await writeBetweenMarkers(readme, name, text);
    console.log(`The table is in ${readme}`);
  }
  const report = reportFile(path);
  await writeReport([path], report);
  console.log(`\nResults are in ${quoted(path)}, the report is ${quoted(report)}`);
}

/** All columns, or where the terminal is too narrow, validation above test. */
function outcomeTable(rows: readonly OutcomeRow[]): string {
  const cells = rows.map(({ name, cells }) => [name, ...cells]);
  const wide = table(OUTCOME_HEAD, cells);
  if (fits(wide, outputWidth())) return wide;
  const part = (columns: readonly number[]) =>
    table(columns.map((c) => OUTCOME_HEAD[c] ?? ""), cells.map((row) => columns.map((c) => row[c] ?? "")));
  return `${part([0, 1, 2, 3])}\n\n${part([0, 4, 5, 6, 7])}`;
}

export interface ReadmeBlock {
  /** What the markers name; see {@link import("../../run/markers.ts").writeBetweenMarkers}. */
  readonly name: string;
  readonly text: string;
}

/** What the markers of a data set are called. @param data its file, or "demo". */
export function blockName(data: string): string {
  return `reproduce ${nameOf(data)}`;
}

function nameOf(data: string): string {
  return basename(data).replace(/\.\w+$/, "");
}

function readmeBlock(
  { data, seeds }: Experiment,
  rows: readonly OutcomeRow[],
  claims: readonly Claim[],
): ReadmeBlock {
  const text = [
    `**${nameOf(data)}**, mean +- sd over ${seeds.length} seeds, ` +
    "each figure from its own best-validation snapshot:",
    "",
    ...markdownTable(OUTCOME_HEAD, rows.map(({ name, cells }) => [name, ...cells])),
    "",
    `${SAMPLING_NOTE}.`,
    "",
    ...claims.map(({ claim, text }) => `- ${claim}. ${text}`),
  ].join("\n");
  return { name: blockName(data), text };
}
