/** Options of `simulate`, and the options for users and environments, which several commands share. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { ROW_FORMATS, type RowFormat } from "../../files/row_file.ts";
import { defaultPolicyTraining, policyTrainingFields } from "../../policy/learning/policy_training_config.ts";
import type { PolicyTask, PolicyTrainingConfig } from "../../policy/learning/policy_training_config.ts";
import type { RequestContext } from "../../data/context_values.ts";
import { baselineOptions } from "../../metrics/baselines/baseline_names.ts";
import { UserError } from "../../user_error.ts";
import { SAVE_DIR, WRITE_LOG } from "../../cli/arguments.ts";
import { MODEL_SEED, RESPLIT, type ShopSeedOptions } from "../../cli/open_data.ts";
import { addRunData, MODEL } from "../../cli/open_model.ts";
import {
  createCommand,
  createContextOption,
  createOption,
  createSeedOption,
  folder,
  type GivenOptions,
  listGivenOptions,
  parse,
  parseWholeNumber,
  path,
} from "../../cli/command_options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/exploring_policy.ts";
import { findShop, shopNames, shops } from "../../data/shops.ts";

/** Value of --pool: all items, about `random` items that are drawn for each page, or the items of a file. */
export type PoolArgument = "all" | { readonly random: number } | { readonly file: string };

export interface EpisodeOptions extends PolicyTask {
  users: number;
  pool: PoolArgument;
  seed: number;
}

export interface SimulateOptions extends UserSelectionOptions, EpisodeOptions {
  resplit: boolean;
  policy: string;
  /** Method of drawing random slates by the policy's scores; undefined to show the best slate. */
  explore?: Exploration;
  rivals: boolean;
  saveDir?: string;
  episodesFile?: RowFormat;
  writeLog?: string;
}

const HELP = `
Examples:
  deno task -q simulate --model runs/mine --policy greedy --users 10000 --slate 5
  deno task -q simulate --shop restless --truth --policy random --write-log runs/data/restless
  deno task -q simulate --model runs/mine --policy popular --start test --save-dir runs/popular --episodes-file parquet

The --save-dir contains report.html with charts, result.json with all metrics, returns.csv with the return \
of each user under each policy, and, with --episodes-file, episodes.csv or episodes.parquet.

On each page, greedy scores the whole catalogue, so its time grows with users x pages x items.`;

/** Creates the option that sets a field of a policy's training config. */
export function createPolicyOption(name: keyof PolicyTrainingConfig): Option {
  const option = createOption(policyTrainingFields[name].option!);
  if (name !== "slate" && name !== "pages") return option;
  const standard = defaultPolicyTraining[name];
  return option.default(standard, `as in the log; ${standard} in a synthetic shop`);
}

function addEpisodeOptions(command: Command): Command {
  command
    .optionsGroup("Users and pages:")
    .option("--users <n>", "number of users", parseWholeNumber(1, 10_000_000), 1000);
  for (const name of ["pages", "slate", "reward", "start", "repeats", "leave", "patience"] as const) {
    command.addOption(createPolicyOption(name));
  }
  return command
    .option(
      "--pool <which>",
      "items that may be shown: all, random:<n> (about n items, drawn for each page), or a file of item " +
        "ids (one per line, or a JSON list)",
      pool,
      "all",
    )
    .addOption(
      createSeedOption(
        "seed of all random numbers: clicks, slates, start clicks, synthetic shop and --resplit",
      ),
    );
}

/** Creates the option --explore. @param about - purpose of the option, for the help */
export function createExploreOption(about: string): Option {
  return new Option("--explore <how>", `${about}: plackett-luce:<temperature>`).argParser(exploration);
}

function exploration(text: string): Exploration {
  const temperature = Number(text.match(/^plackett-luce:(.+)$/)?.[1] ?? NaN);
  const { least, most } = TEMPERATURES;
  if (temperature >= least && temperature <= most) return { temperature };
  throw new InvalidArgumentError(
    `Expected plackett-luce:<temperature> with a temperature of ${least} to ${most}, got "${text}".`,
  );
}

function pool(text: string): PoolArgument {
  if (text === "all") return "all";
  const random = text.match(/^random:(.*)$/)?.[1];
  if (random !== undefined) {
    if (/^\d+$/.test(random) && Number(random) >= 1) return { random: Number(random) };
    throw new InvalidArgumentError(`Expected random:<n> with a whole number of at least 1, got "${text}".`);
  }
  return { file: path(text) };
}

