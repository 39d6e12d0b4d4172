/** What a log looks like, by the options of `data log`; which of them fit together. */

import {
  flagged,
  InvalidValue,
  named,
  oneOf,
  type OptionOf,
  required,
  valued,
  type ValuesOf,
  whole,
} from "../../option.ts";
import { LARGEST_SEED } from "../../train/config.ts";
import { UserError } from "../../user_error.ts";
import { columnNames, featureOptions } from "./features.ts";

/** What numbers since 1970 may count. */
export const timeUnits = ["seconds", "milliseconds", "microseconds", "nanoseconds"] as const;

/** What the columns of a table of clicks are called in `--clicks-columns`; `date` may be a year, with a month and a day. */
const clicksColumns = ["user", "item", "time", "date", "month", "day", "page"] as const;
export type ClicksColumn = (typeof clicksColumns)[number];

export const DEFAULT_CLICK_WITHIN = 30;
export const DEFAULT_PAGE_SIZE = 10;
export const DEFAULT_SAMPLED_WINDOW = 7;

export const logOptions = {
  source: required(named("--source <files>", "a file or a quoted glob, such as 'logs/*.parquet'")),
  user: required(named("--user <column>", "the user's id")),
  time: named("--time <column>", "when the page was shown; beside --date, the time of day"),
  date: listed(
    "--date <columns>",
    "the date: its column, or three with year, month and day, joined by commas",
    dates,
  ),
  timeFormat: named(
    "--time-format <format>",
    `how both are written: ${
      timeUnits.join(", ")
    }, or as of strptime, such as '%d/%m/%Y %H:%M' (default: found out)`,
  ),
  // Beside --items, the item of a click that is told apart; without it, the clicks are of the list of their row.
  item: named("--item <column>", "the displayed item's id"),
  items: named("--items <column>", "or, in a log with a row for each page, the list of its items"),
  page: named("--page <column>", "the page's id (default: rows of one user at one time are a page)"),
  position: named(
    "--position <column>",
    "the item's place on the page; it orders the items, which train --position-effect looks at (default: by their ids, " +
      "those of a list as they stand)",
  ),
  propensity: named(
    "--propensity <column>",
    "the probability by which the page was shown, of those who drew it: policy evaluate says by it what another policy would " +
      "have earned",
  ),
  propensityOf: valued(
    "--propensity-of <what>",
    "what it is of: the page as a whole; or each item at its place, given those before it (default: page)",
    oneOf(["page", "item"]),
  ),

  // How a log says what was clicked.
  clicked: named("--clicked <column>", "whether it was clicked: 1, true or yes; 0, false or no"),
  clickedAny: flagged(
    "--clicked-any",
    "a click is any value of --clicked, such as its time, and none where it is empty",
  ),
  clickedFrom: valued(
    "--clicked-from <number>",
    "a click is a value of --clicked of at least this, such as 4 of a rating",
    { parse: number },
  ),
  clickedValues: listed(
    "--clicked-values <values>",
    "the values of --clicked that are clicks, joined by commas; all else is none",
  ),
  clickedAs: valued(
    "--clicked-as <form>",
    "how --clicked says which of --items it was: by id, by index (from 0), by place (from 1), or by marks, a yes or " +
      "no for each (default: the one that fits)",
    oneOf(["id", "index", "place", "marks"]),
  ),
  clicks: named(
    "--clicks <files>",
    "a table with a row for each click, joined by --page, or by user, item and time",
  ),
  clicksColumns: valued(
    "--clicks-columns <names>",
    "its columns that have other names than in the log, such as item=sku,time=clicked_at or date=year,month=month,day=day",
    { parse: clicksNames },
  ),
  event: named("--event <column>", "or a column that tells rows of displayed items from rows of clicks"),
  eventShown: listed("--event-shown <values>", "its values for a displayed item, joined by commas"),
  eventClicked: listed("--event-clicked <values>", "its values for a click, joined by commas"),
  clickWithin: valued(
    "--click-within <minutes>",
    `without --page, a click is of what was shown at most so long before (default: ${DEFAULT_CLICK_WITHIN})`,
    { parse: positive },
  ),

  // What a page is.
  pageGap: valued(
    "--page-gap <seconds>",
    "without --page: rows of a user less than this apart are one page (default: those at one time)",
    { parse: positive },
  ),
  pages: valued(
    "--pages <how>",
    "log: as the log has them, refused where they cannot be what was displayed; as-is: the same, unchecked; sampled: " +
      "for a log of clicks, each with items drawn by popularity to stand beside it",
    oneOf(["log", "as-is", "sampled"]),
    "log",
  ),
  pageSize: valued(
    "--page-size <n>",
    `items of a sampled page (default: ${DEFAULT_PAGE_SIZE})`,
    whole(2, 1000),
  ),
  sampledWindow: valued(
    "--sampled-window <days>",
    `how long the items of a sampled page are drawn from (default: ${DEFAULT_SAMPLED_WINDOW})`,
    { parse: positive },
  ),
  seed: valued("--seed <n>", "seed of sampled pages", whole(0, LARGEST_SEED), 1),
  ...featureOptions("as in the log"),
};
export type LogOptions = ValuesOf<typeof logOptions>;

/** Values joined by commas. */
function listed(flags: string, about: string, parse = list): OptionOf<string[]> {
  return valued(flags, about, { parse });
}

function number(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidValue(`Expected a number, got "${text}".`);
}

function positive(text: string): number {
  const value = number(text);
  if (value > 0 && value < 1e9) return value;
  throw new InvalidValue(`Expected a number above 0, got "${text}".`);
}

