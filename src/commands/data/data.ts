/** `data`: from a raw log to a prepared data set, and what there is in one. */

import { Command } from "commander";
import { version } from "../../version.ts";
import { checkCommand, describeCommand, mergeCommand } from "./sets.ts";
import { exampleCommand } from "./example.ts";
import { preparations } from "./preparations.ts";
import { runMain } from "../../cli/fail.ts";
import { parseAndRun } from "../../cli/options.ts";

async function main(): Promise<void> {
  const command = new Command("deno task data")
    .description("Makes a prepared data set of a raw log, for deno task train --data, or describes one.")
    .version(version);
  for (const preparation of preparations()) {
    command.addCommand(preparation, { hidden: preparation.name() !== "log" });
  }
  command
    .addCommand(mergeCommand())
    .addCommand(describeCommand())
    .addCommand(checkCommand())
    .addCommand(exampleCommand())
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  deno task data log --source 'logs/*.parquet' --user uid --item sku --time ts --clicked label\n" +
        "  deno task data log --query data/recipes/mind.sql --out runs/data/mind\n" +
        "  deno task data merge runs/data/mine runs/data/shown --out runs/data/both\n" +
        "  deno task data describe runs/data/mind\n" +
        "\nA subcommand's options: deno task data log --help. The guide is data/README.md.",
    );
  await parseAndRun(command, Deno.args);
}

await runMain(main);
