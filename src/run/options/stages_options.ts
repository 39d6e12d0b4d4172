/**
 * The options of `train` that say what is trained. Those that set one field of a config stand beside it (model/model_config.ts,
 * train/training_config.ts); here are the others, what makes no sense together, and the configs that follow.
 */

import type { TokenField } from "../../counts/train_counts.ts";
import {
  type CommonModelConfig,
  defaultModel,
  type LstmModelConfig,
  type ModelConfig,
  modelFields,
  type PwModelConfig,
} from "../../model/model_config.ts";
import { buildCountsConfig } from "../../counts/count_tables.ts";
import { type ClickLog, listClickedRows, listUsers } from "../../data/click_log.ts";
import { countScored, type LogSource } from "../../data/log_source.ts";
import type { PagePositions } from "../../data/manifest.ts";
import {
  buildConfig,
  defineSwitchOption,
  defineValueOption,
  type GivenOptions,
  listOptions,
  makeWholeNumberParser,
  oneOf,
  type OptionGroup,
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

/** Options whose default follows from the data: see {@link withDefaults}. */
type ByData =
  & Pick<CommonModelConfig, "wide">
  & Pick<TrainingConfig, "batchSize" | "learningRate" | "weightDecay">
  & { /** Places; 0 for none. */ positionBias: number };

type ModelOptions =
  & Omit<LstmModelConfig, "encoder" | "kernelSd" | "wide" | "counts" | "positions">
  & Omit<PwModelConfig, keyof LstmModelConfig>
  & {
    encoder: ModelConfig["encoder"];
    /** Without it, it depends on the encoder. */
    kernelSd?: number;
    /** Whether what counting knows is an input. */
    counts: "all" | "none";
  };

type GameOptions = Omit<AdversarialConfig, keyof StageConfig | "behaviourSd" | "skipNoClick"> & {
  /** Iterations of the stage; 0 for none. */
  adversarial: number;
  /** Whether the Shannon stage comes first. */
  pretrain: boolean;
  countNoClick: boolean;
  adversarialBatchSize: number;
  adversarialValidateEvery: number;
};

/** What the options say, by their names. */
export type StagesOptions =
  & Partial<ByData>
  & ModelOptions
  & Omit<TrainingConfig, keyof ByData>
  & GameOptions
  & {
    /** What the weights start from; drawn weights if not given. */
    init?: string;
  };

export const seedOption = listOptions({ seed: trainingFields.seed })[0]!;

const encoderOption = defineValueOption(
  "--encoder <kind>",
  "what turns the click history into a state: an LSTM, position weights, or none: no history",
  oneOf(["lstm", "pw", "none"]),
  defaultModel.encoder,
);

const { lstm, pw } = modelFields;
export const modelGroup: OptionGroup = {
  heading: "Model:",
  options: [encoderOption, ...listOptions({ lstmUnits: lstm.lstmUnits, ...pw })],
};

export const trainingGroups: readonly OptionGroup[] = [
  { heading: "Training (Shannon stage: the likelihood of the clicks):", options: listOptions(shannonFields) },
  { heading: "Optimiser (both stages):", options: listOptions(optimiserFields) },
  { heading: "Against over-fitting (both stages):", options: listOptions(overFittingFields) },
];

/** Options that say nothing without an adversarial stage. */
const gameOptions = listOptions(gameFields);

/** The stage itself, then its players, its loss and its steps. */
export const adversarialGroup: OptionGroup = {
  heading: "Adversarial stage (generator and reward in turn):",
  options: [
    defineValueOption(
      "--adversarial <n>",
      "iterations of this stage, after the Shannon stage; 0: leave it out",
      { parse: makeWholeNumberParser(0, 2 ** 31) },
      0,
    ),
    defineSwitchOption("--no-pretrain", "leave out the Shannon stage: start from a random reward"),
    ...gameOptions,
  ],
};

export const stagesGroups: readonly OptionGroup[] = [modelGroup, ...trainingGroups, adversarialGroup];

/** @throws {UserError} for options that make no sense together */
export function checkTogether(options: StagesOptions, given: GivenOptions): void {
  const { iterations, validateEvery } = options;
  if (hasShannonStage(options) && validateEvery > iterations) {
    throw new UserError(
      `Expected --validate-every of at most the ${iterations} iterations, got ${validateEvery}: ` +
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
      `Expected --encoder none with --dims none, got --encoder ${encoder}: without hidden layers its state would not ` +
        "change the order of a page. For a linear model with a history: --encoder none --dims none --wide.",
    );
  }
  if (dims.length === 0 && batchNorm) {
    throw new UserError(
      "Expected hidden layers with --batch-norm, got --dims none. Leave one of the two out.",
    );
  }
  if ((positionBias > 0 || loss !== "choice") && adversarial > 0) {
    const other = positionBias > 0 ? "--position-bias" : `--loss ${loss}`;
    throw new UserError(
      `Expected either ${other} or --adversarial, got both: the game of the adversarial stage is of choices, whatever ` +
        "their places. Leave one of the two out.",
    );
  }
}

function checkGame(options: StagesOptions, given: GivenOptions): void {
  const { adversarial, pretrain, init, adversarialValidateEvery } = options;
  if (adversarial > 0 && adversarialValidateEvery > adversarial) {
    throw new UserError(
      `Expected --adversarial-validate-every of at most the ${adversarial} iterations of --adversarial, ` +
        `got ${adversarialValidateEvery}: without a validation there is no best snapshot.`,
    );
  }
  if (!pretrain && adversarial === 0) {
    throw new UserError(
      "Expected --adversarial <n> with --no-pretrain, got none: without the Shannon stage there is nothing else to train.",
    );
  }
  if (!pretrain && init !== undefined) {
    throw new UserError(
      "Expected either --no-pretrain (a random reward) or --init (a trained one), got both. Leave one out.",
    );
  }
  const idle = adversarial === 0 ? gameOptions.flatMap(({ name }) => given.get(name) ?? []) : [];
  if (idle.length > 0) {
    throw new UserError(
      `Expected --adversarial <n> with ${idle.join(", ")}, got none: ` +
        "these are options of the adversarial stage.",
    );
  }
}

/** Fine-tuning starts from a trained reward: from the Shannon stage, or from `init` in its place. */
function hasShannonStage({ pretrain, init, adversarial }: StagesOptions): boolean {
  return pretrain && !(init !== undefined && adversarial > 0);
}

/** What the defaults, and the counts of a model, follow from. */
export interface ModelData {
  readonly source: LogSource;
  /** Which tokens of its items are of one kind. */
  readonly features?: { readonly tokens: readonly TokenField[] };
  /** Whether the places on its pages mean something. */
  readonly places?: PagePositions;
}

/** What the options describe, for a data set. @param init the model whose weights it starts from: its counts stay */
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
    // By its encoder it has the fields of that one.
    model: { encoder, ...buildConfig<object>(modelFields[encoder], filled), counts } as ModelConfig,
    training: buildConfig(trainingFields, filled),
    pretrain: hasShannonStage(options),
    adversarial: iterations === 0 ? null : { ...buildConfig(adversarialFields, options), iterations },
  };
}

