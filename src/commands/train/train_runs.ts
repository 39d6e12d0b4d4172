/** Trains one run, or one run per seed, and prints the results. */

import { runAll } from "./run_jobs.ts";
import { writeReport } from "../../report/report_page.ts";
import { getSeedConfig, getSeedFolder, type RunConfig, type SeedsConfig } from "../../run/run_config.ts";
import { writeJson } from "../../files/json_file.ts";
import { listStages, type TrainingStage } from "../../run/stages.ts";
import { trainCommand } from "../../run/ranks/mpi.ts";
import type { RunContext, StageRunResult, TrainingRun } from "../../run/training_run.ts";
import type { ModelConfig } from "../../model/model_config.ts";
import { continueRun, isFinished, listModelNotes } from "./run_stages.ts";
import { EXIT_INTERRUPTED, type StopRequest } from "../../cli/stop.ts";
import { reportFile } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import {
  describeAttainedShare,
  describeBaselineSettings,
  describeRankCorrelation,
  formatResultTable,
  formatSeedsTable,
} from "../test_table.ts";

/** Starts or resumes a single run. @returns the exit code */
export async function runOne(run: TrainingRun, report: boolean, stop: StopRequest): Promise<number> {
  const { config } = run;
  const results = await continueRun(run, stop, makeTestPrinter(config.model));
  if (!isFinished(config, results)) return interrupted(run.path, where(config, results), config);
  if (report) await writeRunReport(run.path);
  return 0;
}

/** Starts or resumes one run per seed. @returns the exit code */
export async function runSeeds(
  context: RunContext,
  path: string,
  seeds: SeedsConfig,
  { report, jobs }: { readonly report: boolean; readonly jobs: number },
  stop: StopRequest,
): Promise<number> {
  const runs = seeds.seeds.map((seed) => ({
    ...{ name: `seed ${seed}`, path: getSeedFolder(path, seed), config: () => getSeedConfig(seeds, seed) },
    report: makeTestPrinter(seeds.config.model),
  }));
  const resumeHint = `Resume with: deno task -q train --resume ${quotePath(path)} --jobs ${jobs}`;
  const all = await runAll(runs, jobs, context, stop, resumeHint);
  const finished = all.filter((results) => isFinished(seeds.config, results));
  if (finished.length < seeds.seeds.length) {
    return interrupted(path, `${finished.length} of ${seeds.seeds.length} seeds`, seeds.config);
  }
  listStages(seeds.config).forEach(({ name }, k) => {
    console.log(`\nTest users, ${name} stage, mean +- sd over ${finished.length} seeds:`);
    const of = finished.map((results) => results[k]);
    console.log(formatSeedsTable(of.map((result) => result?.test ?? []), of[0]?.baselines));
  });
  await writeSeedsResult(path, finished.flat());
  console.log(`Results are in ${path}`);
  if (report) await writeRunReport(path);
  return 0;
}

/** Writes the metrics of all seeds' runs to result.json. Details are in the folders of the runs. */
async function writeSeedsResult(path: string, results: readonly StageRunResult[]): Promise<void> {
  const runs = results.map(({ stage, folder, seed, iteration, test = [], verdict }) => ({
    ...{ stage, folder, seed, iteration },
    test: test.map(({ details: _, against: __, ...metrics }) => metrics),
    verdict,
  }));
  await writeJson(`${path}/result.json`, { runs });
}

async function writeRunReport(path: string): Promise<void> {
  const file = reportFile(path);
  await writeReport([path], file);
  console.log(`The report is ${file}`);
}

function where(config: RunConfig, results: readonly StageRunResult[]): string {
  const last = results.at(-1);
  const stage = listStages(config).length > 1 ? ` of the ${last?.stage} stage` : "";
  return `iteration ${last?.iteration ?? 0}${stage}`;
}

function interrupted(path: string, after: string, { ranks }: RunConfig): number {
  console.error(`Interrupted after ${after}; everything is saved in ${path}.`);
  console.error(`Resume with: ${trainCommand(ranks)} --resume ${quotePath(path)}`);
  return EXIT_INTERRUPTED;
}

/** Returns a function that prints the test results of a stage: metrics, baselines and verdict. */
export function makeTestPrinter(model: ModelConfig) {
  return (
    { test, baselines, verdict = [], folder }: StageRunResult,
    { heading, hasLikelihood }: TrainingStage,
  ): void => {
    if (!test || !baselines) return;
    console.log(`\n${heading}:`);
    console.log(formatResultTable(test, baselines));
    const texts = [
      describeBaselineSettings(baselines),
      hasLikelihood ? describeAttainedShare(test, baselines) : undefined,
      describeRankCorrelation(test),
      ...verdict,
      ...listModelNotes(model),
    ];
    for (const text of texts) if (text) console.log(text);
    console.log(`Results are in ${folder}`);
  };
}
