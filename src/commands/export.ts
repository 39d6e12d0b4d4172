/** `export`: writes a trained model as a file that other programs can run. */

import { Command, Option } from "commander";
import { ONNX } from "../cli/arguments.ts";
import { runMain } from "../cli/run_main.ts";
import {
  createBaselineOption,
  type ModelDataOptions,
  openModel,
  withModelAndData,
} from "../cli/open_data.ts";
import { makeOutputFileParser, parse } from "../cli/command_options.ts";
import { expectReplaceable, writeFileAtomically } from "../files/atomic_write.ts";
import { formatThousands } from "../number_text.ts";
import { removePositionEffect } from "../model/position_effect.ts";
import { version } from "../version.ts";
import { exportModel, ONNX_MARK } from "../serve/onnx/export_model.ts";

interface ExportOptions extends ModelDataOptions {
  onnx: string;
  positions: "page" | "first";
}

function parseOptions(args: readonly string[]): ExportOptions {
  const command = withModelAndData(
    new Command("deno task export")
      .description("Writes a trained model with the items of a data set as ONNX, e.g. for onnxruntime.")
      .version(version)
      .requiredOption(ONNX, "file to write, such as model.onnx", makeOutputFileParser(".onnx")),
  ).addOption(createBaselineOption()).addOption(
    new Option(
      "--positions <which>",
      "positions for the probabilities of a model with a position effect: those on the page, or the first for every item",
    ).choices(["page", "first"]).default("page"),
  ).addHelpText(
    "after",
    `
Inputs (64-bit item numbers of the data set):
  history [users, clicks]        clicked items, oldest first, then -1
  page [users, items]            displayed items, -1 for none
  impression.COLUMN, page.COLUMN context columns: floats (ages in days), NaN for unknown; or indices of values, -1 for others
Outputs (32-bit floats):
  utilities [users, items]       -infinity for no item
  probabilities [users, items]   of a click on each item
  no_click [users]               probability of no click
Metadata:
  items                          JSON list of the item ids by number
  positions                      page or first, see --positions

Example:
  deno task -q export --model runs/mine --data runs/data/mine --onnx model.onnx`,
  );
  return parse<ExportOptions>(command, args);
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  expectReplaceable(options.onnx, ONNX_MARK);
  const { run, data: { dataset, source, items } } = await openModel(options);
  const { positions } = options;
  const { model: config, iteration, kind } = run.info;
  const { count } = source.items.shape;
  const bytes = exportModel({
    config,
    catalogue: source.items,
    weights: positions === "first" ? removePositionEffect(run.weights) : run.weights,
    context: dataset.features?.context,
    metadata: {
      model: JSON.stringify(config),
      snapshot: kind,
      iteration: String(iteration),
      data: source.name,
      positions,
      items: JSON.stringify(Array.from({ length: count }, (_, item) => items.of(item))),
    },
  });
  await writeFileAtomically(options.onnx, bytes, ONNX_MARK);
  console.log(
    `${run.path} over the ${formatThousands(count)} items of ${source.name}: ${options.onnx} ` +
      `(${(bytes.length / 1e6).toFixed(1)} MB)`,
  );
}

await runMain(main);
