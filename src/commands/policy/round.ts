/**
 * `policy round`: a model, and a policy that plans with it, learn from what users did on the policy's pages; the log of the model and
 * those pages are one data set.
 */

import * as v from "../../schema.ts";
import type { Command } from "commander";
import { dirname } from "node:path";
import { splits } from "../../data/click_log.ts";
import { expectSameFeatures, type MergedPart, mergeSets } from "../../data/sets/merge.ts";
import { atomicWriteFile, makeFolder } from "../../files/atomic_write.ts";
import { readJson } from "../../files/json_file.ts";
import { OwnedFolder, SIGN } from "../../files/owned_folder.ts";
import type { LogSource } from "../../data/log_source.ts";
import { refit } from "../train/refit.ts";
import { EXIT_INTERRUPTED, say } from "../train/run_stages.ts";
import { findUsers, type FoundUsers, subjectOf } from "../simulate/found_users.ts";
import { type Stop, stopOnSignals } from "../../cli/stop.ts";
import { goingOn, type PolicyTrainingConfig } from "../../policy/learning/config.ts";
import { expectTrainedOn } from "../../policy/policy_config.ts";
import { OpenedPolicy } from "../../policy/trained_policy.ts";
import {
  errorOf,
  judged,
  judgesOf,
  type Plan,
  type PlanFigures,
  planSchema,
  roundsText,
  shopOf,
  shown,
} from "./round_judges.ts";
import {
  checkRound,
  haveBegun,
  roundCommand,
  type RoundOptions,
  ROUNDS,
  writeRounds,
} from "./round_options.ts";
import { trainPolicy } from "./train.ts";
import { itemIdsOf } from "../../data/item_ids.ts";
import { MANIFEST } from "../../data/manifest.ts";
import { type Dataset, withoutItemIds } from "../../data/sets/dataset.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { inNewSet } from "../../data/sets/prepared_writer.ts";
import { exists } from "../../files/file_error.ts";
import { writeShown } from "../simulate/files.ts";
import { openData, reopenData, withProgress } from "../../cli/open_data.ts";
import type { Judges } from "../../policy/comparison/calibration.ts";

export function policyRoundCommand(): Command {
  return roundCommand().action(async (options: RoundOptions) => {
    Deno.exitCode = await run(options);
  });
}

const resultSchema = v.object({ policies: v.array(planSchema) });

