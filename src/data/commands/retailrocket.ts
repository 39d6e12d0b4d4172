/** `data retailrocket`: from the data set's raw files. */

import { Command, InvalidArgumentError, Option } from "commander";
import type { PrepareOptions } from "../prepare/prepare.ts";
import type { ItemOptions } from "../prepare/features.ts";
import { retailrocket } from "../prepare/retailrocket.ts";
import { withItemOptions } from "./log.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";
import { folder, wholeNumber } from "../../cli/options.ts";

interface Options extends PrepareOptions, ItemOptions {
  source: string;
  pages: "session" | "sampled";
  sessionGap: number;
  pageSize?: number;
  keepNoClick: boolean;
  numeric?: string[];
  seed: number;
  minEvents: number;
  maxUsers?: number;
}

/** Items of a page unless told otherwise: what one looks at, and as many as the demo shop shows. */
const PAGE_SIZE = { session: 50, sampled: 10 } as const;

export function retailrocketCommand(run: Prepare): Command {
  const command = new Command("retailrocket")
    .description(
      "Prepares the Retailrocket e-commerce data set: events*.csv, item_properties*.csv and category_tree*.csv, plain or " +
        "compressed (.gz, .zst). A page has the properties that its items had at that time.",
    )
    .requiredOption("--source <folder>", "the folder of the raw files", folder)
    .addOption(
      new Option(
        "--pages <how>",
        "session: a page is what was viewed in the session so far, and the click is what was put in the cart or bought; " +
          "sampled: each view is a click, on a page with items drawn by popularity in its category and week",
      ).choices(["session", "sampled"]).default("session"),
    )
    .option(
      "--session-gap <minutes>",
      "a session ends after this many minutes without an event",
      wholeNumber(1),
      30,
    )
    .option(
      "--page-size <n>",
      `the most items of a page (default: ${PAGE_SIZE.session} of a session, ${PAGE_SIZE.sampled} sampled)`,
      wholeNumber(1, 1000),
    )
    .option("--keep-no-click", "keep sessions without a cart or purchase, as pages without a click", false)
    .option(
      "--numeric <properties>",
      "item properties with a number for a value, joined by commas (default: 790, which is the price)",
      names,
    )
    .option("--seed <n>", "seed of the drawn pages", wholeNumber(0, 2 ** 32 - 1), 1)
    .option("--min-events <n>", "leave out visitors with fewer events", wholeNumber(1), 1)
    .option("--max-users <n>", "take at most this many visitors, always the same ones", wholeNumber(1));
  return withPrepareOptions(withItemOptions(command), "retailrocket").action(async (options: Options) => {
    await run(
      retailrocket({
        ...options,
        pageSize: options.pageSize ?? PAGE_SIZE[options.pages],
        maxUsers: options.maxUsers,
      }),
      options,
    );
  });
}

/** Names of properties; none for an empty text. */
function names(text: string): string[] {
  const list = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (list.every((name) => /^\d+$/.test(name)) && new Set(list).size === list.length) return list;
  throw new InvalidArgumentError(`Expected different numbers of properties joined by commas, got "${text}".`);
}
