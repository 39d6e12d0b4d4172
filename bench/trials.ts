/** `deno task bench trials`: compares the defaults of `train` with baselines on many logs. */

import { allowFolder } from "../src/cli/outputs.ts";
import type { Command } from "commander";
import { createJobsOption } from "../src/cli/jobs.ts";
import { folder } from "../src/cli/command_options.ts";
import { createReadmeOption, createStudy, StudyPage } from "./study.ts";
import { expectLightgbm } from "./trials/lightgbm.ts";
import { TrialRuns } from "./trials/runs.ts";
import { makeTrialsTable } from "./trials/table.ts";

interface Options {
  papers: string;
  logs?: string;
  runs: string;
  jobs: number;
  python?: string;
  readme?: string;
}

const MARKERS = "bench trials";

export function createCommand(): Command {
  return createStudy(
    "trials",
    "Compares train's defaults with the best baselines, on --logs, the paper's files and the demo shop. " +
      "Trainings are stored: an interrupted command continues with the first unfinished one. After a change " +
      "of the program use another folder (--runs).",
  )
    .option("--papers <folder>", "folder of files in the paper's layout, such as yelp.txt", folder, ".")
    .option("--logs <folder>", "folder of prepared sets that bench logs wrote", folder)
    .option("--runs <folder>", "folder for the trainings", folder, "runs/trials")
    .option("--python <path>", "a Python with LightGBM, to compare LightGBM too")
    .addOption(createJobsOption("trainings"))
    .option(...createReadmeOption(MARKERS))
    .action(writeTrials);
}

async function writeTrials({ papers, logs, runs, jobs, python, readme }: Options): Promise<void> {
  const lightgbm = python === undefined ? undefined : await expectLightgbm(python);
  const page = await StudyPage.open(readme, MARKERS);
  allowFolder({ by: "--runs", path: runs });
  const trials = new TrialRuns(runs, papers, logs, jobs, lightgbm);
  const text = await makeTrialsTable(trials).finally(() => trials.waitForAll());
  console.log(text);
  await page.write(MARKERS, text);
}
