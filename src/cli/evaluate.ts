/** `evaluate`: scores a snapshot on a click log. */

import { dirname, join } from "node:path";
import { Command, Option } from "commander";
import { z } from "zod";
import { DeviceLog } from "../batch/device_log.ts";
import { type Split, splits, usersOf } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { type KernelShapes, kernelShapesSchema, recordedShapes } from "../gpu/kernel_shapes.ts";
import { Made } from "../gpu/made.ts";
import { createGenerator } from "../model/generator.ts";
import { UserModel } from "../model/user_model.ts";
import { fitDataset } from "../run/dataset.ts";
import { readJson } from "../files/json_file.ts";
import { readSnapshot, type SnapshotInfo } from "../run/snapshot.ts";
import { baselinesOn, type SnapshotResult } from "../run/training_run.ts";
import type { Weights } from "../tape/parameters.ts";
import { evaluateGame } from "../train/adversarial_trainer.ts";
import { Evaluation, type EvaluationFigures } from "../train/evaluation.ts";
import { GENERATOR_PREFIX, partOf } from "../train/networks.ts";
import type { GameFigures } from "../train/sums.ts";
import { version } from "../version.ts";
import { runMain } from "./fail.ts";
import { dataOption, memoryRowsOption, openData } from "./open_data.ts";
import { LARGEST_SEED, parse, path, wholeNumber } from "./options.ts";
import { attainedText, resultTable } from "./report_table.ts";
import { delayedProgress } from "./step_progress.ts";

interface EvaluateOptions {
  model: string;
  data: string;
  split: Split | "all";
  seed: number;
  resplit: boolean;
  memoryRows: number;
  evaluationShards: number;
  json: boolean;
}

function parseOptions(args: readonly string[]): EvaluateOptions {
  const command = new Command("deno task evaluate")
    .description(
      "Scores a snapshot of a user model on a click log: loss, prec@1, prec@2, beside the baselines.",
    )
    .version(version)
    .requiredOption("--model <file>", "a snapshot (.safetensors) of a run", path)
    .addOption(dataOption())
    .addOption(memoryRowsOption())
    .addOption(
      new Option("--split <users>", "users to score on").choices([...splits, "all"]).default("test"),
    )
    .option("--seed <n>", "seed of the demo data, and of --resplit", wholeNumber(0, LARGEST_SEED), 1)
    .option("--resplit", "deal the users out anew, as in training with the same --seed", false)
    .option(
      "--evaluation-shards <n>",
      "parts in which users are evaluated; 0: as few as fit",
      wholeNumber(0),
      0,
    )
    .option("--json", "print the figures as JSON", false)
    .addHelpText(
      "after",
      "\nExample:\n  deno task evaluate --model runs/yelp/best-loss.safetensors --data yelp.txt",
    );
  return parse<EvaluateOptions>(command, args);
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  const snapshot = await readSnapshot(options.model);
  if (!snapshot.info) {
    throw new UserError(
      `Expected a snapshot written by train, got ${options.model}, which does not say what model it is.`,
    );
  }
  const needed = options.split === "all" ? [] : [options.split];
  const opened = await openData(options, needed);
  const data = fitDataset(opened, snapshot.info.items, `The model of ${options.model}`);
  const { source } = data;
  const users = options.split === "all"
    ? Uint32Array.from(source.userSplit, (_, user) => user)
    : usersOf(source, options.split);
  const gpu = await openGpu();
  const progress = delayedProgress();
  try {
    gpu.useShapes(recordedShapes(await shapesOfRun(options.model), gpu.shapes.kind));
    const figures = await figuresOf(
      gpu,
      source,
      users,
      snapshot.weights,
      snapshot.info,
      options.evaluationShards,
      (done, all) => progress.onProgress("Users", done, all),
    );
    const baselines = baselinesOn(data, users, progress.onProgress);
    progress.stop();
    const result: SnapshotResult = {
      snapshot: (snapshot.info.kind) as SnapshotResult["snapshot"],
      iteration: snapshot.info.iteration,
      ...figures,
    };
    if (options.json) {
      console.log(JSON.stringify({ data: data.config, split: options.split, ...result, baselines }, null, 2));
      return;
    }
    console.log(`${options.split === "all" ? "All" : options.split} users of ${source.name}:`);
    console.log(resultTable([result], baselines));
    const attained = attainedText([result], baselines);
    if (attained) console.log(attained);
  } finally {
    progress.stop();
    gpu.close();
  }
}

/** What the run of a snapshot ran on: the figures then repeat its own bit for bit. A snapshot does without a run. */
async function shapesOfRun(snapshot: string): Promise<KernelShapes | undefined> {
  try {
    return (await readJson(join(dirname(snapshot), "config.json"), runShapesSchema))?.shapes;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

const runShapesSchema = z.looseObject({ shapes: kernelShapesSchema.optional() });

/** Of the reward, and of the generator where the snapshot has one. */
async function figuresOf(
  gpu: Gpu,
  source: LogSource,
  users: Uint32Array,
  weights: Weights,
  { model: config, game }: SnapshotInfo,
  shards: number,
  onShard: (done: number, all: number) => void,
): Promise<EvaluationFigures & Partial<GameFigures>> {
  const made = new Made();
  try {
    const model = made.keep(new UserModel(gpu, source.items, config, { weights: partOf(weights, "") }));
    const deviceLog = source.log && made.keep(new DeviceLog(gpu, source.log));
    if (!game) {
      return await made.keep(await Evaluation.ofModel(model, deviceLog, source, users, shards)).figures(
        onShard,
      );
    }
    const own = { weights: partOf(weights, GENERATOR_PREFIX) };
    const generator = game.generator
      ? made.keep(createGenerator(gpu, source.items, game.generator, own))
      : undefined;
    const evaluation = await evaluateGame(model, generator, game, deviceLog, source, users, { shards });
    return await made.keep(evaluation).figures(onShard);
  } finally {
    made.destroy();
  }
}

await runMain(main);
