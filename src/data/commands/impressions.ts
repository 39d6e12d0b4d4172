/** `data impressions`: from logs of impressions in a layout that is known. */

import { Command } from "commander";
import { addOptions } from "../../cli/options.ts";
import { impressions, type ImpressionsOptions, impressionsOptions } from "../prepare/impressions.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";

export function impressionsCommand(run: Prepare): Command {
  const command = new Command("impressions")
    .description(
      "Prepares a log of impressions. MIND's layout: each line of behaviors.tsv has a user's history of clicks, and " +
        "impressions such as N1-0 N2-1. The long layout: a header user, time, page, item, position, clicked, and a row " +
        "for each displayed item; it is read as by deno task data log.",
    );
  return withPrepareOptions(
    addOptions(command, Object.values(impressionsOptions)),
    "impressions",
  )
    .action(async (options: PrepareOptions & ImpressionsOptions) => await run(impressions(options), options));
}
