/**
 * Defines those options of `train` that set the model and the training stages, checks combinations of
 * options, and builds configs. An option for a single config field is defined next to this field, in
 * model/model_config.ts or train/training_config.ts.
 */

import type { TokenField } from "../../counts/train_counts.ts";
import type {
  CommonModelConfig,
  LstmModelConfig,
  ModelConfig,
  PwModelConfig,
} from "../../model/model_config.ts";
import { defaultModel, modelFields } from "../../model/model_config.ts";
import { buildCountsConfig } from "../../counts/count_tables.ts";
import { type ClickLog, listClickedRows, listUsers } from "../../data/click_log.ts";
import { countScored, type LogSource } from "../../data/log_source.ts";
import type { PageOrder } from "../../data/manifest.ts";
import type { GivenOptions, OptionGroup } from "../../option.ts";
import {
  buildConfig,
  defineSwitchOption,
  defineValueOption,
  listOptions,
  makeWholeNumberParser,
  picklist,
} from "../../option.ts";
import {
  type AdversarialConfig,
  adversarialFields,
  defaultTraining,
  gameFields,
  optimiserFields,
  overFittingFields,
  shannonFields,
  type StageConfig,
  type StagesConfig,
  type TrainingConfig,
  trainingFields,
} from "../../train/training_config.ts";
import { UserError } from "../../user_error.ts";

/** Options whose defaults depend on the data; see {@link withDefaults}. */
type ByData =
  & Pick<CommonModelConfig, "wide">
  & Pick<TrainingConfig, "batchSize" | "earlyStopping" | "learningRate" | "weightDecay" | "tokenDecay">
  & { positionBias: number };

type ModelOptions =
  & Omit<LstmModelConfig, "encoder" | "kernelSd" | "wide" | "counts" | "positions">
  & Omit<PwModelConfig, keyof LstmModelConfig>
  & {
    encoder: ModelConfig["encoder"];
    /** Standard deviation of the initial weight matrices. The default depends on the encoder. */
    kernelSd?: number;
    /** Count features that the utility network has as inputs: `all` or `none`. */
    counts: "all" | "none";
  };

type GameOptions = Omit<AdversarialConfig, keyof StageConfig | "behaviourSd" | "skipNoClick"> & {
  /** Number of iterations of the adversarial stage; 0 to skip the stage. */
  adversarial: number;
  /** True if training begins with the Shannon stage (maximum likelihood), before the adversarial stage. */
  pretrain: boolean;
  countNoClick: boolean;
  adversarialBatchSize: number;
  adversarialValidateEvery: number;
};

export type StagesOptions =
  & Partial<ByData>
  & ModelOptions
  & Omit<TrainingConfig, keyof ByData>
  & GameOptions
  & {
    /** Path of a snapshot or run with the initial weights; undefined for random initial weights. */
    init?: string;
  };

export const seedOption = listOptions({ seed: trainingFields.seed })[0]!;

const encoderOption = defineValueOption(
  "--encoder <kind>",
  "encoder of the click history: an LSTM, position weights (pw), or none (no history)",
  picklist(["lstm", "pw", "none"]),
  defaultModel.encoder,
);

const { lstm, pw } = modelFields;
export const modelGroup: OptionGroup = {
  heading: "Model:",
  options: [encoderOption, ...listOptions({ lstmUnits: lstm.lstmUnits, ...pw })],
};

export const trainingGroups: readonly OptionGroup[] = [
  {
    heading: "Training (Shannon stage: maximum likelihood of the clicks):",
    options: listOptions(shannonFields),
  },
  { heading: "Optimiser (both stages):", options: listOptions(optimiserFields) },
  { heading: "Regularisation (both stages):", options: listOptions(overFittingFields) },
];

/** Options that are valid only with an adversarial stage. */
const gameOptions = listOptions(gameFields);

export const adversarialGroup: OptionGroup = {
  heading: "Adversarial stage (alternating generator and reward):",
  options: [
    defineValueOption(
      "--adversarial <n>",
      "iterations of the adversarial stage, after the Shannon stage; 0: skip the stage",
      { parse: makeWholeNumberParser(0, 2 ** 31) },
      0,
    ),
    defineSwitchOption("--no-pretrain", "skip the Shannon stage: start from a random reward"),
    ...gameOptions,
  ],
};

