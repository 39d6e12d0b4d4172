/** `data example`: a raw log to try the others on. */

import { Command, Option } from "commander";
import { shopNamed, shops } from "../shops.ts";
import { demo } from "../shops/demo.ts";
import { writeExample } from "../prepare/example.ts";
import { OUT_FOLDER } from "../../cli/arguments.ts";
import { folder, LARGEST_SEED, wholeNumber } from "../../cli/options.ts";
import { EXAMPLE_FOLDER } from "../../cli/output_folders.ts";
import { quoted } from "../../cli/shell_word.ts";
import { thousands } from "../../thousands.ts";

export function exampleCommand(): Command {
  return new Command("example")
    .description("Writes a made-up shop as a raw log, log.csv and items.csv, to try data log on.")
    .option(OUT_FOLDER, "where to write the two files", folder, EXAMPLE_FOLDER)
    .addOption(
      new Option("--shop <name>", "which one").choices(shops.map(({ name }) => name)).default(demo.name),
    )
    .option("--seed <n>", "seed of the shop", wholeNumber(0, LARGEST_SEED), 1)
    .action(async ({ out, shop, seed }: { out: string; shop: string; seed: number }) => {
      const { rows, items } = await writeExample(out, shopNamed(shop) ?? demo, seed);
      console.log(
        `${thousands(rows)} displayed items in ${quoted(`${out}/log.csv`)}, ` +
          `${thousands(items)} items in ${quoted(`${out}/items.csv`)}`,
      );
    });
}
