/** `policy evaluate`: estimates from logged pages what a policy would earn. */

import { Command, Option } from "commander";
import { createMemoryRowsOption } from "../../cli/open_data.ts";
import { LARGEST_SEED, makeNumberParser, parseWholeNumber, path } from "../../cli/command_options.ts";
import { createDelayedProgress } from "../../cli/progress.ts";
import { formatTable } from "../../cli/table.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import * as v from "../../schema.ts";
import { findAgain, findUsers, type UserSelection, withDevice } from "../simulate/user_selection.ts";
import { findPolicy, openNamedPolicy } from "../simulate/simulate_policies.ts";
import {
  createExploreOption,
  createShopOption,
  type UserSelectionOptions,
} from "../simulate/simulate_options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/exploring_policy.ts";
import { formatThousands } from "../../number_text.ts";
import { UserError } from "../../user_error.ts";
import { type EstimatorName, estimators } from "../../policy/evaluation/estimators.ts";
import { evaluate, type OffPolicyEvaluation } from "../../policy/evaluation/evaluate_policy.ts";
import { collectEvidence } from "../../policy/evaluation/evidence.ts";
import type { OpenedPolicy } from "../../policy/trained_policy.ts";
import {
  describeEvaluation,
  findCommonSlateSize,
  findMostPages,
  formatDigits,
  formatRange,
  getTemperature,
  openLogged,
  selectEvaluationClicks,
} from "./log_evaluation.ts";

interface Options extends Pick<UserSelectionOptions, "model" | "shop" | "dataSeed" | "memoryRows"> {
  log: string;
  policy: string;
  explore?: Exploration;
  loggedTemperature?: number;
  slate?: number;
  repeats: boolean;
  json: boolean;
}

export function createPolicyEvaluateCommand(): Command {
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
    .addOption(
      createExploreOption("the policy's slates are drawn by its scores, as simulate --explore draws them"),
    )
    .addOption(
      new Option(
        "--logged-temperature <T>",
        "where the log was drawn by the same scores: at which temperature. Independent IPS needs it, and the propensities are checked",
      ).argParser(makeNumberParser(v.between(TEMPERATURES.least, TEMPERATURES.most), "a temperature")),
    )
    .option(
      "--slate <k>",
      "pages of so many items (default: as most pages, or as the policy was trained for)",
      parseWholeNumber(1, 1024),
    )
    .option("--repeats", "items may be shown again after their click", false)
    .optionsGroup("Who says what is clicked:")
    .option("--model <run>", "a trained model; without it, whom the policy was trained on", path)
    .addOption(createShopOption("or the truth of the made-up shop that the log is of"))
    .option("--data-seed <n>", "seed of that shop (default: 1)", parseWholeNumber(0, LARGEST_SEED))
    .addOption(createMemoryRowsOption())
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
  const { clicks, getUserId: nameOf, notes } = selectEvaluationClicks(
    logged,
    found,
    options.policy === "popular",
  );
  using progress = createDelayedProgress();
  await withDevice(async (gpu, stack) => {
    const { environment: model } = found.open(gpu, stack);
    // Popularity is counted on the log's train users.
    const policy = opened
      ? stack.use(opened.policy(model))
      : openNamedPolicy(options.policy, { data: logged, known: undefined }).policy;
    const temperature = getTemperature(options.policy, options.explore);
    const training = opened?.config.training;
    const evidence = await collectEvidence(gpu, {
      ...{ log: clicks, nameOf, model, policy, temperature, loggedTemperature: options.loggedTemperature },
      repeats: options.repeats,
      slate: options.slate ?? training?.slate ?? findCommonSlateSize(clicks),
      pages: training?.pages ?? findMostPages(clicks),
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

/** Opens the users who click, and a log over the same items. */
async function usersAndLog(
  { log, model, shop, dataSeed, memoryRows }: Options,
  opened: OpenedPolicy | undefined,
): Promise<{ found: UserSelection; logged: OpenedDataset }> {
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

function evaluationText(
  name: string,
  log: string,
  found: OffPolicyEvaluation,
  notes: readonly string[],
): string {
  const { pages, users, left, estimates, decisions, effective, largest, weight } = found;
  const rows = Object.entries(estimators).flatMap(([key, { title }]) => {
    const figure = estimates[key as EstimatorName];
    return figure ? [[title, formatDigits(figure.mean), formatRange(figure)]] : [];
  });
  return [
    `${name} on ${formatThousands(pages)} logged pages of ${formatThousands(users)} users (${log}):`,
    formatTable(["clicks a page", "", "95 % over users"], rows),
    "",
    "What is estimated is the next page: each user as the log has them, shown one page of this policy. What users would become " +
    "under the policy, and a whole life of it, is not.",
    ...(decisions
      ? [
        `The first ${decisions.pages} pages under the policy, per-decision DR: ` +
        `${formatDigits(decisions.clicks.mean)} clicks a user (${
          formatRange(decisions.clicks)
        }). Effective sample of so many pages: ` +
        `${decisions.effective.toFixed(0)} of ${formatThousands(decisions.users)} users.`,
      ]
      : []),
    `Effective sample: ${(100 * effective).toFixed(0)} % of the pages; the ten of the largest weights ` +
    `have ${(100 * largest).toPrecision(2)} % of all weight. Mean weight: ${formatDigits(weight.mean)} ` +
    `(${formatRange(weight)}).`,
    ...describeEvaluation(found),
    ...(estimates.rips
      ? [
        "Estimators of slates are right only where clicks are as they suppose: IIPS, that a click depends on its own " +
        "item; RIPS and Cascade-DR, that it depends on no item below.",
      ]
      : []),
    ...(left > 0
      ? [
        `${
          formatThousands(left)
        } pages of other sizes, of no known propensity or beyond the policy's are left ` +
        "out.",
      ]
      : []),
    ...notes,
  ].join("\n");
}
