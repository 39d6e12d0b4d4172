/** `policy train`: a policy from simulated users. */

import { Command } from "commander";
import process from "node:process";
import { expectPagesWithoutClick } from "../../data/log_source.ts";
import { contentsOf, expectEmpty, OwnedFolder } from "../../run/files/owned_folder.ts";
import { recordedShapes } from "../../gpu/kernel_shapes.ts";
import {
  hasPolicy,
  type PolicyConfig,
  policyConfigSchema,
  readPolicyConfig,
  subjectText,
} from "../policy_config.ts";
import { type CurvePoint, PolicyFolder, type PolicyResult, runPolicy } from "../learning/policy_run.ts";
import { readPolicy } from "../learning/policy_snapshot.ts";
import { PolicyTrainer } from "../learning/policy_trainer.ts";
import type { PolicyTrainingConfig } from "../learning/config.ts";
import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import type { OpenedPolicy } from "../trained_policy.ts";
import { startsOf } from "./episode_setting.ts";
import {
  findAgain,
  findUsers,
  type FoundUsers,
  subjectOf,
  withDevice,
} from "../../simulate/commands/found_users.ts";
import { givenOptions } from "../../cli/options.ts";
import { compareMachine, EXIT_INTERRUPTED, machine, say, timestamp } from "../../run/commands/run_stages.ts";
import type { PolicyAction } from "./action.ts";
import {
  addPolicyTrainOptions,
  checkPolicyResume,
  checkTrainedOn,
  policyTrainingOf,
  type PolicyTrainOptions,
} from "./train_options.ts";
import { trainingProgress } from "../../cli/progress.ts";
import { quoted } from "../../cli/arguments.ts";
import { type Stop, stopOnSignals } from "../../cli/stop.ts";
import { thousands } from "../../thousands.ts";

export function policyTrainCommand(action: PolicyAction): Command {
  const command = new Command("train").description(
    "Trains a policy on simulated users: those of a learned model, or the truth of a made-up shop. Users, what is " +
      "remembered of them and the networks stand on the device.",
  );
  addPolicyTrainOptions(command);
  return command.action((options: PolicyTrainOptions) =>
    action(async () => {
      const stop = stopOnSignals(EXIT_INTERRUPTED);
      if (options.resume === undefined) return await begin(options, stop);
      checkPolicyResume(givenOptions(command));
      return await resume(options.resume, options, givenOptions(command).has("steps"), stop);
    })
  ).addHelpText(
    "after",
    "\nExamples:\n" +
      "  deno task policy train --shop restless --truth --algorithm gdqn --save-dir runs/gdqn\n" +
      "  deno task policy train --model runs/a --algorithm cdqn --slate 5 --steps 1000000\n" +
      "  deno task policy train --resume runs/gdqn        after Ctrl-C\n" +
      "\nThe folder holds policy.json, curve.csv with what the policy brought whenever it was evaluated, train.csv with the " +
      "figures of\nevery page, and last.safetensors. Training is saved between two episodes, at every point of the curve.",
  );
}

const NEW_POLICY = { what: "the policy", option: "--save-dir" };

/** @throws UserError for a folder that holds something. */
function expectNewPolicy(path: string): void {
  if (!contentsOf(path)?.includes("policy.json")) return expectEmpty(path, NEW_POLICY);
  throw new UserError(
    `Expected a new or empty folder for the policy, but ${path} holds one. Continue it with --resume ` +
      `${quoted(path)}, or choose another --save-dir.`,
  );
}

async function begin(options: PolicyTrainOptions, stop: Stop): Promise<number> {
  const training = policyTrainingOf(options);
  checkTrainedOn(options);
  if (options.saveDir !== undefined) expectNewPolicy(options.saveDir);
  const found = await findUsers({ ...options, seed: 1, resplit: false }); // --seed is the training's alone
  const path = options.saveDir ?? `runs/policy-${training.algorithm}-${timestamp()}`;
  return await withTrainer(found, training, undefined, async (trainer, config) => {
    expectNewPolicy(path);
    using folder = await OwnedFolder.begin(path, NEW_POLICY);
    say(`policy: ${folder.path}`);
    return tell(path, training, await goOn(trainer, path, config, stop));
  });
}

async function resume(
  path: string,
  options: PolicyTrainOptions,
  stepsGiven: boolean,
  stop: Stop,
): Promise<number> {
  if (!await hasPolicy(path)) await readPolicyConfig(path); // says so
  using _folder = OwnedFolder.open(path);
  const { trainedOn, training } = await readPolicyConfig(path);
  const wanted = stepsGiven ? { ...training, steps: options.steps } : training;
  return tell(path, wanted, await trainPolicy(path, await findAgain(trainedOn, options), wanted, stop));
}

/**
 * Trains a policy in a folder that the caller owns, or goes on with the one that is there.
 * @param from whose weights it begins with; drawn ones by default.
 */
