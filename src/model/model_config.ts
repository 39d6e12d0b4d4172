/** What a model is, in numbers. Part of every run's config and of every snapshot's metadata. */

import { type CountsConfig, countTokenSlots, MOST_FIELDS, MOST_SLOTS } from "../counts/count_columns.ts";
import {
  buildSchemaEntries,
  type ConfigFields,
  defineField,
  defineFixedField,
  defineSwitchField,
  defineValueOption,
  getDefaults,
  layers,
  makeWholeNumberParser,
  oneOf,
  positive,
  type ValueRange,
  whole,
} from "../option.ts";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

/** What all models have. */
export interface CommonModelConfig {
  /** Sizes of the utility's hidden layers. */
  dims: number[];
  /** Batch normalisation after each hidden layer. */
  batchNorm: boolean;
  /** Standard deviation that the utility's kernels are drawn with. */
  kernelSd: number;
  /** How sharply users choose by utility: P(a) = exp(eta u_a) / (1 + sum exp(eta u)). */
  eta: number;
  /** K, columns of the wide part, a product of the last clicks with the item; 0 for none. */
  wide: number;
  /** What P(what happened on a page) follows from: one choice a page, or each item clicked or not by itself. */
  loss: "choice" | "logistic";
  /** What of the counts of train users is an input of the utility; null for the paper's model, which has none. */
  counts: CountsConfig | null;
  /** P, places of a page with an effect of their own on what is clicked, which utilities are without; 0 for none. */
  positions: number;
}

/** A model with an LSTM over all clicks. */
export interface LstmModelConfig extends CommonModelConfig {
  /** How the history becomes a state. */
  encoder: "lstm";
  /** H, size of the LSTM's state. */
  lstmUnits: number;
}

/** A model with position weights over the last clicks. */
export interface PwModelConfig extends CommonModelConfig {
  /** How the history becomes a state. */
  encoder: "pw";
  /** m, how many clicks back the state looks. */
  pwLags: number;
  /** n, how many learned weightings of them make up the state. */
  pwWeightings: number;
  /** none: as the paper's code has it; tanh: with a bias, as its Eq. 4. */
  pwNonlinearity: "none" | "tanh";
}

/** A model without a history; with `dims: []` the conditional logit. */
export interface NoneModelConfig extends CommonModelConfig {
  /** How the history becomes a state. */
  encoder: "none";
}

/** What a model is; {@link defaultModel} and {@link defaultPwModel} are two. */
export type ModelConfig = LstmModelConfig | PwModelConfig | NoneModelConfig;

/** @throws UserError that says what is wrong where. */
export function parseConfig<T>(schema: v.GenericSchema<unknown, T>, config: unknown, what: string): T {
  const parsed = v.safeParse(schema, config);
  if (parsed.success) return parsed.output;
  throw new UserError(`The ${what} config is not valid: ${v.describeIssues(parsed.issues)}`);
}

/** No effects, or those of at least two places: one place alone says nothing. */
const places: ValueRange<number> = {
  schema: v.pipe(v.whole(0, 1000), v.check((places) => places !== 1, "expected 0, or at least 2 places")),
  parse: (text) => text === "0" ? 0 : makeWholeNumberParser(2, 1000)(text),
};

const countsSchema = v.nullable(v.strictObject({
  fields: v.pipe(
    v.array(v.strictObject({ first: v.whole(0), count: v.whole(1), slots: v.whole(1, MOST_SLOTS) })),
    v.maxLength(MOST_FIELDS),
    v.check(
      (fields) => countTokenSlots(fields) <= MOST_SLOTS,
      `expected at most ${MOST_SLOTS} slots of tokens`,
    ),
  ),
  neighbours: v.whole(1, 1024),
  latest: v.whole(1),
}));

