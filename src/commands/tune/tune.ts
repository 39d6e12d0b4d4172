/** `tune`: searches, within a time budget, for options of `train` with good metrics on validation users. */

import { expectEmpty, OwnedFolder } from "../../files/owned_folder.ts";
import { search, type SearchState } from "../../tune/search.ts";
import { drawSetting, listInapplicableFlags, type SearchSpace } from "../../tune/space.ts";
import { expectRun, trainCandidate, TuneRuns } from "./tune_runs.ts";
import { getSettingFolder, readSearchState, readTune, writeTune } from "../../tune/tune_folder.ts";
import type { TuneConfig } from "../../tune/tune_folder.ts";
import type { TrainingConfig } from "../../train/training_config.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { expectPlaces } from "../../run/options/stages_options.ts";
import { runMain } from "../../cli/run_main.ts";
import { JobSlots } from "../../cli/jobs.ts";
import { openData } from "../../cli/open_data.ts";
import { getDefaultFolder } from "../../cli/arguments.ts";
import { warnOfSingleItemPages, withGpu } from "../train/run_stages.ts";
import { EXIT_INTERRUPTED, reportAtStop, stopOnSignals, type StopRequest } from "../../cli/stop.ts";
import { parseTrainArguments, parseTuneOptions, type TuneOptions } from "./tune_options.ts";
import { searchProgress } from "./search_progress.ts";
import { reportTune } from "./tune_results.ts";

const PURPOSE = { what: "the search", option: "--save-dir" };

type About = Pick<TuneConfig, "clickgan" | "options" | "data" | "criterion">;

async function main(): Promise<number> {
  const { options, trainArguments, given } = parseTuneOptions(Deno.args);
  const stop = stopOnSignals();
  const path = options.saveDir ?? getDefaultFolder(options.data, "tune");
  const known = await readTune(path);
  if (!known) expectEmpty(path, PURPOSE);
  const data = await openData(options);
  const about = {
    clickgan: version,
    options: trainArguments,
    data: data.config,
    criterion: options.criterion,
  };
  if (known) expectSame(path, known, about);
  const base = parseTrainArguments(trainArguments, data);
  warnOfSingleItemPages(options.data, data.source);
  expectPlaces(options.data, { ...data, kind: data.config.kind }, base.model);
  return await withGpu(data, [base], async (gpu) => {
    using _folder = known ? OwnedFolder.open(path) : await OwnedFolder.begin(path, PURPOSE);
    const before = await readTune(path); // another process may have continued the search
    if (before) expectSame(path, before, about);
    const state = before
      ? await readSearchState(path, before)
      : { criterion: options.criterion, rungs: [], candidates: [] };
    if (!before) await writeTune(path, about, state, 0); // makes the folder resumable from the start
    for (const candidate of state.candidates) {
      await expectRun(getSettingFolder(path, candidate.number), candidate);
    }
    const runs = new TuneRuns(gpu, data, trainArguments, options.autotune, stop.signal);
    const space: SearchSpace = {
      seed: options.seed,
      fixed: given.union(listInapplicableFlags(data)),
      encoder: base.model.encoder,
      learningRate: base.training.learningRate,
      accepts: (setting) => runs.accepts(setting),
      stopping: options.criterion,
    };
    const work: Work = { runs, path, options, training: base.training, about, space, stop };
    const found = await searchOn(work, state, before?.spentSeconds ?? 0);
    if (stop.signal.aborted) {
      console.error(`Interrupted; everything is saved in ${path}. Resume with the same command.`);
      return EXIT_INTERRUPTED;
    }
    await reportTune({ path, options, trainArguments, iterations: base.training.iterations, runs }, found);
    return 0;
  });
}

interface Work {
  readonly runs: TuneRuns;
  readonly path: string;
  readonly options: TuneOptions;
  readonly training: TrainingConfig;
  readonly about: About;
  readonly space: SearchSpace;
  readonly stop: StopRequest;
}

/** @throws UserError if the search in the folder has different data or options. */
function expectSame(path: string, before: TuneConfig, now: About): void {
  const refuse = (what: string) =>
    new UserError(
      `Expected a search with the same data and options in ${path}, but ${what}. ` +
        "Choose another --save-dir; nothing was changed.",
    );
  const { data, criterion, options } = before;
  if (data.kind !== now.data.kind || ("path" in data && "path" in now.data && data.path !== now.data.path)) {
    throw refuse("its data set is another one");
  }
  if (JSON.stringify(data) !== JSON.stringify(now.data)) {
    throw refuse("its data have changed since its start, or are now split or read in another way");
  }
  if (criterion !== now.criterion) throw refuse(`its --criterion is ${criterion}`);
  if (JSON.stringify(options) !== JSON.stringify(now.options)) {
    throw refuse(`its options of train are "${options.join(" ")}" instead of "${now.options.join(" ")}"`);
  }
}

/** Searches until the time budget is spent or the user interrupts the command. */
async function searchOn(
  work: Work,
  state: SearchState,
  spent: number,
): Promise<{ readonly state: SearchState; readonly spentSeconds: number }> {
  const { runs, path, options, training, space, stop, about } = work;
  using progress = searchProgress(state, 60 * options.budget, spent);
  const jobs = options.jobs > 1 ? new JobSlots(options.jobs, options.jobs) : undefined;
  using _reporting = reportAtStop(stop, progress.note);
  return await search(state, spent, {
    budgetSeconds: 60 * options.budget,
    iterations: training.iterations,
    validateEvery: training.validateEvery,
    jobs: options.jobs,
    draw: (number, before) => drawSetting(number, space, before),
    async train(candidate, iterations, seconds) {
      const { number, setting } = candidate;
      const run = await runs.openRun(setting, getSettingFolder(path, number), iterations);
      const events = progress.begin(candidate, iterations);
      const name = `setting ${number}`;
      const inJob = jobs && { name, jobs, note: progress.note, alone: number === 0 };
      try {
        return await trainCandidate(run, seconds, candidate, events, inJob);
      } finally {
        progress.ended(number);
      }
    },
    async keep(now, spentSeconds) {
      await writeTune(path, about, now, spentSeconds);
      progress.done(now);
    },
    now: () => performance.now() / 1000,
    signal: stop.signal,
  });
}

await runMain(main);
