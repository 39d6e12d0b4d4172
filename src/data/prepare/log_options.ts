/** What a log looks like, by the options of `data log`; which of them fit together. */

import { UserError } from "../../user_error.ts";
import type { FeatureOptions } from "./features.ts";

export const clickForms = ["id", "index", "place", "marks"] as const;
export type ClickForm = (typeof clickForms)[number];
/** What a propensity is of. */
export const propensityKinds = ["page", "item"] as const;

export interface LogOptions extends FeatureOptions {
  /** A file or glob: CSV, JSON lines or Parquet. */
  readonly source: string;
  /** Columns of the log. */
  readonly user: string;
  readonly time?: string;
  /** The column with the date, or those with year, month and day; `time` has the time of day, if any. */
  readonly date?: readonly string[];
  /** How times are written: in a unit since 1970, or by a format of strptime; found out without it. */
  readonly timeFormat?: string;
  /** A row for each displayed item. Beside `items`, the item of a click that is told apart (without it: the list of its row). */
  readonly item?: string;
  /** A row for each page: a list of its items. */
  readonly items?: string;
  readonly clicked?: string;
  /** Without it, a page is what a user has at one time. */
  readonly page?: string;
  /** Without it, items of a page are in the order of their ids; those of a list in its own. */
  readonly position?: string;
  /** By which chance each page, or each of its items given those before it, was shown; none is known without it. */
  readonly propensity?: string;
  readonly propensityOf?: typeof propensityKinds[number];

  /** A click is any value, a number from this one on, or one of these words; otherwise a yes or no. */
  readonly clickedAny?: boolean;
  readonly clickedFrom?: number;
  readonly clickedValues?: readonly string[];
  /** How the click of a list is written; without it, found out. */
  readonly clickedAs?: ClickForm;

  /** A table with a row for each click, and its columns that have other names than those of the log. */
  readonly clicks?: string;
  readonly clicksColumns?: Partial<Readonly<Record<ClicksColumn, string>>>;
  /** Or a column that tells kinds of rows apart, with the values that mean each. */
  readonly event?: string;
  readonly eventShown?: readonly string[];
  readonly eventClicked?: readonly string[];
  /** A click without the id of a page is of what was shown at most so many minutes before. */
  readonly clickWithin?: number;

  /** As the log has them; the same unchecked; or drawn for a log of clicks. */
  readonly pages?: "log" | "as-is" | "sampled";
  /** Rows of a user without a pause of so many seconds are one page. */
  readonly pageGap?: number;
  /** Of sampled pages: how many items, from a window of how many days, and the seed. */
  readonly pageSize?: number;
  readonly sampledWindow?: number;
  readonly seed?: number;
}

/** What numbers since 1970 may count. */
export const timeUnits = ["seconds", "milliseconds", "microseconds", "nanoseconds"] as const;

/** What the columns of a table of clicks are called in `--clicks-columns`; `date` may be a year, with a month and a day. */
export const clicksColumns = ["user", "item", "time", "date", "month", "day", "page"] as const;
export type ClicksColumn = (typeof clicksColumns)[number];

export const DEFAULT_CLICK_WITHIN = 30;
export const DEFAULT_PAGE_SIZE = 10;
export const DEFAULT_SAMPLED_WINDOW = 7;

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
