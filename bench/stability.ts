/**
 * What keeps the adversarial stage stable, measured: the plain alternation, each measure alone, the defaults, and the
 * defaults less each measure. `deno task bench stability [--data FILE] [--seeds N]`; its findings are in stability.md.
 */

import { type Command, InvalidArgumentError } from "commander";
import { wholeNumber } from "../src/cli/options.ts";
import { meanAndSd } from "../src/data/mean_sd.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { openDataset, wholeLog } from "../src/data/sets/dataset.ts";
import type { Weights } from "../src/tape/parameters.ts";
import {
  type AdversarialConfig,
  defaultAdversarial,
  defaultTraining,
  paperAdversarial,
} from "../src/train/config.ts";
import { cellsOf, type Column, Page, printTable } from "./output.ts";
import { pagedShop } from "./paged_shop.ts";
import { onlyOption, readmeOption, Status, study } from "./study.ts";
import type { ClickLog } from "../src/data/click_log.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { choiceOf, TestedUsers } from "../src/run/tested_users.ts";
import { AdversarialTrainer } from "../src/train/adversarial_trainer.ts";
import { DivergedError, type GameFigures, type ValidationResult } from "../src/train/results.ts";
import { Trainer } from "../src/train/trainer.ts";

const COLUMNS =
  "Validation prec@1 of pi at iteration 500, its least after it, and at the end; of u at the start and the end; the " +
  "negative log-likelihood of u at the end. Over all seeds: the largest losses on the way; by how many points pi's least is " +
  "below its value at iteration 500, and below the start of u. With --pages: the mean Spearman correlation, within a page, of " +
  "the reward and the truth.";

interface Options {
  data: string;
  seeds: number;
  pretrain: number;
  iterations: number;
  batchSize: number;
  only: RegExp;
  pages?: number[][];
  readme?: string;
  marker?: string;
}

export function command(): Command {
  const own = study("stability", "Measures what keeps the adversarial stage stable.")
    .option("--data <file>", "a tab-separated click log in the paper's layout, or a made-up shop", "demo")
    .option(
      "--pages <lengths>",
      "instead of --data: made-up shops with pages of so many items, such as 2,5,10,40,2-5-10-40 (the last has all four)",
      pageLengths,
    )
    .option("--seeds <n>", "seeds of every setting", wholeNumber(1), 1)
    .option(
      "--pretrain <n>",
      "iterations of the reward by likelihood",
      wholeNumber(1),
      defaultTraining.iterations,
    )
    .option("--iterations <n>", "of the adversarial stage", wholeNumber(1000), 3000)
    .option("--batch-size <n>", "users in an iteration", wholeNumber(1), defaultAdversarial.batchSize)
    .addOption(onlyOption("settings whose name"))
    .option(...readmeOption("stability NAME of the data"))
    .option("--marker <name>", "another name for those lines");
  return own.action(() => stability(own.opts<Options>()));
}

async function stability(options: Options): Promise<void> {
  const fields: Field[] = options.pages
    ? options.pages.map((sizes) => {
      const { log, truth } = pagedShop(1, sizes);
      return { log, truth: truth.utility };
    })
    : [{ log: wholeLog(await openDataset(options.data, 1, false)) }];
  // A file's name without its ending.
  const dataName = options.pages ? "pages" : fields[0]?.log.name.replace(/\.\w+$/, "") ?? "";
  const marker = options.marker ?? `stability ${dataName}`;
  const page = await Page.open(options.readme, marker);
  using gpu = await openGpu();
  using status = new Status();
  const played: Played[] = [];
  for (const field of fields) {
    for (const { name, runs } of await playAll(gpu, field, options, status)) {
      played.push({ name: options.pages ? `${field.log.name}: ${name}` : name, runs });
    }
  }
  const cells = cellsOf(played, options.pages ? [...columns, ...rankColumns] : columns);
  const seeds = options.seeds === 1 ? "one seed" : `mean and sd of ${options.seeds} seeds`;
  const { adapter } = gpu;
  const on = `${dataName}: ${options.iterations} iterations of ${options.batchSize} users, ${seeds}; ` +
    `${adapter.description}, ${adapter.runtime}`;
  console.log(`${on}\n${COLUMNS}`);
  printTable(cells);
  await page.write(marker, `${on}:`, cells);
}

interface Played {
  readonly name: string;
  /** A seed each. */
  readonly runs: readonly Outcome[];
}

function mean(of: (outcome: Outcome) => number, digits: number) {
  return ({ runs }: Played) => {
    const { mean, sd } = meanAndSd(runs.map(of));
    return mean.toFixed(digits) + (Number.isNaN(sd) ? "" : ` +- ${sd.toFixed(digits)}`);
  };
}
const most = (of: (outcome: Outcome) => number) => ({ runs }: Played) => Math.max(...runs.map(of)).toFixed(1);