/** Parses the options of `simulate`. @throws UserError for invalid or contradictory options. */
export function parseSimulateOptions(
  args: readonly string[],
): { options: SimulateOptions; given: GivenOptions } {
  const command = createCommand(
    "simulate",
    "Shows slates to simulated users. Reports return, click rate by page and coverage of the catalogue, " +
      "compared with random and popular slates for the same users.",
  );
  addUsersOptions(command, { beside: "with --model, policies observe users through the model" })
    .option(...RESPLIT)
    .addOption(
      new Option("--baseline <name>", "clicks follow the baseline logit of the run, instead of its model")
        .choices([baselineOptions.logit]),
    )
    .optionsGroup("Policy:")
    .option(
      "--policy <which>",
      "random; popular: items with the highest click rates in the log; greedy: the best slate for the " +
        "page; or the folder of a trained policy",
      path,
      "random",
    )
    .addOption(
      createExploreOption("draw slates by the policy's scores; --write-log writes their propensities"),
    )
    .option("--no-rivals", "do not compare with random and popular slates")
    .addOption(createContextOption("on all pages (default: drawn from the log)"));
  addEpisodeOptions(command)
    .optionsGroup("Output:")
    .option(SAVE_DIR, "new folder for the metrics (default: metrics are only printed)", folder)
    .addOption(
      new Option("--episodes-file <format>", "also write every page of the policy to a file in --save-dir")
        .choices(ROW_FORMATS),
    )
    .option(WRITE_LOG, "new folder for the policy's pages, as a prepared data set for train", folder)
    .addHelpText("after", HELP);
  const options = parse<SimulateOptions>(command, args);
  checkUsers(options);
  if (options.episodesFile !== undefined && options.saveDir === undefined) {
    throw new UserError(
      "Expected --save-dir with --episodes-file, got no --save-dir. Set a folder for the file.",
    );
  }
  if (options.explore && options.policy === "greedy" && options.reward === "utility") {
    throw new UserError(
      "Expected --reward click with --policy greedy --explore, got utility. Set --reward click, or omit --explore.",
    );
  }
  return { options, given: listGivenOptions(command) };
}

export interface UserSelectionOptions extends ShopSeedOptions {
  model?: string;
  data?: string;
  shop?: string;
  truth: boolean;
  memoryRows: number;
  uncalibrated: boolean;
  /** Name of the baseline that replaces the trained model. */
  baseline?: string;
  /** Values of context columns on all simulated pages. */
  context?: RequestContext;
  /** True if all pages have the mean context features; by default contexts are drawn from the log. */
  meanContext?: boolean;
}

function createShopOption(about: string): Option {
  return new Option("--shop <name>", about).choices(shops.map(({ name }) => name));
}

/** Adds --shop and --data-seed. @param about - help on --shop. @param seed - default of --data-seed */
export function addShopTruth(command: Command, about: string, seed: string): Command {
  return command.addOption(createShopOption(about))
    .addOption(createSeedOption(`seed of the synthetic shop (default: ${seed})`, "--data-seed"));
}

/** Adds options that choose simulated users. @param beside - text to append to the help of --truth */
export function addUsersOptions(
  command: Command,
  { beside, seed = MODEL_SEED }: { readonly beside?: string; readonly seed?: string } = {},
): Command {
  command
    .optionsGroup("Click model:")
    .option(...MODEL)
    .option("--truth", `users' clicks follow a shop's ground truth${beside ? `; ${beside}` : ""}`, false)
    .option(
      "--uncalibrated",
      "accept a model whose utilities are not log-odds, such as a model of the adversarial stage",
      false,
    )
    .optionsGroup("Data:")
    .addOption(createShopOption("use a synthetic shop as the data"));
  return addRunData(command, seed);
}

/** @throws UserError if the options name no click model, or contradict each other. */
export function checkUsers(options: UserSelectionOptions): void {
  const { model, data, shop, truth, uncalibrated, context, baseline } = options;
  if (shop !== undefined && data !== undefined) {
    throw new UserError("Expected either --shop or --data, got both. Omit one option.");
  }
  const named = shop ?? data;
  if (!truth && model === undefined) {
    const alone = named === undefined
      ? ""
      : `, got only ${shop === undefined ? "--data" : "--shop"}. Train a model on these data: ` +
        `deno task -q train --data ${named} --save-dir runs/a, and use --model runs/a`;
    throw new UserError(
      "Expected a click model: --model (a run), or --shop and --truth for the ground truth of a synthetic " +
        `shop${alone}.`,
    );
  }
  if (truth && named !== undefined && !findShop(named)) {
    throw new UserError(
      `Expected a synthetic shop (--shop ${shopNames}) with --truth, got --data ${named}: the ground ` +
        "truth of a log is unknown. Use --model.",
    );
  }
  if (truth && named === undefined && model === undefined) {
    throw new UserError(`Expected --shop (${shopNames}) with --truth, got no --shop.`);
  }
  const ofModel = { "--uncalibrated": uncalibrated, "--context": context, "--baseline": baseline };
  const [option] = Object.entries(ofModel).find(([, value]) => value) ?? [];
  if (option !== undefined && model === undefined) {
    throw new UserError(`Expected ${option} only with --model, got no --model. Omit ${option}.`);
  }
}
