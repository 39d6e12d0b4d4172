/** `policy evaluate`: estimates, from logged pages, how many clicks per page a policy would get. */

import { Command } from "commander";
import { MEMORY_LIMIT } from "../../cli/open_data.ts";
import { makeNumberParser, parseWholeNumber, path } from "../../cli/command_options.ts";
import { createDelayedProgress } from "../../cli/progress.ts";
import { formatTable } from "../../cli/table.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import * as v from "../../schema.ts";
import { findAgain, findUsers, type UserSelection, withDevice } from "../simulate/user_selection.ts";
import { findCommonPageSize } from "./episode_setting.ts";
import { findPolicy, openNamedPolicy } from "../simulate/simulate_policies.ts";
import { addShopTruth, createExploreOption } from "../simulate/simulate_options.ts";
import type { UserSelectionOptions } from "../simulate/simulate_options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/exploring_policy.ts";
import { formatThousands } from "../../number_text.ts";
import { UserError } from "../../user_error.ts";
import { type EstimatorName, estimators } from "../../policy/evaluation/estimators.ts";
import { evaluate, type OffPolicyEvaluation } from "../../policy/evaluation/evaluate_policy.ts";
import { collectEvidence } from "../../policy/evaluation/evidence.ts";
import type { TrainedPolicy } from "../../policy/trained_policy.ts";
import {
  describeEvaluation,
  findMostPages,
  formatDigits,
  formatRange,
  getTemperature,
  nameAtTemperature,
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
      "Estimates, from a log with propensities, a policy's clicks on the next page of each logged user " +
        "(not the clicks of a whole episode). Estimators: IPS, SNIPS, doubly robust with a model, and " +
        "estimators for slates, all with 95 % confidence intervals over users.",
    )
    .requiredOption(
      "--log <folder>",
      "prepared data set with propensities, written by data log --propensity or simulate --explore",
      path,
    )
    .requiredOption("--policy <which>", "greedy, popular, random, or the folder of a trained policy", path)
    .addOption(createExploreOption("draw slates by the policy's scores, as simulate --explore does"))
    .option(
      "--logged-temperature <T>",
      "temperature of the log's slates, if drawn by the same scores; adds the estimator IIPS, and checks propensities",
      makeNumberParser(v.between(TEMPERATURES.least, TEMPERATURES.most), "a temperature"),
    )
    .option(
      "--slate <k>",
      "items per page (default: the policy's slate size, or the size of most pages)",
      parseWholeNumber(1, 1024),
    )
    .option("--repeats", "allow items to be shown again after they were clicked", false)
    .optionsGroup("Click model:")
    .option("--model <run>", "trained model (default: the model on which the policy was trained)", path)
    .option(...MEMORY_LIMIT)
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nExample:\n  deno task -q policy evaluate --log runs/data/drawn --model runs/a --policy greedy --explore plackett-luce:0.7",
    );
  addShopTruth(command, "use the ground truth of the log's synthetic shop instead of a model", "1");
  return command.action(run);
}

async function run(options: Options): Promise<void> {
  const opened = await findPolicy(options.policy);
  const { found, logged } = await usersAndLog(options, opened);
  const { clicks, getUserId, notes } = selectEvaluationClicks(logged, found, options.policy === "popular");
  using progress = createDelayedProgress();
  await withDevice(async (gpu, stack) => {
    const { environment: model } = found.open(gpu, stack);
    // The popular policy counts clicks of the log's train users.
    const policy = opened
      ? stack.use(opened.policy(model))
      : openNamedPolicy(options.policy, { data: logged, known: undefined }).policy;
    const temperature = getTemperature(options.policy, options.explore);
    const training = opened?.config.training;
    const everyUser = { log: clicks, users: clicks.userEvents.subarray(1).keys() };
    const evidence = await collectEvidence(gpu, {
      ...{ log: clicks, getUserId, model, policy, temperature, loggedTemperature: options.loggedTemperature },
      repeats: options.repeats,
      slate: options.slate ?? training?.slate ?? findCommonPageSize([everyUser]) ?? 1,
      pages: training?.pages ?? findMostPages(clicks),
      onProgress: (done, of) => progress.onProgress("Logged users", done, of),
    });
    progress.stop();
    const name = nameAtTemperature(policy.name, temperature);
    const evaluation = evaluate(evidence, name, temperature);
    if (opened?.unfinished !== undefined) notes.push(opened.unfinished);
    notes.push(...found.notes);
    console.log(
      options.json
        ? JSON.stringify({ policy: name, log: options.log, ...evaluation }, null, 2)
        : evaluationText(name, options.log, evaluation, notes),
    );
  });
}

