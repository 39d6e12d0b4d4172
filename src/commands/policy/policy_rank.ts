/** `policy rank`: prints the next slate for a user's clicks. */

import { Command } from "commander";
import { type IdList, parseIds } from "../../data/ids.ts";
import { OpenedPolicy, type RankedSlate } from "../../policy/trained_policy.ts";
import { UserError } from "../../user_error.ts";
import { findAgain, withDevice } from "../simulate/user_selection.ts";
import { createMemoryRowsOption } from "../../cli/open_data.ts";
import { folder, IDS, parseWholeNumber } from "../../cli/command_options.ts";
import { formatTable } from "../../cli/table.ts";

interface Options {
  history: string;
  slate?: number;
  page: number;
  memoryRows: number;
  json: boolean;
}

export function createPolicyRankCommand(): Command {
  const command = new Command("rank")
    .description(
      "Prints the slate that a policy shows a user next: each item's utility and P(click) as the model has them, and the " +
        "value that the policy expects, of this page and all later ones: cdqn by item, slateq of the slate; gdqn says none. A value " +
        "is told of users as the policy was trained on: where they started without a click, of one who clicked on pages " +
        "before --page.",
    )
    .argument("<policy>", "a folder that policy train wrote", folder)
    .option(
      "--history <ids>",
      `the items that the user clicked, oldest first, ${IDS}`,
      "",
    )
    .option(
      "--slate <k>",
      "items to show: as many as the policy was trained for, which is the default",
      parseWholeNumber(1, 1024),
    )
    .option(
      "--page <n>",
      "which of the pages of its training the user is shown: with fewer to come it plans less far",
      parseWholeNumber(1),
      1,
    )
    .option("--json", "print JSON", false)
    .addOption(createMemoryRowsOption())
    .addHelpText("after", "\nExample:\n  deno task policy rank runs/slateq --history 3,141,59 --page 8");
  return command.action(run);
}

async function run(path: string, { history: ids, slate, page, memoryRows, json }: Options): Promise<void> {
  const policy = await OpenedPolicy.open(path);
  const { trainedOn, training: { slate: own, pages } } = policy.config;
  if (slate !== undefined && slate !== own) {
    throw new UserError(
      `Expected --slate ${own}, for which the policy of ${path} was trained, got ${slate}: its values are those of slates of ${own}. ` +
        "Train one with another --slate.",
    );
  }
  const found = await findAgain(trainedOn, { memoryRows });
  const history = parseIds(ids, ",").map((id) => found.data.item(id));
  await withDevice(async (gpu, made) => {
    const chosen = await policy.rank(gpu, found.open(gpu, made).environment, history, { page });
    gpu.check();
    tell(chosen, { clicks: history.length, page, pages }, found.data.items, json);
  });
}

function tell(
  { items, noClick, value }: RankedSlate,
  { clicks, page, pages }: Readonly<Record<"clicks" | "page" | "pages", number>>,
  ids: IdList,
  json: boolean,
): void {
  const shown = items.map(({ item, ...figures }) => ({ item: ids.of(item), ...figures }));
  if (json) {
    console.log(JSON.stringify({ clicks, page, items: shown, noClick, value }, null, 2));
    return;
  }
  const cascade = shown.some(({ value }) => value !== undefined);
  console.log(`After ${clicks} clicks, with ${pages + 1 - page} pages to come:`);
  console.log(formatTable(
    ["", "item", "utility", "P(click)", ...(cascade ? ["Q"] : [])],
    shown.map(({ item, utility, probability, value }, k) => [
      ...[String(k + 1), item, utility.toFixed(4), probability.toFixed(4)],
      ...(cascade ? [value?.toFixed(3) ?? "-"] : []),
    ]),
  ));
  console.log(`P(no click): ${noClick.toFixed(4)}, as the model has it.`);
  if (clicks >= page && value === undefined) {
    console.log(
      "What the policy expects is not told: in its training nobody had so many clicks by this page. Say which page it is by " +
        "--page, or train with --start.",
    );
  }
  if (value === undefined) return;
  console.log(`The policy expects ${value.toFixed(3)} of this page and all later ones.`);
}
