/** The encoder of the history, and the utility. */

import {
  defaultModel,
  defaultPwModel,
  etaSchema,
  kernelSdSchema,
  type ModelConfig,
} from "../../model/config.ts";
import { countsConfigFor } from "../../counts/tables.ts";
import type { TokenField } from "../../counts/train_counts.ts";
import type { LogSource } from "../../data/log_source.ts";
import type { LossKind } from "../../ops/choice_nll.ts";
import { UserError } from "../../user_error.ts";
import { choice, namesOf, type OptionGroup, switched, valued } from "./definition.ts";
import { layerSizes, numberOf, wholeNumber } from "./values.ts";

export interface ModelOptions {
  encoder: "lstm" | "pw" | "none";
  lstmUnits: number;
  pwLags: number;
  pwWeightings: number;
  pwNonlinearity: "none" | "tanh";
  dims: number[];
  batchNorm: boolean;
  /** Columns, 0 for none. Its default follows from the data: see {@link withDefaults}, as that of the others without one. */
  wide?: number;
  loss: LossKind;
  /** Whether what counting knows is an input: see {@link modelOver}. */
  counts: "all" | "none";
  /** Places; 0 for none. */
  positionEffect?: number;
  eta: number;
  /** No default: it depends on the encoder. */
  kernelSd?: number;
}

export const modelGroup: OptionGroup = {
  heading: "Model:",
  options: [
    choice(
      "--encoder <kind>",
      "what turns the click history into a state: an LSTM, position weights, or none: no history",
      ["lstm", "pw", "none"],
      "lstm",
    ),
    valued("--lstm-units <n>", "size of the LSTM's state", wholeNumber(1, 1024), defaultModel.lstmUnits),
    valued(
      "--pw-lags <n>",
      "position weights: how many of the last clicks they use; the paper says 20, its code uses 19",
      wholeNumber(1, 64),
      defaultPwModel.pwLags,
    ),
    valued(
      "--pw-weightings <n>",
      "position weights: how many weighted sums of these clicks are the state",
      wholeNumber(1, 16),
      defaultPwModel.pwWeightings,
    ),
    choice(
      "--pw-nonlinearity <kind>",
      "position weights: none as in the paper's code, or tanh with a bias as in its Eq. 4",
      ["none", "tanh"],
      defaultPwModel.pwNonlinearity,
    ),
    valued(
      "--dims <sizes>",
      "hidden layers of the utility, e.g. 32-64-32; none with --encoder none: the conditional logit",
      (text) => (text === "none" ? [] : layerSizes(text)),
      defaultModel.dims,
      { defaultText: defaultModel.dims.join("-") },
    ),
    switched("--batch-norm", "batch normalisation after each hidden layer"),
    valued(
      "--wide [columns]",
      "add a linear part over the item and its crosses with the last 20 clicks, of rank <columns>: wide & deep " +
        "(default: 8, with --counts none 0)",
      wholeNumber(0, 64),
      undefined,
      { preset: "8" },
    ),
    choice(
      "--counts <which>",
      "what counting knows of an item is an input of its utility: click rates, categories, similar items, repeats; none is the " +
        "paper's model",
      ["all", "none"],
      "all",
    ),
    choice(
      "--loss <kind>",
      "-log P(what happened) with one choice a page, or the logistic loss: each item is clicked or not by itself",
      ["choice", "logistic"],
      defaultModel.loss,
    ),
    valued(
      "--position-effect [places]",
      "learn what each of the first places of a page adds to a click's chance, 0 for none; utilities are without it " +
        "(default: 20 where the items of a page stand as they were shown, with --counts none 0)",
      placesOf,
      undefined,
      { preset: "20" },
    ),
    valued(
      "--eta <x>",
      "how sharply users choose: P(a) = exp(eta u_a) / (1 + sum exp(eta u))",
      numberOf(etaSchema, "a number above 0 and at most 1000"),
      defaultModel.eta,
    ),
    valued(
      "--kernel-sd <x>",
      "standard deviation of the hidden layers' initial kernels (default: 0.1, with pw 0.001)",
      numberOf(kernelSdSchema, "a number above 0 and at most 10"),
    ),
  ],
};

/** Where none of them is given, --init takes the model of the snapshot. */
export const MODEL_OPTIONS: readonly string[] = namesOf([modelGroup]);

/** @throws {UserError} for options that make no sense together */
export function checkModelOptions(options: ModelOptions & { adversarial: number }): void {
  const { encoder, dims, batchNorm, positionEffect = 0, loss, adversarial } = options;
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
  if ((positionEffect > 0 || loss !== "choice") && adversarial > 0) {
    const other = positionEffect > 0 ? "--position-effect" : `--loss ${loss}`;
    throw new UserError(
      `Expected either ${other} or --adversarial, got both: the game of the adversarial stage is of choices, whatever ` +
        "their places. Leave one of the two out.",
    );
  }
}

/** Options with what has no default of its own. */
type FilledOptions = ModelOptions & Required<Pick<ModelOptions, "wide" | "positionEffect">>;

function placesOf(text: string): number {
  return text === "0" ? 0 : wholeNumber(2, 1000)(text);
}

/**
 * The model that the options describe, for a log.
 * @param fields which tokens of its items are of one kind. @param init the model whose weights it starts from: its counts stay.
 */
export function modelOver(
  source: LogSource,
  fields: readonly TokenField[] | undefined,
  options: FilledOptions,
  init: Pick<ModelConfig, "counts"> | undefined,
): ModelConfig {
  const model = modelOf(options);
  if (options.counts === "none") return model;
  return { ...model, counts: init?.counts ?? countsConfigFor(source, fields ?? []) };
}

/** The model that the options describe, without counts, which depend on the items. */
export function modelOf(options: FilledOptions): ModelConfig {
  const { encoder, dims, batchNorm, eta, wide, loss, positionEffect: positions } = options;
  const ofPw = encoder === "pw";
  const kernelSd = options.kernelSd ?? (ofPw ? defaultPwModel : defaultModel).kernelSd;
  const common = { dims, batchNorm, eta, kernelSd, wide, loss, counts: null, positions };
  if (encoder === "none") return { encoder, ...common };
  if (!ofPw) return { encoder, lstmUnits: options.lstmUnits, ...common };
  const { pwLags, pwWeightings, pwNonlinearity } = options;
  return { encoder, pwLags, pwWeightings, pwNonlinearity, ...common };
}