function dates(text: string): string[] {
  const list = columnNames(text);
  if (list.length === 1 || list.length === 3) return list;
  throw new InvalidValue(`Expected a column, or those with year, month and day, got "${text}".`);
}

function list(text: string): string[] {
  const values = columnNames(text);
  if (values.length > 0) return values;
  throw new InvalidValue("Expected values joined by commas, got nothing.");
}

/** Pairs such as item=sku,time=clicked_at. */
function clicksNames(text: string): Partial<Record<ClicksColumn, string>> {
  const names: Partial<Record<ClicksColumn, string>> = {};
  for (const pair of list(text)) {
    const [, name, column] = /^(\w+)=(.+)$/.exec(pair) ?? [];
    const known = clicksColumns.find((one) => one === name);
    if (known === undefined || column === undefined) {
      throw new InvalidValue(
        `Expected pairs such as item=sku,time=clicked_at, of ${clicksColumns.join(", ")}; got "${pair}".`,
      );
    }
    names[known] = column.trim();
  }
  return names;
}

const WHERE = "data/README.md shows what fits which log.";

/** Pairs of options of which the second one makes no sense with the first, and why. */
const APART: readonly [first: keyof LogOptions, second: keyof LogOptions, why: string][] = [
  ["clicks", "clicked", "the clicks are in a table of their own"],
  ["event", "clicked", "the event tells what is a click"],
  ["clicks", "event", "the clicks are in a table of their own"],
  ["clickedFrom", "clickedValues", "a click is a number or a word"],
  ["clickedAny", "clickedFrom", "any value is a click"],
  ["clickedAny", "clickedValues", "any value is a click"],
  ["page", "pageGap", "the id tells pages apart"],
  ["items", "pageGap", "a row is a page"],
];

/** Options that need another one. */
const NEEDS: readonly [option: keyof LogOptions, needs: readonly (keyof LogOptions)[]][] = [
  ["clickedAny", ["clicked"]],
  ["clickedFrom", ["clicked"]],
  ["clickedValues", ["clicked"]],
  ["clickedAs", ["items"]],
  ["clickedAs", ["clicked"]],
  ["propensityOf", ["propensity"]],
  ["clicksColumns", ["clicks"]],
  ["eventShown", ["event"]],
  ["eventClicked", ["event"]],
  ["clickWithin", ["clicks", "event"]],
  ["featuresKey", ["features"]],
];

/** Of sampled pages only, and what they have no use for. */
const SAMPLED: readonly (keyof LogOptions)[] = ["pageSize", "sampledWindow"];
const NOT_SAMPLED: readonly (keyof LogOptions)[] = [
  "items",
  "clicks",
  "position",
  "propensity",
  "pageGap",
  "eventShown",
];

/** @throws UserError for options that do not fit together, or do not say what was displayed and clicked. */
export function expectShape(options: LogOptions): void {
  const has = (name: keyof LogOptions) => options[name] !== undefined;
  if (!has("time") && !has("date")) {
    throw new UserError(`Expected --time or --date: when the page was shown; found neither. ${WHERE}`);
  }
  for (const [first, second, why] of APART) {
    if (!has(first) || !has(second)) continue;
    throw new UserError(
      `Expected ${flag(first)} or ${flag(second)}, found both: ${why}. Leave one out. ${WHERE}`,
    );
  }
  for (const [option, needs] of NEEDS) {
    if (!has(option) || needs.some(has)) continue;
    throw new UserError(
      `Expected ${needs.map(flag).join(" or ")} with ${flag(option)}, found neither. ${WHERE}`.replace(
        "neither",
        needs.length > 1 ? "neither" : "none",
      ),
    );
  }
  expectPageKind(options);
  expectItem(options);
}

function expectPageKind(options: LogOptions): void {
  const sampled = options.pages === "sampled";
  for (const name of sampled ? NOT_SAMPLED : SAMPLED) {
    if (options[name] === undefined) continue;
    throw new UserError(
      sampled
        ? `Expected no ${
          flag(name)
        } with --pages sampled, which makes the pages up: leave one of them out. ${WHERE}`
        : `Expected --pages sampled with ${flag(name)}. ${WHERE}`,
    );
  }
  const { clicked, clicks, event, eventShown, eventClicked } = options;
  if (event !== undefined && (eventClicked === undefined || (eventShown === undefined && !sampled))) {
    throw new UserError(
      `Expected --event-shown and --event-clicked with --event: the values of ${event} that mean that an item was ` +
        "displayed, and that it was clicked.",
    );
  }
  if (clicked !== undefined || clicks !== undefined || event !== undefined || sampled) return;
  throw new UserError(
    "Expected what was clicked: a column (--clicked), a table of clicks (--clicks), or a column with kinds of rows " +
      "(--event). Where each row is a click, draw what stands beside it: --pages sampled. " + WHERE,
  );
}

function expectItem({ item, items, clicks, clicksColumns, event, features, featuresKey }: LogOptions): void {
  if (item === undefined && items === undefined) {
    throw new UserError(
      `Expected --item (a row for each displayed item) or --items (a row for each page, with a list), found neither. ${WHERE}`,
    );
  }
  if (items === undefined) return;
  if (item !== undefined && clicks === undefined && event === undefined) {
    throw new UserError(`Expected --item or --items, found both. ${WHERE}`);
  }
  if (clicks !== undefined && item === undefined && clicksColumns?.item === undefined) {
    throw new UserError("Expected --item with --items: the column with the item of a click.");
  }
  if (features !== undefined && featuresKey === undefined && item === undefined) {
    throw new UserError(
      "Expected --features-key with --items: the column of the features with the item's id.",
    );
  }
}

/** The option as it is typed. */
export function flag(name: keyof LogOptions): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
