/** `deno task bench trials`: compares the defaults of `train` with baselines on many logs. */

import { allowFolder } from "../src/cli/outputs.ts";
import type { Command } from "commander";
import { createJobsOption } from "../src/cli/jobs.ts";
import { folder } from "../src/cli/command_options.ts";
import { createReadmeOption, createStudy, StudyPage } from "./study.ts";
import { TrialRuns } from "./trials/runs.ts";
import { baselineNames, baselineTitles } from "../src/metrics/baselines/baseline_names.ts";
import { meanAndSd } from "../src/data/mean_sd.ts";
import type { Interval } from "../src/metrics/bootstrap.ts";
import { compareLoadedSums, loadSums, type StoredSums } from "../src/metrics/test_result.ts";
import { classifyDifference } from "../src/metrics/baseline_verdict.ts";
import { pathExists } from "../src/files/local_file.ts";
import { readJson } from "../src/files/json_file.ts";
import { formatMarkdownTable } from "../src/cli/table.ts";
import { UserError } from "../src/user_error.ts";
import { resultSchema } from "../src/report/report_data.ts";
import { expectLightgbm, type LightgbmResult, objectives, trainLightgbm } from "./trials/lightgbm.ts";
import { getSeedFolder } from "../src/run/run_config.ts";

interface Options {
  papers: string;
  logs?: string;
  runs: string;
  jobs: number;
  python?: string;
  readme?: string;
}

const MARKERS = "bench trials";
const SEEDS = 5;

export function createCommand(): Command {
  return createStudy(
    "trials",
    "Compares train's defaults with the best baselines, on --logs, --papers and the demo shop. " +
      "Trainings are stored: an interrupted command continues with the first unfinished one. After a change " +
      "of the program use another folder (--runs).",
  )
    .option("--papers <folder>", "folder of logs laid out as by Chen et al. 2019, e.g. yelp.txt", folder, ".")
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

type Metric = "nll" | "prec1";

/** Trains the default model with five seeds on every log, and returns the table as Markdown. */
async function makeTrialsTable(runs: TrialRuns): Promise<string> {
  const logs = await listLogs(runs);
  const rows = await Promise.all(logs.map(async ([name, data]) => {
    const args = ["--data", data, "--seeds", String(SEEDS), "--no-report"];
    const folder = await runs.trained(`trial-${name}`, args);
    const seeds = Array.from({ length: SEEDS }, (_, k) => getSeedFolder(folder, k + 1));
    const results = await Promise.all(seeds.map(readTrial));
    const lightgbm = await trainLightgbm(runs, name, data);
    return [name, ...formatCells(results, "nll", lightgbm), ...formatCells(results, "prec1", lightgbm)];
  }));
  const titles = runs.python ? objectives.map((objective) => `LightGBM ${objective}`) : [];
  return [
    "The table has loss and prec@1 of the snapshot `best-loss` on test users (mean and sd of " +
    `${SEEDS} seeds), the best baseline of each metric, and the ` +
    "number of seeds in which the model is significantly better or worse (paired 95 % interval over users)." +
    (runs.python ? " For LightGBM, the two numbers of seeds are in brackets." : ""),
    "",
    ...formatMarkdownTable(
      ["log", ...["loss", "prec@1"].flatMap((of) => [of, "best baseline", "better", "worse", ...titles])],
      rows,
    ),
  ].join("\n");
}

type Trial = Awaited<ReturnType<typeof readTrial>>;

/** @throws UserError if the training in a folder lacks test metrics */
export async function readTrial(folder: string) {
  const file = `${folder}/result.json`;
  const { test = [], baselines = {} } = await readJson(file, resultSchema) ?? {};
  const own = test.find(({ snapshot }) => snapshot === "best-loss");
  const { nll, prec1 } = own?.details.metrics ?? {};
  if (own && typeof nll === "number" && typeof prec1 === "number" && Object.keys(own.against).length > 0) {
    return { ...own, nll, prec1, baselines };
  }
  throw new UserError(
    `Expected test metrics and baseline comparisons of snapshot best-loss in ${file}. ` +
      "Remove the folder of this training, or set another --runs folder.",
  );
}

/** Formats a number with three decimals and without a leading zero, such as ".873". */
function formatFixed(value: number): string {
  return value.toFixed(3).replace(/^(-?)0\./, "$1.");
}

/** Formats mean and standard deviation as ".873 +- .012"; ".873" for a single value (deviation NaN). */
function meanWithSd({ mean, sd }: { mean: number; sd: number }): string {
  return Number.isNaN(sd) ? formatFixed(mean) : `${formatFixed(mean)} +- ${formatFixed(sd)}`;
}

async function listLogs({ logs, papers }: TrialRuns): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const { name } of logs === undefined ? [] : [...Deno.readDirSync(logs)]) {
    if (await pathExists(`${logs}/${name}/manifest.json`)) found.push([name, `${logs}/${name}`]);
  }
  for (const { name } of Deno.readDirSync(papers)) {
    if (name.endsWith(".txt")) found.push([name.slice(0, -".txt".length), `${papers}/${name}`]);
  }
  return [...found.sort(([a], [b]) => a < b ? -1 : 1), ["demo", "demo"]];
}

/** Returns cells of a metric: the model's and the best baseline's value, number of better and worse seeds. */
function formatCells(own: readonly Trial[], of: Metric, lightgbm: readonly LightgbmResult[]): string[] {
  const sign = of === "nll" ? -1 : 1;
  const valueOf = (name: string) => own[0]?.baselines[name]?.details.metrics[of] ?? NaN;
  const best = baselineNames.filter((name) => !Number.isNaN(valueOf(name)))
    .reduce((a, b) => sign * valueOf(b) > sign * valueOf(a) ? b : a);
  const count = (intervals: (Interval | null | undefined)[]) => {
    const outcomes = intervals.map((one) => classifyDifference(one, { lowerIsBetter: of === "nll" }));
    return ["better", "worse"].map((wanted) => String(outcomes.filter((one) => one === wanted).length));
  };
  return [
    meanWithSd(meanAndSd(own.map((one) => one[of]))),
    `${formatFixed(valueOf(best))} (${baselineTitles[best]})`,
    ...count(own.map((one) => one.against[best]?.[of]?.interval)),
    ...lightgbm.map((other) => {
      const counts = count(own.map((one) => compareSums(one.paired, of, other)));
      return `${formatFixed(other[of])} (${counts.join(", ")})`;
    }),
  ];
}

/** Returns the confidence interval of a metric's (model - LightGBM). @throws UserError if users differ */
function compareSums(own: StoredSums | undefined, of: Metric, { paired }: LightgbmResult) {
  const found = own && compareLoadedSums(loadSums([own]), of, loadSums([paired]));
  if (found) return found.interval;
  throw new UserError(
    "Expected the models and LightGBM to have the same test users, but the log changed. Set another --runs.",
  );
}