/** Pages of a batch: with fewer a step is noise, with more it is slow. */
const BATCH_PAGES = 400;
/** At least, as the pages of a user are alike. */
const LEAST_USERS = 8;
const WIDE = 8;
const PLACES = 20;
const LEARNING_RATE = 1e-3;
/** In the Shannon stage of a model with counts. */
export const WEIGHT_DECAY = 0.1;

/**
 * The options with what is not given. The defaults that follow from the data are what did best on many logs (bench/trials.md);
 * those of the paper's model, without counts, are those of the paper's scripts.
 */
function withDefaults<
  T extends Partial<ByData> & Pick<StagesOptions, "counts" | "loss"> & { readonly adversarial?: number },
>(options: T, { source, places }: Pick<ModelData, "source" | "places">): T & ByData {
  const { learningRate, weightDecay, batchSize } = defaultTraining;
  const paper: ByData = { wide: 0, positionBias: 0, batchSize, learningRate, weightDecay };
  // The game of the adversarial stage is of choices, whatever their places.
  const placed = places === "shown" && !options.adversarial && options.loss === "choice";
  const own: ByData = {
    wide: WIDE,
    positionBias: placed ? PLACES : 0,
    batchSize: batchFor(source),
    learningRate: LEARNING_RATE,
    weightDecay: WEIGHT_DECAY,
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
  return { ...options.counts === "none" ? paper : own, ...given };
}

/** Users with some {@link BATCH_PAGES} pages together, at most a quarter of all. */
function batchFor(source: LogSource): number {
  const train = listUsers(source, "train");
  let pages = 0;
  for (const user of train) pages += countScored(source, user);
  const users = Math.round(BATCH_PAGES * train.length / Math.max(1, pages));
  return Math.max(1, Math.min(Math.max(LEAST_USERS, users), Math.ceil(train.length / 4)));
}

/**
 * @returns what is to be known of pages of one item, which are always ranked right; undefined for others.
 * @throws UserError where every displayed item is clicked: nothing can be learned.
 */
export function describePages(name: string, { userRows, userEvents, log }: LogSource): string | undefined {
  if (log && !log.eventClick.some((_, e) => passedOver(log, e))) {
    throw new UserError(
      `Expected pages with items that were not clicked in ${name}, found that every displayed item was clicked: there is ` +
        "nothing to tell apart, and prec@1 would be 1.000. Prepare a log of clicks with deno task data log --pages sampled.",
    );
  }
  if ((userRows.at(-1) ?? 0) > (userEvents.at(-1) ?? 0)) return undefined;
  return "Each page shows one item: prec@1, prec@2 and all ranks are always right and say nothing. The loss tells how well " +
    "clicks are foreseen; without learning it is that of the share of clicks.";
}

/** True if an event is a page, not given, with an item that was not clicked. */
function passedOver(log: ClickLog, event: number): boolean {
  if (log.eventGiven?.[event]) return false;
  return log.eventRows[event + 1]! - log.eventRows[event]! > listClickedRows(log, event).length;
}

/** What is known of the order of the items of a page. */
interface DataOrder {
  readonly kind: "demo" | "paper" | "prepared";
  readonly places?: PagePositions;
}

/** True unless nobody knows in which order the items of a page were shown. */
export function hasPositions({ kind, places }: DataOrder): boolean {
  return kind !== "paper" && places !== "arbitrary";
}

/** @throws UserError for a model with effects of places, and data that do not say in which order the items of a page stood. */
export function expectPlaces(
  name: string,
  order: DataOrder,
  { positions }: Pick<ModelConfig, "positions">,
): void {
  if (positions === 0 || hasPositions(order)) return;
  const why = order.kind === "paper"
    ? "a file in the paper's layout has no places, and in the paper's own the click is always the last row"
    : "the items of its pages stand in no order that was shown";
  throw new UserError(
    `Expected data whose places are known with --position-bias, got ${name}: ${why}. Prepare the log with deno task ` +
      "data log --position <column>, or leave --position-bias out.",
  );
}
