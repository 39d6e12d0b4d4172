/** `policy round`: a model, and a policy that plans with it, learn from what users did on the policy's pages. */

import type { Command } from "commander";
import { dirname } from "node:path";
import { countsConfigFor } from "../../counts/tables.ts";
import { splits } from "../../data/click_log.ts";
import { itemIdsOf } from "../../data/item_ids.ts";
import { type LogSource, MemoryLog } from "../../data/log_source.ts";
import { MANIFEST } from "../../data/manifest.ts";
import { keyOf } from "../../data/philox.ts";
import { inNewSet } from "../../data/sets/prepared_writer.ts";
import { type Dataset, withoutItemIds } from "../../data/sets/dataset.ts";
import { mergeSets } from "../../data/sets/merge.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { Gpu } from "../../gpu/device.ts";
import { atomicWriteFile, makeFolder } from "../../run/files/atomic_write.ts";
import { exists } from "../../run/files/file_error.ts";
import { readJson } from "../../run/files/json_file.ts";
import { OwnedFolder, SIGN } from "../../run/files/owned_folder.ts";
import { expectPlaces } from "../../run/options/train.ts";
import { hasConfig, readConfig } from "../../run/run_config.ts";
import {
  compareMachine,
  EXIT_INTERRUPTED,
  goOn,
  isFinished,
  newConfig,
  say,
  withGpu,
} from "../../run/commands/run_stages.ts";
import * as v from "../../schema.ts";
import { writeShown } from "../../simulate/commands/files.ts";
import { findUsers, type FoundUsers, subjectOf, withDevice } from "../../simulate/commands/found_users.ts";
import { type EpisodeLog, episodeLog } from "../../simulate/episode_log.ts";
import { LearnedSource } from "../../simulate/learned_users.ts";
import type { SimulatorOptions } from "../../simulate/options.ts";
import type { Policy } from "../../simulate/policy.ts";
import { Simulator } from "../../simulate/simulator.ts";
import { startOf } from "../../simulate/start.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { UserError } from "../../user_error.ts";
import { shapesFor } from "../../cli/calibration.ts";
import { openData, reopenData } from "../../cli/open_data.ts";
import { type Stop, stopOnSignals } from "../../cli/stop.ts";
import { stepProgress } from "../../cli/progress.ts";
import { ratioOf } from "../comparison/figures.ts";
import { paired, promisedClicks, type SeenPages, seenPages, unpaired } from "../comparison/promise.ts";
import { EVALUATION_EPISODE } from "../comparison/trial.ts";
import { goingOn, type PolicyTrainingConfig } from "../learning/config.ts";
import { expectTrainedOn } from "../policy_config.ts";
import { OpenedPolicy } from "../trained_policy.ts";
import type { PolicyAction } from "./action.ts";
import { truthOf } from "./environments.ts";
import { startsOf } from "./episode_setting.ts";
import {
  checkRound,
  haveBegun,
  roundCommand,
  type RoundOptions,
  ROUNDS,
  writeRounds,
} from "./round_options.ts";
import { type PlanFigures, planSchema, roundsText } from "./round_text.ts";
import { trainPolicy } from "./train.ts";

export function policyRoundCommand(action: PolicyAction): Command {
  return roundCommand().action((options: RoundOptions) => action(() => run(options)));
}

/** A policy, and the model that it plans with. */
interface Plan {
  readonly found: FoundUsers;
  readonly policy: OpenedPolicy;
}

/** Users who saw a policy's pages, and of whom nothing was learned before they are asked about. */
interface Judges {
  readonly source: LogSource;
  readonly users: Uint32Array;
}

const resultSchema = v.object({ policies: v.array(planSchema) });

