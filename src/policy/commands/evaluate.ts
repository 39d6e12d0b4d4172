/** `policy evaluate`: what a policy would have earned on logged pages, before anybody sees it. */

import { Command, Option } from "commander";
import { LARGEST_SEED, numberOf, path, wholeNumber } from "../../cli/options.ts";
import { memoryRowsOption, openData } from "../../cli/open_data.ts";
import { delayedProgress } from "../../cli/progress.ts";
import { table } from "../../cli/table.ts";
import { type Clicks, usersOf } from "../../data/click_log.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { signed, signedRange, toldBy } from "../../figures/told.ts";
import * as v from "../../schema.ts";
import {
  findAgain,
  findUsers,
  type FoundUsers,
  sameCatalogue,
  sameItems,
  withDevice,
} from "../../simulate/commands/found_users.ts";
import { exploreOption } from "../../simulate/commands/options.ts";
import { findPolicy } from "../../simulate/commands/policies.ts";
import { shopOption } from "../../simulate/commands/users_options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/explore.ts";
import type { Policy } from "../../simulate/policy.ts";
import { thousands } from "../../thousands.ts";
import { UserError } from "../../user_error.ts";
import type { MeanFigure } from "../comparison/figures.ts";
import { type EstimatorName, estimators, evaluate, type Evaluation } from "../evaluation/evaluate.ts";
import { evidenceOf } from "../evaluation/evidence.ts";
import { policyNamed } from "../named.ts";
import type { OpenedPolicy } from "../trained_policy.ts";
import type { PolicyAction } from "./action.ts";

interface Options {
  log: string;
  policy: string;
  explore?: Exploration;
  loggedTemperature?: number;
  slate?: number;
  repeats: boolean;
  model?: string;
  shop?: string;
  dataSeed?: number;
  memoryRows: number;
  json: boolean;
}

export function policyEvaluateCommand(action: PolicyAction): Command {
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
  return command.action((options: Options) =>
    action(async () => {
      await run(options);
      return 0;
    })
  );
}

async function run(options: Options): Promise<void> {
  const opened = await findPolicy(options.policy);
  const { found, logged } = await usersAndLog(options, opened);
  const { clicks, notes } = clicksOf(logged, found, options.policy === "popular");
  const progress = delayedProgress();
  await withDevice(async (gpu, made) => {
    const { environment: model } = found.open(gpu, made);
    const policy = opened ? made.keep(opened.policy(model)) : namedOf(options.policy, logged);
    const temperature = options.explore?.temperature;
    const evidence = await evidenceOf(gpu, {
      ...{ log: clicks, model, policy, temperature, loggedTemperature: options.loggedTemperature },
      ...{
        repeats: options.repeats,
        slate: options.slate ?? opened?.config.training.slate ?? usualSlate(clicks),
      },
      pages: opened?.config.training.pages ?? mostPages(clicks),
      onProgress: (done, of) => progress.onProgress("Logged users", done, of),
    });
    progress.stop();
    const name = temperature === undefined ? policy.name : `${policy.name} at ${temperature}`;
    const evaluation = evaluate(evidence, name, temperature);
    if (options.json) console.log(JSON.stringify({ policy: name, log: options.log, ...evaluation }, null, 2));
    else {console.log(
        evaluationText(name, options.log, evaluation, [...notes, ...found.verdict ? [found.verdict] : []]),
      );}
  }).finally(() => progress.stop());
}

/** A policy that is not trained. @param logged whose train users say what is popular */
export function namedOf(name: string, { source: log }: OpenedDataset): Policy {
  const named = policyNamed(name);
  if (!named) throw new Error(`expected a policy, got ${name}`);
  return named.make({ log, known: undefined });
}

/** Who says what is clicked, and the log, over the same items. */
async function usersAndLog(
  { log, model, shop, dataSeed, memoryRows }: Options,
  opened: OpenedPolicy | undefined,
): Promise<{ found: FoundUsers; logged: OpenedDataset }> {
  const own = { memoryRows, uncalibrated: false, seed: 1, resplit: false };
  if (model !== undefined && shop === undefined) {
    const found = await findUsers({ ...own, model, truth: false, data: log });
    return { found, logged: found.data };
  }
  if (model !== undefined || (shop === undefined && !opened)) {
    throw new UserError(
      `Expected --model (a run) or --shop (a truth), who says what is clicked, got ${
        model === undefined ? "neither" : "both"
      }.`,
    );
  }
  const found = shop === undefined && opened
    ? await findAgain(opened.config.trainedOn, { memoryRows })
    : await findUsers({ ...own, shop, dataSeed, truth: true });
  return { found, logged: await openLogged(log, found, memoryRows) };
}

/** A log over the items of some users. @throws UserError for one over others. */
export async function openLogged(
  log: string,
  { data }: FoundUsers,
  memoryRows: number,
): Promise<OpenedDataset> {
  const opened = await OpenedDataset.of(
    await openData({ data: log, memoryRows, seed: 1, resplit: false }, []),
  );
  if (sameItems(data, opened)) return opened;
  throw new UserError(
    `Expected a log over the items of ${data.source.name}, got ${log} with others. Prepare it with --like and the set that the ` +
      "model was trained on; of a made-up shop simulate it with the same --data-seed.",
  );
}

