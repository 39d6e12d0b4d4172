/**
 * What keeps the adversarial stage stable, measured: the plain alternation, each measure alone, the defaults, and the
 * defaults less each measure. `deno task bench:stability [--data FILE] [--seeds N]`; its findings are in stability.md.
 */

import { Command, InvalidArgumentError, Option } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { parse, wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import type { ClickLog } from "../src/data/click_log.ts";
import { meanAndSd } from "../src/data/mean_sd.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { openGpu } from "../src/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { openDataset, wholeLog } from "../src/run/dataset.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { pagedShop } from "./paged_shop.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { AdversarialTrainer } from "../src/train/adversarial_trainer.ts";
import { DivergedError, type ValidationResult } from "../src/train/results.ts";
import {
  type AdversarialConfig,
  defaultAdversarial,
  defaultTraining,
  paperAdversarial,
} from "../src/train/config.ts";
import type { GameFigures } from "../src/train/sums.ts";
import { Trainer } from "../src/train/trainer.ts";
import { Status } from "./status.ts";

/** Both players step in turn at the same rate, as the paper says, and nothing else. */
const plain: Partial<AdversarialConfig> = {
  generatorSteps: 1,
  generatorWarmup: 0,
  generatorLearningRate: 5e-4,
  rewardLearningRate: 5e-4,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
};
const { generatorEta, etaByPage, utilityPenalty } = paperAdversarial;
/** What `reproduce` plays. */
const paper = { generatorEta, etaByPage, utilityPenalty };
const fastGenerator = { generatorLearningRate: defaultAdversarial.generatorLearningRate };
const slowReward = { rewardLearningRate: defaultAdversarial.rewardLearningRate, ...fastGenerator };

const settings: [string, Partial<AdversarialConfig>][] = [
  ["plain alternation", plain],
  ["plain, no-click events counted", { ...plain, skipNoClick: false }],
  ["plain, 5 generator steps", { ...plain, generatorSteps: 5 }],
  ["plain, weight decay 10", { ...plain, weightDecay: 10 }],
  ["plain, penalty 0.4", { ...plain, utilityPenalty }],
  ["plain, warm-up", { ...plain, generatorWarmup: 500 }],
  ["plain, rates 1e-3 and 2e-5", { ...plain, ...slowReward }],
  ["plain, reward frozen", { ...plain, rewardSteps: 0 }],
  ["eta 1, penalty 0.4", paper],
  ["eta 1 without penalty", { ...paper, utilityPenalty: 0 }],
  ["eta 1 without warm-up", { ...paper, generatorWarmup: 0 }],
  ["eta 1, rates 5e-4 and 5e-4", { ...paper, generatorLearningRate: 5e-4, rewardLearningRate: 5e-4 }],
  ["defaults", {}],
  ["defaults without penalty", { utilityPenalty: 0 }],
  ["defaults, penalty 0.4", { utilityPenalty }],
  ["defaults, eta 0.2 on all pages", { generatorEta: 0.2, etaByPage: false }],
  ["exact generator, plain", { ...plain, generator: "exact" }],
  ["exact generator, eta 1", { ...paper, generator: "exact" }],
  ["exact generator, defaults", { generator: "exact" }],
];

const COLUMNS =
  "Validation prec@1 of pi at iteration 500, its least after it, and at the end; of u at the start and the end; the " +
  "negative log-likelihood of u at the end. Over all seeds: the largest losses on the way; by how many points pi's least is " +
  "below its value at iteration 500, and below the start of u.";

interface Options {
  data: string;
  seeds: number;
  iterations: number;
  batchSize: number;
  only: RegExp;
  pages?: number[][];
  readme?: string;
}

async function main(): Promise<void> {
  const command = new Command("deno task bench:stability")
    .description("Measures what keeps the adversarial stage stable.")
    .option("--data <file>", "a tab-separated click log in the paper's layout, or a made-up shop", "demo")
    .option(
      "--pages <lengths>",
      "instead of --data: made-up shops with pages of so many items, such as 2,5,10,40,2-5-10-40 (the last has all four)",
      pageLengths,
    )
    .option("--seeds <n>", "seeds of every setting", wholeNumber(1), 1)
    .option("--iterations <n>", "of the adversarial stage", wholeNumber(1000), 3000)
    .option("--batch-size <n>", "users in an iteration", wholeNumber(1), defaultAdversarial.batchSize)
    .addOption(
      new Option("--only <pattern>", "only settings whose name matches this regular expression")
        .argParser(pattern).default(/./, "all"),
    )
    .option(
      "--readme <file>",
      "a page that gets the table, between its lines <!-- stability NAME of the data -->",
    );
  const options = parse<Options>(command, Deno.args);
  const logs = options.pages
    ? options.pages.map((sizes) => pagedShop(1, sizes).log)
    : [wholeLog(await openDataset(options.data, 1, false))];
  // A file's name without its ending.
  const dataName = options.pages ? "pages" : logs[0]?.name.replace(/\.\w+$/, "") ?? "";
  if (options.readme !== undefined) await expectMarkers(options.readme, `stability ${dataName}`);
  const gpu = await openGpu();
  try {
    const rows: string[][] = [];
    for (const log of logs) {
      for (const row of await measure(gpu, log, options)) {
        rows.push(options.pages ? [`${log.name}: ${row[0]}`, ...row.slice(1)] : row);
      }
    }
    const { adapter } = gpu;
    const on = `${dataName}: ${options.iterations} iterations of ${options.batchSize} users, means over ` +
      `${options.seeds} seed(s); ${adapter.description}, ${adapter.runtime}`;
    console.log(`${on}\n${COLUMNS}\n${table(HEAD, rows)}`);
    if (options.readme !== undefined) {
      const text = [`${on}:`, "", ...markdownTable(HEAD, rows)].join("\n");
      await writeBetweenMarkers(options.readme, `stability ${dataName}`, text);
    }
  } finally {
    gpu.close();
  }
}

const HEAD = [
  "",
  "pi 500",
  "pi least",
  "pi end",
  "u start",
  "u end",
  "nll end",
  "loss_min",
  "loss_max",
  "pi falls",
  "under u",
];

/** A row for each setting. */
async function measure(gpu: Gpu, log: ClickLog, options: Options): Promise<string[][]> {
  const status = new Status();
  try {
    return await rowsOf(gpu, log, options, status);
  } finally {
    status.clear();
  }
}

async function rowsOf(gpu: Gpu, log: ClickLog, options: Options, status: Status): Promise<string[][]> {
  const rewards: Weights[] = [];
  for (let seed = 1; seed <= options.seeds; seed++) {
    const what = `${log.name}, reward by likelihood, seed ${seed}`;
    const { iterations } = defaultTraining;
    rewards.push(await pretrain(gpu, log, seed, (t) => status.show(`${what}: ${t} of ${iterations}`)));
  }
  const rows: string[][] = [];
  const chosen = settings.filter(([name]) => options.only.test(name));
  for (const [name, setting] of chosen) {
    const runs: Outcome[] = [];
    for (const [k, reward] of rewards.entries()) {
      const what = `${log.name}, ${name}, seed ${k + 1}`;
      const onStep = (t: number) => status.show(`${what}: ${t} of ${options.iterations}`);
      const run = await play(gpu, log, k + 1, reward, setting, options, onStep);
      status.clear();
      console.error(`${what}: ${JSON.stringify(run)}`);
      runs.push(run);
    }
    const of = (figure: (o: Outcome) => number, digits: number) =>
      meanAndSd(runs.map(figure)).mean.toFixed(digits);
    const most = (figure: (o: Outcome) => number) => Math.max(...runs.map(figure)).toFixed(1);
    rows.push([
      name,
      of((o) => o.piStart, 3),
      of((o) => o.piLeast, 3),
      of((o) => o.piEnd, 3),
      of((o) => o.uStart, 3),
      of((o) => o.uEnd, 3),
      of((o) => o.nllEnd, 2),
      most((o) => o.lossMin),
      most((o) => o.lossMax),
      most((o) => o.piFall),
      most((o) => o.underReward),
    ]);
    console.error(`${rows.length}/${chosen.length} ${rows.at(-1)?.join("  ")}`);
  }
  return rows;
}

/** Page lengths of shops: 2,10,2-5-40 are three shops, the last of mixed pages. */
function pageLengths(text: string): number[][] {
  if (/^\d+([,-]\d+)*$/.test(text)) return text.split(",").map((shop) => shop.split("-").map(Number));
  throw new InvalidArgumentError(`Expected lengths of pages such as 2,10,2-5-40, got "${text}".`);
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError(`Expected a regular expression, got "${text}".`);
  }
}

