/** `policy adapt`: how fast policies get good with users that they have never met. */

import { Command } from "commander";
import type { Gpu } from "../../gpu/device.ts";
import {
  adaptationCurve,
  adaptationDifferences,
  type AdaptingPolicy,
  adaptLinUcb,
  type AdaptOptions,
  adaptPolicy,
} from "../../policy/adaptation/adapt.ts";
import { itemVectorsOf } from "../../policy/adaptation/lin_ucb_play.ts";
import { OpenedPolicy } from "../../policy/trained_policy.ts";
import { type PolicySubject, subjectText } from "../../policy/policy_config.ts";
import { signed, signedRange } from "../../figures/told.ts";
import { adaptationPageOf } from "../../report/policy_page.ts";
import { writePage } from "../../report/page_shell.ts";
import type { UsersSource } from "../../simulate/users.ts";
import { withDevice } from "../simulate/found_users.ts";
import { UserError } from "../../user_error.ts";
import { OUT_FILE } from "../../cli/arguments.ts";
import { addEnvironmentOptions, type EnvironmentOptions } from "../simulate/options.ts";
import { folder, LARGEST_SEED, outputFile, wholeNumber } from "../../cli/options.ts";
import { EXIT_INTERRUPTED, say } from "../train/run_stages.ts";
import { stopOnSignals } from "../../cli/stop.ts";
import { findEnvironments, type FoundEnvironments } from "./environments.ts";
import { stepProgress } from "../../cli/progress.ts";
import { table } from "../../cli/table.ts";
import { thousands } from "../../number_text.ts";

const DEFAULT_PAGE = "runs/adapted.html";
const LINUCB_ALPHA = 0.5;

interface Options extends EnvironmentOptions {
  interactions: number;
  users: number;
  window: number;
  runs: number;
  seed: number;
  linucb: boolean;
  out: string;
  json: boolean;
}

export function policyAdaptCommand(): Command {
  const command = new Command("adapt")
    .description(
      "Lets a policy go on learning with users that it has never met, beside the same algorithm from scratch and LinUCB: the " +
        "click rate against interactions. An interaction is one page of each of some users.",
    )
    .argument("<policy>", "a folder that policy train wrote", folder)
    .option("--interactions <n>", "how many there are", wholeNumber(1, 1_000_000), 1000)
    .option("--users <n>", "users of an interaction", wholeNumber(1, 2 ** 20), 100)
    .option("--window <n>", "interactions that a point of the curve is the mean of", wholeNumber(1), 100)
    .option("--runs <n>", "runs that the curve is a mean over", wholeNumber(1, 1000), 3)
    .option("--seed <n>", "of the first run", wholeNumber(0, LARGEST_SEED), 1)
    .option("--no-linucb", "leave out LinUCB, which learns on the host, item by item")
    .option(OUT_FILE, "the page to write", outputFile(".html", ".htm"), DEFAULT_PAGE)
    .option("--json", "print JSON", false)
    .addHelpText("after", "\nExample:\n  deno task policy adapt runs/cdqn --shop restless --runs 5");
  addEnvironmentOptions(command, {
    testModel: "the new users: those of a second model over the same items",
    shop: "or those of the made-up shop that the model's log is of",
  });
  return command.action(async (folder: string, options: Options) => {
    Deno.exitCode = await run(folder, options);
  });
}

async function run(folder: string, options: Options): Promise<number> {
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  const { runs } = options;
  const policy = await OpenedPolicy.open(folder);
  const found = await findNewUsers(policy.config.trainedOn, options);
  using progress = stepProgress();
  return await withDevice(async (gpu, made) => {
    const { environments, witness } = found.open(gpu, made);
    const environment = environments.at(-1);
    if (!environment) throw new Error("expected users");
    const settingOf: RunSetting = (what, k) => ({
      ...{ interactions: options.interactions, users: options.users, seed: options.seed + k },
      onProgress(round, rounds) {
        stop.signal.throwIfAborted();
        progress.begin({ title: `${what}, run ${k + 1} of ${runs}`, number: 0, of: 0, round, rounds });
      },
    });
    const ways = await waysOf(gpu, environment.source, witness, policy, options.linucb, settingOf);
    const adapted = await runsOf(ways, runs, stop.signal);
    progress.stop();
    gpu.check();
    const done = adapted[0]?.runs.length ?? 0;
    if (done === 0) {
      say("Stopped before a run was whole; nothing was written.");
      return EXIT_INTERRUPTED;
    }
    if (done < runs) say(`Stopped after ${done} of ${runs} runs, which are told of.`);
    await tell(adapted, policy, environment.name, options);
    return done < runs ? EXIT_INTERRUPTED : 0;
  });
}

