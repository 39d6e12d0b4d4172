/** The encoder of the history, and the utility. */

import { type Command, Option } from "commander";
import {
  defaultModel,
  defaultPwModel,
  etaSchema,
  type ModelConfig,
  modelConfigSchema,
} from "../../model/config.ts";
import { layerSizes, namesOf, numberOf, wholeNumber } from "../options.ts";

export interface ModelOptions {
  encoder: "lstm" | "pw";
  lstmUnits: number;
  pwLags: number;
  pwWeightings: number;
  pwNonlinearity: "none" | "tanh";
  dims: number[];
  batchNorm: boolean;
  eta: number;
  /** No default: it depends on the encoder. */
  kernelSd?: number;
}

export function addModelOptions(command: Command): Command {
  return command
    .optionsGroup("Model:")
    .addOption(
      new Option(
        "--encoder <kind>",
        "what turns the click history into a state: an LSTM, or position weights",
      )
        .choices(["lstm", "pw"]).default("lstm"),
    )
    .option("--lstm-units <n>", "size of the LSTM's state", wholeNumber(1, 1024), defaultModel.lstmUnits)
    .option(
      "--pw-lags <n>",
      "position weights: how many of the last clicks they use",
      wholeNumber(1, 64),
      defaultPwModel.pwLags,
    )
    .option(
      "--pw-weightings <n>",
      "position weights: how many weighted sums of these clicks are the state",
      wholeNumber(1, 16),
      defaultPwModel.pwWeightings,
    )
    .addOption(
      new Option(
        "--pw-nonlinearity <kind>",
        "position weights: none as in the paper's code, or tanh with a bias as in its Eq. 4",
      )
        .choices(["none", "tanh"]).default(defaultPwModel.pwNonlinearity),
    )
    .addOption(
      new Option("--dims <sizes>", "hidden layers of the utility, e.g. 32-64-32").argParser(layerSizes)
        .default(defaultModel.dims, defaultModel.dims.join("-")),
    )
    .option("--batch-norm", "batch normalisation after each hidden layer", false)
    .option(
      "--eta <x>",
      "how sharply users choose: P(a) = exp(eta u_a) / (1 + sum exp(eta u))",
      numberOf(etaSchema, "a number above 0 and at most 1000"),
      defaultModel.eta,
    )
    .option(
      "--kernel-sd <x>",
      "standard deviation of the utility's initial kernels (default: 0.1, with pw 0.001)",
      numberOf(modelConfigSchema.options[0].shape.kernelSd, "a number above 0 and at most 10"),
    );
}

/** Where none of them is given, --init takes the model of the snapshot. */
export const MODEL_OPTIONS: readonly string[] = namesOf(addModelOptions);

/** The model that the options describe. */
export function modelOf(options: ModelOptions): ModelConfig {
  const { dims, batchNorm, eta } = options;
  if (options.encoder === "lstm") {
    const kernelSd = options.kernelSd ?? defaultModel.kernelSd;
    return { encoder: "lstm", lstmUnits: options.lstmUnits, dims, batchNorm, eta, kernelSd };
  }
  const { pwLags, pwWeightings, pwNonlinearity } = options;
  const kernelSd = options.kernelSd ?? defaultPwModel.kernelSd;
  return { encoder: "pw", pwLags, pwWeightings, pwNonlinearity, dims, batchNorm, eta, kernelSd };
}
