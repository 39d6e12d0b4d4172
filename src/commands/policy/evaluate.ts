/** `policy evaluate`: what a policy would have earned on logged pages, before anybody sees it. */

import { Command, Option } from "commander";
import { memoryRowsOption } from "../../cli/open_data.ts";
import { LARGEST_SEED, numberOf, path, wholeNumber } from "../../cli/options.ts";
import { delayedProgress } from "../../cli/progress.ts";
import { table } from "../../cli/table.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import * as v from "../../schema.ts";
import { findAgain, findUsers, type FoundUsers, withDevice } from "../simulate/found_users.ts";
import { findPolicy, namedPolicy } from "../simulate/policies.ts";
import { exploreOption, shopOption, type UsersOptions } from "../simulate/options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/explore.ts";
import { thousands } from "../../number_text.ts";
import { UserError } from "../../user_error.ts";
import { type EstimatorName, estimators } from "../../policy/evaluation/estimators.ts";
import { evaluate, type Evaluation } from "../../policy/evaluation/evaluate.ts";
import { evidenceOf } from "../../policy/evaluation/evidence.ts";
import type { OpenedPolicy } from "../../policy/trained_policy.ts";
import {
  clicksOf,
  digits,
  mostPages,
  openLogged,
  range,
  temperatureOf,
  usualSlate,
  verdictsOf,
} from "./logged.ts";

interface Options extends Pick<UsersOptions, "model" | "shop" | "dataSeed" | "memoryRows"> {
  log: string;
  policy: string;
  explore?: Exploration;
  loggedTemperature?: number;
  slate?: number;
  repeats: boolean;
  json: boolean;
}

export function policyEvaluateCommand(): Command {
  const command = new Command("evaluate")
    .description(
      "Says what a policy would have earned on logged pages that others drew, by their propensities: on the next page of each " +
        "user as the log has them, not over a life under the policy. By IPS, SNIPS, doubly robust with a model, and estimators of slates; " +
        "with 95 % intervals over users.",
    )
    .requiredOption(
      "--log <folder>",
      "a prepared data set with propensities: data log --propensity, or simulate --explore",
      path,
    )
    .requiredOption("--policy <which>", "greedy, popular or random; or the folder of a trained policy", path)
    .addOption(exploreOption("the policy's slates are drawn by its scores, as simulate --explore draws them"))
    .addOption(
      new Option(
        "--logged-temperature <T>",
        "where the log was drawn by the same scores: at which temperature. Independent IPS needs it, and the propensities are checked",
      ).argParser(numberOf(v.between(TEMPERATURES.least, TEMPERATURES.most), "a temperature")),
    )
    .option(
      "--slate <k>",
      "pages of so many items (default: as most pages, or as the policy was trained for)",
      wholeNumber(1, 1024),
    )
    .option("--repeats", "items may be shown again after their click", false)
    .optionsGroup("Who says what is clicked:")
    .option("--model <run>", "a trained model; without it, whom the policy was trained on", path)
    .addOption(shopOption("or the truth of the made-up shop that the log is of"))
    .option("--data-seed <n>", "seed of that shop (default: 1)", wholeNumber(0, LARGEST_SEED))
    .addOption(memoryRowsOption())
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nExample:\n  deno task policy evaluate --log runs/data/drawn --model runs/a --policy greedy --explore plackett-luce:0.7",
    );
  return command.action(run);
}