/**
 * The pages that a policy is evaluated on: of all users, but for those that the model, or the policy, was made of.
 * @param counted whether the policy is made of the log's train users
 * @throws UserError for a log that stays on disk, or whose pages are in no order.
 */
export function clicksOf(
  { dataset, source }: OpenedDataset,
  { run }: FoundUsers,
  counted: boolean,
): { clicks: Clicks; notes: string[] } {
  if (!source.log) {
    throw new UserError(
      `Expected a log that is read into memory, got ${source.name}, which stays on disk. Raise --memory-rows.`,
    );
  }
  if (dataset.places === "arbitrary") {
    throw new UserError(
      `Expected a log whose pages have the order in which they were shown, got ${source.name}, where nobody said it: a slate's ` +
        "chance depends on it. Name it: data log --position.",
    );
  }
  const learned = run?.trainedOn && sameCatalogue(run.trainedOn, dataset.config);
  if (!learned && !counted) return { clicks: source.log, notes: [] };
  const users = Uint32Array.from([...usersOf(source, "validation"), ...usersOf(source, "test")]).sort();
  const what = learned ? "the model was trained on" : "say what is popular";
  return { clicks: source.read(users), notes: [`The log's train users, who ${what}, are left out.`] };
}

/** Items of most pages. */
export function usualSlate({ eventRows, eventGiven, eventClick }: Clicks): number {
  const counts = new Map<number, number>();
  eventClick.forEach((_, e) => {
    const size = eventRows[e + 1]! - eventRows[e]!;
    if (!eventGiven?.[e]) counts.set(size, (counts.get(size) ?? 0) + 1);
  });
  const [usual] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return usual?.[0] ?? 1;
}

/** Pages of the user who has the most. */
export function mostPages({ userEvents }: Clicks): number {
  return userEvents.reduce((most, first, user) => Math.max(most, (userEvents[user + 1] ?? first) - first), 1);
}

const digits = (x: number) => x.toFixed(4).replace(/^(-?)0\./, "$1.");
const range = ({ interval }: MeanFigure) =>
  interval ? `${digits(interval[0])} to ${digits(interval[1])}` : "-";

/** What is said of an evaluation. */
export function evaluationText(
  name: string,
  log: string,
  found: Evaluation,
  notes: readonly string[],
): string {
  const { pages, users, left, estimates, decisions, effective, largest, weight } = found;
  const rows = Object.entries(estimators).flatMap(([key, title]) => {
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
        `The first ${decisions.pages} pages under the policy, per-decision DR: ${
          decisions.clicks.mean.toFixed(3)
        } clicks a user` +
        (decisions.clicks.interval
          ? ` (${decisions.clicks.interval.map((x) => x.toFixed(3)).join(" to ")}).`
          : "."),
      ]
      : []),
    `Effective sample: ${(100 * effective).toFixed(0)} % of the pages; the ten of the largest weights have ` +
    `${(100 * largest).toPrecision(2)} % of all weight. Mean weight: ${digits(weight.mean)} (${
      range(weight)
    }).`,
    ...verdictsOf(found),
    ...(estimates.rips
      ? [
        "Estimators of slates are right only where clicks are as they suppose: IIPS, that a click depends on its own " +
        "item; RIPS and Cascade-DR, that it depends on no item below.",
      ]
      : []),
    ...(left > 0
      ? [
        `${
          thousands(left)
        } pages of other sizes, of no known propensity or beyond the policy's are left out.`,
      ]
      : []),
    ...notes,
  ].join("\n");
}

/** Whether the log bears out the model, and whether its propensities can be right. */
export function verdictsOf({ estimates: { model, dr }, gap, weight, off }: Evaluation): string[] {
  const told = toldBy(gap.interval);
  const both = `${digits(model?.mean ?? NaN)} a page, the log (DR) says ${digits(dr?.mean ?? NaN)}`;
  const by = `off by ${signed(gap.mean, 4)}, 95 %: ${gap.interval ? signedRange(gap.interval, 4) : "-"}`;
  const [low, high] = weight.interval ?? [1, 1];
  return [
    told === "not told apart"
      ? `The model and the log agree: the model says ${both} (${by}).`
      : `The model and the log disagree: the model promises ${both} (${by}). Believe the log.`,
    ...(low > 1 + WEIGHT_ROUNDING || high < 1 - WEIGHT_ROUNDING
      ? [
        "The mean weight is not 1: either the propensities are not what was drawn by, or the policy shows what the log never could " +
        "(another pool, or items after their click: --repeats). Then no estimate holds but that of the model.",
      ]
      : []),
    ...(off !== undefined && Math.abs(off - 1) > OFF
      ? [
        `The log was not drawn by these scores at that temperature: a propensity is ${
          off.toPrecision(3)
        } times theirs.`,
      ]
      : []),
  ];
}

/** What float32 makes of propensities. */
const WEIGHT_ROUNDING = 1e-4;
const OFF = 1e-2;