const columns: readonly Column<Played>[] = [
  ["", ({ name }) => name],
  ["pi 500", mean((o) => o.piStart, 3)],
  ["pi least", mean((o) => o.piLeast, 3)],
  ["pi end", mean((o) => o.piEnd, 3)],
  ["u start", mean((o) => o.uStart, 3)],
  ["u end", mean((o) => o.uEnd, 3)],
  ["nll end", mean((o) => o.nllEnd, 2)],
  ["loss_min", most((o) => o.lossMin)],
  ["loss_max", most((o) => o.lossMax)],
  ["pi falls", most((o) => o.piFall)],
  ["under u", most((o) => o.underReward)],
];
/** Where the truth is known. */
const rankColumns: readonly Column<Played>[] = [
  ["rho start", mean((o) => o.rhoStart, 3)],
  ["rho end", mean((o) => o.rhoEnd, 3)],
];

/** Every setting with every seed. */
async function playAll(gpu: Gpu, field: Field, options: Options, status: Status): Promise<Played[]> {
  const { log, truth } = field;
  const ranking = truth && rankingOf(log, truth);
  const rewards: Weights[] = [];
  for (let seed = 1; seed <= options.seeds; seed++) {
    const what = `${log.name}, reward by likelihood, seed ${seed}`;
    const onStep = (t: number) => status.show(`${what}: ${t} of ${options.pretrain}`);
    rewards.push(await pretrain(gpu, log, seed, options.pretrain, onStep));
  }
  const played: Played[] = [];
  const chosen = settings.filter(([name]) => options.only.test(name));
  for (const [name, setting] of chosen) {
    const runs: Outcome[] = [];
    for (const [k, reward] of rewards.entries()) {
      const what = `${log.name}, ${name}, seed ${k + 1}`;
      const onStep = (t: number) => status.show(`${what}: ${t} of ${options.iterations}`);
      const run = await play(gpu, { log, ranking }, k + 1, reward, setting, options, onStep);
      status.clear();
      console.error(`${what}: ${JSON.stringify(run)}`);
      runs.push(run);
    }
    const one = { name, runs };
    played.push(one);
    console.error(`${played.length}/${chosen.length} ${cellsOf([one], columns).rows[0]?.join("  ")}`);
  }
  return played;
}

/** Page lengths of shops: 2,10,2-5-40 are three shops, the last of mixed pages. */
function pageLengths(text: string): number[][] {
  if (/^\d+([,-]\d+)*$/.test(text)) return text.split(",").map((shop) => shop.split("-").map(Number));
  throw new InvalidArgumentError(`Expected lengths of pages such as 2,10,2-5-40, got "${text}".`);
}

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

const settings: readonly (readonly [string, Partial<AdversarialConfig>])[] = [
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

/** Where the game is played. */
interface Field {
  readonly log: ClickLog;
  /** Utility of each displayed item, where it is asked how alike the reward and the truth rank the items of a page. */
  readonly truth?: Float64Array;
}

/** Validation users, on whom the reward's ranking is compared with the truth. @param truth utility of each displayed item */
function rankingOf(log: ClickLog, truth: Float64Array): TestedUsers {
  const source = new MemoryLog(log);
  return TestedUsers.ofPart({ source, features: undefined, places: undefined, truth }, "validation");
}

/** The best-prec@1 weights of the Shannon stage. */
async function pretrain(
  gpu: Gpu,
  log: ClickLog,
  seed: number,
  iterations: number,
  onStep: (iteration: number) => void,
): Promise<Weights> {
  using model = new UserModel(gpu, log.items, defaultModel, { seed });
  using trainer = await Trainer.create(model, log, { ...defaultTraining, seed });
  await trainer.run(iterations, { onStep: ({ iteration }) => onStep(iteration) });
  return await trainer.snapshot("prec1");
}

/** What became of both players. */
type Outcome = Awaited<ReturnType<typeof play>>;

/** The adversarial stage, from a reward. */
async function play(
  gpu: Gpu,
  { log, ranking }: { log: ClickLog; ranking: TestedUsers | undefined },
  seed: number,
  reward: Weights,
  setting: Partial<AdversarialConfig>,
  { iterations, batchSize }: { iterations: number; batchSize: number },
  onStep: (iteration: number) => void,
) {
  using model = new UserModel(gpu, log.items, defaultModel, { weights: reward });
  const config = { ...defaultAdversarial, ...setting, iterations, batchSize };
  using trainer = await AdversarialTrainer.create(model, log, config, { seed, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  const rho = async () => {
    if (!ranking) return NaN;
    using evaluation = await trainer.evaluation(ranking.users, 0);
    const { spearman = NaN } = await ranking.test(
      evaluation,
      choiceOf(defaultModel, await trainer.weights()),
    );
    return spearman;
  };
  const rhoStart = await rho();
  let rhoEnd = NaN;
  try {
    await trainer.run(iterations, {
      onStep: ({ iteration }) => onStep(iteration),
      onValidation: (v) => validations.push(v),
    });
    rhoEnd = await rho();
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
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
    /** Points that pi's least is under its value at iteration 500, and under the reward's at the start. */
    piFall: 100 * (piStart - piLeast),
    underReward: 100 * ((validations[0]?.prec1 ?? NaN) - piLeast),
    piEnd: last?.piPrec1 ?? NaN,
    uStart: validations[0]?.prec1 ?? NaN,
    uEnd: last?.prec1 ?? NaN,
    nllEnd: last?.nll ?? NaN,
    lossMin: most((v) => v.lossMin),
    lossMax: most((v) => v.lossMax),
    /** NaN where they were not asked. */
    ...{ rhoStart, rhoEnd },
  };
}
