/** Config of a model, which is part of every run's config and of every snapshot's metadata. */

import { countTokenSlots, MOST_FIELDS, MOST_ROW_FEATURES, MOST_SLOTS } from "../counts/count_columns.ts";
import type { CountsConfig } from "../counts/count_columns.ts";
import type { ConfigFields, ValueRange } from "../option.ts";
import {
  buildSchemaEntries,
  defineField,
  defineFixedField,
  defineSwitchField,
  defineValueOption,
  getDefaults,
  layers,
  makeWholeNumberParser,
  picklist,
  positive,
  whole,
} from "../option.ts";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

/** Config fields that do not depend on the encoder. */
export interface CommonModelConfig {
  /** Sizes of the utility network's hidden layers. */
  dims: number[];
  /** True for batch normalisation after each hidden layer. */
  batchNorm: boolean;
  /** Initial standard deviation of the utility network's kernels. */
  kernelSd: number;
  /** Inverse temperature of the choice: P(a) = exp(eta u_a) / (1 + sum exp(eta u)). */
  eta: number;
  /** K, rank of the wide part (a linear model of items and of pairs with clicked items); 0 for none. */
  wide: number;
  /** Likelihood of a page. "choice": a click on one item, or none; "logistic": independent clicks. */
  loss: "choice" | "logistic";
  /** Count features of the utility network; null for none, as in the paper's model. */
  counts: CountsConfig | null;
  /** P, number of page positions whose effects on clicks are learned; 0 for none. */
  positions: number;
}

/** Config of a model that encodes a user's history (all clicks) with an LSTM. */
export interface LstmModelConfig extends CommonModelConfig {
  /** Encoder of a user's clicks: an LSTM. */
  encoder: "lstm";
  /** H, size of the LSTM's state. */
  lstmUnits: number;
}

/** Config of a model that encodes the last clicks with position weights. */
export interface PwModelConfig extends CommonModelConfig {
  /** Encoder of a user's clicks: position weights. */
  encoder: "pw";
  /** m, number of last clicks that the state depends on. */
  pwLags: number;
  /** n, number of learned weighted sums of the last clicks. */
  pwWeightings: number;
  /** Nonlinearity of the state: none, as in the paper's code, or tanh and a bias, as in the paper's Eq. 4. */
  pwNonlinearity: "none" | "tanh";
}

/** Config of a model that ignores the click history. If `dims` is [], the model is the conditional logit. */
export interface NoneModelConfig extends CommonModelConfig {
  /** Encoder of a user's clicks: none. */
  encoder: "none";
}

/** Config of a model. Defaults: {@link defaultModel}, {@link defaultPwModel}. */
export type ModelConfig = LstmModelConfig | PwModelConfig | NoneModelConfig;

/** Validates a config. @throws UserError that names the invalid field. */
export function parseConfig<T>(schema: v.GenericSchema<unknown, T>, config: unknown, what: string): T {
  const parsed = v.safeParse(schema, config);
  if (parsed.success) return parsed.output;
  throw new UserError(`The ${what} config is not valid: ${v.describeIssues(parsed.issues)}`);
}

/** Number of positions with an effect: 0 or at least 2. The effect of position 1 is always 0. */
const positionCount: ValueRange<number> = {
  schema: v.pipe(v.whole(0, 1000), v.check((count) => count !== 1, "expected 0, or at least 2 positions")),
  parse: (text) => text === "0" ? 0 : makeWholeNumberParser(2, 1000)(text),
};

const countsSchema = v.nullable(v.strictObject({
  fields: v.pipe(
    v.array(v.strictObject({ first: v.whole(0), count: v.whole(1), slots: v.whole(1, MOST_SLOTS) })),
    v.maxLength(MOST_FIELDS),
    v.check(
      (all) => countTokenSlots(all) <= MOST_SLOTS,
      `expected at most ${MOST_SLOTS} slots of tokens`,
    ),
  ),
  neighbours: v.whole(1, 1024),
  latest: v.whole(1),
  sampledPages: v.optional(v.boolean()),
  rowFeatures: v.optional(v.whole(1, MOST_ROW_FEATURES)),
}));

const commonFields: ConfigFields<CommonModelConfig> = {
  dims: defineField(
    "--dims <sizes>",
    "sizes of the utility's hidden layers, e.g. 32-64-32; none (a conditional logit) only with --encoder none",
    layers(0),
    [64, 64],
  ),
  batchNorm: defineSwitchField("--batch-norm", "batch normalisation after each hidden layer", false),
  kernelSd: defineField(
    "--kernel-sd <x>",
    "standard deviation of the hidden layers' initial kernels (default: 0.1; 0.001 with --encoder pw)",
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
    "add a wide part of rank <columns> (wide & deep): a linear model of an item and of its pairs with the " +
      "last 20 clicks (default: 8; 0 with --counts none)",
    whole(0, 64),
    0,
    { depends: true, preset: "8" },
  ),
  loss: defineField(
    "--loss <kind>",
    "likelihood of a page: choice (of one item or none) or logistic (items are clicked independently)",
    picklist(["choice", "logistic"]),
    "choice",
  ),
  // The option only turns count features on or off: which count features exist depends on the items.
  counts: {
    ...defineFixedField<CountsConfig | null>({ schema: countsSchema }, null),
    option: defineValueOption(
      "--counts <which>",
      "count features as inputs of an item's utility: click rates, categories, similar items, repeats; none is " +
        "the paper's model",
      picklist(["all", "none"]),
      "all",
    ),
  },
  positions: defineField(
    "--position-bias [positions]",
    "number of first page positions whose effect on clicks is learned, 0 for none; utilities exclude it " +
      "(default: 20 if the log has items in display order, 0 with --counts none)",
    positionCount,
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
    "position weights: number of last clicks that are read; the paper says 20, the paper's code uses 19",
    whole(1, 64),
    20,
  ),
  pwWeightings: defineField(
    "--pw-weightings <n>",
    "position weights: number of weighted sums of the last clicks in the state",
    whole(1, 16),
    4,
  ),
  pwNonlinearity: defineField(
    "--pw-nonlinearity <kind>",
    "position weights: nonlinearity: none (the paper's code), or tanh with a bias (the paper's Eq. 4)",
    picklist(["none", "tanh"]),
    "none",
  ),
  ...commonFields,
  kernelSd: { ...commonFields.kernelSd, standard: 0.001 }, // position weights need small initial kernels
};

export const modelFields = { lstm: lstmFields, pw: pwFields, none: commonFields } as const;

const { dims: _, ...entries } = buildSchemaEntries(commonFields);
const hidden = { dims: layers(1).schema, ...entries };

/** Schema of a {@link ModelConfig}. test/docs/package_test.ts checks that the schema matches this type. */
export const modelConfigSchema = v.variant("encoder", [
  v.strictObject({ encoder: v.literal("lstm"), ...buildSchemaEntries(lstmFields), ...hidden }),
  v.strictObject({ encoder: v.literal("pw"), ...buildSchemaEntries(pwFields), ...hidden }),
  v.strictObject({ encoder: v.literal("none"), ...buildSchemaEntries(commonFields) }),
]);

/** Default config of a model with an LSTM. */
export const defaultModel: LstmModelConfig = { encoder: "lstm", ...getDefaults(lstmFields) };
/** Default config of a model with position weights. The utility network starts with small weights. */
export const defaultPwModel: PwModelConfig = { encoder: "pw", ...getDefaults(pwFields) };
