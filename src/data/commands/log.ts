/** `data log`: from any log of what was displayed and clicked. */

import { Command } from "commander";
import { addOptions } from "../../cli/options.ts";
import { logRecipe } from "../prepare/log.ts";
import { type LogOptions, logOptions } from "../prepare/log_options.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";

export function logCommand(run: Prepare): Command {
  const command = new Command("log")
    .description(
      "Prepares a log with a row for each displayed item, a row for each page, or a row for each click: CSV or TSV with a " +
        "header, JSON lines (both plain, .gz or .zst) or Parquet. Ids are text, exactly as written. Times are seconds, " +
        "milli-, micro- or nanoseconds since 1970, or ISO 8601: the kind that most rows have, or as --time-format says. Without " +
        "a time zone they are UTC. A page may have several clicks. Columns within JSON objects and Parquet structs have " +
        "dotted names, such as user.id.",
    );
  return withPrepareOptions(addOptions(command, Object.values(logOptions)), "log")
    .action(async (options: PrepareOptions & LogOptions) => await run(logRecipe(options), options));
}