async function run(options: Options): Promise<void> {
  const opened = await findPolicy(options.policy);
  const { found, logged } = await usersAndLog(options, opened);
  const { clicks, nameOf, notes } = clicksOf(logged, found, options.policy === "popular");
  using progress = delayedProgress();
  await withDevice(async (gpu, stack) => {
    const { environment: model } = found.open(gpu, stack);
    // The log's train users say what is popular.
    const policy = opened
      ? stack.use(opened.policy(model))
      : namedPolicy(options.policy, { data: logged, known: undefined }).policy;
    const temperature = temperatureOf(options.policy, options.explore);
    const training = opened?.config.training;
    const evidence = await evidenceOf(gpu, {
      ...{ log: clicks, nameOf, model, policy, temperature, loggedTemperature: options.loggedTemperature },
      repeats: options.repeats,
      slate: options.slate ?? training?.slate ?? usualSlate(clicks),
      pages: training?.pages ?? mostPages(clicks),
      onProgress: (done, of) => progress.onProgress("Logged users", done, of),
    });
    progress.stop();
    const name = temperature === undefined ? policy.name : `${policy.name} at ${temperature}`;
    const evaluation = evaluate(evidence, name, temperature);
    if (found.verdict !== undefined) notes.push(found.verdict);
    console.log(
      options.json
        ? JSON.stringify({ policy: name, log: options.log, ...evaluation }, null, 2)
        : evaluationText(name, options.log, evaluation, notes),
    );
  });
}

/** Who says what is clicked, and the log, over the same items. */
async function usersAndLog(
  { log, model, shop, dataSeed, memoryRows }: Options,
  opened: OpenedPolicy | undefined,
): Promise<{ found: FoundUsers; logged: OpenedDataset }> {
  const own = { memoryRows, uncalibrated: false, seed: 1, resplit: false };
  const [both, none] = [model !== undefined && shop !== undefined, (model ?? shop ?? opened) === undefined];
  if (both || none) {
    throw new UserError(
      "Expected --model (a run) or --shop (a truth), who says what is clicked, got " +
        `${both ? "both" : "neither"}.`,
    );
  }
  if (dataSeed !== undefined && shop === undefined) {
    throw new UserError("Expected --data-seed with --shop: it is the seed of a made-up shop. Leave it out.");
  }
  if (model !== undefined) {
    const found = await findUsers({ ...own, model, truth: false, data: log });
    return { found, logged: found.data };
  }
  const found = shop === undefined && opened
    ? await findAgain(opened.config.trainedOn, { memoryRows })
    : await findUsers({ ...own, shop, dataSeed, truth: true });
  return { found, logged: await openLogged(log, found, memoryRows) };
}

/** What is said of an evaluation. */
function evaluationText(
  name: string,
  log: string,
  found: Evaluation,
  notes: readonly string[],
): string {
  const { pages, users, left, estimates, decisions, effective, largest, weight } = found;
  const rows = Object.entries(estimators).flatMap(([key, { title }]) => {
    const figure = estimates[key as EstimatorName];
    return figure ? [[title, digits(figure.mean), range(figure)]] : [];
  });
  return [
    `${name} on ${thousands(pages)} logged pages of ${thousands(users)} users (${log}):`,
    table(["clicks a page", "", "95 % over users"], rows),
    "",
    "What is estimated is the next page: each user as the log has them, shown one page of this policy. What users would become " +
    "under the policy, and a whole life of it, is not.",
    ...(decisions
      ? [
        `The first ${decisions.pages} pages under the policy, per-decision DR: ` +
        `${digits(decisions.clicks.mean)} clicks a user (${
          range(decisions.clicks)
        }). Effective sample of so many pages: ` +
        `${decisions.effective.toFixed(0)} of ${thousands(decisions.users)} users.`,
      ]
      : []),
    `Effective sample: ${(100 * effective).toFixed(0)} % of the pages; the ten of the largest weights ` +
    `have ${(100 * largest).toPrecision(2)} % of all weight. Mean weight: ${digits(weight.mean)} ` +
    `(${range(weight)}).`,
    ...verdictsOf(found),
    ...(estimates.rips
      ? [
        "Estimators of slates are right only where clicks are as they suppose: IIPS, that a click depends on its own " +
        "item; RIPS and Cascade-DR, that it depends on no item below.",
      ]
      : []),
    ...(left > 0
      ? [
        `${thousands(left)} pages of other sizes, of no known propensity or beyond the policy's are left ` +
        "out.",
      ]
      : []),
    ...notes,
  ].join("\n");
}
