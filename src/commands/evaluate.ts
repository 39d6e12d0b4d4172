/** `evaluate`: computes the metrics of a snapshot on a click log. */

import { DeviceLog } from "../batch/device_log.ts";
import { loadCountedLog } from "../model/model_counts.ts";
import { listUsers, type Split } from "../data/click_log.ts";
import type { OnProgress } from "../data/log_source.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { compareScorings, type TestResult } from "../metrics/test_result.ts";
import { describeTimeSplit } from "../data/manifest.ts";
import { UserError } from "../user_error.ts";
import type { Gpu } from "../gpu/device.ts";
import { openGpu } from "../gpu/host/open_gpu.ts";
import { createGenerator } from "../model/game_programs.ts";
import { removePositionEffect } from "../model/position_effect.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { type OpenedRun, openRun } from "../run/open_run.ts";
import { hasPositions } from "../run/options/stages_options.ts";
import type { SnapshotName } from "../run/run_state.ts";
import { buildSnapshotResult, getProbabilityOptions, TestedUsers } from "../run/tested_users.ts";
import type { SnapshotResult } from "../run/tested_users.ts";
import { nameResults } from "../run/name_results.ts";
import { describeLoss, describeRanking } from "../run/test_stage.ts";
import { evaluateGame } from "../train/adversarial_trainer.ts";
import { NetworkEvaluation } from "../train/network_evaluation.ts";
import type { GameMetrics } from "../train/training_results.ts";
import { formatPercent } from "../number_text.ts";
import { runMain } from "../cli/run_main.ts";
import { listModelNotes } from "./train/run_stages.ts";
import { openData } from "../cli/open_data.ts";
import { addUserSplit, createBaselineOption, createModelCommand, fitBaseline } from "../cli/open_model.ts";
import { type ModelDataOptions, openModelData } from "../cli/open_model.ts";
import { parse, path } from "../cli/command_options.ts";
import {
  describeAttainedShare,
  describeBaselineSettings,
  formatDifferencesTable,
  formatResultTable,
} from "./test_table.ts";
import { createDelayedProgress } from "../cli/progress.ts";
import { quotePath } from "../shell_word.ts";

interface EvaluateOptions extends ModelDataOptions {
  against?: string;
  split: Split | "all";
  evaluationShards: number;
  json: boolean;
}

function parseOptions(args: readonly string[]): EvaluateOptions {
  const command = createModelCommand(
    "evaluate",
    "Evaluates a user model on a click log, and compares it with the baselines: loss, precision, NDCG " +
      "and AUC within pages, with 95 % bootstrap intervals over users.",
  ).option(
    "--against <run>",
    "another run or snapshot, which is compared with --model (or --baseline) on the same users",
    path,
  ).addOption(createBaselineOption().choices(["logit"]));
  addUserSplit(command, "users on whom the model is evaluated", "test")
    .option(
      "--json",
      "print all metrics as JSON, also calibration, metrics by page length, history, position, item and " +
        "category, gains of items, and tastes of users",
      false,
    )
    .addHelpText(
      "after",
      "\nExamples:\n  deno task -q evaluate --model runs/yelp --data yelp.txt\n" +
        "  deno task -q evaluate --model runs/b/best-prec1.safetensors --against runs/a/best-prec1.safetensors --data yelp.txt",
    );
  return parse<EvaluateOptions>(command, args);
}

async function openSnapshot(model: string): Promise<OpenedRun> {
  const run = await openRun(model);
  if (run.unfinished) console.error(run.unfinished);
  return run;
}