/** @throws UserError where it is not said whom the policy meets, or said twice, and for a log without a click rate. */
async function findNewUsers(trainedOn: PolicySubject, options: Options): Promise<FoundEnvironments> {
  const { shop, testModel } = options;
  if (trainedOn.kind === "model" && (shop === undefined) === (testModel === undefined)) {
    throw new UserError(
      "Expected --shop or --test-model, whose users the policy meets, got " +
        `${shop === undefined ? "neither" : "both"}.`,
    );
  }
  return await findEnvironments(trainedOn, options);
}

/** The setting of run k, from 0 on. @param name whose run it is, to tell how it goes. */
type RunSetting = (name: string, k: number) => AdaptOptions;

/** How policies adapt, by their names. @returns [interactions] click rates of run k. */
type Ways = Readonly<Record<string, (name: string, k: number) => Promise<Float64Array>>>;

/**
 * The policy goes on learning; beside it the same algorithm begins anew, and LinUCB, which has the same pages.
 * @param users whom the policy has never met. @param witness through whom policies see them.
 */
async function waysOf(
  gpu: Gpu,
  users: UsersSource,
  witness: UsersSource,
  policy: OpenedPolicy,
  linucb: boolean,
  settingOf: RunSetting,
): Promise<Ways> {
  const { config: { training }, name, snapshot } = policy;
  const learned = (trained: boolean) => (name: string, k: number) =>
    adaptPolicy(gpu, users, witness, {
      config: training,
      ...(trained && { weights: (specs) => snapshot.weights(specs) }),
    }, settingOf(name, k));
  const vectors = linucb ? await itemVectorsOf(gpu, witness) : undefined;
  const bandit = { ...training, alpha: LINUCB_ALPHA };
  return {
    [`${name}, trained before`]: learned(true),
    [`${name} from scratch`]: learned(false),
    ...(vectors && {
      LinUCB: (name: string, k: number) => adaptLinUcb(gpu, users, vectors, bandit, settingOf(name, k)),
    }),
  };
}

/** Run after run, each with all policies: what is stopped leaves whole ones. */
async function runsOf(ways: Ways, runs: number, signal: AbortSignal): Promise<AdaptingPolicy[]> {
  const names = Object.keys(ways);
  const whole: Float64Array[][] = [];
  try {
    for (let k = 0; k < runs; k++) {
      const run: Float64Array[] = [];
      for (const [name, adapt] of Object.entries(ways)) run.push(await adapt(name, k));
      whole.push(run);
    }
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
  return names.map((name, place) => ({ name, runs: whole.map((run) => run[place] ?? new Float64Array()) }));
}

async function tell(
  policies: readonly AdaptingPolicy[],
  policy: OpenedPolicy,
  environment: string,
  { users, window, out, json, interactions }: Options,
): Promise<void> {
  const facts = [
    ["policy", policy.path],
    ["trained on", subjectText(policy.config.trainedOn)],
    ["new users", environment],
    ["users of an interaction", String(users)],
  ] as const;
  await writePage(out, adaptationPageOf(facts, environment, policies, { users, window }));
  const curves = policies.map((one) => ({ name: one.name, points: adaptationCurve(one, window) }));
  const differences = adaptationDifferences(policies);
  if (json) {
    console.log(JSON.stringify({ environment, users, interactions, window, curves, differences }, null, 2));
    return;
  }
  console.log(`Click rate of ${environment}, by interactions of ${users} users:`);
  const places = curves[0]?.points.map(({ interactions }) => interactions) ?? [];
  console.log(table(
    ["interactions", ...curves.map(({ name }) => name)],
    places.map((place, k) => [
      thousands(place),
      ...curves.map(({ points }) => {
        const { mean = NaN, sd = null } = points[k] ?? {};
        return mean.toFixed(3) + (sd === null ? "" : ` +- ${sd.toFixed(3)}`);
      }),
    ]),
  ));
  for (const { policy, rival, mean, interval } of differences) {
    const range = interval ? ` (95 %: ${signedRange(interval, 3)} over runs)` : " (one run has no interval)";
    console.log(
      `${policy} less ${rival}, over all interactions with ${environment}: ${signed(mean, 3)}${range}`,
    );
  }
  console.log(`\nThe page is ${out}`);
}
