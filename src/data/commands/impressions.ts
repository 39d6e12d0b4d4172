/** `data impressions`: from logs of impressions in a layout that is known. */

import { Command, Option } from "commander";
import { UserError } from "../../user_error.ts";
import type { ItemOptions } from "../prepare/features.ts";
import type { Format } from "../prepare/table_select.ts";
import { mindRecipe } from "../prepare/impressions.ts";
import { logRecipe } from "../prepare/log.ts";
import { flag } from "../prepare/log_options.ts";
import type { PrepareOptions, Recipe } from "../prepare/prepare.ts";
import { given, withFeatureOptions } from "./log.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";

interface Options extends PrepareOptions, ItemOptions {
  source: string;
  layout: "mind" | "long";
  news?: string;
  features?: string;
  featuresKey?: string;
  pages?: "log" | "as-is";
  timeFormat?: string;
  format?: Format;
  dense?: string[];
  tokens?: string[];
}

/** The columns of the long layout. */
const LONG = {
  user: "user",
  time: "time",
  page: "page",
  item: "item",
  position: "position",
  clicked: "clicked",
};

export function impressionsCommand(run: Prepare): Command {
  const command = new Command("impressions")
    .description(
      "Prepares a log of impressions. MIND's layout: each line of behaviors.tsv has a user's history of clicks, and " +
        "impressions such as N1-0 N2-1. The long layout: a header user, time, page, item, position, clicked, and a row " +
        "for each displayed item; it is read as by deno task data log.",
    )
    .requiredOption(
      "--source <path>",
      "a file or a quoted glob; with MIND's layout, also the folder of behaviors.tsv and news.tsv",
      given,
    )
    .addOption(
      new Option("--layout <name>", "what the log looks like").choices(["mind", "long"]).default("mind"),
    )
    .addOption(
      new Option("--pages <how>", "of the long layout, as of deno task data log").choices(["log", "as-is"]),
    )
    .option("--time-format <format>", "of the long layout, as of deno task data log", given)
    .option(
      "--news <files>",
      "MIND's news.tsv, for the categories of items (default: the one in the folder)",
      given,
    );
  return withPrepareOptions(withFeatureOptions(command, '"item" (long layout)'), "impressions")
    .action(async (options: Options) => await run(recipeOf(options), options));
}

/** @throws UserError for options of the other layout. */
export function recipeOf(options: Options): Recipe {
  const { layout, news } = options;
  if (layout === "long") {
    if (news !== undefined) {
      throw new UserError(
        "--news belongs to the layout mind. In the layout long, name the table of items with --features.",
      );
    }
    return logRecipe({ ...options, ...LONG });
  }
  for (
    const name of ["format", "features", "featuresKey", "dense", "tokens", "pages", "timeFormat"] as const
  ) {
    if (options[name] === undefined) continue;
    throw new UserError(
      `${flag(name)} belongs to the layout long. ` +
        (name === "pages" || name === "timeFormat"
          ? "Leave it out."
          : "In the layout mind, name the table of items with --news."),
    );
  }
  return mindRecipe(options);
}
