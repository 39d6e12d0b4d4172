/** The outcome of the experiments as a table in a Markdown file, between two markers. */

import { basename } from "node:path";
import { markdownTable } from "../../run/markers.ts";
import type { Claim } from "../../figures/told.ts";
import type { Experiment } from "./models.ts";
import { OUTCOME_HEAD, type OutcomeRow, SAMPLING_NOTE } from "./outcome.ts";

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

export function readmeBlock(
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
