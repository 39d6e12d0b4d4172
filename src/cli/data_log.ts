/** `data log`: from any log with a row for each displayed item. */

import { Command, InvalidArgumentError } from "commander";
import { logRecipe } from "../prepare/log.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { type Prepare, withPrepareOptions } from "./data_options.ts";

interface Options extends PrepareOptions {
  source: string;
  user: string;
  item: string;
  time: string;
  clicked: string;
  page?: string;
  position?: string;
  features?: string;
  dense?: string[];
  tokens?: string[];
  itemIds: boolean;
}

export function logCommand(run: Prepare): Command {
  const command = new Command("log")
    .description(
      "Prepares a log with a row for each displayed item: CSV or TSV with a header, JSON lines (both plain, .gz or .zst) or " +
        "Parquet. Ids are text, exactly as written. Times are seconds, milli-, micro- or nanoseconds since 1970, or ISO " +
        "8601: the kind that most rows have. Without a time zone they are UTC. A page with several clicks becomes a " +
        "page for each click.",
    )
    .requiredOption("--source <files>", "a file or a quoted glob, such as 'logs/*.parquet'", given)
    .requiredOption("--user <column>", "the user's id", given)
    .requiredOption("--item <column>", "the displayed item's id", given)
    .requiredOption("--time <column>", "when the page was shown", given)
    .requiredOption("--clicked <column>", "whether it was clicked: 1 or true, 0 or false", given)
    .option("--page <column>", "the page's id (default: rows of one user at one time are a page)", given)
    .option(
      "--position <column>",
      "the item's place on the page (default: items are in the order of their ids)",
      given,
    );
  return withPrepareOptions(withFeatureOptions(command, "that --item names"), "log")
    .action(async (options: Options) => await run(logRecipe(options), options));
}

/** Adds the options for what is known of items. */
export function withFeatureOptions(command: Command, item: string): Command {
  return command
    .option("--features <files>", `a table with a row for each item; its id is in the column ${item}`, given)
    .option(
      "--dense <columns>",
      "columns of it to use as numbers, joined by commas (default, without --tokens: all columns of numbers)",
      columns,
    )
    .option(
      "--tokens <columns>",
      "columns of it to use as tokens (text, or lists of text), joined by commas (default, without --dense: all of them)",
      columns,
    )
    .option("--item-ids", "learn something about each single item, too, not only about its features", false);
}

export function given(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Expected a name, got nothing.");
}

/** Names of columns; none for an empty text. */
function columns(text: string): string[] {
  const list = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (new Set(list).size === list.length) return list;
  throw new InvalidArgumentError(`Expected different columns joined by commas, got "${text}".`);
}
