/** `simulate`: shows slates to simulated users, and reports their clicks and rewards. */

import { FOLDER_FORMATS, writeJson } from "../../files/json_file.ts";
import type { TrainedPolicy } from "../../policy/trained_policy.ts";
import { writePage } from "../../report/page_shell.ts";
import { buildSimulationPage, type SimulatedPolicy } from "../../report/simulation_page.ts";
import { parseSimulateOptions, type PoolArgument, type SimulateOptions } from "./simulate_options.ts";
import { buildResults, describeDifferences, formatResults, MODEL_USERS } from "./simulation_results.ts";
import type { SimulationSummary } from "./simulation_results.ts";
import { findPolicy, openNamedPolicy, openTrainedPolicy, RIVALS, runPolicies } from "./simulate_policies.ts";
import type { ReadyPolicy } from "./simulate_policies.ts";
import { type SimulationContext, withSimulated } from "./user_selection.ts";
import { formatThousands } from "../../number_text.ts";
import process from "node:process";
import { expectEmpty, type FolderPurpose, OwnedFolder } from "../../files/owned_folder.ts";
import { version } from "../../version.ts";
import type { GivenOptions } from "../../cli/command_options.ts";
import { nameAtTemperature } from "../policy/log_evaluation.ts";
import { buildEpisodeSetting, measureLoggedSizes } from "../policy/episode_setting.ts";
import { runMain } from "../../cli/run_main.ts";
import { reportFile } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { createDelayedProgress, createTrainingProgress, usualNames } from "../../cli/progress.ts";
import { describeMachine } from "../train/run_stages.ts";
import { createExploringPolicy } from "../../simulate/exploring_policy.ts";
import { createSinks, expectEnoughUsers, writeReturns } from "./simulation_files.ts";
import { EXIT_INTERRUPTED, reportAtStop, stopOnSignals } from "../../cli/stop.ts";
import { OWN_FILES } from "../../data/sets/prepared_writer.ts";
import { UserError } from "../../user_error.ts";

interface Contents {
  readonly options: SimulateOptions;
  readonly opened: TrainedPolicy | undefined;
  readonly simulated: SimulationContext;
  readonly summary: SimulationSummary;
  readonly runs: readonly SimulatedPolicy[];
}

async function writeSimulationPage(
  path: string,
  { options, opened, simulated: { gpu }, summary, runs }: Contents,
): Promise<void> {
  const { users, pages, slate, start, repeats, pool, leave, patience, reward, seed, policy } = options;
  const usual: readonly (readonly [string, string, boolean])[] = [
    ["start", `all clicks of a ${start} user`, start === "empty"],
    ["items after their click", "are shown again", !repeats],
    ["pool", poolWords(pool), pool === "all"],
    ["leave", `with probability ${leave} after a page without a click`, leave === 0],
    ["patience", `${patience} pages without a click`, patience === 0],
    ["reward", "utility of the clicked item", reward === "click"],
  ];
  await writePage(
    path,
    buildSimulationPage({
      ...{ pages, reward, clickRates: summary.noClickRateReason === undefined, policies: runs },
      leaves: leave > 0 || patience > 0,
      facts: [
        ["click model", summary.description],
        ["policy", opened?.path ?? policy],
        ...(options.explore
          ? [["temperature of its slates", String(options.explore.temperature)] as const]
          : []),
        ["users", formatThousands(users)],
        [
          "pages",
          `${formatThousands(pages)} per user, each with ${slate} of ${formatThousands(summary.items)} items`,
        ],
        ...usual.flatMap(([name, value, isUsual]) => isUsual ? [] : [[name, value] as const]),
        ["seed", String(seed)],
        ["adapter", gpu.adapter.description],
      ],
      verdict: summary.noClickRateReason === undefined ? describeDifferences(summary, runs) : [],
      about: summary.about,
      notes: [summary.noClickRateReason ?? summary.caution ?? [], summary.notes].flat(),
    }),
  );
}

function poolWords(pool: PoolArgument): string {
  if (pool === "all") return "all items";
  return "random" in pool ? `about ${pool.random} items, drawn for each page` : pool.file;
}

const FOLDERS = {
  saveDir: {
    what: "the metrics",
    option: "--save-dir",
    own: ["episodes.csv", "episodes.parquet", "returns.csv", "result.json", "report.html"],
  },
  writeLog: { what: "the simulated log", option: "--write-log", own: OWN_FILES },
} as const satisfies Record<string, FolderPurpose>;

const SILENT_MS = 2000;
const USERS = { ...usualNames, unit: " users" };

