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
import { PolicyFolder, type PolicyResult, runPolicy } from "../learning/policy_run.ts";
import { readPolicy } from "../learning/policy_snapshot.ts";
import { PolicyTrainer } from "../learning/policy_trainer.ts";
import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
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
    `Expected a new or empty folder for the policy, but ${path} holds one. Continue it with --resume ${
      quoted(path)
    }, or ` +
      "choose another --save-dir.",
  );
}

async function begin(options: PolicyTrainOptions, stop: Stop): Promise<number> {
  const training = policyTrainingOf(options);
  checkTrainedOn(options);
  if (options.saveDir !== undefined) expectNewPolicy(options.saveDir);
  const found = await findUsers({ ...options, seed: 1, resplit: false }); // --seed is the training's alone
  const path = options.saveDir ?? `runs/policy-${training.algorithm}-${timestamp()}`;
  return await withTrainer(found, undefined, (items, about) =>
    v.parse(policyConfigSchema, {
      ...{ clickgan: version, command: Deno.args, trainedOn: subjectOf(found), items, training },
      ...about,
    }), async (trainer, config) => {
    expectNewPolicy(path);
    using folder = await OwnedFolder.begin(path, NEW_POLICY);
    say(`policy: ${folder.path}`);
    const files = await PolicyFolder.begin(folder.path, config);
    return await train(trainer, files, stop);
  });
}

async function resume(
  path: string,
  options: PolicyTrainOptions,
  stepsGiven: boolean,
  stop: Stop,
): Promise<number> {
  if (!await hasPolicy(path)) await readPolicyConfig(path); // says so
  using folder = OwnedFolder.open(path);
  const saved = await readPolicyConfig(path);
  const training = stepsGiven ? { ...saved.training, steps: options.steps } : saved.training;
  const config = { ...saved, training };
  const found = await findAgain(saved.trainedOn, options);
  return await withTrainer(found, config, () => config, async (trainer) => {
    if (!await PolicyFolder.hasState(path)) {
      return await train(trainer, await PolicyFolder.begin(folder.path, config), stop);
    }
    const snapshot = await readPolicy(path);
    if (snapshot.iteration > trainer.schedule.iterations) {
      const done = snapshot.iteration * training.users;
      throw new UserError(
        `Expected --steps of at least ${done}, as so many are done, got ${training.steps}.`,
      );
    }
    trainer.restoreAll(snapshot.state(trainer.specs), path);
    say(`going on after ${thousands(snapshot.iteration * training.users)} pages of users`);
    return await train(trainer, await PolicyFolder.resume(path, config, snapshot), stop);
  });
}

async function withTrainer(
  found: FoundUsers,
  saved: PolicyConfig | undefined,
  configOf: (items: number, about: Pick<PolicyConfig, "adapter" | "system" | "shapes">) => PolicyConfig,
  use: (trainer: PolicyTrainer, config: PolicyConfig) => Promise<number>,
): Promise<number> {
  expectPagesWithoutClick(found.data.source);
  return await withDevice(async (gpu, made) => {
    const source = found.open(gpu, made).environment;
    if (saved) {
      await compareMachine(gpu, saved);
      // The kernel shapes that the training began with, so that it goes on bit for bit.
      gpu.useShapes(recordedShapes(saved.shapes, gpu.shapes));
    }
    const config = configOf(source.itemCount, { ...await machine(gpu), shapes: gpu.shapes });
    const { kind, description } = gpu.adapter;
    say(`adapter: ${description}${kind === "cpu" ? " (software: it computes on the CPU)" : ""}`);
    say(`users: ${subjectText(subjectOf(found))}, ${thousands(source.itemCount)} items`);
    if (found.verdict !== undefined) say(found.verdict);
    const trainer = made.keep(
      await PolicyTrainer.create(gpu, source, config.training, {
        start: startsOf(found.data.source, config.training.start),
      }),
    );
    const code = await use(trainer, config);
    gpu.check();
    return code;
  });
}

async function train(trainer: PolicyTrainer, files: PolicyFolder, stop: Stop): Promise<number> {
  const { schedule: { iterations }, config: { users } } = trainer;
  const names = { loss: "loss", prec1: "return" };
  const start = trainer.iteration * users;
  const progress = trainingProgress(iterations * users, start, process.stderr, names);
  stop.onStop = () =>
    progress.note("stopping: the episode that is under way is finished and saved (Ctrl-C again to drop it)");
  let result: PolicyResult;
  try {
    result = await runPolicy(trainer, files, {
      onPage: ({ iteration, loss }) => progress.update(iteration * users, { loss }),
      onPoint: (point) => {
        progress.update(point.userSteps, { prec1: point.return });
        const at = thousands(point.userSteps);
        progress.note(
          `${at} pages of users: return ${point.return.toFixed(3)} +- ${point.standardError.toFixed(3)}`,
        );
      },
    }, stop.signal);
  } finally {
    stop.onStop = undefined;
    progress.stop();
    files.close();
  }
  if (!result.finished) {
    say(`Stopped after ${result.iteration * users} pages of users; everything is saved in ${files.path}.`);
    say(`Go on with: deno task policy train --resume ${quoted(files.path)}`);
    return EXIT_INTERRUPTED;
  }
  if (result.last) {
    const { last } = result;
    console.log(
      `Return ${last.return.toFixed(3)} +- ${
        last.standardError.toFixed(3)
      } of ${trainer.config.evaluationUsers} users over ` +
        `${trainer.config.pages} pages, click rate ${last.clickRate.toFixed(3)}, ${
          (100 * last.coverage).toFixed(0)
        } % of the ` +
        "catalogue shown.",
    );
  }
  console.log(`The policy is in ${files.path}`);
  return 0;
}
