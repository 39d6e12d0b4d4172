/** `policy train`: parses options, creates the run folder, and starts or resumes a policy's training. */

import * as v from "../../schema.ts";
import { Command } from "commander";
import { expectPagesWithoutClick } from "../../data/log_source.ts";
import { FOLDER_FORMATS } from "../../files/json_file.ts";
import { pathExists } from "../../files/local_file.ts";
import { expectEmpty, OwnedFolder } from "../../files/owned_folder.ts";
import { reuseVariants } from "../../gpu/kernel_variants.ts";
import {
  describeSubject,
  expectItems,
  expectSubject,
  hasPolicy,
  type PolicyConfig,
  policyConfigSchema,
  readPolicyConfig,
} from "../../policy/policy_config.ts";
import { PolicyFolder, runPolicy } from "../../policy/learning/policy_run.ts";
import type { LearningCurvePoint, PolicyResult } from "../../policy/learning/policy_run.ts";
import { getPolicyPath, type PolicySnapshot, readPolicy } from "../../policy/learning/policy_snapshot.ts";
import { PolicyTrainer } from "../../policy/learning/policy_trainer.ts";
import { policyTrainingFields, policyTrainingSchema } from "../../policy/learning/policy_training_config.ts";
import type { PolicyTrainingConfig } from "../../policy/learning/policy_training_config.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { buildStartOptions, measureLoggedSizes } from "./episode_setting.ts";
import { findAgain, findUsers, getSubject, withDevice } from "../simulate/user_selection.ts";
import type { UserSelection } from "../simulate/user_selection.ts";
import type { GivenOptions } from "../../cli/command_options.ts";
import { expectResumedAlone, folder, listGivenOptions } from "../../cli/command_options.ts";
import { compareMachine, describeMachine, getTimestamp, printAdapter } from "../train/run_stages.ts";
import { createTrainingProgress } from "../../cli/progress.ts";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { EXIT_INTERRUPTED, reportAtStop, stopOnSignals, type StopRequest } from "../../cli/stop.ts";
import { formatThousands } from "../../number_text.ts";
import { buildConfig } from "../../option.ts";
import { addUsersOptions, checkUsers, createPolicyOption } from "../simulate/simulate_options.ts";
import type { UserSelectionOptions } from "../simulate/simulate_options.ts";

interface PolicyTrainOptions extends UserSelectionOptions, PolicyTrainingConfig {
  saveDir?: string;
  resume?: string;
}

type Names = readonly (keyof PolicyTrainingConfig)[];

/** Names of options, grouped by the headings of the help. */
const GROUPS: Readonly<Record<string, Names>> = {
  Pages: ["slate", "pages", "users", "reward", "start", "repeats", "leave", "patience"],
  Network: ["hidden", "trunk"],
  Learning: [
    ...["target", "doubleQ", "targetEvery", "discount", "bootstrapAtEnd"] as const,
    ...["learningRate", "rows", "stepsPerPage", "clip", "huber", "replay"] as const,
    ...["epsilonStart", "epsilonEnd", "epsilonShare"] as const,
  ],
  Evaluation: ["evaluateEvery", "evaluationUsers"],
};

export function addPolicyTrainOptions(command: Command): Command {
  const add = (names: Names) => names.forEach((name) => command.addOption(createPolicyOption(name)));
  add(["algorithm", "steps", "seed"]);
  command.option(SAVE_DIR, "folder of the policy; new or empty", folder)
    .option(RESUME, "resume the training in this folder, bit-identically; --steps may extend it", folder);
  addUsersOptions(command, { seed: "the seed of the model's data, else 1" });
  for (const [heading, names] of Object.entries(GROUPS)) {
    command.optionsGroup(`${heading}:`);
    add(names);
  }
  return command;
}

