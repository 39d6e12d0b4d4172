/** `data merge`: several data sets as one. */

import { basename, resolve } from "node:path";
import { Command } from "commander";
import { OUT_FOLDER, quoted } from "../../cli/arguments.ts";
import { openData, withProgress } from "../../cli/open_data.ts";
import { folder } from "../../cli/options.ts";
import { preparedFolder } from "../../cli/default_paths.ts";
import { thousands } from "../../number_text.ts";
import { UserError } from "../../user_error.ts";
import { type MergedPart, mergeSets } from "../../data/sets/merge.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { inNewSet } from "../../data/sets/prepared_writer.ts";

export function mergeCommand(): Command {
  return new Command("merge")
    .description(
      "Makes one prepared data set of several, such as a log and the pages that a policy showed since. Users keep their parts; one " +
        "whose id is taken gets the name of their set in front, and the column source says where each comes from. An item is the " +
        "same where its id and its features are; else it is one more version. The sets are read into memory.",
    )
    .argument(
      "<sets...>",
      "prepared data sets, or what else train takes as --data; the first one's items keep their numbers",
      collect,
    )
    .option(OUT_FOLDER, "the prepared data set, a new folder", folder, preparedFolder("merge"))
    .addHelpText(
      "after",
      "\nExample:\n  deno task data merge runs/data/mine runs/data/shown --out runs/data/both",
    )
    .action(async (sets: readonly string[], { out }: { out: string }) => {
      if (sets.length < 2) {
        throw new UserError(`Expected two data sets or more to merge, got ${sets.length}.`);
      }
      const parts: MergedPart[] = [];
      for (const data of sets) parts.push({ name: nameFor(data, parts), data: await opened(data) });
      const { manifest: { counts, notes }, newItems } = await inNewSet(
        out,
        { what: "the merged data", option: "--out" },
        () =>
          withProgress((onProgress) =>
            mergeSets(out, parts, { name: basename(resolve(out)), command: Deno.args }, onProgress)
          ),
      );
      for (const note of notes) console.log(note);
      const { pages = 0, clicks = 0, items = 0 } = counts ?? {};
      console.log(
        `${thousands(pages)} pages with ${thousands(clicks)} clicks; ${thousands(items)} items, ${
          thousands(newItems)
        } of which ` +
          `${parts[0]?.name} does not have.`,
      );
      console.log(`The prepared data set is ${out}`);
      console.log(`Train on it: deno task train --data ${quoted(out)}`);
    });
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, folder(text)];
}

/** A set is called by its folder; the second of a name by its whole path. */
function nameFor(path: string, others: readonly MergedPart[]): string {
  const name = basename(resolve(path));
  return others.some((other) => other.name === name) ? path : name;
}

async function opened(data: string): Promise<OpenedDataset> {
  return await OpenedDataset.of(await openData({ data, seed: 1, resplit: false, memoryRows: Infinity }, []));
}
