/** Options of `simulate`, and options for users and environments that other commands share. */

import { Command, InvalidArgumentError, Option } from "commander";
import type { Split } from "../../data/click_log.ts";
import { ROW_FORMATS, type RowFormat } from "../../files/row_file.ts";
import { policyTrainingFields } from "../../policy/learning/policy_training_config.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { DATA, SAVE_DIR, WRITE_LOG } from "../../cli/arguments.ts";
import {
  addShopSeeds,
  createMemoryRowsOption,
  MODEL_SEED,
  RESPLIT,
  type ShopSeedOptions,
} from "../../cli/open_data.ts";
import {
  createOption,
  folder,
  type GivenOptions,
  LARGEST_SEED,
  listGivenOptions,
  parse,
  parseWholeNumber,
  path,
} from "../../cli/command_options.ts";
import { type Exploration, TEMPERATURES } from "../../simulate/exploring_policy.ts";
import type { SimulationSettings } from "../../simulate/simulator_options.ts";
import { findShop, shopNames, shops } from "../../data/shops.ts";

/** `all` items, about `random` ones per page, or those of a file. */
export type PoolArgument = "all" | { readonly random: number } | { readonly file: string };

/** Options of an episode for any users. */
export interface EpisodeOptions extends Omit<SimulationSettings, "start" | "pool" | "patience" | "together"> {
  start: "empty" | Split;
  pool: PoolArgument;
  patience?: number;
}

export interface SimulateOptions extends UserSelectionOptions, EpisodeOptions {
  resplit: boolean;
  /** Name, or folder of a trained policy. */
  policy: string;
  /** Draws slates by the policy's scores. */
  explore?: Exploration;
  /** False for no rivals. */
  rivals: boolean;
  saveDir?: string;
  episodesFile?: RowFormat;
  writeLog?: string;
}

const HELP = `
Examples:
  deno task simulate --model runs/mine --policy greedy --users 10000 --slate 5
  deno task simulate --shop restless --truth --policy random --write-log runs/data/restless
  deno task simulate --model runs/mine --policy popular --start test --save-dir runs/popular --episodes-file parquet

A --save-dir has report.html with the charts, result.json with all figures, returns.csv with the return of
each user under each policy, and episodes.csv or episodes.parquet where --episodes-file asks for it.

greedy scores the whole catalogue on every page: its time grows with users x pages x items.`;

function addEpisodeOptions(command: Command): Command {
  return command
    .optionsGroup("Users and pages:")
    .option("--users <n>", "how many users", parseWholeNumber(1, 10_000_000), 1000)
    .option("--pages <n>", "pages that a user sees at most", parseWholeNumber(1, 100_000), 20)
    .option("--slate <n>", "items on a page", parseWholeNumber(1, 1024), 3)
    .addOption(createOption(policyTrainingFields.start.option!))
    .option("--repeats", "items that a user has clicked may be shown again", false)
    .addOption(
      new Option(
        "--pool <which>",
        "items that may be shown: all, random:<n> (about n of them, drawn anew for each page), or a file with an id a line, or a JSON list of " +
          "ids",
      ).argParser(pool).default("all"),
    )
    .addOption(createOption(policyTrainingFields.leave.option!))
    .option(
      "--patience <n>",
      "a user leaves after so many pages in a row without a click",
      parseWholeNumber(1, 2 ** 31 - 1),
    )
    .addOption(
      new Option("--reward <kind>", "click: 1 for each click; utility: the utility of the clicked item")
        .choices(["click", "utility"]).default("click"),
    )
    .option(
      "--seed <n>",
      "seed of all that is random: clicks, slates, who starts with whose clicks, a made-up shop, a new split",
      parseWholeNumber(0, LARGEST_SEED),
      1,
    );
}

/** Creates --explore. @param about its purpose */
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

