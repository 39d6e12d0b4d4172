/** `export`: writes a trained model to a file that other programs can run. */

import { Option } from "commander";
import { ONNX } from "../cli/arguments.ts";
import { runMain } from "../cli/run_main.ts";
import { createBaselineOption, createModelCommand, nameModel, openModel } from "../cli/open_model.ts";
import type { ModelDataOptions } from "../cli/open_model.ts";
import { makeOutputFileParser, parse } from "../cli/command_options.ts";
import { expectReplaceable, writeFileAtomically } from "../files/atomic_write.ts";
import { formatThousands } from "../number_text.ts";
import { listContextColumns } from "../data/manifest.ts";
import { listModelContext } from "../predict/request_context.ts";
import { removePositionEffect } from "../model/position_effect.ts";
import { exportBaseline } from "../serve/onnx/export_baseline.ts";
import { exportModel } from "../serve/onnx/export_model.ts";
import { ONNX_MARK } from "../serve/onnx/graph_builder.ts";

interface ExportOptions extends ModelDataOptions {
  onnx: string;
  positions: "page" | "first";
}

function parseOptions(args: readonly string[]): ExportOptions {
  const command = createModelCommand(
    "export",
    "Writes a trained model or a baseline, and the items of a data set, to an ONNX file (for onnxruntime).",
  )
    .requiredOption(ONNX, "file to write, such as model.onnx", makeOutputFileParser(".onnx"))
    .addOption(createBaselineOption()).addOption(
      new Option(
        "--positions <which>",
        "for a model with a position effect: probabilities for the positions on the page, or for the first position",
      ).choices(["page", "first"]).default("page"),
    ).addHelpText(
      "after",
      `
Inputs (64-bit integers; items are numbers of the data set):
  history [users, clicks]        clicked items, oldest first, then -1
  page [users, items]            displayed items, -1 for none
  impression.COLUMN, page.COLUMN context columns: floats (ages in days, NaN if unknown), or value indices (-1: others)
Outputs (32-bit floats):
  utilities [users, items]       utility of each item; -infinity for -1
  probabilities [users, items]   probability of a click on each item
  no_click [users]               probability of no click
Metadata:
  items                          JSON list of item ids, in the order of the item numbers
  positions                      page or first, see --positions
  context                        JSON list of context columns, with the values of categories
  baseline                       name of the baseline, if the file has one

Example:
  deno task -q export --model runs/mine --data runs/data/mine --onnx model.onnx`,
    );
  return parse<ExportOptions>(command, args);
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  expectReplaceable(options.onnx, ONNX_MARK);
  const { run, data: { dataset, source, items }, baseline } = await openModel(options);
  const { positions } = options;
  const { model: config, iteration, kind } = run.info;
  const catalogue = source.items;
  const context = baseline ? [] : listModelContext(config, dataset.features);
  const { count } = catalogue.shape;
  const metadata = {
    ...(options.baseline !== undefined && { baseline: options.baseline }),
    ...(!baseline && { model: JSON.stringify(config), snapshot: kind, iteration: String(iteration) }),
    data: source.name,
    positions,
    ...(context.length > 0 && { context: JSON.stringify(listContextColumns(context)) }),
    items: JSON.stringify(Array.from({ length: count }, (_, item) => items.of(item))),
  };
  const weights = run.extendWeights(catalogue);
  const bytes = baseline ? exportBaseline({ baseline: baseline.formula, catalogue, metadata }) : exportModel({
    config,
    catalogue,
    weights: positions === "first" ? removePositionEffect(weights) : weights,
    context,
    metadata,
  });
  await writeFileAtomically(options.onnx, bytes, ONNX_MARK);
  console.log(
    `Wrote ${nameModel(run, options)} with the ${
      formatThousands(count)
    } items of ${source.name} to ${options.onnx} ` +
      `(${(bytes.length / 1e6).toFixed(1)} MB)`,
  );
}

await runMain(main);