/** The best-prec@1 weights of the Shannon stage. */
async function pretrain(
  gpu: Gpu,
  log: ClickLog,
  seed: number,
  onStep: (iteration: number) => void,
): Promise<Weights> {
  const model = new UserModel(gpu, log.items, defaultModel, { seed });
  const trainer = await Trainer.create(model, log, { ...defaultTraining, seed });
  await trainer.run(defaultTraining.iterations, { onStep: ({ iteration }) => onStep(iteration) });
  const weights = await trainer.snapshot("prec1");
  trainer.destroy();
  model.destroy();
  return weights;
}

interface Outcome {
  readonly piStart: number;
  readonly piLeast: number;
  /** Points that pi's least is under its value at iteration 500, and under the reward's at the start. */
  readonly piFall: number;
  readonly underReward: number;
  readonly piEnd: number;
  readonly uStart: number;
  readonly uEnd: number;
  readonly nllEnd: number;
  readonly lossMin: number;
  readonly lossMax: number;
}

async function play(
  gpu: Gpu,
  log: ClickLog,
  seed: number,
  reward: Weights,
  setting: Partial<AdversarialConfig>,
  { iterations, batchSize }: Options,
  onStep: (iteration: number) => void,
): Promise<Outcome> {
  const model = new UserModel(gpu, log.items, defaultModel, { weights: reward });
  const config = { ...defaultAdversarial, ...setting, iterations, batchSize };
  const trainer = await AdversarialTrainer.create(model, log, config, { seed, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  try {
    await trainer.run(iterations, {
      onStep: ({ iteration }) => onStep(iteration),
      onValidation: (v) => validations.push(v),
    });
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
  } finally {
    trainer.destroy();
    model.destroy();
  }
  const late = validations.filter(({ iteration }) => iteration >= 500);
  const last = validations.at(-1);
  const most = (figure: (v: GameFigures) => number) =>
    Math.max(...validations.map((v) => Math.abs(figure(v))));
  const piStart = late[0]?.piPrec1 ?? NaN;
  const piLeast = Math.min(...late.map(({ piPrec1 }) => piPrec1));
  return {
    piStart,
    piLeast,
    piFall: 100 * (piStart - piLeast),
    underReward: 100 * ((validations[0]?.prec1 ?? NaN) - piLeast),
    piEnd: last?.piPrec1 ?? NaN,
    uStart: validations[0]?.prec1 ?? NaN,
    uEnd: last?.prec1 ?? NaN,
    nllEnd: last?.nll ?? NaN,
    lossMin: most((v) => v.lossMin),
    lossMax: most((v) => v.lossMax),
  };
}

await runMain(main);