export const stagesGroups: readonly OptionGroup[] = [modelGroup, ...trainingGroups, adversarialGroup];

/** Checks combinations of options. @throws {UserError} for options that cannot be combined */
export function checkTogether(options: StagesOptions, given: GivenOptions): void {
  const { iterations, validateEvery } = options;
  if (hasShannonStage(options) && validateEvery > iterations) {
    throw new UserError(
      `Expected --validate-every of at most ${iterations}, the number of iterations, got ${validateEvery}: ` +
        "without a validation there is no best snapshot.",
    );
  }
  checkModel(options);
  checkGame(options, given);
}

function checkModel(options: StagesOptions): void {
  const { encoder, dims, batchNorm, positionBias = 0, loss, adversarial } = options;
  if (dims.length === 0 && encoder !== "none") {
    throw new UserError(
      `Expected --encoder none with --dims none, got --encoder ${encoder}: without hidden layers, the encoder's ` +
        "state does not change the ranking. For a linear model of past clicks, use --encoder none " +
        "--dims none --wide.",
    );
  }
  if (dims.length === 0 && batchNorm) {
    throw new UserError(
      "Expected hidden layers with --batch-norm, got --dims none. Remove one of these options.",
    );
  }
  if ((positionBias > 0 || loss !== "choice") && adversarial > 0) {
    const other = positionBias > 0 ? "--position-bias" : `--loss ${loss}`;
    throw new UserError(
      `Expected either ${other} or --adversarial, got both: the adversarial stage needs --loss choice and ` +
        "no position effects. Remove one of these options.",
    );
  }
}

function checkGame(options: StagesOptions, given: GivenOptions): void {
  const { adversarial, pretrain, init, adversarialValidateEvery } = options;
  if (adversarial > 0 && adversarialValidateEvery > adversarial) {
    throw new UserError(
      `Expected --adversarial-validate-every of at most ${adversarial}, the value of --adversarial, ` +
        `got ${adversarialValidateEvery}: without a validation there is no best snapshot.`,
    );
  }
  if (!pretrain && adversarial === 0) {
    throw new UserError(
      "Expected --adversarial <n> with --no-pretrain, got --no-pretrain alone: nothing would be trained.",
    );
  }
  if (!pretrain && init !== undefined) {
    throw new UserError(
      "Expected either --no-pretrain (random weights) or --init (trained weights), got both. Remove one option.",
    );
  }
  const idle = adversarial === 0 ? gameOptions.flatMap(({ name }) => given.get(name) ?? []) : [];
  if (idle.length > 0) {
    throw new UserError(
      `Expected --adversarial <n> with ${idle.join(", ")}, got no --adversarial: ` +
        "these options belong to the adversarial stage.",
    );
  }
}

function hasShannonStage({ pretrain, init, adversarial }: StagesOptions): boolean {
  return pretrain && !(init !== undefined && adversarial > 0);
}

/** Properties of the data that determine defaults and count features. */
export interface ModelData {
  readonly source: LogSource;
  readonly features?: { readonly tokens: readonly TokenField[] };
  /** Order of the items in a logged page: "shown" (as displayed) or "arbitrary". */
  readonly pageOrder?: PageOrder;
}

/** Builds the config of all stages. Count features are copied from the initial model `init`, if given. */
export function buildStagesConfig(
  options: StagesOptions,
  data: ModelData,
  init?: Pick<ModelConfig, "counts">,
): StagesConfig {
  const filled = withDefaults(options, data);
  const { encoder, adversarial: iterations } = options;
  const counts = options.counts === "none"
    ? null
    : init?.counts ?? buildCountsConfig(data.source, data.features?.tokens ?? []);
  return {
    // The fields depend on the encoder.
    model: { encoder, ...buildConfig<object>(modelFields[encoder], filled), counts } as ModelConfig,
    training: buildConfig(trainingFields, filled),
    pretrain: hasShannonStage(options),
    adversarial: iterations === 0 ? null : { ...buildConfig(adversarialFields, options), iterations },
  };
}

