/** Options of `data log` that describe a log: either files and column names, or a SELECT. */

import { defineNameOption, defineValueOption, makeNumberParser, picklist, whole } from "../../option.ts";
import * as v from "../../schema.ts";
import type { OptionValues } from "../../option.ts";
import { LARGEST_SEED } from "../random.ts";
import { UserError } from "../../user_error.ts";
import { parseContextColumns } from "./context_columns.ts";
import { featureOptions } from "./features.ts";

export const DEFAULT_PAGE_SIZE = 10;
export const DEFAULT_SAMPLED_WINDOW = 7;

export const logOptions = {
  query: defineNameOption(
    "--query <file>",
    "file with a SELECT that returns a row per displayed item with the columns user, item, time and clicked",
  ),
  source: defineNameOption("--source <files>", "without --query: log file, or quoted glob 'logs/*.parquet'"),
  user: defineNameOption("--user <column>", "column of --source with the user's id"),
  time: defineNameOption("--time <column>", "column with the time when the page was shown"),
  item: defineNameOption("--item <column>", "column with the displayed item's id"),
  items: defineNameOption(
    "--items <column>",
    "for a log with a row per page, instead of --item: column with the ordered list of the page's items",
  ),
  page: defineNameOption(
    "--page <column>",
    "column with the page's id (default: rows of a user with the same time form a page)",
  ),
  position: defineNameOption(
    "--position <column>",
    "column with the item's position on the page, needed by train --position-bias (default: item id order)",
  ),
  clicked: defineNameOption(
    "--clicked <column>",
    "column with 1, true or yes if the item was clicked, else 0, false or no; " +
      "with --items: the id of the clicked item, or a list of ids",
  ),
  propensity: defineNameOption(
    "--propensity <column>",
    "for randomised pages: column with the probability with which the page was shown; " +
      "policy evaluate needs it to estimate the reward of another policy",
  ),
  propensityOf: defineValueOption(
    "--propensity-of <what>",
    "--propensity is the probability of the page, or of each item given the items before it (default: page)",
    picklist(["page", "item"]),
  ),

  pageGap: defineValueOption(
    "--page-gap <seconds>",
    "without --page: rows of a user less than this time apart form a page (default: rows with the same time)",
    { parse: makeNumberParser(v.positive(1e9), "a number above 0") },
  ),
  pages: defineValueOption(
    "--pages <how>",
    "log: the log's pages, refused if they are implausible; as-is: the log's pages, unchecked; " +
      "sampled: for a log with only clicks, pages with a clicked item and items sampled by popularity",
    picklist(["log", "as-is", "sampled"]),
    "log",
  ),
  pageSize: defineValueOption(
    "--page-size <n>",
    `number of items of a sampled page (default: ${DEFAULT_PAGE_SIZE})`,
    whole(2, 1000),
  ),
  sampledWindow: defineValueOption(
    "--sampled-window <days>",
    `sample a page's items from clicks of so many days before the page (default: ${DEFAULT_SAMPLED_WINDOW})`,
    { parse: makeNumberParser(v.positive(1e9), "a number above 0") },
  ),
  seed: defineValueOption("--seed <n>", "seed of sampled pages", whole(0, LARGEST_SEED), 1),
  impressionFeatures: defineValueOption(
    "--impression-features <columns>",
    "columns of the log, joined by commas, that describe the displayed item at that moment, " +
      "such as price or date (used as age); a type may follow: hour:category, :number, :time",
    { parse: parseContextColumns },
  ),
  pageFeatures: defineValueOption(
    "--page-features <columns>",
    "columns of the log that describe the page, such as device or hour, as with --impression-features",
    { parse: parseContextColumns },
  ),
  ...featureOptions,
};
export type LogOptions = OptionValues<typeof logOptions>;

const WHERE = "data/README.md shows which command fits which log.";

/** Options that name files and columns; forbidden with --query, because its SELECT names the columns. */
const OF_FILES: readonly (keyof LogOptions)[] = [
  ...["source", "user", "time", "item", "items", "page", "position", "clicked", "propensity"] as const,
];

/** Pairs of incompatible options, and why they are incompatible. */
const APART: readonly (readonly [first: keyof LogOptions, second: keyof LogOptions, why: string])[] = [
  ...OF_FILES.map((name) => ["query", name, "the SELECT names the columns"] as const),
  ["item", "items", "a row is an item or a page"],
  ["page", "pageGap", "the id defines the pages"],
  ["items", "pageGap", "a row is a page"],
  ["items", "position", "the list is ordered"],
];

/** Options allowed only with --pages sampled. */
const SAMPLED: readonly (keyof LogOptions)[] = ["pageSize", "sampledWindow"];
const NOT_SAMPLED: readonly (keyof LogOptions)[] = [
  ...["items", "position", "propensity", "pageGap", "impressionFeatures", "pageFeatures"] as const,
];

/** @throws UserError for incompatible options, or for a missing option. */
export function expectShape(options: LogOptions): void {
  const has = (name: keyof LogOptions) => options[name] !== undefined;
  for (const [first, second, why] of APART) {
    if (!has(first) || !has(second)) continue;
    throw new UserError(
      `Expected ${formatFlag(first)} or ${formatFlag(second)}, got both: ${why}. Leave one out. ${WHERE}`,
    );
  }
  const sampled = options.pages === "sampled";
  for (const name of sampled ? NOT_SAMPLED : SAMPLED) {
    if (!has(name)) continue;
    throw new UserError(
      sampled
        ? `Expected no ${formatFlag(name)} with --pages sampled. Leave one out. ${WHERE}`
        : `Expected --pages sampled with ${formatFlag(name)}, got no --pages sampled. ${WHERE}`,
    );
  }
  if (has("featuresKey") && !has("features")) {
    throw new UserError(`Expected --features with --features-key, got no --features. ${WHERE}`);
  }
  if (has("query")) return;
  if (has("propensityOf") && !has("propensity")) {
    throw new UserError(`Expected --propensity with --propensity-of, got no --propensity. ${WHERE}`);
  }
  const needed: readonly [what: string, names: readonly (keyof LogOptions)[]][] = [
    ["--query (a SELECT) or --source (files)", ["source"]],
    ["--user: the column with the user's id", ["user"]],
    ["--time: when the page was shown", ["time"]],
    ["--item (a row per displayed item) or --items (a row per page, with a list)", ["item", "items"]],
    [
      "--clicked: the column of clicks. If each row is a click, sample the other items: --pages sampled",
      sampled ? ["item"] : ["clicked"],
    ],
  ];
  const missing = needed.find(([, names]) => !names.some(has));
  if (missing !== undefined) throw new UserError(`Expected one more option, ${missing[0]}. ${WHERE}`);
  if (has("items") && has("features") && !has("featuresKey")) {
    throw new UserError(
      "Expected --features-key with --items: name the column of --features that has the items' ids.",
    );
  }
}

/** Returns the flag of an option, such as --page-gap for `pageGap`. */
export function formatFlag(name: keyof LogOptions): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
