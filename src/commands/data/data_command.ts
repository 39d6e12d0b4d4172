/** `data`: prepares data sets from raw logs, and describes them. `data example` writes an example log. */

import { Command, Option } from "commander";
import { formatCsvRow } from "../../csv.ts";
import { checkCommand, describeCommand, mergeCommand } from "./set_commands.ts";
import { createLogCommand } from "./preparations.ts";
import { runMain } from "../../cli/run_main.ts";
import { createCommand, createSeedOption, folder, parseAndRun } from "../../cli/command_options.ts";
import { demo, describeDemoItem, findShop, shops, type ShopTruth } from "../../data/shops.ts";
import { EXAMPLE_FOLDER, OUT_FOLDER } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { formatThousands } from "../../number_text.ts";
import { NONE } from "../../data/click_log.ts";
import { makeShop } from "../../data/demo_shop.ts";
import { writeFileAtomically } from "../../files/atomic_write.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";

async function main(): Promise<void> {
  const about = "Prepares a data set from a raw log for deno task train --data, or describes a data set.";
  const command = createCommand("data", about)
    .addCommand(createLogCommand())
    .addCommand(mergeCommand())
    .addCommand(describeCommand())
    .addCommand(checkCommand())
    .addCommand(exampleCommand())
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  deno task -q data log --source 'logs/*.parquet' --user uid --item sku --time ts --clicked label\n" +
        "  deno task -q data log --query data/recipes/mind.sql --out runs/data/mind\n" +
        "  deno task -q data merge runs/data/mine runs/data/shown --out runs/data/both\n" +
        "  deno task -q data describe runs/data/mind\n" +
        "\nOptions of a subcommand: deno task -q data log --help. Guide: data/README.md.",
    );
  await parseAndRun(command, Deno.args);
}

function exampleCommand(): Command {
  return new Command("example")
    .description("Writes a raw log of a synthetic shop (log.csv, items.csv), as an example for data log.")
    .option(OUT_FOLDER, "folder of the two files", folder, EXAMPLE_FOLDER)
    .addOption(
      new Option("--shop <name>", "synthetic shop").choices(shops.map(({ name }) => name)).default(demo.name),
    )
    .addOption(createSeedOption("seed of the shop"))
    .action(async ({ out, shop, seed }: { out: string; shop: string; seed: number }) => {
      const { rows, items } = await writeExample(out, findShop(shop) ?? demo, seed);
      console.log(
        `Wrote ${formatThousands(rows)} displayed items to ${quotePath(`${out}/log.csv`)}, ` +
          `and ${formatThousands(items)} items to ${quotePath(`${out}/items.csv`)}`,
      );
    });
}

// The example is a synthetic shop in two CSV files, in a common layout of raw logs.

/** Time of each user's first page in the example log. Consecutive pages of a user are one hour apart. */
const OPENED = Date.UTC(2026, 0, 1, 8);
const HOUR = 3_600_000;

/**
 * Writes `log.csv` (a row per displayed item: user, time, page, item, position, clicked) and `items.csv` (a
 * row per item: item, category, brand, numbers). @throws UserError unless the folder is empty and writable.
 */
async function writeExample(
  folder: string,
  shop: ShopTruth,
  seed: number,
): Promise<{ rows: number; items: number }> {
  const { log } = makeShop(shop, { items: seed, users: seed });
  const { items } = log;
  if (items.kind !== "dense") throw new Error("expected a synthetic shop with dense features");
  const user = (k: number) => `user-${String(k).padStart(4, "0")}`;
  const sku = (k: number) => `sku-${String(k).padStart(3, "0")}`;
  const lines = [formatCsvRow(["user", "time", "page", "item", "position", "clicked"])];
  for (let u = 0; u < log.userSplit.length; u++) {
    const first = log.userEvents[u] ?? 0;
    for (let event = first; event < (log.userEvents[u + 1] ?? 0); event++) {
      const time = new Date(OPENED + (event - first) * HOUR + u * 1000).toISOString();
      const click = log.eventClick[event];
      for (let row = log.eventRows[event] ?? 0; row < (log.eventRows[event + 1] ?? 0); row++) {
        const position = row - (log.eventRows[event] ?? 0) + 1;
        const clicked = click !== NONE && click === row ? 1 : 0;
        lines.push(formatCsvRow([user(u), time, event, sku(log.rowItem[row] ?? 0), position, clicked]));
      }
    }
  }
  const known = Array.from({ length: items.count }, (_, k) => {
    const { category, brand, ...numbers } = describeDemoItem(items.values, k);
    const values = Object.values(numbers).map((value) => Number(value.toFixed(6)));
    return formatCsvRow([sku(k), `category-${category}`, `brand-${brand}`, ...values]);
  });
  const { category: _, brand: __, ...numbers } = describeDemoItem(items.values, 0);
  const files = {
    "log.csv": lines,
    "items.csv": [formatCsvRow(["item", "category", "brand", ...Object.keys(numbers)]), ...known],
  };
  using owned = await OwnedFolder.begin(folder, {
    what: "the example",
    option: "--out",
    own: Object.keys(files),
  });
  for (const [name, lines] of Object.entries(files)) {
    await writeFileAtomically(`${folder}/${name}`, lines.join(""));
  }
  owned.finish();
  return { rows: log.rowItem.length, items: items.count };
}

await runMain(main);