const commonFields: ConfigFields<CommonModelConfig> = {
  dims: defineField(
    "--dims <sizes>",
    "hidden layers of the utility, e.g. 32-64-32; none with --encoder none: the conditional logit",
    layers(0),
    [64, 64],
  ),
  batchNorm: defineSwitchField("--batch-norm", "batch normalisation after each hidden layer", false),
  kernelSd: defineField(
    "--kernel-sd <x>",
    "standard deviation of the hidden layers' initial kernels (default: 0.1, with pw 0.001)",
    positive(10),
    0.1,
    { depends: true },
  ),
  eta: defineField(
    "--eta <x>",
    "how sharply users choose: P(a) = exp(eta u_a) / (1 + sum exp(eta u))",
    positive(1000),
    1,
  ),
  wide: defineField(
    "--wide [columns]",
    "add a linear part over the item and its crosses with the last 20 clicks, of rank <columns>: wide & deep " +
      "(default: 8, with --counts none 0)",
    whole(0, 64),
    0,
    { depends: true, preset: "8" },
  ),
  loss: defineField(
    "--loss <kind>",
    "-log P(what happened) with one choice a page, or the logistic loss: each item is clicked or not by itself",
    oneOf(["choice", "logistic"]),
    "choice",
  ),
  // Which counts there are depends on the items: the option only says whether there are any.
  counts: {
    ...defineFixedField<CountsConfig | null>({ schema: countsSchema }, null),
    option: defineValueOption(
      "--counts <which>",
      "what counting knows of an item is an input of its utility: click rates, categories, similar items, repeats; none is " +
        "the paper's model",
      oneOf(["all", "none"]),
      "all",
    ),
  },
  positions: defineField(
    "--position-bias [places]",
    "learn what each of the first places of a page adds to a click's chance, 0 for none; utilities are without it " +
      "(default: 20 where the items of a page stand as they were shown, with --counts none 0)",
    places,
    0,
    { depends: true, preset: "20" },
  ),
};

const lstmFields: ConfigFields<Omit<LstmModelConfig, "encoder">> = {
  lstmUnits: defineField("--lstm-units <n>", "size of the LSTM's state", whole(1, 1024), 20),
  ...commonFields,
};

const pwFields: ConfigFields<Omit<PwModelConfig, "encoder">> = {
  pwLags: defineField(
    "--pw-lags <n>",
    "position weights: how many of the last clicks they use; the paper says 20, its code uses 19",
    whole(1, 64),
    20,
  ),
  pwWeightings: defineField(
    "--pw-weightings <n>",
    "position weights: how many weighted sums of these clicks are the state",
    whole(1, 16),
    4,
  ),
  pwNonlinearity: defineField(
    "--pw-nonlinearity <kind>",
    "position weights: none as in the paper's code, or tanh with a bias as in its Eq. 4",
    oneOf(["none", "tanh"]),
    "none",
  ),
  ...commonFields,
  kernelSd: { ...commonFields.kernelSd, standard: 0.001 }, // its kernels start small
};

/** Fields of the models, by their encoder. */
export const modelFields = { lstm: lstmFields, pw: pwFields, none: commonFields } as const;

const { dims: _, ...entries } = buildSchemaEntries(commonFields);
const hidden = { dims: layers(1).schema, ...entries };

/** What a {@link ModelConfig} must be. test/docs/package_test.ts holds them together. */
export const modelConfigSchema = v.variant("encoder", [
  v.strictObject({ encoder: v.literal("lstm"), ...buildSchemaEntries(lstmFields), ...hidden }),
  v.strictObject({ encoder: v.literal("pw"), ...buildSchemaEntries(pwFields), ...hidden }),
  v.strictObject({ encoder: v.literal("none"), ...buildSchemaEntries(commonFields) }),
]);

/** The LSTM encoder's defaults. */
export const defaultModel: LstmModelConfig = { encoder: "lstm", ...getDefaults(lstmFields) };
/** The position-weights encoder's defaults; its kernels start small. */
export const defaultPwModel: PwModelConfig = { encoder: "pw", ...getDefaults(pwFields) };
