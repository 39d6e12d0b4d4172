/** What a model is, in numbers. Part of every run's config and of every snapshot's metadata. */

import { type CountsConfig, MOST_FIELDS, MOST_SLOTS, slotsOf } from "../counts/columns.ts";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";

export const kernelSdSchema = v.positive(10);
export const etaSchema = v.positive(1000);

const layers = v.pipe(v.array(v.whole(1, 4096)), v.maxLength(8));

const common = {
  dims: v.pipe(layers, v.minLength(1)),
  batchNorm: v.optional(v.boolean(), false),
  kernelSd: v.optional(kernelSdSchema, 0.1),
  eta: v.optional(etaSchema, 1),
  wide: v.optional(v.whole(0, 64), 0),
  loss: v.optional(v.picklist(["choice", "logistic"]), "choice"),
  counts: v.optional(
    v.nullable(v.strictObject({
      fields: v.pipe(
        v.array(v.strictObject({ first: v.whole(0), count: v.whole(1), slots: v.whole(1, MOST_SLOTS) })),
        v.maxLength(MOST_FIELDS),
        v.check((fields) => slotsOf(fields) <= MOST_SLOTS, `expected at most ${MOST_SLOTS} slots of tokens`),
      ),
      neighbours: v.whole(1, 1024),
      latest: v.whole(1),
    })),
    null,
  ),
  positions: v.optional(
    v.pipe(v.whole(0, 1000), v.check((places) => places !== 1, "expected 0, or at least 2 places")),
    0,
  ),
};

const lstmSchema = v.strictObject({
  encoder: v.literal("lstm"),
  lstmUnits: v.whole(1, 1024),
  ...common,
});
const pwSchema = v.strictObject({
  encoder: v.literal("pw"),
  pwLags: v.whole(1, 64),
  pwWeightings: v.whole(1, 16),
  pwNonlinearity: v.picklist(["none", "tanh"]),
  ...common,
});
const noneSchema = v.strictObject({ encoder: v.literal("none"), ...common, dims: layers });

/** What a {@link ModelConfig} must be; what may be left out has a default. test/docs/package_test.ts holds them together. */
export const modelConfigSchema = v.variant("encoder", [lstmSchema, pwSchema, noneSchema]);

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

/** A config in which what has a default may be left out. */
export type WithDefaults<T extends CommonModelConfig> =
  & Omit<T, Exclude<keyof CommonModelConfig, "dims">>
  & Partial<Pick<T, Exclude<keyof CommonModelConfig, "dims">>>;
/** What a model is made with; {@link modelConfigSchema} has the defaults. */
export type ModelOptions =
  | WithDefaults<LstmModelConfig>
  | WithDefaults<PwModelConfig>
  | WithDefaults<NoneModelConfig>;

/** @throws UserError that says what is wrong where. */
export function parseConfig<T>(schema: v.GenericSchema<unknown, T>, config: unknown, what: string): T {
  const parsed = v.safeParse(schema, config);
  if (parsed.success) return parsed.output;
  throw new UserError(`The ${what} config is not valid: ${v.reasons(parsed.issues)}`);
}

const defaults = {
  dims: [64, 64],
  batchNorm: false,
  kernelSd: 0.1,
  eta: 1,
  wide: 0,
  loss: "choice",
  counts: null,
  positions: 0,
} as const satisfies Partial<ModelConfig>;

/** The LSTM encoder's defaults. */
export const defaultModel: LstmModelConfig = { encoder: "lstm", lstmUnits: 20, ...defaults };
/** The position-weights encoder's defaults; its kernels start small. */
export const defaultPwModel: PwModelConfig = {
  encoder: "pw",
  pwLags: 20,
  pwWeightings: 4,
  pwNonlinearity: "none",
  ...defaults,
  kernelSd: 0.001,
};
