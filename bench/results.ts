/**
 * What models and policies come to, as tables of the pages that tell of them: `deno task bench:results TABLE` trains all that the
 * table needs, and makes it.
 */

import { Argument, Command } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { folder, parseAndRun, path } from "../src/cli/options.ts";
import { expectMarkers, writeBetweenMarkers } from "../src/run/markers.ts";
import { likelihoodTable } from "./results/likelihood.ts";
import { modelsTable } from "./results/models.ts";
import { referenceTable } from "./results/reference.ts";
import { newUsersTable } from "./results/new_users.ts";
import { KeptRuns } from "./results/runs.ts";
import { secondModelTable } from "./results/second_model.ts";
import { simulatedTable } from "./results/simulated.ts";
import { slatesTable } from "./results/slates.ts";
import { trialsTable } from "./results/trials.ts";
import { truthTable } from "./results/truth.ts";

const tables = [
  modelsTable,
  referenceTable,
  likelihoodTable,
  simulatedTable,
  truthTable,
  slatesTable,
  newUsersTable,
  secondModelTable,
  trialsTable,
];

interface Options {
  papers: string;
  logs?: string;
  runs: string;
  readme?: string;
}

async function main(name: string, { papers, logs, runs, readme }: Options): Promise<void> {
  const chosen = tables.find((table) => table.name === name);
  if (!chosen) throw new Error(`expected a table, got ${name}`);
  const markers = `bench results ${name}`;
  if (readme !== undefined) await expectMarkers(readme, markers);
  const text = await chosen.make(new KeptRuns(runs, papers, logs));
  console.log(text);
  if (readme !== undefined) await writeBetweenMarkers(readme, markers, text);
}

await runMain(async () => {
  const command = new Command("deno task bench:results")
    .description(
      "Trains what a table of the pages is about, and makes the table. What is trained is kept: stopped and begun again, it " +
        "goes on with the first training that is not done. After a change of the program take another folder (--runs).",
    )
    .addArgument(
      new Argument("<table>", tables.map(({ name, about }) => `${name}: ${about}`).join("; "))
        .choices(tables.map(({ name }) => name)),
    )
    .option("--papers <folder>", "where the paper's yelp.txt and rsc.txt are", folder, ".")
    .option("--logs <folder>", "trials: prepared sets, a folder each, such as bench:logs makes", folder)
    .option("--runs <folder>", "where the trainings are kept", folder, "runs/results")
    .option(
      "--readme <file>",
      "a page that gets the table, between its lines <!-- bench results TABLE -->",
      path,
    )
    .action(main);
  await parseAndRun(command, Deno.args);
});