async function main(): Promise<void> {
  const options = parseOptions(Deno.args);
  const { baseline } = options;
  const run = await openSnapshot(options.model);
  const other = options.against === undefined ? undefined : await openSnapshot(options.against);
  const needed = options.split === "all" ? [] : [options.split];
  const { trainedOn } = run;
  const opened = await openData(
    { ...options, ...openModelData(run.path, trainedOn, options), trainedOn },
    needed,
  );
  if (options.split === "all" && opened.timeSplit) {
    throw new UserError(
      `Expected --split train, validation or test, got all: ${opened.source.name} is split by time, so its ` +
        "users can be in several of these parts. Evaluate each part separately.",
    );
  }
  if (baseline !== undefined) await fitBaseline(run, opened, baseline);
  const data = run.fit(opened);
  const otherData = other?.fit(opened);
  const users = listUsers(data.source, options.split);
  using gpu = await openGpu();
  using progress = createDelayedProgress();
  const tested = TestedUsers.of(data, users, progress.onProgress);
  const logged = hasPositions({ kind: opened.config.kind, pageOrder: opened.pageOrder });
  const notes = listModelNotes(run.info.model, run.weights);
  const test = async (run: OpenedRun, data: Dataset) => {
    if (!logged) run.weights = removePositionEffect(run.weights);
    return await score(gpu, run, data, tested, options.evaluationShards, progress.onProgress);
  };
  const found = await test(run, data);
  const against = other && otherData && await test(other, otherData);
  let byUtility: Scored | undefined;
  if (logged && run.info.model.positions > 0) {
    run.weights = removePositionEffect(run.weights);
    byUtility = await test(run, data);
  }
  progress.stop();
  const [named = found.result] = options.json ? await nameResults([found.result], opened) : [];
  const { model } = run.info;
  const isTrainingData = !trainedOn || JSON.stringify(trainedOn) === JSON.stringify(opened.config);
  const caution = isTrainingData ? undefined : describeOtherData(data, options);
  const { metrics: withoutPositions } = byUtility?.result.details ?? {};
  const shown = { ...options, caution, logged, withoutPositions };
  printResults(shown, data, tested, { ...found, result: named }, against);
  if (options.json) return;
  for (const note of notes) console.log(note);
  if (logged || model.positions === 0) return;
  console.log(
    `The positions of ${data.source.name} are unknown: metrics treat every item as shown in the first position.`,
  );
}

function describeOtherData(
  { source: { name }, timeSplit }: Dataset,
  { model, baseline, against }: EvaluateOptions,
): string {
  const text = `${name} is not the model's training data: the model was fitted to the train users of its ` +
    `training data, but the baselines to the train ${timeSplit ? "part" : "users"} of ${name}. So a ` +
    "difference between model and baselines may come from the data.";
  if (!timeSplit) {
    return `${text} For a comparison with baselines, prepare both logs as one set that is split by time: ` +
      "data/README.md#next-months-log.";
  }
  if (baseline !== undefined || against !== undefined) return text;
  return `${text} To compare the model with a logit fitted to the model's training data, add ` +
    `--baseline logit --against ${quotePath(model)}.`;
}

/** Formats observed and predicted shares of pages with a click; undefined if scores only rank items. */
function describeClicks({ details: { metrics: { noClick, pNoClick } } }: SnapshotResult): string | undefined {
  if (noClick === undefined || pNoClick === undefined) return undefined;
  return `Pages with a click: ${formatPercent(1 - noClick, 1)}; predicted: ${
    formatPercent(1 - pNoClick, 1)
  }.`;
}

interface Scored {
  /** True if the snapshot was trained by maximum likelihood with the choice loss. */
  readonly isChoice: boolean;
  readonly result: SnapshotResult;
  readonly tested: TestResult;
}

