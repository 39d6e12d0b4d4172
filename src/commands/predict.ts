/** `predict`: writes utilities and click probabilities for every page of a log to a file. */

import { Option } from "commander";
import { listUsers, type Split } from "../data/click_log.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { expectPredictions, predictPages, writePredictions } from "../predict/predictions.ts";
import { hasPositions } from "../run/options/stages_options.ts";
import { UserError } from "../user_error.ts";
import { OUT_FILE } from "../cli/arguments.ts";
import { runMain } from "../cli/run_main.ts";
import {
  addUserSplit,
  createBaselineOption,
  createModelCommand,
  nameModel,
  withModel,
} from "../cli/open_model.ts";
import type { ModelDataOptions } from "../cli/open_model.ts";
import { makeOutputFileParser, parse } from "../cli/command_options.ts";
import { expectApart } from "../cli/outputs.ts";
import { createDelayedProgress } from "../cli/progress.ts";
import { EXIT_INTERRUPTED, stopOnSignals } from "../cli/stop.ts";
import { formatThousands } from "../number_text.ts";

interface PredictOptions extends ModelDataOptions {
  out: string;
  split: Split | "all";
  positions?: "logged" | "first";
  evaluationShards: number;
}

function parseOptions(args: readonly string[]): PredictOptions {
  const command = createModelCommand(
    "predict",
    "Writes utilities and click probabilities for every page of a log. The file has one row per " +
      "displayed item, with the log's ids.",
  ).requiredOption(OUT_FILE, "file to write, .parquet or .csv", makeOutputFileParser(".parquet", ".csv"));
  addUserSplit(command.addOption(createBaselineOption()), "users whose pages are predicted", "all")
    .addOption(
      new Option(
        "--positions <which>",
        "for a model with a position effect: compute probabilities for the logged positions, or as if " +
          "each item were in the first position (default: logged if the data have positions)",
      ).choices(["logged", "first"]),
    )
    .addHelpText(
      "after",
      `
Columns:
  user, item   ids of the log
  page         number of the page among the user's pages, from 0
  position     position of the item on the page, from 0
  utility      utility without position effect; ranks the items of a page
  probability  probability of a click on the item
  no_click     probability of no click on the page
  clicked      1 if the item was clicked, else 0
  click_order  1 for the page's first click, 2 for the second, ...; 0 for an item without a click
  time         time of the page in the log (UTC); empty if unknown
  page_id      id of the page in the log; empty if the log was prepared without --page
  split        part of the data: train, validation or test

Example:
  deno task -q predict --model runs/mine --data runs/data/mine --out predictions.parquet`,
    );
  return parse<PredictOptions>(command, args);
}

/** Returns the position effects to use. @throws UserError for --positions logged without known positions */
function getPositionEffects(
  positions: PredictOptions["positions"],
  effects: readonly number[] | undefined,
  { source, pageOrder, config: { kind } }: Dataset,
): { effects: readonly number[] | undefined; words: string } {
  if (!effects) return { effects, words: "the model has no position effect" };
  const known = hasPositions({ kind, pageOrder });
  if (positions === "first" || (positions === undefined && !known)) {
    const why = known ? "" : `, because the positions of ${source.name} are unknown`;
    return { effects: undefined, words: `for the first position${why}` };
  }
  if (known) return { effects, words: "for the logged positions" };
  throw new UserError(
    `Expected data with positions for --positions logged, got ${source.name}. Set --positions to first, or ` +
      "prepare the log with deno task -q data log --position <column>.",
  );
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  expectPredictions(options.out);
  const stop = stopOnSignals();
  return await withModel(options, async ({ run, data, scorer, effects: learned }) => {
    const { source, dataset: { config } } = data;
    if ("path" in config) {
      expectApart({ by: "--out", path: options.out }, [{ by: "the model's run", path: config.path }]);
    }
    const users = listUsers(source, options.split);
    const { effects, words } = getPositionEffects(options.positions, learned, data.dataset);
    using progress = createDelayedProgress();
    try {
      const { rows, formulas } = await writePredictions(
        options.out,
        predictPages(scorer, data, users, {
          shards: options.evaluationShards,
          effects,
          signal: stop.signal,
          onShard: (done, all) => progress.onProgress("Users", done, all),
        }),
      );
      progress.stop();
      if (formulas > 0) {
        console.error(
          `${
            formatThousands(formulas)
          } cells of ${options.out} start like formulas, which a spreadsheet may run. ` +
            "Import columns as text, or write .parquet.",
        );
      }
      console.log(
        `Wrote predictions of ${nameModel(run, options)} for ${
          formatThousands(rows)
        } impressions in ${source.name} to ` +
          `${options.out}. Probabilities: ${words}.` +
          (options.split === "all" && JSON.stringify(run.trainedOn) === JSON.stringify(config)
            ? " The file includes train users, on whom metrics are too high: --split test leaves them out."
            : ""),
      );
      return 0;
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      progress.stop();
      console.error("Stopped; nothing was written.");
      return EXIT_INTERRUPTED;
    }
  });
}

await runMain(main);