/** Default number of pages per batch. Fewer pages give noisy gradients; more pages give slow steps. */
const BATCH_PAGES = 400;
/** Smallest default number of users per batch. As a user's pages are similar, a batch needs several users. */
const LEAST_USERS = 8;
const WIDE = 8;
const PLACES = 20;
const LEARNING_RATE = 1e-3;
/** Weight decay in the Shannon stage of a model with count features. */
export const WEIGHT_DECAY = 0.1;
/**
 * Share of each token embedding (of item ids, categories) that a training step removes by default, in the
 * Shannon stage of a model with count features. Without this decay, embeddings of item ids overfit.
 */
export const TOKEN_SHRINKAGE = 0.04;
/** Default of --early-stopping in the Shannon stage of a model with count features. */
export const EARLY_STOPPING = "loss";

/**
 * Fills in defaults. A model with count features gets the defaults that were best on many logs
 * (bench/trials.md). Other models get the defaults of Chen et al. (2019).
 */
function withDefaults(options: StagesOptions, { source, pageOrder }: ModelData): StagesOptions & ByData {
  const { learningRate, weightDecay, tokenDecay, batchSize, earlyStopping } = defaultTraining;
  const paper: ByData = {
    ...{ wide: 0, positionBias: 0, batchSize, earlyStopping, learningRate, weightDecay, tokenDecay },
  };
  // The adversarial stage has no position effects.
  const placed = pageOrder === "shown" && !options.adversarial && options.loss === "choice";
  const own: ByData = {
    wide: WIDE,
    positionBias: placed ? PLACES : 0,
    batchSize: batchFor(source),
    earlyStopping: EARLY_STOPPING,
    learningRate: LEARNING_RATE,
    weightDecay: WEIGHT_DECAY,
    tokenDecay: TOKEN_SHRINKAGE / (options.learningRate ?? LEARNING_RATE),
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...options, ...options.counts === "none" ? paper : own, ...given };
}

/** Returns the batch size in users: about {@link BATCH_PAGES} pages, at most a quarter of the train users. */
function batchFor(source: LogSource): number {
  const train = listUsers(source, "train");
  let pages = 0;
  for (const user of train) pages += countScored(source, user);
  const users = Math.round(BATCH_PAGES * train.length / Math.max(1, pages));
  return Math.max(1, Math.min(Math.max(LEAST_USERS, users), Math.ceil(train.length / 4)));
}

/**
 * Checks that a model can learn from the pages of a log. @returns a warning if each page shows one item:
 * then every ranking is correct. @throws UserError if every displayed item was clicked.
 */
export function describePages(name: string, { userRows, userEvents, log }: LogSource): string | undefined {
  if (log && !log.eventClick.some((_, e) => passedOver(log, e))) {
    throw new UserError(
      `Expected items that were not clicked in ${name}, found only clicked items: there is nothing to learn, ` +
        "and prec@1 would be 1.000. deno task -q data log --pages sampled adds items that were not clicked.",
    );
  }
  if ((userRows.at(-1) ?? 0) > (userEvents.at(-1) ?? 0)) return undefined;
  return "Each page shows one item, so prec@1, prec@2 and all ranking metrics are 1 and carry no " +
    "information. Compare losses: a model that predicts the click rate has the click rate's entropy as loss.";
}

/** Returns true for a page that the model predicts, if at least one item of the page was not clicked. */
function passedOver(log: ClickLog, event: number): boolean {
  if (log.eventKind?.[event]) return false;
  return log.eventRows[event + 1]! - log.eventRows[event]! > listClickedRows(log, event).length;
}

interface DataOrder {
  readonly kind: "demo" | "paper" | "prepared";
  readonly pageOrder?: PageOrder;
}

/** Returns true if the positions of items on their pages are known. */
export function hasPositions({ kind, pageOrder }: DataOrder): boolean {
  return kind !== "paper" && pageOrder !== "arbitrary";
}

/** Checks that a model with position effects gets data with positions. @throws UserError if not */
export function expectPlaces(
  name: string,
  order: DataOrder,
  { positions }: Pick<ModelConfig, "positions">,
): void {
  if (positions === 0 || hasPositions(order)) return;
  const why = order.kind === "paper"
    ? "files in the paper's layout have no positions (in the paper's own data the click is always the last row)"
    : "its pages lack the order in which items were shown";
  throw new UserError(
    `Expected data with known positions for --position-bias, got ${name}: ${why}. Prepare the log with deno ` +
      "task data log --position <column>, or remove --position-bias.",
  );
}
