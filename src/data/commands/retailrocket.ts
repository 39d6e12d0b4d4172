/** `data retailrocket`: from the data set's raw files. */

import { Command } from "commander";
import { addOptions } from "../../cli/options.ts";
import type { PrepareOptions } from "../prepare/prepare.ts";
import { retailrocket, type RetailrocketOptions, retailrocketOptions } from "../prepare/retailrocket.ts";
import { type Prepare, withPrepareOptions } from "./options.ts";

export function retailrocketCommand(run: Prepare): Command {
  const command = new Command("retailrocket")
    .description(
      "Prepares the Retailrocket e-commerce data set: events*.csv, item_properties*.csv and category_tree*.csv, plain or " +
        "compressed (.gz, .zst). A page has the properties that its items had at that time.",
    );
  return withPrepareOptions(
    addOptions(command, Object.values(retailrocketOptions)),
    "retailrocket",
  )
    .action(async (options: PrepareOptions & RetailrocketOptions) =>
      await run(retailrocket(options), options)
    );
}
