/** What `train` does with a run that is open, or with one for each seed, and what it says at the end. */

import { makeFolder } from "../../files/atomic_write.ts";
import { runInJobs } from "./run_jobs.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import { writeReport } from "../../report/page.ts";
import type { RunConfig } from "../../run/run_config.ts";
import { configOfSeed, folderOfSeed, type Seeds, writeSeedsResult } from "../../run/seeds_folder.ts";
import { type Stage, stagesOf } from "../../run/stages.ts";
import { trainCommand } from "../../run/ranks/mpi.ts";
import type { Run, RunContext, RunResult } from "../../run/training_run.ts";
import type { ModelConfig } from "../../model/config.ts";
import { EXIT_INTERRUPTED, goOn, isFinished, modelNotes, say } from "./run_stages.ts";
import { quoted, reportFile } from "../../cli/arguments.ts";
import { attainedText, resultTable, seedsTable, settingsText, spearmanText } from "../test_table.ts";
import type { Stop } from "../../cli/stop.ts";

/** Begins a run, or goes on with it. @returns the exit code */
export async function runOne(
  run: Run,
  report: boolean,
  stop: Stop,
): Promise<number> {
  const { config } = run;
  const results = await goOn(run, stop, printing(config.model));
  if (!isFinished(config, results)) return interrupted(run.path, where(config, results), config);
  if (report) await tellReport(run.path);
  return 0;
}

/** Trains each seed, or goes on with it where it has begun. @returns the exit code */
export async function runSeeds(
  context: RunContext,
  path: string,
  seeds: Seeds,
  { report, jobs }: { readonly report: boolean; readonly jobs: number },
  stop: Stop,
): Promise<number> {
  const finished = jobs > 1
    ? await seedsInJobs(path, seeds, jobs, stop)
    : await seedsInTurn(context, path, seeds, stop);
  if (finished.length < seeds.seeds.length) {
    return interrupted(path, `${finished.length} of ${seeds.seeds.length} seeds`, seeds.config);
  }
  stagesOf(seeds.config).forEach(({ name }, k) => {
    console.log(`\nTest users, ${name} stage, mean +- sd over ${finished.length} seeds:`);
    const of = finished.map((results) => results[k]);
    console.log(seedsTable(of.map((result) => result?.test ?? []), of[0]?.baselines));
  });
  await writeSeedsResult(path, finished.flat());
  console.log(`Results are in ${path}`);
  if (report) await tellReport(path);
  return 0;
}

/** @returns the results of those that came to their end */
async function seedsInTurn(
  context: RunContext,
  path: string,
  seeds: Seeds,
  stop: Stop,
): Promise<RunResult[][]> {
  const finished: RunResult[][] = [];
  for (const seed of seeds.seeds) {
    if (stop.signal.aborted) break;
    say(`seed ${seed}`);
    const config = configOfSeed(seeds, seed);
    const folder = folderOfSeed(path, seed);
    await makeFolder(folder);
    using _folder = OwnedFolder.open(folder);
    const results = await goOn({ ...context, path: folder, config }, stop, printing(config.model));
    if (!isFinished(config, results)) break;
    finished.push(results);
  }
  return finished;
}

/** The same side by side. @throws UserError naming seeds that failed, when all others have ended */
async function seedsInJobs(path: string, seeds: Seeds, jobs: number, stop: Stop): Promise<RunResult[][]> {
  const runs = seeds.seeds.map((seed) => ({
    ...{ name: `seed ${seed}`, path: folderOfSeed(path, seed), config: () => configOfSeed(seeds, seed) },
    report: printing(seeds.config.model),
  }));
  const goOn = `Go on with: deno task train --resume ${quoted(path)} --jobs ${jobs}`;
  const all = await runInJobs(runs, jobs, stop, goOn);
  return all.filter((results, k) => isFinished(configOfSeed(seeds, seeds.seeds[k] ?? 0), results));
}

async function tellReport(path: string): Promise<void> {
  const file = reportFile(path);
  await writeReport([path], file);
  console.log(`The report is ${file}`);
}

function where(config: RunConfig, results: readonly RunResult[]): string {
  const last = results.at(-1);
  const stage = stagesOf(config).length > 1 ? ` of the ${last?.stage} stage` : "";
  return `iteration ${last?.iteration ?? 0}${stage}`;
}

function interrupted(path: string, after: string, { ranks }: RunConfig): number {
  say(`Stopped after ${after}; everything is saved in ${path}.`);
  say(`Go on with: ${trainCommand(ranks)} --resume ${quoted(path)}`);
  return EXIT_INTERRUPTED;
}

function printing(model: ModelConfig) {
  return ({ test, baselines, verdict = [], folder }: RunResult, { heading, hasLikelihood }: Stage): void => {
    if (!test || !baselines) return;
    console.log(`\n${heading}:`);
    console.log(resultTable(test, baselines));
    const texts = [
      settingsText(baselines),
      hasLikelihood ? attainedText(test, baselines) : undefined,
      spearmanText(test),
      ...verdict,
      ...modelNotes(model),
    ];
    for (const text of texts) if (text) console.log(text);
    console.log(`Results are in ${folder}`);
  };
}
