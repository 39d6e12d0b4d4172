/**
 * What keeps the adversarial stage stable, measured: the plain alternation, each measure alone, the defaults, and the
 * defaults less each measure. `deno task bench:stability [--data FILE] [--seeds N]`; its findings are in stability.md.
 */

import { Command, InvalidArgumentError } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { parse, wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import type { ClickLog } from "../src/data/click_log.ts";
import { meanAndSd } from "../src/data/mean_sd.ts";
import { type Gpu, openGpu } from "../src/gpu/device.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { openDataset, wholeLog } from "../src/run/dataset.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { AdversarialTrainer } from "../src/train/adversarial_trainer.ts";
import { DivergedError, type ValidationResult } from "../src/train/batch_trainer.ts";
import { type AdversarialConfig, defaultAdversarial, defaultTraining } from "../src/train/config.ts";
import type { GameFigures } from "../src/train/sums.ts";
import { Trainer } from "../src/train/trainer.ts";

/** Both players step in turn at the same rate, as the paper says, and nothing else. */
const plain: Partial<AdversarialConfig> = {
  generatorSteps: 1,
  generatorWarmup: 0,
  generatorLearningRate: 5e-4,
  rewardLearningRate: 5e-4,
  utilityPenalty: 0,
};
const fastGenerator = { generatorLearningRate: defaultAdversarial.generatorLearningRate };
const slowReward = { rewardLearningRate: defaultAdversarial.rewardLearningRate, ...fastGenerator };

const settings: [string, Partial<AdversarialConfig>][] = [
  ["plain alternation", plain],
  ["plain, no-click events counted", { ...plain, skipNoClick: false }],
  ["plain, 5 generator steps", { ...plain, generatorSteps: 5 }],
  ["plain, weight decay 10", { ...plain, weightDecay: 10 }],
  ["plain, penalty 0.1", { ...plain, utilityPenalty: 0.1 }],
  ["plain, warm-up", { ...plain, generatorWarmup: 500 }],
  ["plain, rates 1e-3 and 2e-5", { ...plain, ...slowReward }],
  ["plain, reward frozen", { ...plain, rewardSteps: 0 }],
  ["defaults", {}],
  ["defaults without penalty", { utilityPenalty: 0 }],
  ["defaults without warm-up", { generatorWarmup: 0 }],
  ["defaults, rates 5e-4 and 5e-4", { generatorLearningRate: 5e-4, rewardLearningRate: 5e-4 }],
  ["exact generator, plain", { ...plain, generator: "exact" }],
  ["exact generator, defaults", { generator: "exact" }],
];

interface Options {
  data: string;
  seeds: number;
  iterations: number;
  batchSize: number;
  only: RegExp;
}

async function main(): Promise<void> {
  const command = new Command("deno task bench:stability")
    .description("Measures what keeps the adversarial stage stable.")
    .option("--data <file>", 'a tab-separated click log in the paper\'s layout, or "demo"', "demo")
    .option("--seeds <n>", "seeds of every setting", wholeNumber(1), 1)
    .option("--iterations <n>", "of the adversarial stage", wholeNumber(1000), 3000)
    .option("--batch-size <n>", "users an iteration", wholeNumber(1), defaultAdversarial.batchSize)
    .option("--only <pattern>", "only settings whose name matches this regular expression", pattern, /./);
  const options = parse<Options>(command, Deno.args);
  const log = wholeLog(await openDataset(options.data, 1, false));
  const gpu = await openGpu();
  try {
    const rewards: Weights[] = [];
    for (let seed = 1; seed <= options.seeds; seed++) rewards.push(await pretrain(gpu, log, seed));
    const rows: string[][] = [];
    const chosen = settings.filter(([name]) => options.only.test(name));
    for (const [name, setting] of chosen) {
      const runs: Outcome[] = [];
      for (const [k, reward] of rewards.entries()) {
        runs.push(await play(gpu, log, k + 1, reward, setting, options));
      }
      const of = (figure: (o: Outcome) => number, digits: number) =>
        meanAndSd(runs.map(figure)).mean.toFixed(digits);
      rows.push([
        name,
        of((o) => o.piStart, 3),
        of((o) => o.piLeast, 3),
        of((o) => o.piEnd, 3),
        of((o) => o.uStart, 3),
        of((o) => o.uEnd, 3),
        of((o) => o.nllEnd, 2),
        of((o) => o.lossMin, 1),
        of((o) => o.lossMax, 1),
      ]);
      console.error(`${rows.length}/${chosen.length} ${rows.at(-1)?.join("  ")}`);
    }
    const head = [
      "",
      "pi 500",
      "pi least",
      "pi end",
      "u start",
      "u end",
      "nll end",
      "|loss_min|",
      "|loss_max|",
    ];
    const { adapter } = gpu;
    console.log(`${adapter.description}, ${adapter.runtime}`);
    console.log(
      `${log.name}: ${options.iterations} iterations of ${options.batchSize} users, means over ${options.seeds} seed(s); ` +
        "validation prec@1 of pi at iteration 500, its least after it, at the end; of u at the start and the end; " +
        "negative log-likelihood of u at the end; largest losses on the way",
    );
    console.log(table(head, rows));
  } finally {
    gpu.close();
  }
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError(`Expected a regular expression, got "${text}".`);
  }
}

/** The best-prec@1 weights of the Shannon stage. */
async function pretrain(gpu: Gpu, log: ClickLog, seed: number): Promise<Weights> {
  const model = new UserModel(gpu, log.items, defaultModel, { seed });
  const trainer = await Trainer.create(model, log, { ...defaultTraining, seed });
  await trainer.run(defaultTraining.iterations);
  const weights = await trainer.snapshot("prec1");
  trainer.destroy();
  model.destroy();
  return weights;
}

interface Outcome {
  readonly piStart: number;
  readonly piLeast: number;
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
): Promise<Outcome> {
  const model = new UserModel(gpu, log.items, defaultModel, { weights: reward });
  const config = { ...defaultAdversarial, ...setting, iterations, batchSize };
  const trainer = await AdversarialTrainer.create(model, log, config, { seed, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  try {
    await trainer.run(iterations, { onValidation: (v) => validations.push(v) });
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
  return {
    piStart: late[0]?.piPrec1 ?? NaN,
    piLeast: Math.min(...late.map(({ piPrec1 }) => piPrec1)),
    piEnd: last?.piPrec1 ?? NaN,
    uStart: validations[0]?.prec1 ?? NaN,
    uEnd: last?.prec1 ?? NaN,
    nllEnd: last?.nll ?? NaN,
    lossMin: most((v) => v.lossMin),
    lossMax: most((v) => v.lossMax),
  };
}

await runMain(main);
