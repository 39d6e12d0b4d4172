/** What is trained on, and where a run is written. */

import type { Command } from "commander";
import { seedOption } from "../options/training.ts";
import { RESUME, SAVE_DIR } from "../../cli/arguments.ts";
import { CALIBRATION, NO_CALIBRATION } from "../../cli/calibration.ts";
import { optionOf } from "../../cli/defined_options.ts";
import { addDataOptions, type ShopSeedOptions } from "../../cli/open_data.ts";
import { folder, wholeNumber } from "../../cli/options.ts";

export interface RunOptions extends ShopSeedOptions {
  data: string;
  saveDir?: string;
  resplit: boolean;
  memoryRows: number;
  itemIds: boolean;
  seed: number;
  seeds: number;
  init?: string;
  resume?: string;
  report: boolean;
  /** No default: it depends on the adapter. */
  calibration?: boolean;
}

export function addRunOptions(command: Command): Command {
  return addDataOptions(command)
    .optionsGroup("Run:")
    .option(SAVE_DIR, "where the run is written (default: runs/<data>-<time>)", folder)
    .addOption(optionOf(seedOption))
    .option(
      "--seeds <n>",
      "train this many models, with --seed and the seeds after it, and report mean and sd",
      wholeNumber(1, 1000),
      1,
    )
    .option(
      "--init <run or file>",
      "start from the weights of a snapshot (.safetensors), or of a run's best prec@1; with --adversarial they take " +
        "the place of the Shannon stage",
      folder,
    )
    .option(
      RESUME,
      "go on with an interrupted run (or --seeds folder), with the same result to the bit; --iterations or " +
        "--adversarial may extend it",
      folder,
    )
    .option("--no-report", "do not write report.html at the end")
    .option(...CALIBRATION)
    .option(...NO_CALIBRATION);
}