export async function trainPolicy(
  path: string,
  found: FoundUsers,
  training: PolicyTrainingConfig,
  stop: Stop,
  from?: OpenedPolicy,
): Promise<PolicyResult> {
  const saved = await hasPolicy(path) ? await readPolicyConfig(path) : undefined;
  return await withTrainer(found, training, saved, (trainer, config) => {
    if (from) trainer.setWeights(from.snapshot.weights(trainer.specs));
    return goOn(trainer, path, from ? { ...config, from: from.path } : config, stop);
  });
}

async function goOn(
  trainer: PolicyTrainer,
  path: string,
  config: PolicyConfig,
  stop: Stop,
): Promise<PolicyResult> {
  if (!await PolicyFolder.hasState(path)) {
    return await train(trainer, await PolicyFolder.begin(path, config), stop);
  }
  const { users, steps } = config.training;
  const snapshot = await readPolicy(path);
  const done = snapshot.iteration * users;
  if (snapshot.iteration > trainer.schedule.iterations) {
    throw new UserError(`Expected --steps of at least ${done}, as so many are done, got ${steps}.`);
  }
  trainer.restoreAll(snapshot.state(trainer.specs), path);
  say(`going on after ${thousands(done)} pages of users`);
  return await train(trainer, await PolicyFolder.resume(path, config, snapshot), stop);
}

/** @param saved of a training that has begun. */
async function withTrainer<T>(
  found: FoundUsers,
  training: PolicyTrainingConfig,
  saved: PolicyConfig | undefined,
  use: (trainer: PolicyTrainer, config: PolicyConfig) => Promise<T>,
): Promise<T> {
  expectPagesWithoutClick(found.data.source);
  return await withDevice(async (gpu, made) => {
    const source = found.open(gpu, made).environment;
    if (saved) {
      await compareMachine(gpu, saved);
      // The kernel shapes that the training began with, so that it goes on bit for bit.
      gpu.useShapes(recordedShapes(saved.shapes, gpu.shapes));
    }
    const config = saved ? { ...saved, training } : v.parse(policyConfigSchema, {
      ...{
        clickgan: version,
        command: Deno.args,
        trainedOn: subjectOf(found),
        items: source.itemCount,
        training,
      },
      ...{ ...await machine(gpu), shapes: gpu.shapes },
    });
    const { kind, description } = gpu.adapter;
    say(`adapter: ${description}${kind === "cpu" ? " (software: it computes on the CPU)" : ""}`);
    say(`users: ${subjectText(subjectOf(found))}, ${thousands(source.itemCount)} items`);
    if (found.verdict !== undefined) say(found.verdict);
    const start = startsOf(found.data.source, training.start);
    const trainer = made.keep(await PolicyTrainer.create(gpu, source, training, { start }));
    const result = await use(trainer, config);
    gpu.check();
    return result;
  });
}

async function train(trainer: PolicyTrainer, files: PolicyFolder, stop: Stop): Promise<PolicyResult> {
  const { schedule: { iterations }, config: { users } } = trainer;
  const names = { loss: "loss", prec1: "return" };
  const start = trainer.iteration * users;
  const progress = trainingProgress(iterations * users, start, process.stderr, names);
  stop.onStop = () =>
    progress.note("stopping: the episode that is under way is finished and saved (Ctrl-C again to drop it)");
  try {
    return await runPolicy(trainer, files, {
      onPage: ({ iteration, loss }) => progress.update(iteration * users, { loss }),
      onPoint: (point) => {
        progress.update(point.userSteps, { prec1: point.return });
        progress.note(`${thousands(point.userSteps)} pages of users: return ${returnText(point)}`);
      },
    }, stop.signal);
  } finally {
    stop.onStop = undefined;
    progress.stop();
    files.close();
  }
}

function returnText(point: CurvePoint): string {
  return `${point.return.toFixed(3)} +- ${point.standardError.toFixed(3)}`;
}

/** @returns the exit code. */
function tell(
  path: string,
  { users, pages, evaluationUsers }: PolicyTrainingConfig,
  { iteration, finished, chosen }: PolicyResult,
): number {
  if (!finished) {
    say(`Stopped after ${iteration * users} pages of users; everything is saved in ${path}.`);
    say(`Go on with: deno task policy train --resume ${quoted(path)}`);
    return EXIT_INTERRUPTED;
  }
  if (chosen) {
    const { userSteps, clickRate, coverage } = chosen;
    console.log(
      `Return ${returnText(chosen)} of ${evaluationUsers} other users over ${pages} pages, by the ` +
        `weights after ${thousands(userSteps)} pages, the curve's best; click rate ` +
        `${clickRate.toFixed(3)}, ${(100 * coverage).toFixed(0)} % of the catalogue shown.`,
    );
  }
  console.log(`The policy is in ${path}`);
  return 0;
}
