/** `policy round`: a model, and a policy that plans with it, learn from what users did on the policy's pages. */

import * as v from "../../schema.ts";
import type { Command } from "commander";
import { dirname } from "node:path";
import { splits } from "../../data/click_log.ts";
import type { MergedPart } from "../../data/sets/merge.ts";
import { atomicWriteFile, makeFolder } from "../../run/files/atomic_write.ts";
import { readJson } from "../../run/files/json_file.ts";
import { OwnedFolder } from "../../run/files/owned_folder.ts";
import type { LogSource } from "../../data/log_source.ts";
import { refit } from "../../run/commands/refit.ts";
import { EXIT_INTERRUPTED, say } from "../../run/commands/run_stages.ts";
import { findUsers, type FoundUsers, subjectOf } from "../../simulate/commands/found_users.ts";
import { type Stop, stopOnSignals } from "../../cli/stop.ts";
import { goingOn, type PolicyTrainingConfig } from "../learning/config.ts";
import { expectTrainedOn } from "../policy_config.ts";
import { OpenedPolicy } from "../trained_policy.ts";
import { knownUsers, openParts, roundData } from "./round_data.ts";
import {
  errorOf,
  judged,
  judgesOf,
  type Plan,
  type PlanFigures,
  planSchema,
  roundsText,
  shopOf,
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
