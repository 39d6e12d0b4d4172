/** `policy rank`: prints the slate that a policy shows to a user with the given clicks. */

import { Command } from "commander";
import { type IdList, parseIds } from "../../data/ids.ts";
import type { PolicyTrainingConfig } from "../../policy/learning/policy_training_config.ts";
import { openPolicy, type RankedSlate } from "../../policy/trained_policy.ts";
import { findAgain, withDevice } from "../simulate/user_selection.ts";
import { MEMORY_LIMIT } from "../../cli/open_data.ts";
import { folder, IDS, parseWholeNumber } from "../../cli/command_options.ts";
import { formatRankedItems } from "../../cli/table.ts";

interface Options {
  history: string;
  page: number;
  memoryRows: number;
  json: boolean;
}

export function createPolicyRankCommand(): Command {
  const command = new Command("rank")
    .description(
      "Prints the next slate that a policy shows to a user, with the model's utility and P(click) of each " +
        "item. Also prints the predicted return of this page and all later pages (cdqn: per item, " +
        "slateq: for the slate, gdqn: none), if any user in training had so many clicks. Without --start " +
        "in training, users have at most one click on each page before --page.",
    )
    .argument("<policy>", "folder that policy train wrote", folder)
    .option("--history <ids>", `clicked items, oldest first, ${IDS}`, "")
    .option(
      "--page <n>",
      "number of the page in the episode; at most the number of pages in the policy's training",
      parseWholeNumber(1),
      1,
    )
    .option("--json", "print JSON", false)
    .option(...MEMORY_LIMIT)
    .addHelpText("after", "\nExample:\n  deno task -q policy rank runs/slateq --history 3,141,59 --page 8");
  return command.action(run);
}

async function run(path: string, { history: ids, page, memoryRows, json }: Options): Promise<void> {
  const policy = await openPolicy(path);
  const { trainedOn, training } = policy.config;
  const found = await findAgain(trainedOn, { memoryRows, meanContext: true });
  const history = parseIds(ids, ",").map((id) => found.data.item(id));
  await withDevice(async (gpu, made) => {
    if (policy.unfinished !== undefined) console.error(policy.unfinished);
    const chosen = await policy.rank(gpu, found.open(gpu, made).environment, history, { page });
    gpu.check();
    tell(chosen, { ...training, clicks: history.length, page }, found.data.items, json);
  });
}

function tell(
  { items, noClick, value }: RankedSlate,
  { clicks, page, pages, reward }:
    & Pick<PolicyTrainingConfig, "pages" | "reward">
    & { readonly clicks: number; readonly page: number },
  ids: IdList,
  json: boolean,
): void {
  const shown = items.map(({ item, ...metrics }) => ({ item: ids.of(item), ...metrics }));
  if (json) {
    console.log(JSON.stringify({ clicks, page, items: shown, noClick, value }, null, 2));
    return;
  }
  console.log(`After ${clicks} clicks, on page ${page} of ${pages}:`);
  console.log(formatRankedItems(shown));
  console.log(`P(no click): ${noClick.toFixed(4)}, predicted by the model.`);
  if (clicks >= page && value === undefined) {
    console.log(
      "Unknown return: in training, no user had so many clicks by this page. Set --page, or train with --start.",
    );
  }
  if (value !== undefined) console.log(describeReturn(value, { page, pages, reward }));
}

/** Describes a predicted return. Warns if it exceeds the number of pages left (at most one click each). */
export function describeReturn(
  value: number,
  { page, pages, reward }: Pick<PolicyTrainingConfig, "pages" | "reward"> & { readonly page: number },
): string {
  const words = `Predicted return of this page and all later pages: ${value.toFixed(3)}.`;
  const most = pages - page + 1;
  if (reward !== "click" || value <= most) return words;
  return `${words} At most ${most} is possible: the policy overestimates returns. Train the policy longer, ` +
    "or use only its order of items.";
}
