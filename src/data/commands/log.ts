/** `data log`: from any log of what was displayed and clicked. */

import { Command, InvalidArgumentError, Option } from "commander";
import { logRecipe } from "../prepare/log.ts";
import {
  clickForms,
  type ClicksColumn,
  clicksColumns,
  DEFAULT_CLICK_WITHIN,
  DEFAULT_PAGE_SIZE,
  DEFAULT_SAMPLED_WINDOW,
  type LogOptions,
  propensityKinds,
  timeUnits,
} from "../prepare/log_options.ts";
import { formats } from "../prepare/table_select.ts";
import { RARE_BELOW } from "../prepare/features.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";
import { folder, LARGEST_SEED, wholeNumber } from "../../cli/options.ts";

interface Options extends PrepareOptions, LogOptions {}

export function logCommand(run: Prepare): Command {
  const command = new Command("log")
    .description(
      "Prepares a log with a row for each displayed item, a row for each page, or a row for each click: CSV or TSV with a " +
        "header, JSON lines (both plain, .gz or .zst) or Parquet. Ids are text, exactly as written. Times are seconds, " +
        "milli-, micro- or nanoseconds since 1970, or ISO 8601: the kind that most rows have, or as --time-format says. Without " +
        "a time zone they are UTC. A page may have several clicks. Columns within JSON objects and Parquet structs have " +
        "dotted names, such as user.id.",
    )
    .requiredOption("--source <files>", "a file or a quoted glob, such as 'logs/*.parquet'", given)
    .requiredOption("--user <column>", "the user's id", given)
    .option("--time <column>", "when the page was shown; beside --date, the time of day", given)
    .option(
      "--date <columns>",
      "the date: its column, or three with year, month and day, joined by commas",
      dates,
    )
    .option(
      "--time-format <format>",
      `how both are written: ${
        timeUnits.join(", ")
      }, or as of strptime, such as '%d/%m/%Y %H:%M' (default: found out)`,
      given,
    )
    .option("--item <column>", "the displayed item's id", given)
    .option("--items <column>", "or, in a log with a row for each page, the list of its items", given)
    .option("--page <column>", "the page's id (default: rows of one user at one time are a page)", given)
    .option(
      "--position <column>",
      "the item's place on the page; it orders the items, which train --position-effect looks at (default: by their ids, " +
        "those of a list as they stand)",
      given,
    )
    .option(
      "--propensity <column>",
      "the probability by which the page was shown, of those who drew it: policy evaluate says by it what another policy would " +
        "have earned",
      given,
    )
    .addOption(
      new Option(
        "--propensity-of <what>",
        "what it is of: the page as a whole; or each item at its place, given those before it (default: page)",
      ).choices(propensityKinds),
    );
  for (const add of [withClickOptions, withPageOptions]) add(command);
  return withPrepareOptions(withFeatureOptions(command, "as in the log"), "log")
    .action(async (options: Options) => await run(logRecipe(options), options));
}

/** How a log says what was clicked. */
function withClickOptions(command: Command): void {
  command
    .option("--clicked <column>", "whether it was clicked: 1, true or yes; 0, false or no", given)
    .option(
      "--clicked-any",
      "a click is any value of --clicked, such as its time, and none where it is empty",
    )
    .option(
      "--clicked-from <number>",
      "a click is a value of --clicked of at least this, such as 4 of a rating",
      number,
    )
    .option(
      "--clicked-values <values>",
      "the values of --clicked that are clicks, joined by commas; all else is none",
      list,
    )
    .addOption(
      new Option(
        "--clicked-as <form>",
        "how --clicked says which of --items it was: by id, by index (from 0), by place (from 1), or by marks, a yes or " +
          "no for each (default: the one that fits)",
      ).choices(clickForms),
    )
    .option(
      "--clicks <files>",
      "a table with a row for each click, joined by --page, or by user, item and time",
      given,
    )
    .option(
      "--clicks-columns <names>",
      "its columns that have other names than in the log, such as item=sku,time=clicked_at or date=year,month=month,day=day",
      clicksNames,
    )
    .option("--event <column>", "or a column that tells rows of displayed items from rows of clicks", given)
    .option("--event-shown <values>", "its values for a displayed item, joined by commas", list)
    .option("--event-clicked <values>", "its values for a click, joined by commas", list)
    .option(
      "--click-within <minutes>",
      "without --page, a click is of what was shown at most so long before " +
        `(default: ${DEFAULT_CLICK_WITHIN})`,
      positive,
    );
}