async function run(options: RoundOptions): Promise<number> {
  checkRound(options);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  const begun = await haveBegun(options);
  const plan = await openPlan(options.model, options.policy, options);
  const { out, rounds, log } = options;
  const parts = log === undefined ? undefined : await openParts(plan.found, log);
  using _folder = begun ? OwnedFolder.open(out) : await OwnedFolder.begin(out, ROUNDS);
  await haveBegun(options); // another process may have begun them since the first look
  await writeRounds(options);
  const result = `${out}/result.json`;
  const told = await readJson(result, resultSchema);
  let policies: readonly PlanFigures[];
  try {
    policies = told?.policies.length === rounds + 1
      ? told.policies
      : await playAll(plan, parts, options, stop);
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

/** Plays the rounds that were not played yet. @returns what became of the first policy, and of that of each round */
async function playAll(
  first: Plan,
  parts: MergedPart[] | undefined,
  options: RoundOptions,
  stop: Stop,
): Promise<PlanFigures[]> {
  let plan = first;
  const policies: PlanFigures[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const path = `${options.out}/round-${round}`;
    const before = policies.at(-1);
    policies.push(
      await readJson(`${path}/result.json`, planSchema) ??
        await play(plan, { path, round, before, parts }, options, stop),
    );
    plan = await openPlan(`${path}/model`, `${path}/policy`, options);
  }
  const judges = await judgesOf(plan, options, stop);
  return [...policies, await judged(plan, judges, policies.at(-1), options, stop)];
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

/**
 * The round after a policy: its pages join the model's log, a model is trained on both, and a policy on that one. Both stand in
 * the folder then. @returns what became of the policy
 */
async function play(
  plan: Plan,
  { path, round, before, parts }: {
    readonly path: string;
    readonly round: number;
    readonly before: PlanFigures | undefined;
    readonly parts: MergedPart[] | undefined;
  },
  options: RoundOptions,
  stop: Stop,
): Promise<PlanFigures> {
  await makeFolder(path);
  say(`round ${round}`);
  const { found, policy } = plan;
  const merged = await roundData(plan, { path, round, parts }, options, stop);
  const { data, users } = merged;
  const judges = await judgesOf(plan, options, stop);
  const own = await judged(plan, judges ?? knownUsers(merged, found.data.source), before, options, stop);
  const like = dirname(found.run?.path ?? "");
  const growth = learnedFrom(data.source) / learnedFrom(found.data.source);
  if (!await refit(`${path}/model`, data, { like, growth }, stop)) stop.signal.throwIfAborted();
  const next = await usersOf(`${path}/model`, options);
  // Of a log its test users have not been learned from.
  const { source } = data;
  const fresh = judges ?? { source, users: users.filter((user) => source.userSplit[user] === TEST) };
  const refitted = await errorOf({ found: next, policy }, fresh, stop);
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

const TRAIN = splits.indexOf("train");
const TEST = splits.indexOf("test");

/** How many users a model has learned from. */
function learnedFrom({ userSplit }: LogSource): number {
  return userSplit.filter((split) => split === TRAIN).length;
}

/**
 * A model's log and pages of its policy, in memory, where each page has all that its set says of it.
 * @throws UserError for pages that cannot be read, and items that are known by something else.
 */
export async function openParts({ run }: FoundUsers, log: string, name?: string): Promise<MergedPart[]> {
  const config = run?.trainedOn;
  if (!config) throw new Error("expected a model in its run");
  const all = await openData({ data: log, seed: 1, resplit: false, memoryRows: Infinity }, []);
  const own = await reopenData(config.kind === "prepared" ? { ...config, memoryRows: Infinity } : config);
  const withoutIds = config.kind === "prepared" && !config.itemIds && itemIdsOf(all.features);
  const pages = withoutIds ? withoutItemIds(all) : all;
  const first = { name: own.source.name, data: await OpenedDataset.of(own) };
  const added = { name: name ?? pages.source.name, data: await OpenedDataset.of(pages) };
  expectSameFeatures(first, added);
  return [first, added];
}

/** A model's log and the pages of a policy, as one. */
export interface RoundData {
  readonly data: Dataset;
  /** Who saw the policy's pages. */
  readonly users: Uint32Array<ArrayBuffer>;
}

/**
 * The data of a round, in its folder.
 * @param parts as of {@link openParts}; without them the shop's users see pages, and those are kept beside.
 */
export async function roundData(
  plan: Plan,
  { path, round, parts }: { readonly path: string; readonly round: number; readonly parts?: MergedPart[] },
  options: RoundOptions,
  stop: Stop,
): Promise<RoundData> {
  const { data: { source } } = plan.found;
  const folder = `${path}/data`;
  await onceIn(folder, async () => {
    const own = parts ??
      await openParts(plan.found, await shopLog(plan, path, round, options, stop), `round-${round}`);
    const about = { name: `${own[0]?.name}-${round}`, command: Deno.args };
    await withProgress((onProgress) => mergeSets(folder, own, about, onProgress));
  });
  const { memoryRows } = options;
  const data = await openData({ data: folder, seed: 1, resplit: false, memoryRows });
  const [first, all] = [source.userSplit.length, data.source.userSplit.length];
  return { data, users: Uint32Array.from({ length: all - first }, (_, k) => first + k) };
}

/** Pages of the shop's users under the policy, of whom a round learns. @returns their folder */
async function shopLog(
  plan: Plan,
  path: string,
  round: number,
  options: RoundOptions,
  stop: Stop,
): Promise<string> {
  const folder = `${path}/log`;
  await onceIn(folder, async () => {
    const shop = shopOf(plan.found, options);
    if (!shop) throw new Error("expected a shop");
    const { users, seed } = options;
    const { logs, startOf } = await shown(plan, { source: shop, users, seed, episode: round }, stop);
    const note = `pages of the policy ${plan.policy.path}; who clicks: ${shop.name} itself`;
    await writeShown(folder, plan.found.data, { users, seed, note, startOf }, ReadableStream.from(logs));
  });
  return folder;
}

/** Has a set made in a folder, unless it is there as a whole. */
async function onceIn(folder: string, write: () => Promise<void>): Promise<void> {
  if (await exists(`${folder}/${MANIFEST}`) && !await exists(`${folder}/${SIGN}`)) return;
  await inNewSet(folder, ROUNDS, write);
}

/** Those who saw items that the model knows, and nothing else. */
export function knownUsers({ data: { source }, users }: RoundData, { items }: LogSource): Judges {
  const known = users.filter((user) =>
    source.read(Uint32Array.of(user)).rowItem.every((item) => item < items.shape.count)
  );
  const others = users.length - known.length;
  if (others > 0) {
    say(
      `${others} users saw items that the model does not know: it is asked about the other ${known.length}.`,
    );
  }
  return { source: source.with({ items }), users: known };
}