function printResults(
  { json, split, against: path, model, baseline, caution, logged, withoutPositions }: EvaluateOptions & {
    /** Caution that the data are not the model's training data; undefined if they are. */
    readonly caution: string | undefined;
    /** True if the positions of the items are known. */
    readonly logged: boolean;
    /** Metrics of a ranking without position effects; undefined if the model has no position effects. */
    readonly withoutPositions: SnapshotResult["details"]["metrics"] | undefined;
  },
  data: Dataset,
  users: TestedUsers,
  { result, tested, isChoice }: Scored,
  other: Scored | undefined,
): void {
  const hasTrainUsers = split === "train" || split === "all";
  const baselines = users.results();
  // The baselines have a row "logit on counts", too.
  const own = { ...result, ...(baseline && { snapshot: `the ${baseline} of --model` as SnapshotName }) };
  const minus = other && { model: path, ...other.result, differences: compareScorings(tested, other.tested) };
  const isTrainingData = caution === undefined;
  const fittedTo = isTrainingData ? undefined : data.source.name;
  const compared = hasTrainUsers
    ? [
      `Baselines are left out, because the tested users include the train users of ${data.source.name}, ` +
      `whose clicks baselines count. For a comparison, use --split test.`,
    ]
    : [
      ...describeRanking([own], undefined, {
        split,
        isTrainingData: isTrainingData && baseline === undefined,
        isChoice,
        fittedTo,
      }),
      ...(isChoice ? describeLoss([own], split, fittedTo) : []),
    ];
  const verdict = [...(isTrainingData ? [] : [caution]), ...compared];
  if (json) {
    const all = {
      data: data.config,
      timeSplit: data.timeSplit,
      split,
      positions: logged ? "logged" : "first",
      ...result,
      baselines,
      verdict,
      withoutPositions,
      ...(minus ? { minus } : {}),
    };
    return console.log(JSON.stringify(all, null, 2));
  }
  if (data.timeSplit) console.log(describeTimeSplit(data.timeSplit));
  console.log(`${split.charAt(0).toUpperCase()}${split.slice(1)} users of ${data.source.name}:`);
  const named = other && `${other.result.snapshot} (against)` as SnapshotName;
  const results = [own, ...(other && named ? [{ ...other.result, snapshot: named }] : [])];
  console.log(formatResultTable(results, baselines, split));
  const texts = [
    describeBaselineSettings(baselines),
    describeAttainedShare([result], baselines),
    describeClicks(result),
    ...verdict,
    withoutPositions &&
    "Ranked by utilities without position effects (as the command recommend ranks): prec@1 " +
      `${(withoutPositions.prec1 ?? NaN).toFixed(4)}.`,
  ];
  for (const text of texts) if (text) console.log(text);
  if (minus) {
    const side = baseline === undefined ? model : `The ${baseline} of ${model}`;
    console.log(`\n${side} minus ${path}, on the same users:\n${formatDifferencesTable(minus.differences)}`);
  }
}

async function score(
  gpu: Gpu,
  run: OpenedRun,
  data: Dataset,
  tested: TestedUsers,
  shards: number,
  onProgress: OnProgress,
): Promise<Scored> {
  const { weights, info } = run;
  const { source } = data;
  const { model: config, game } = info;
  const { users } = tested;
  using stack = new DisposableStack();
  const model = stack.use(run.model(gpu, { dataset: data }));
  const counted = loadCountedLog(model, source, users);
  const deviceLog = source.log && stack.use(new DeviceLog(gpu, source.log, undefined, undefined, counted));
  const how = { deviceLog, shards, counted };
  const own = { weights: run.generator };
  const generator = game?.generator && stack.use(createGenerator(gpu, source.items, game.generator, own));
  const evaluation: NetworkEvaluation<ChoiceMetrics & Partial<GameMetrics>> = game
    ? await evaluateGame(model, generator ?? undefined, game, source, users, how)
    : await NetworkEvaluation.ofModel(model, source, users, how);
  stack.use(evaluation);
  const onShard = (done: number, all: number) => onProgress("Users", done, all);
  const found = await tested.test(evaluation, getProbabilityOptions(config, weights), onShard);
  const name = info.kind as SnapshotName;
  const isChoice = !game && config.loss === "choice";
  return { isChoice, result: buildSnapshotResult(name, info.iteration, found, tested), tested: found.tested };
}

await runMain(main);