async function run(options: RoundOptions): Promise<number> {
  checkRound(options);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  const begun = await haveBegun(options);
  let plan = await openPlan(options.model, options.policy, options);
  const { out, rounds } = options;
  using _folder = begun ? OwnedFolder.open(out) : await OwnedFolder.begin(out, ROUNDS);
  await haveBegun(options); // another process may have begun them since the first look
  await writeRounds(options);
  const result = `${out}/result.json`;
  const told = await readJson(result, resultSchema);
  const policies: PlanFigures[] = told?.policies.length === rounds + 1 ? told.policies : [];
  try {
    while (policies.length <= rounds) {
      const round = policies.length + 1;
      const path = `${out}/round-${round}`;
      const before = policies.at(-1);
      if (round > rounds) {
        policies.push(await judged(plan, await judgesOf(plan, options, stop), before, options, stop));
      } else {
        policies.push(
          await readJson(`${path}/result.json`, planSchema) ??
            await play(plan, { path, round, before }, options, stop),
        );
        plan = await openPlan(`${path}/model`, `${path}/policy`, options);
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say(`Stopped; what was made so far is in ${out}. Go on with the same command.`);
    return EXIT_INTERRUPTED;
  }
  await atomicWriteFile(result, JSON.stringify({ policies }) + "\n");
  if (options.json) {
    console.log(JSON.stringify({ policies: policies.map(({ clicks: _, ...own }) => own) }, null, 2));
  } else console.log(roundsText(policies, options));
  return 0;
}

/** @throws UserError for a policy that was trained on somebody else, and a shop whose items are not the model's. */
async function openPlan(model: string, path: string, options: RoundOptions): Promise<Plan> {
  const found = await usersOf(model, options);
  const policy = await OpenedPolicy.open(path);
  expectTrainedOn(path, policy.config, subjectOf(found));
  shopOf(found, options);
  return { found, policy };
}

function usersOf(model: string, { memoryRows }: RoundOptions): Promise<FoundUsers> {
  return findUsers({ model, memoryRows, truth: false, uncalibrated: false, seed: 1, resplit: false });
}

function shopOf(
  found: FoundUsers,
  options: Pick<RoundOptions, "shop" | "dataSeed">,
): UsersSource | undefined {
  return truthOf(subjectOf(found), found, options);
}

interface OnDevice {
  readonly gpu: Gpu;
  readonly users: LearnedSource;
  readonly policy: () => Policy;
  /** Progress under a title; throws where the command is to stop. */
  readonly told: (title: string) => (done: number, all: number) => void;
  /** What the model says of pages that users saw. */
  readonly said: (judges: Judges) => Promise<SeenPages>;
}

/** What is opened on a device for a while, with a line of progress. */
async function onDevice<T>(
  { found, policy }: Plan,
  stop: Stop,
  use: (on: OnDevice) => Promise<T>,
): Promise<T> {
  const progress = stepProgress();
  try {
    return await withDevice(async (gpu, made) => {
      const { environment: users } = found.open(gpu, made);
      if (!(users instanceof LearnedSource)) throw new Error("expected the users of a model");
      const told = (title: string) => (round: number, rounds: number) => {
        stop.signal.throwIfAborted();
        progress.begin({ title, number: 0, of: 0, round, rounds });
      };
      const { pages } = policy.config.training;
      const result = await use({
        ...{ gpu, users, policy: () => made.keep(policy.policy(users)), told },
        said: ({ source, users: judges }) =>
          seenPages(
            users.model,
            source,
            judges,
            pages,
            told("What the model says of the pages that users saw"),
          ),
      });
      gpu.check();
      return result;
    });
  } finally {
    progress.stop();
  }
}

/** How users see a policy's pages. */
function simulationOf({ found, policy: { config: { training } } }: Plan, users: number, seed: number) {
  const { slate, pages, reward, repeats, leave, patience, start } = training;
  return {
    ...{ users, seed, slate, pages, reward, repeats, leave, patience },
    start: startsOf(found.data.source, start),
  } satisfies SimulatorOptions;
}

/** Users of the shop under the policy. @param episode what they draw */
async function shown(
  plan: Plan,
  { shop, users, seed, episode }: {
    readonly shop: UsersSource;
    readonly users: number;
    readonly seed: number;
    readonly episode: number;
  },
  stop: Stop,
): Promise<EpisodeLog[]> {
  return await onDevice(plan, stop, async ({ gpu, policy, told }) => {
    const logs: EpisodeLog[] = [];
    const simulator = await Simulator.create(gpu, shop, simulationOf(plan, users, seed));
    try {
      await simulator.run(policy(), {
        firstEpisode: episode,
        onProgress: told("Users of the shop see the policy's pages"),
        onLog: (log) => void logs.push(log),
      });
    } finally {
      simulator.destroy();
    }
    return logs;
  });
}

/** The shop's users who judge a policy; without a shop nobody does before there is a log. */
async function judgesOf(plan: Plan, options: RoundOptions, stop: Stop): Promise<Judges | undefined> {
  const shop = shopOf(plan.found, options);
  if (!shop) return undefined;
  const { testUsers: users, seed } = options;
  const logs = await shown(plan, { shop, users, seed, episode: EVALUATION_EPISODE }, stop);
  const { source } = plan.found.data;
  if (!source.items.items) throw new Error("expected the items of a shop to be in memory");
  const setting = simulationOf(plan, users, seed);
  const log = episodeLog(logs, {
    ...{ name: "judges", items: source.items.items },
    startOf: (user, episode) => startOf(setting.start, user, episode, keyOf(seed)),
  });
  return { source: new MemoryLog(log), users: Uint32Array.from({ length: users }, (_, user) => user) };
}

/** @param before what was known of the policy before. */
async function judged(
  plan: Plan,
  judges: Judges | undefined,
  before: PlanFigures | undefined,
  { testUsers, seed }: RoundOptions,
  stop: Stop,
): Promise<PlanFigures> {
  return await onDevice(plan, stop, async ({ gpu, users, policy, told, said }) => {
    const setting = simulationOf(plan, testUsers, seed);
    const seen = judges && judges.users.length > 0 ? await said(judges) : undefined;
    const onProgress = told("What the model promises");
    const promised = ratioOf(
      await promisedClicks(gpu, users, policy(), { ...setting, onProgress }, seen?.seen),
    );
    const none = { made: null, broken: null, error: null, gain: null, refitted: null, clicks: [] };
    if (!seen) return { ...none, promised };
    const made = ratioOf(seen.made);
    const same = before?.clicks.length === seen.made.length && before.clicks.length > 0;
    return {
      ...{
        promised,
        made,
        broken: unpaired(promised, made),
        error: paired(seen.predicted, seen.made),
        refitted: null,
      },
      gain: same ? paired(seen.made, before.clicks) : null,
      clicks: Array.from(seen.made),
    };
  });
}

/**
 * The round after a policy: its pages join the model's log, a model is trained on both, and a policy on that one. Both stand in
 * the folder then. @returns what became of the policy
 */
async function play(
  plan: Plan,
  { path, round, before }: {
    readonly path: string;
    readonly round: number;
    readonly before: PlanFigures | undefined;
  },
  options: RoundOptions,
  stop: Stop,
): Promise<PlanFigures> {
  await makeFolder(path);
  say(`round ${round}`);
  const { found, policy } = plan;
  const merged = await mergedData(plan, path, round, options, stop);
  const judges = await judgesOf(plan, options, stop);
  const own = await judged(plan, judges ?? knownUsers(merged, found.data.source), before, options, stop);
  if (!await refit(`${path}/model`, merged.data, found, stop)) stop.signal.throwIfAborted();
  const next = await usersOf(`${path}/model`, options);
  // Of a log its test users have not been learned from.
  const { source } = merged.data;
  const fresh = judges ?? { source, users: merged.users.filter((user) => source.userSplit[user] === TEST) };
  const { length: users } = fresh.users;
  const seen = users === 0
    ? undefined
    : await onDevice({ found: next, policy }, stop, ({ said }) => said(fresh));
  const refitted = seen ? { users, ...paired(seen.predicted, seen.made) } : null;
  await makeFolder(`${path}/policy`);
  using _policy = OwnedFolder.open(`${path}/policy`);
  const training = furtherTraining(policy.config.training);
  const { finished } = await trainPolicy(`${path}/policy`, next, training, stop, policy);
  if (!finished) stop.signal.throwIfAborted();
  const figures = { ...own, refitted };
  await atomicWriteFile(`${path}/result.json`, JSON.stringify(figures) + "\n");
  return figures;
}

/** A new plan goes on from the old one: drawn anew it would find where the model is wrong on pages that nobody has seen yet. */
function furtherTraining(training: PolicyTrainingConfig): PolicyTrainingConfig {
  const further = goingOn(training);
  return further === training ? training : { ...further, steps: Math.ceil(training.steps / 2) };
}

const TEST = splits.indexOf("test");

/** A model's log and the pages of a policy, as one. */
interface MergedData {
  readonly data: Dataset;
  /** Who saw the policy's pages. */
  readonly users: Uint32Array<ArrayBuffer>;
}

async function mergedData(
  plan: Plan,
  path: string,
  round: number,
  options: RoundOptions,
  stop: Stop,
): Promise<MergedData> {
  const { run } = plan.found;
  const config = run?.trainedOn;
  if (!config) {
    throw new UserError(
      `Expected --model in its run's folder, which says what it was trained on, got ${run?.path}, which has none.`,
    );
  }
  const log = options.log ?? await shopLog(plan, `${path}/log`, round, options, stop);
  // In memory, where each page has all that its set says of it.
  const base = await reopenData(config.kind === "prepared" ? { ...config, memoryRows: Infinity } : config);
  const folder = `${path}/data`;
  if (!await isWhole(folder)) {
    const all = await openData({ data: log, seed: 1, resplit: false, memoryRows: Infinity }, []);
    const shown = config.kind === "prepared" && !config.itemIds && itemIdsOf(all.features)
      ? withoutItemIds(all)
      : all;
    const parts = [
      { name: base.source.name, data: await OpenedDataset.of(base) },
      {
        name: options.log === undefined ? `round-${round}` : shown.source.name,
        data: await OpenedDataset.of(shown),
      },
    ];
    const about = { name: `${base.source.name}-${round}`, command: Deno.args };
    await inNewSet(folder, ROUNDS, () => mergeSets(folder, parts, about));
  }
  const data = await openData({ data: folder, seed: 1, resplit: false, memoryRows: options.memoryRows });
  const [first, all] = [base.source.userSplit.length, data.source.userSplit.length];
  return { data, users: Uint32Array.from({ length: all - first }, (_, k) => first + k) };
}

async function isWhole(folder: string): Promise<boolean> {
  return await exists(`${folder}/${MANIFEST}`) && !await exists(`${folder}/${SIGN}`);
}

/** Those who saw items that the model knows, and nothing else. */
function knownUsers({ data: { source }, users }: MergedData, { items }: LogSource): Judges {
  const { count } = items.shape;
  const known: number[] = [];
  for (const user of users) {
    if (source.read(Uint32Array.of(user)).rowItem.every((item) => item < count)) known.push(user);
  }
  if (known.length < users.length) {
    say(
      `${
        users.length - known.length
      } users saw items that the model does not know: it is asked about the other ${known.length}.`,
    );
  }
  return { source: source.with({ items }), users: Uint32Array.from(known) };
}

/** Pages of the shop's users under the policy, of whom a round learns. @returns the folder */
async function shopLog(
  plan: Plan,
  folder: string,
  round: number,
  options: RoundOptions,
  stop: Stop,
): Promise<string> {
  if (await isWhole(folder)) return folder;
  const shop = shopOf(plan.found, options);
  if (!shop) throw new Error("expected a shop");
  const { users, seed } = options;
  const logs = await shown(plan, { shop, users, seed, episode: round }, stop);
  const { start } = simulationOf(plan, users, seed);
  const about = {
    ...{ users, seed, note: `pages of the policy ${plan.policy.path}; who clicks: ${shop.name} itself` },
    startOf: (user: number) => startOf(start, user, round, keyOf(seed)),
  };
  async function* all(): AsyncGenerator<EpisodeLog> {
    yield* await Promise.resolve(logs);
  }
  await inNewSet(folder, ROUNDS, () => writeShown(folder, plan.found.data, about, all()));
  return folder;
}

/** Trains a model as another one was, on other data. @returns whether it came to its end */
async function refit(path: string, data: Dataset, { run }: FoundUsers, stop: Stop): Promise<boolean> {
  if (await exists(`${path}/result.json`)) return true;
  const saved = await hasConfig(path) ? await readConfig(path) : undefined;
  const { model: { counts, ...model }, training, pretrain, adversarial } = saved ??
    await readConfig(dirname(run?.path ?? ""));
  const trained = {
    ...{ training, pretrain, adversarial },
    model: { ...model, counts: counts && countsConfigFor(data.source, data.features?.tokens ?? []) },
  };
  expectPlaces(path, { ...data, kind: data.config.kind }, trained.model);
  let finished = false;
  await withGpu(data, trained, async (gpu) => {
    if (saved) await compareMachine(gpu, saved);
    const sizes = { model: trained.model, users: training.batchSize };
    const shapes = saved?.shapes ?? await shapesFor(undefined, gpu, data.source, sizes, say);
    const config = saved ?? await newConfig(gpu, data, trained, { shapes });
    await makeFolder(path);
    using _folder = OwnedFolder.open(path);
    const results = await goOn({ gpu, data, init: undefined, path, config, signal: stop.signal }, stop);
    finished = isFinished(config, results);
    for (const { verdict = [] } of results) say(verdict.join(" "));
    return 0;
  });
  return finished;
}
