/** The outcome of the experiments as a table in a Markdown file, between two markers. */

import { basename } from "node:path";
import { UserError } from "../data/user_error.ts";
import { explainFileError } from "../run/atomic_write.ts";
import type { Claim } from "./claims.ts";
import type { Experiment } from "./models.ts";
import { OUTCOME_HEAD, type OutcomeRow } from "./outcome.ts";

export interface ReadmeBlock {
  /** What the markers name: the data set. */
  readonly name: string;
  readonly text: string;
}

export function readmeBlock(
  { data, seeds }: Experiment,
  rows: readonly OutcomeRow[],
  claims: readonly Claim[],
): ReadmeBlock {
  const name = basename(data).replace(/\.\w+$/, "");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const text = [
    `**${name}**, mean +- sd over ${seeds.length} seeds, each figure from its own best-validation snapshot:`,
    "",
    line(OUTCOME_HEAD),
    line(OUTCOME_HEAD.map(() => "---")),
    ...rows.map(({ name, cells }) => line([name, ...cells])),
    "",
    ...claims.map(({ claim, text }) => `- ${claim}. ${text}`),
  ].join("\n");
  return { name, text };
}

/** @throws UserError when the file cannot be read or written, or has no markers for this data. */
export async function writeReadmeBlock(file: string, { name, text }: ReadmeBlock): Promise<void> {
  const [begin, end] = [`<!-- reproduce ${name} -->`, `<!-- end of reproduce ${name} -->`];
  try {
    const before = await Deno.readTextFile(file);
    const [from, to] = [before.indexOf(begin), before.indexOf(end)];
    if (from < 0 || to < from) {
      throw new UserError(
        `Expected ${file} to have the lines ${begin} and ${end}, between which the table goes.`,
      );
    }
    const after = `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
    await Deno.writeTextFile(file, after);
  } catch (error) {
    throw explainFileError(error, "write", file);
  }
}
