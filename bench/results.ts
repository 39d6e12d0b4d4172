/** `deno task bench results TABLE`: trains the models of a result table, and writes it. */

import { allowFolder } from "../src/cli/outputs.ts";
import { Argument, type Command } from "commander";
import { createJobsOption } from "../src/cli/jobs.ts";
import { folder } from "../src/cli/command_options.ts";
import { createReadmeOption, createStudy, StudyPage } from "./study.ts";
import { expectLightgbm } from "./results/lightgbm.ts";
import { referenceTable } from "./results/reference.ts";
import { FolderRuns } from "./results/runs.ts";
import { trialsTable } from "./results/trials.ts";

const tables = [referenceTable, trialsTable];

interface Options {
  papers: string;
  logs?: string;
  runs: string;
  jobs: number;
  python?: string;
  readme?: string;
}

export function createCommand(): Command {
  return createStudy(
    "results",
    "Trains the models of a table, and writes the table. Trainings are stored: an interrupted command " +
      "continues with the first unfinished one. After a change of the program use another folder (--runs).",
  )
    .addArgument(
      new Argument("<table>", tables.map(({ name, about }) => `${name}: ${about}`).join("; "))
        .choices(tables.map(({ name }) => name)),
    )
    .option("--papers <folder>", "folder of the paper's yelp.txt and rsc.txt", folder, ".")
    .option("--logs <folder>", "folder of prepared sets that bench logs wrote, for the table trials", folder)
    .option("--runs <folder>", "folder for the trainings", folder, "runs/results")
    .option("--python <path>", "trials: a Python with LightGBM, to compare LightGBM too")
    .addOption(createJobsOption("trainings"))
    .option(...createReadmeOption("bench results TABLE"))
    .action(results);
}

async function results(name: string, { papers, logs, runs, jobs, python, readme }: Options): Promise<void> {
  const chosen = tables.find((table) => table.name === name);
  if (!chosen) throw new Error(`Expected a table, got ${name}.`);
  const lightgbm = python === undefined ? undefined : await expectLightgbm(python);
  const page = await StudyPage.open(readme, `bench results ${name}`);
  allowFolder({ by: "--runs", path: runs });
  const kept = new FolderRuns(runs, papers, logs, jobs, lightgbm);
  const text = await chosen.make(kept).finally(() => kept.waitForAll());
  console.log(text);
  await page.write(`bench results ${name}`, text);
}