/** @throws UserError if options for users or start clicks are missing, or contradict each other. */
function checkTrainedOn(options: UserSelectionOptions & Pick<PolicyTrainOptions, "start">): void {
  checkUsers(options);
  if (options.truth && options.start !== "empty" && options.dataUsersSeed !== undefined) {
    throw new UserError(
      "Expected no --data-users-seed with --truth and --start, because --data-seed " +
        "determines the users. Omit --data-users-seed.",
    );
  }
  if (!options.truth || options.model === undefined) return;
  throw new UserError("Expected --model or --truth, got both. Omit one option.");
}

/** Builds the training config from the options. @throws UserError for contradictory options */
export function buildPolicyTrainingConfig(options: PolicyTrainOptions): PolicyTrainingConfig {
  const config = buildConfig(policyTrainingFields, { ...options });
  const training = v.parse(policyTrainingSchema, { ...config, clip: config.clip === 0 ? null : config.clip });
  if (training.algorithm !== "cdqn" && training.target !== "common") {
    throw new UserError(
      `Expected --target only with --algorithm cdqn, got ${training.algorithm}: only cdqn has a Q-value ` +
        "per position. Omit --target.",
    );
  }
  return training;
}

export function createPolicyTrainCommand(): Command {
  const command = new Command("train").description(
    "Trains a policy on simulated users, whose clicks follow a learned model or the ground truth of a synthetic " +
      "shop. Users, replay buffer and networks are on the device.",
  );
  addPolicyTrainOptions(command);
  return command.action(async (options: PolicyTrainOptions) => {
    const stop = stopOnSignals();
    const given = listGivenOptions(command);
    if (options.resume !== undefined) {
      expectResumedAlone(given, ["steps", "memoryRows"], "--steps", "Omit the other options.");
    }
    Deno.exitCode = options.resume === undefined
      ? await begin(options, given, stop)
      : await resume(options.resume, options, given.has("steps"), stop);
  }).addHelpText(
    "after",
    "\nExamples:\n" +
      "  deno task -q policy train --shop restless --truth --algorithm gdqn --save-dir runs/gdqn\n" +
      "  deno task -q policy train --model runs/a --algorithm cdqn --slate 5 --steps 1000000\n" +
      "  deno task -q policy train --resume runs/gdqn        (after Ctrl-C)\n" +
      "\nThe folder contains policy.json, curve.csv (metrics of each evaluation), train.csv (metrics of " +
      "each page) and last.safetensors. Training is saved at each evaluation, between episodes.",
  );
}

const NEW_POLICY = { what: "the policy", option: "--save-dir", resumed: ["policy.json"] };

async function begin(options: PolicyTrainOptions, given: GivenOptions, stop: StopRequest): Promise<number> {
  let training = buildPolicyTrainingConfig(options);
  checkTrainedOn(options);
  if (options.saveDir !== undefined) expectEmpty(options.saveDir, NEW_POLICY);
  const found = await findUsers({ ...options, seed: 1, resplit: false }); // --seed is for the training
  const logged = measureLoggedSizes(found.data, given);
  if (logged) {
    training = { ...training, ...logged.sizes };
    console.error(logged.note);
  }
  const path = options.saveDir ?? `runs/policy-${training.algorithm}-${getTimestamp()}`;
  return await runTraining(path, found, training, undefined, stop);
}

async function resume(
  path: string,
  options: PolicyTrainOptions,
  stepsGiven: boolean,
  stop: StopRequest,
): Promise<number> {
  if (!await hasPolicy(path)) await readPolicyConfig(path); // throws: there is no policy
  using _folder = OwnedFolder.open(path);
  const saved = await readPolicyConfig(path);
  const training = stepsGiven ? { ...saved.training, steps: options.steps } : saved.training;
  const found = await findAgain(saved.trainedOn, options);
  const { name, items } = found.data.source;
  expectItems(path, saved, name, items.shape.count);
  return await runTraining(path, found, training, saved, stop);
}

