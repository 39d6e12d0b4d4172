/** The outcome of the experiments as a table in a Markdown file, between two markers. */

import { basename } from "node:path";
import { markdownTable } from "../run/markers.ts";
import type { Claim } from "./claims.ts";
import type { Experiment } from "./models.ts";
import { OUTCOME_HEAD, type OutcomeRow } from "./outcome.ts";

export interface ReadmeBlock {
  /** What the markers name; see {@link import("../run/markers.ts").writeBetweenMarkers}. */
  readonly name: string;
  readonly text: string;
}

export function readmeBlock(
  { data, seeds }: Experiment,
  rows: readonly OutcomeRow[],
  claims: readonly Claim[],
): ReadmeBlock {
  const name = basename(data).replace(/\.\w+$/, "");
  const text = [
    `**${name}**, mean +- sd over ${seeds.length} seeds, each figure from its own best-validation snapshot:`,
    "",
    ...markdownTable(OUTCOME_HEAD, rows.map(({ name, cells }) => [name, ...cells])),
    "",
    ...claims.map(({ claim, text }) => `- ${claim}. ${text}`),
  ].join("\n");
  return { name: `reproduce ${name}`, text };
}