async function main(): Promise<number> {
  const { options: asked, given } = parseSimulateOptions(Deno.args);
  const opened = await findPolicy(asked.policy);
  let options = opened ? asTrained(asked, given, opened) : asked;
  expectEnoughUsers(options);
  const folders = Object.entries(FOLDERS).flatMap(([name, purpose]) => {
    const path = options[name as keyof typeof FOLDERS];
    return path === undefined ? [] : [{ path, purpose }];
  });
  const paths = folders.map(({ path }) => path);
  for (const { path, purpose } of folders) expectEmpty(path, purpose, paths);
  const stop = stopOnSignals();
  return await withSimulated(options, async (simulated) => {
    const logged = opened ? undefined : measureLoggedSizes(simulated.data, given);
    options = { ...options, ...logged?.sizes };
    const setting = buildEpisodeSetting(options, simulated.data);
    const { policies, notes } = await chosen(options, opened, simulated);
    const about = [...(logged ? [logged.note] : []), ...simulated.found.notes];
    using owned = new DisposableStack();
    const begun: OwnedFolder[] = [];
    for (const { path, purpose } of folders) {
      begun.push(owned.use(await OwnedFolder.begin(path, purpose, paths)));
    }
    const sinks = createSinks({ options, simulated, setting });
    using progress = createTrainingProgress(options.users * policies.length, 0, USERS);
    const began = performance.now();
    const ending = "stopping after the current pages (press Ctrl-C again to discard them)";
    using _told = reportAtStop(stop, progress.note, ending);
    let runs: SimulatedPolicy[];
    try {
      runs = await runPolicies(simulated, setting, policies, {
        signal: stop.signal,
        onUsers: (done) => {
          if (process.stderr.isTTY || performance.now() - began > SILENT_MS) progress.update(done);
        },
        onLog: async (log) => {
          for (const sink of sinks) await sink.put(log);
        },
      });
      simulated.gpu.check();
      for (const sink of sinks) await sink.finish();
    } catch (error) {
      for (const sink of sinks) await sink.abandon(error);
      if (!stop.signal.aborted) throw error;
      progress.stop();
      console.error("Stopped; nothing was written.");
      return EXIT_INTERRUPTED;
    }
    progress.stop();
    const { description, noClickRateReason, environment: { itemCount: items } } = simulated;
    const caution = noClickRateReason === undefined && !simulated.found.truth ? MODEL_USERS : undefined;
    const summary = { options, description, items, noClickRateReason, caution, notes, about };
    console.log(formatResults(summary, runs));
    if (options.saveDir !== undefined) {
      const returns = runs.map(({ name, metrics: { returns } }) => ({ name, returns }));
      await writeReturns(`${options.saveDir}/returns.csv`, setting, returns);
      const contents = { options, opened, simulated, summary, runs };
      await writeResult(options.saveDir, contents);
      await writeSimulationPage(reportFile(options.saveDir), contents);
    }
    OwnedFolder.finishAll(begun);
    for (const { path, purpose: { what } } of folders) {
      console.log(`${what[0]?.toUpperCase()}${what.slice(1)}: ${quotePath(path)}`);
    }
    if (options.saveDir !== undefined) console.log(`Page: ${quotePath(reportFile(options.saveDir))}`);
    return 0;
  });
}

/** Takes slate size, pages and start clicks from the policy's training if the user did not type them. */
function asTrained(
  options: SimulateOptions,
  given: GivenOptions,
  { config: { training } }: TrainedPolicy,
): SimulateOptions {
  const { slate, pages, start } = training;
  const fields = Object.entries({ slate, pages, start }).filter(([name]) => !given.has(name));
  return { ...options, ...Object.fromEntries(fields) };
}

/** Opens the policy and the baselines. A baseline that cannot be opened is omitted, with a note. */
async function chosen(
  options: SimulateOptions,
  opened: TrainedPolicy | undefined,
  simulated: SimulationContext,
): Promise<{ policies: ReadyPolicy[]; notes: string[] }> {
  const { policy, rivals, explore } = options;
  using progress = createDelayedProgress();
  const notes: string[] = [];
  const first = opened
    ? await openTrainedPolicy(opened, simulated, options)
    : openNamedPolicy(policy, simulated, progress.onProgress);
  const name = nameAtTemperature(first.name, explore?.temperature);
  const policies = [
    explore ? { ...first, name, policy: createExploringPolicy(first.policy, explore) } : first,
  ];
  for (const name of rivals ? RIVALS : []) {
    if (name === policy && !explore) continue;
    try {
      policies.push(openNamedPolicy(name, simulated, progress.onProgress));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      notes.push(`The baseline ${name} was omitted: ${error.message}`);
    }
  }
  if (simulated.found.run?.info.game) {
    notes.push(
      "The utilities are from an adversarial stage and are not log-odds (--uncalibrated), so the levels of " +
        "returns and click rates have no meaning.",
    );
  }
  if (opened?.unfinished !== undefined) notes.push(opened.unfinished);
  return { policies, notes };
}

async function writeResult(
  folder: string,
  { options, opened, simulated, summary, runs }: Contents,
): Promise<void> {
  const { users, pages, slate, start, repeats, pool, leave, patience, reward, seed, explore, baseline } =
    options;
  const { gpu, found: { model, run }, data: { dataset }, environment, known } = simulated;
  const result = {
    format: FOLDER_FORMATS.simulation,
    clickgan: version,
    command: Deno.args,
    finished: new Date().toISOString(),
    users: {
      clicks: environment.name,
      ...(known ? { knownBy: known.name } : {}),
      ...(model ? { model: { path: model.path, sha256: model.sha256 } } : {}),
      ...(baseline === undefined ? {} : { baseline, run: run?.path }),
      data: dataset.config,
    },
    policy: opened ? { path: opened.path, ...opened.config } : options.policy,
    settings: { users, pages, slate, start, repeats, pool, leave, patience, reward, seed, explore },
    ...buildResults(summary, runs),
    ...await describeMachine(gpu),
  };
  await writeJson(`${folder}/result.json`, result);
}

await runMain(main);