/** Starts or resumes a training in its folder. @param saved - config of the training to resume, if any */
async function runTraining(
  path: string,
  found: UserSelection,
  training: PolicyTrainingConfig,
  saved: PolicyConfig | undefined,
  stop: StopRequest,
): Promise<number> {
  expectPagesWithoutClick(found.data.source);
  return await withDevice(async (gpu, stack) => {
    const source = found.open(gpu, stack).environment;
    if (saved) {
      await compareMachine(gpu, saved);
      // With the recorded kernel variants, a resumed training has the same bits.
      gpu.setVariants(reuseVariants(saved.variants, gpu.variants));
    }
    const config = saved ? { ...saved, training } : v.parse(policyConfigSchema, {
      format: FOLDER_FORMATS.policy,
      clickgan: version,
      command: Deno.args,
      trainedOn: getSubject(found),
      items: source.itemCount,
      training,
      ...await describeMachine(gpu),
      variants: gpu.variants,
    });
    printAdapter(gpu);
    console.error(`users: ${describeSubject(getSubject(found))}, ${formatThousands(source.itemCount)} items`);
    for (const note of found.notes) console.error(note);
    const start = buildStartOptions(found.data.source, training.start);
    const trainer = stack.use(await PolicyTrainer.create(gpu, source, training, { start }));
    if (!saved) {
      stack.use(await OwnedFolder.begin(path, NEW_POLICY));
      console.error(`policy: ${path}`);
    }
    const snapshot = await pathExists(getPolicyPath(path)) ? await restore(trainer, path, config) : undefined;
    const result = await train(trainer, await PolicyFolder.open(path, config, snapshot), stop);
    gpu.check();
    return tell(path, training, result);
  });
}

async function restore(trainer: PolicyTrainer, path: string, config: PolicyConfig): Promise<PolicySnapshot> {
  const { users, steps } = config.training;
  const snapshot = await readPolicy(path);
  expectSubject(path, config, snapshot.trainedOn);
  const done = snapshot.iteration * users;
  if (snapshot.iteration > trainer.schedule.iterations) {
    throw new UserError(
      `Expected --steps of at least ${done}, the number of finished user pages, got ${steps}.`,
    );
  }
  trainer.restoreAll(snapshot.state(trainer.specs), path);
  console.error(`resuming after ${formatThousands(done)} user pages`);
  return snapshot;
}

async function train(trainer: PolicyTrainer, folder: PolicyFolder, stop: StopRequest): Promise<PolicyResult> {
  const { schedule: { iterations }, config: { users } } = trainer;
  const names = { loss: "loss", prec1: "return" };
  const start = trainer.iteration * users;
  using files = folder;
  using progress = createTrainingProgress(iterations * users, start, names);
  const ending = "stopping after the current episode, which is saved (press Ctrl-C again to discard it)";
  using _told = reportAtStop(stop, progress.note, ending);
  return await runPolicy(trainer, files, {
    onPage: ({ iteration, loss }) => progress.update(iteration * users, { loss }),
    onPoint: (point) => {
      progress.update(point.userSteps, { prec1: point.return });
      progress.note(`${formatThousands(point.userSteps)} user pages: return ${returnText(point)}`);
    },
  }, stop.signal);
}

function returnText(point: LearningCurvePoint): string {
  return `${point.return.toFixed(3)} +- ${point.standardError.toFixed(3)}`;
}

function tell(
  path: string,
  { users, pages, evaluationUsers }: PolicyTrainingConfig,
  { iteration, finished, chosen }: PolicyResult,
): number {
  if (!finished) {
    console.error(
      `Stopped after ${formatThousands(iteration * users)} user pages. The policy is saved in ${path}.`,
    );
    console.error(`Resume with: deno task -q policy train --resume ${quotePath(path)}`);
    return EXIT_INTERRUPTED;
  }
  if (chosen) {
    const { userSteps, clickRate, coverage } = chosen;
    console.log(
      `Return ${
        returnText(chosen)
      } (${evaluationUsers} new users, ${pages} pages) with the best weights, which are those after ` +
        `${formatThousands(userSteps)} user pages; click rate ${clickRate.toFixed(3)}, coverage ` +
        `${(100 * coverage).toFixed(0)} %.`,
    );
  }
  console.log(`Policy: ${path}`);
  return 0;
}
