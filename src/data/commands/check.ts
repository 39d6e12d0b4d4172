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
      const { manifest: { counts }, added } = await check(path, memory, progress.begin).finally(progress.stop);
      const n = (count = 0) => thousands(count);
      const { users, items, pages, rows, clicks } = counts ?? {};
      console.log(
        `${path}: ${n(pages)} pages with ${n(rows)} displayed items of ${n(items)}, ${n(clicks)} clicks; users: ` +
          `${n(users?.train)} train, ${n(users?.validation)} validation, ${n(users?.test)} test.`,
      );
      console.log(added ? "Counts and checksums were added to its manifest." : "Counts and checksums are as its manifest says.");
      console.log(`Train on it: deno task train --data ${quoted(path)}`);
    });
}
