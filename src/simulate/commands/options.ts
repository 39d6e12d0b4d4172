/** The options of `simulate`. */

import { Command, InvalidArgumentError, Option } from "commander";
import * as v from "../../schema.ts";
import type { Split } from "../../data/click_log.ts";
import { ROW_FORMATS, type RowFormat } from "../../run/files/row_file.ts";
import { policyTrainingFields } from "../../policy/learning/config.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { SAVE_DIR, WRITE_LOG } from "../../cli/arguments.ts";
import { RESPLIT } from "../../cli/open_data.ts";
import {
  folder,
  type GivenOptions,
  givenOptions,
  LARGEST_SEED,
  numberOf,
  optionOf,
  parse,
  path,
  wholeNumber,
} from "../../cli/options.ts";
import { type Exploration, TEMPERATURES } from "../explore.ts";
import { addUsersOptions, checkUsers, type UsersOptions } from "./users_options.ts";

/** `all` items, some `random` ones for each page, or those of a file. */
export type PoolArgument = "all" | { readonly random: number } | { readonly file: string };

/** How users are simulated, whoever they are. */
export interface EpisodeOptions {
  users: number;
  pages: number;
  slate: number;
  start: "empty" | Split;
  repeats: boolean;
  pool: PoolArgument;
  leave: number;
  patience?: number;
  reward: "click" | "utility";
  seed: number;
}

export interface SimulateOptions extends UsersOptions, EpisodeOptions {
  resplit: boolean;
  /** A name, or the folder of a trained one. */
  policy: string;
  /** Slates are drawn by its scores. */
  explore?: Exploration;
  /** False: this policy alone. */
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

/** Options of an episode, for whatever simulates users. */
function addEpisodeOptions(command: Command): Command {
  return command
    .optionsGroup("Users and pages:")
    .option("--users <n>", "how many users", wholeNumber(1, 10_000_000), 1000)
    .option("--pages <n>", "pages that a user sees at most", wholeNumber(1, 100_000), 20)
    .option("--slate <n>", "items on a page", wholeNumber(1, 1024), 3)
    .addOption(optionOf(policyTrainingFields.start.option!))
    .option("--repeats", "items that a user has clicked may be shown again", false)
    .addOption(
      new Option(
        "--pool <which>",
        "items that may be shown: all, random:<n> (about n of them, drawn anew for each page), or a file with an id a line, or a JSON list of " +
          "ids",
      ).argParser(pool).default("all"),
    )
    .option(
      "--leave <p>",
      "probability that a user leaves after a page without a click",
      numberOf(v.between(0, 1), "a number from 0 to 1"),
      0,
    )
    .option(
      "--patience <n>",
      "a user leaves after so many pages in a row without a click",
      wholeNumber(1, 2 ** 31 - 1),
    )
    .addOption(
      new Option("--reward <kind>", "click: 1 for each click; utility: the utility of the clicked item")
        .choices(["click", "utility"]).default("click"),
    )
    .option(
      "--seed <n>",
      "seed of all that is random: clicks, slates, who starts with whose clicks, a made-up shop, a new split",
      wholeNumber(0, LARGEST_SEED),
      1,
    );
}

/** How slates are drawn by scores. @param about what for */
export function exploreOption(about: string): Option {
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

/** @throws UserError for anything that is not understood, or makes no sense together. */
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
      exploreOption("draw slates by the policy's scores; a --write-log keeps the chance of each page"),
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
  return { options, given: givenOptions(command) };
}
