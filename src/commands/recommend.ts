/** `recommend`: prints the best items of the catalogue for a user of the data set, or for a click history. */

import { parseIds } from "../data/ids.ts";
import { computeRecommendedPage, recommend } from "../predict/recommend_items.ts";
import type { RequestContext } from "../data/context_values.ts";
import { type ContextColumn, listContextColumns } from "../data/manifest.ts";
import { encodeContext } from "../predict/request_context.ts";
import { readTitles } from "../run/name_results.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { quoteShellWord } from "../shell_word.ts";
import { UserError } from "../user_error.ts";
import { runMain } from "../cli/run_main.ts";
import { withProgress } from "../cli/open_data.ts";
import { createBaselineOption, createModelCommand, withModel } from "../cli/open_model.ts";
import type { ModelDataOptions } from "../cli/open_model.ts";
import { createContextOption, IDS, parse, parseWholeNumber, path } from "../cli/command_options.ts";
import { readItemFile } from "../cli/item_file.ts";
import { formatRankedItems } from "../cli/table.ts";

interface RecommendOptions extends ModelDataOptions {
  user?: string;
  history?: string;
  context?: RequestContext;
  top: number;
  newOnly: boolean;
  pool?: string;
  json: boolean;
}

function parseOptions(args: readonly string[]): RecommendOptions {
  const about = "Prints the items with the highest predicted utilities for a user.";
  const command = createModelCommand("recommend", about)
    .option("--user <id>", "user of the data set; the user's clicks are the history")
    .option("--history <ids>", `clicked items, oldest first, ${IDS}`)
    .addOption(createContextOption("of the page and its items"))
    .option("--top <n>", "number of items", parseWholeNumber(1, 10_000), 10)
    .option("--new-only", "omit items that the user has clicked", false)
    .option("--pool <file>", "rank only the items in this file: ids, one per line, or a JSON list", path)
    .addOption(createBaselineOption())
    .option("--json", "print JSON", false)
    .addHelpText(
      "after",
      "\nExample:\n  deno task -q recommend --model runs/mine --data runs/data/mine --history B07,B11 --top 10",
    );
  return parse<RecommendOptions>(command, args);
}

function readHistory(data: OpenedDataset, { user, history }: RecommendOptions): Uint32Array {
  if (user !== undefined) return data.readHistory(data.user(user));
  return Uint32Array.from(parseIds(history ?? "", ","), (id) => data.item(id));
}

/** Formats an example of the JSON for --context, such as `{"page":{"hour":12}}`, and lists the categories. */
function formatContextExample({ dataset: { features } }: OpenedDataset, columns: readonly string[]): string {
  const own = listContextColumns(features?.context).filter(({ column }) => columns.includes(column));
  const chooseValue = ({ column, type, values }: ContextColumn) => {
    if (type !== "number") return values[0] ?? new Date().toISOString().slice(0, 10);
    const range = features?.context?.map(({ transform }) => transform).find((one) => one.column === column);
    return range && "low" in range ? Number(((range.low + range.high) / 2).toPrecision(2)) : 1;
  };
  const { page, impression } = Object.groupBy(own, ({ kind }) => kind);
  const fill = (list: typeof own) => Object.fromEntries(list.map((one) => [one.column, chooseValue(one)]));
  const json = JSON.stringify({
    page: page && fill(page),
    impressions: impression && { "*": fill(impression) },
  });
  const values = own.filter(({ type }) => type === "category").map(({ column, values }) =>
    ` Values of ${column}: ${values.slice(0, 8).join(", ")}${values.length > 8 ? ", ..." : ""}.`
  );
  const dates = impression?.some(({ type }) => type === "age")
    ? ' "*" gives all items one date: give each item its own by its id, and the time of the page by "time".'
    : "";
  return `--context ${quoteShellWord(json)}.${values.join("")}${dates}`;
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  if ((options.user === undefined) === (options.history === undefined)) {
    throw new UserError(
      "Expected either --user (id of a user of the data set) or --history (ids of clicked items), " +
        `got ${options.user === undefined ? "neither" : "both"}.`,
    );
  }
  await withModel(options, async ({ data, scorer, effects }) => {
    const history = readHistory(data, options);
    const { top, newOnly } = options;
    const context = encodeContext(data, scorer.config, options.context);
    const features = context && ((item: number) => context.encodeRow(data.items.of(item)));
    const pool = options.pool === undefined
      ? data.items.latest()
      : Uint32Array.from(readItemFile(options.pool, data)).sort();
    const best = await withProgress((told) =>
      recommend(scorer, {
        history,
        past: options.user === undefined ? undefined : data.readPastPages(data.user(options.user)),
        features,
        candidates: pool,
        top,
        newOnly,
        onItems: (done, all) => told("Scoring items", done, all),
      })
    );
    const { items, noClick } = computeRecommendedPage(best, scorer.config, effects);
    const titles = await readTitles(data.dataset, data.items.count);
    const found = items.map(({ item, ...scores }) => ({
      item: data.items.of(item),
      ...(titles && { title: titles.at(item) ?? "" }),
      ...scores,
    }));
    if (options.json) {
      console.log(
        JSON.stringify({ clicks: history.length, items: found, noClick, ...context?.gaps }, null, 2),
      );
      return;
    }
    const clicks = `${history.length} click${history.length === 1 ? "" : "s"}`;
    console.log(`Best items after ${clicks}${newOnly ? ", without clicked items" : ""}:`);
    console.log(formatRankedItems(found));
    const of = `a page with these ${found.length} items in this order`;
    console.log(`The utilities and probabilities are for ${of}. P(no click): ${noClick.toFixed(4)}.`);
    const { missing = [], unknown = [] } = context?.gaps ?? {};
    if (missing.length > 0) {
      console.log(
        `Context columns without a value for some or all items: ${
          missing.join(", ")
        }. To set them, add for ` +
          `example ${formatContextExample(data, missing)}`,
      );
    }
    if (unknown.length > 0) {
      console.log(`Context columns with a value that is not in the training data: ${unknown.join(", ")}.`);
    }
  });
}

await runMain(main);