/** What a page is. */
function withPageOptions(command: Command): void {
  command
    .option(
      "--page-gap <seconds>",
      "without --page: rows of a user less than this apart are one page (default: those at one time)",
      positive,
    )
    .addOption(
      new Option(
        "--pages <how>",
        "log: as the log has them, refused where they cannot be what was displayed; as-is: the same, unchecked; sampled: " +
          "for a log of clicks, each with items drawn by popularity to stand beside it",
      ).choices(["log", "as-is", "sampled"]).default("log"),
    )
    .option(
      "--page-size <n>",
      `items of a sampled page (default: ${DEFAULT_PAGE_SIZE})`,
      wholeNumber(2, 1000),
    )
    .option(
      "--sampled-window <days>",
      `how long the items of a sampled page are drawn from (default: ${DEFAULT_SAMPLED_WINDOW})`,
      positive,
    )
    .option("--seed <n>", "seed of sampled pages", wholeNumber(0, LARGEST_SEED), 1);
}

/** Adds the options for what is known of items. */
export function withFeatureOptions(command: Command, item: string): Command {
  command
    .addOption(
      new Option(
        "--format <name>",
        "what is in files whose names do not end in .csv, .jsonl, .parquet or the like",
      )
        .choices(formats),
    )
    .option("--features <files>", "a table with a row for each item", given)
    .option("--features-key <column>", `its column with the item's id (default: ${item})`, given)
    .option(
      "--dense <columns>",
      "columns of it to use as numbers, joined by commas (default, without --tokens: all columns of numbers)",
      columns,
    )
    .option(
      "--tokens <columns>",
      "columns of it to use as tokens (text, or lists of text), joined by commas (default, without --dense: all of them)",
      columns,
    );
  return withItemOptions(command);
}

/** Adds the options for how what is known of items becomes features. */
export function withItemOptions(command: Command): Command {
  return command
    .option(
      "--item-ids",
      "learn something about each single item, too (default: where most items have no features)",
    )
    .option("--no-item-ids", "learn about items by their features alone; without features they are one-hot")
    .option(
      "--rare-below <n>",
      "values that train users were shown fewer times share one token",
      wholeNumber(1),
      RARE_BELOW,
    )
    .option(
      "--like <folder>",
      "prepare the items as this prepared set has them, with its columns, tokens and scales: for models that were trained on it",
      folder,
    )
    .option("--allow-unlike", "with --like: also if most values of a column are none that the set knows");
}

export function given(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Expected a name, got nothing.");
}

function number(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`Expected a number, got "${text}".`);
}

function positive(text: string): number {
  const value = number(text);
  if (value > 0 && value < 1e9) return value;
  throw new InvalidArgumentError(`Expected a number above 0, got "${text}".`);
}

function dates(text: string): string[] {
  const list = columns(text);
  if (list.length === 1 || list.length === 3) return list;
  throw new InvalidArgumentError(`Expected a column, or those with year, month and day, got "${text}".`);
}

/** Names of columns; none for an empty text. */
function columns(text: string): string[] {
  const list = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (new Set(list).size === list.length) return list;
  throw new InvalidArgumentError(`Expected different columns joined by commas, got "${text}".`);
}

function list(text: string): string[] {
  const values = columns(text);
  if (values.length > 0) return values;
  throw new InvalidArgumentError("Expected values joined by commas, got nothing.");
}

/** Pairs such as item=sku,time=clicked_at. */
function clicksNames(text: string): Partial<Record<ClicksColumn, string>> {
  const names: Partial<Record<ClicksColumn, string>> = {};
  for (const pair of list(text)) {
    const [, name, column] = /^(\w+)=(.+)$/.exec(pair) ?? [];
    const known = clicksColumns.find((one) => one === name);
    if (known === undefined || column === undefined) {
      throw new InvalidArgumentError(
        `Expected pairs such as item=sku,time=clicked_at, of ${clicksColumns.join(", ")}; got "${pair}".`,
      );
    }
    names[known] = column.trim();
  }
  return names;
}