/** Opens the click model and a log with the same items. */
async function usersAndLog(
  { log, model, shop, dataSeed, memoryRows }: Options,
  opened: TrainedPolicy | undefined,
): Promise<{ found: UserSelection; logged: OpenedDataset }> {
  const own = { memoryRows, meanContext: true, uncalibrated: false, seed: 1, resplit: false };
  const [both, none] = [model !== undefined && shop !== undefined, (model ?? shop ?? opened) === undefined];
  if (both || none) {
    throw new UserError(
      "Expected a click model: either --model (a run) or --shop (a shop's ground truth), got " +
        `${both ? "both" : "neither"}.`,
    );
  }
  if (dataSeed !== undefined && shop === undefined) {
    throw new UserError(
      "Expected --data-seed only with --shop, because it is the seed of a synthetic shop. Omit --data-seed.",
    );
  }
  if (model !== undefined) {
    const found = await findUsers({ ...own, model, truth: false, data: log });
    return { found, logged: found.data };
  }
  const found = shop === undefined && opened
    ? await findAgain(opened.config.trainedOn, own)
    : await findUsers({ ...own, shop, dataSeed, truth: true });
  return { found, logged: await openLogged(log, found, memoryRows) };
}

function evaluationText(
  name: string,
  log: string,
  found: OffPolicyEvaluation,
  notes: readonly string[],
): string {
  const { pages, users, excluded, estimates, decisions, effectiveShare, largestWeights, meanWeight } = found;
  const rows = Object.entries(estimators).flatMap(([key, { title }]) => {
    const figure = estimates[key as EstimatorName];
    return figure ? [[title, formatDigits(figure.mean), formatRange(figure)]] : [];
  });
  const { dr, snips } = estimates;
  const [by, figure] = found.factor === undefined ? ["DR", dr] as const : ["SNIPS", snips] as const;
  return [
    found.propensities === "wrong" || !figure
      ? `No estimate of ${name} from ${log} is valid. The reason is below the table.`
      : `${name} is estimated to earn ${formatDigits(figure.mean)} clicks per page (${by}, 95 % CI ${
        formatRange(figure)
      }).`,
    "",
    `${name} on ${formatThousands(pages)} logged pages of ${formatThousands(users)} users (${log}):`,
    formatTable(["clicks per page", "", "95 % CI over users"], rows),
    "",
    "The estimates are for the next page: after the logged pages, each user sees one page of this policy. " +
    "The estimates ignore how the policy changes users' later clicks.",
    ...(decisions
      ? [
        `Per-decision DR estimate for the policy's first ${decisions.pages} pages: ` +
        `${formatDigits(decisions.clicks.mean)} clicks per user (${
          formatRange(decisions.clicks)
        }). Effective sample: ` +
        `${decisions.effectiveUsers.toFixed(0)} of ${formatThousands(decisions.users)} users.`,
      ]
      : []),
    `Effective sample: ${(100 * effectiveShare).toFixed(0)} % of the pages. The ten largest weights ` +
    `make up ${(100 * largestWeights).toPrecision(2)} % of the sum of weights. ` +
    `Mean weight: ${formatDigits(meanWeight.mean)} (${formatRange(meanWeight)}).`,
    ...describeEvaluation(found),
    ...(estimates.rips
      ? [
        "The estimators for slates have assumptions. IIPS: a click depends only on its own item. RIPS and " +
        "Cascade-DR: a click does not depend on lower items.",
      ]
      : []),
    ...(excluded > 0
      ? [
        `${
          formatThousands(excluded)
        } pages are excluded: they have another slate size, no propensity, or a page number beyond the ` +
        "policy's number of pages.",
      ]
      : []),
    ...notes,
  ].join("\n");
}
