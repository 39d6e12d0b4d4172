/** `data check`: whether a prepared data set is as training takes it. */

import { Command } from "commander";
import { check } from "../prepare/check.ts";
import { MEMORY, quoted } from "../../cli/arguments.ts";
import { folder, memorySize } from "../../cli/options.ts";
import { stepProgress } from "../../cli/progress.ts";
import { thousands } from "../../thousands.ts";

export function checkCommand(): Command {
  return new Command("check")
    .description(
      "Reads a prepared data set as training does, and says all that does not hold in it, and where. One that holds gets " +
        "counts and checksums in its manifest, where it has none.",
    )
    .argument("<folder>", "a prepared data set, such as one that Spark wrote", folder)
    .option(MEMORY, "memory of the data engine", memorySize, "2GB")
    .action(async (path: string, { memory }: { memory: string }) => {
      const progress = stepProgress();
      const checked = check(path, memory, progress.begin);
      const { manifest: { counts }, added } = await checked.finally(progress.stop);
      const n = (count = 0) => thousands(count);
      const { users, items, pages, rows, clicks } = counts ?? {};
      const parts = `${n(users?.train)} train, ${n(users?.validation)} validation, ${n(users?.test)} test`;
      const shown = `${n(pages)} pages with ${n(rows)} displayed items of ${n(items)}`;
      console.log(`${path}: ${shown}, ${n(clicks)} clicks; users: ${parts}.`);
      console.log(`Counts and checksums ${added ? "were added to" : "are as they stand in"} its manifest.`);
      console.log(`Train on it: deno task train --data ${quoted(path)}`);
    });
}
