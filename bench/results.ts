/**
 * What models and policies come to, as tables of the pages that tell of them: `deno task bench results TABLE` trains all that the
 * table needs, and makes it.
 */

import { allowFolder } from "../src/cli/outputs.ts";
import { Argument, type Command } from "commander";
import { createJobsOption } from "../src/cli/jobs.ts";
import { folder } from "../src/cli/command_options.ts";
import { createReadmeOption, createStudy, StudyPage } from "./study.ts";
import { hashedTable, likelihoodTable, modelsTable, referenceTable } from "./results/models.ts";
import { secondModelTable, simulatedTable, slatesTable, truthTable } from "./results/policy_tables.ts";
import { offPolicyTable } from "./results/off_policy.ts";
import { FolderRuns } from "./results/runs.ts";
import { trialsTable } from "./results/trials.ts";

const tables = [
  ...[modelsTable, referenceTable, likelihoodTable, simulatedTable, truthTable],
  ...[slatesTable, secondModelTable, offPolicyTable, trialsTable, hashedTable],
];

interface Options {
  papers: string;
  logs?: string;
  runs: string;
  jobs: number;
  readme?: string;
}

export function createCommand(): Command {
  return createStudy(
    "results",
    "Trains what a table of the pages is about, and makes the table. What is trained is kept: stopped and begun again, it " +
      "goes on with the first training that is not done. After a change of the program take another folder (--runs).",
  )
    .addArgument(
      new Argument("<table>", tables.map(({ name, about }) => `${name}: ${about}`).join("; "))
        .choices(tables.map(({ name }) => name)),
    )
    .option("--papers <folder>", "where the paper's yelp.txt and rsc.txt are", folder, ".")
    .option("--logs <folder>", "trials: prepared sets, a folder each, such as bench logs makes", folder)
    .option("--runs <folder>", "where the trainings are kept", folder, "runs/results")
    .addOption(createJobsOption("trainings"))
    .option(...createReadmeOption("bench results TABLE"))
    .action(results);
}

async function results(name: string, { papers, logs, runs, jobs, readme }: Options): Promise<void> {
  const chosen = tables.find((table) => table.name === name);
  if (!chosen) throw new Error(`expected a table, got ${name}`);
  const page = await StudyPage.open(readme, `bench results ${name}`);
  allowFolder({ by: "--runs", path: runs });
  const kept = new FolderRuns(runs, papers, logs, jobs);
  const text = await chosen.make(kept).finally(() => kept.ended());
  console.log(text);
  await page.write(`bench results ${name}`, text);
}