/** @throws UserError for invalid or contradictory options. */
export function parseSimulateOptions(
  args: readonly string[],
): { options: SimulateOptions; given: GivenOptions } {
  const command = new Command("deno task simulate")
    .description(
      "Shows slates to simulated users, page after page, and says what came of it: return, click rate, the curve by page and " +
        "how much of the catalogue was shown, beside random and popular slates for the same users.",
    )
    .version(version);
  addUsersOptions(command, { beside: "--model is then what policies know" })
    .option(...RESPLIT)
    .optionsGroup("Who chooses:")
    .option(
      "--policy <which>",
      "random; popular: the items of the highest click rate in the log; greedy: the best slate for this page; or the folder of " +
        "a trained policy",
      path,
      "random",
    )
    .addOption(
      createExploreOption("draw slates by the policy's scores; a --write-log keeps the chance of each page"),
    )
    .option("--no-rivals", "do not show random and popular slates to the same users");
  addEpisodeOptions(command)
    .optionsGroup("What is written:")
    .option(SAVE_DIR, "a new folder for the figures (default: they are printed only)", folder)
    .addOption(
      new Option("--episodes-file <format>", "write every page of the policy into the --save-dir")
        .choices(ROW_FORMATS),
    )
    .option(
      WRITE_LOG,
      "a new folder for the pages of the policy as a prepared data set, which train reads",
      folder,
    )
    .addHelpText("after", HELP);
  const options = parse<SimulateOptions>(command, args);
  checkUsers(options);
  if (options.episodesFile !== undefined && options.saveDir === undefined) {
    throw new UserError("Expected --save-dir with --episodes-file: it says where the file goes.");
  }
  if (options.explore && options.policy === "greedy" && options.reward === "utility") {
    throw new UserError(
      "Expected --reward click with --explore: slates of the highest utility are not those of scores.",
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
}

/** Creates --shop. @param about its purpose. */
export function createShopOption(about: string): Option {
  return new Option("--shop <name>", about).choices(shops.map(({ name }) => name));
}

function ofThatShop(): Option {
  const about = "seed of that shop, where the model does not say it";
  return new Option("--data-seed <n>", about).argParser(parseWholeNumber(0, LARGEST_SEED));
}

/** @param beside purpose of --model together with --truth, if that is allowed. @param seed default of the shop's seed, in words. */
export function addUsersOptions(
  command: Command,
  { beside, seed = MODEL_SEED }: { readonly beside?: string; readonly seed?: string } = {},
): Command {
  command
    .optionsGroup("Who clicks:")
    .option(
      "--model <run>",
      "a trained model's users: a run's folder, whose best-loss snapshot is taken, or a snapshot (.safetensors)",
      path,
    )
    .option("--truth", `the users of a made-up shop as they are${beside ? `; ${beside}` : ""}`, false)
    .option(
      "--uncalibrated",
      "take a model whose utilities are no log-odds, such as one of the adversarial stage, as if they were",
      false,
    )
    .optionsGroup("Data:")
    .addOption(
      new Option(
        DATA,
        "as of train: items, ids, and what was clicked; without it, what the run was trained on",
      )
        .argParser(path),
    )
    .addOption(createShopOption("a made-up shop as the data"));
  return addShopSeeds(command, seed).addOption(createMemoryRowsOption());
}

/** @throws UserError if the users who click are not specified, or specified twice. */
export function checkUsers({ model, data, shop, truth, uncalibrated }: UserSelectionOptions): void {
  if (shop !== undefined && data !== undefined) {
    throw new UserError("Expected either --shop or --data, got both. Leave one of them out.");
  }
  const named = shop ?? data;
  if (!truth && model === undefined) {
    const alone = named === undefined
      ? ""
      : `, got ${shop === undefined ? "--data" : "--shop"} alone. For a model of it, train one: ` +
        `deno task train --data ${named} --save-dir runs/a, then --model runs/a`;
    throw new UserError(
      "Expected to be told who clicks: --model (a run) for a trained model's users, or --shop and --truth for those of a " +
        `made-up shop${alone}.`,
    );
  }
  if (truth && named !== undefined && !findShop(named)) {
    throw new UserError(
      `Expected a made-up shop (--shop ${shopNames}) with --truth, got --data ${named}: of a log it is not known why its users ` +
        "click. Use --model.",
    );
  }
  if (truth && named === undefined && model === undefined) {
    throw new UserError(`Expected --shop with --truth: ${shopNames}, got none.`);
  }
  if (uncalibrated && model === undefined) {
    throw new UserError("Expected --uncalibrated with --model alone. Leave it out.");
  }
}

export interface EnvironmentOptions
  extends Pick<UserSelectionOptions, "shop" | "dataSeed" | "memoryRows" | "uncalibrated"> {
  testModel?: string;
}

/** @param about purpose of the shop and of the second model. */
export function addEnvironmentOptions(
  command: Command,
  about: { readonly shop: string; readonly testModel: string },
): Command {
  return command
    .optionsGroup("Who clicks:")
    .option("--test-model <run>", about.testModel, path)
    .option("--uncalibrated", "take a second model of the adversarial stage all the same", false)
    .addOption(createShopOption(about.shop))
    .addOption(ofThatShop())
    .addOption(createMemoryRowsOption());
}
