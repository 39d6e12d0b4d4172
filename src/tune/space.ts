/**
 * Search space of `tune`. A setting is a set of `train` options. The first setting is the default. The next
 * settings are a few that do well on many logs; then random settings follow.
 */

import { createRandomStream, type Random } from "../data/random.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { findItemIdField } from "../data/item_ids.ts";

/** Options of `train` with their values; for example, "--encoder" has "pw" and "--no-item-ids" has "". */
export type TuneSetting = Readonly<Record<string, string>>;

export interface SearchSpace {
  readonly seed: number;
  /** Flags that the search does not vary, because the user typed them or they do not apply to the data. */
  readonly fixed: ReadonlySet<string>;
  /** Encoder of the default setting, which has the learning rate `learningRate`. */
  readonly encoder: string;
  readonly learningRate: number;
  /** Returns true if a setting is valid together with the fixed options, the data set and the adapter. */
  readonly accepts: (setting: TuneSetting) => boolean;
  /** Metric that early stopping uses. The default setting is trained without early stopping. */
  readonly stopping: string;
}

export const NO_ITEM_IDS = "--no-item-ids";
export const POSITION_BIAS = "--position-bias";
const STOPPING = "--early-stopping";

/** Settings that are worth trying on any log. Fast learners come first, because the budget may be small. */
const KNOWN: readonly TuneSetting[] = [
  { "--learning-rate": "0.002", "--weight-decay": "3" },
  { [NO_ITEM_IDS]: "", "--learning-rate": "0.002" },
  { "--encoder": "pw" },
  { "--encoder": "none", "--dims": "none", "--learning-rate": "0.005", "--weight-decay": "1" },
  { "--weight-decay": "10", "--item-dropout": "0.2" },
  { "--wide": "16", "--weight-decay": "0.01" },
  { [POSITION_BIAS]: "0" },
];

const ENCODERS = ["lstm", "pw", "none"];
/** Values of --dims that the search draws: only a few, because each value needs kernels to be compiled. */
const DIMS = ["64-64", "64-64", "32", "32-64-32", "128-64"];
/** Value of --dims for no hidden layers, which is valid only for models that ignore the click history. */
const LINEAR = "none";
const WIDE = ["0", "16"];
const LEARNING_RATE = [2e-4, 1e-2] as const;
/** Range of learning rate * weight decay: the share by which a training step shrinks weights. */
const SHRINKAGE = [1e-4, 2e-2] as const;
const DROPOUT = ["0.1", "0.2", "0.3", "0.5"];

/** Lists the flags that do not apply to a data set without item ids or without known positions. */
export function listInapplicableFlags(
  { features, pageOrder }: Pick<Dataset, "features" | "pageOrder">,
): ReadonlySet<string> {
  return new Set([
    ...(findItemIdField(features) ? [] : [NO_ITEM_IDS]),
    ...(pageOrder === "shown" ? [] : [POSITION_BIAS]),
  ]);
}

/** Maximum number of draws to find a new setting; if all fail, the search space counts as exhausted. */
const MOST_DRAWS = 100;

/** Draws setting `number` (0: the default); undefined if none is left. @param before - earlier settings */
export function drawSetting(
  number: number,
  space: SearchSpace,
  before: readonly TuneSetting[],
): TuneSetting | undefined {
  if (number === 0) return {};
  const taken = new Set(before.map(describeSetting));
  const isNew = (setting: TuneSetting) => !taken.has(describeSetting(setting)) && space.accepts(setting);
  const known = KNOWN.map((setting) => finish(setting, space)).find(isNew);
  // A known setting that was not tried yet comes next, also in a resumed search.
  if (known) return known;
  const random = createRandomStream(space.seed, "tune", number);
  for (let k = 0; k < MOST_DRAWS; k++) {
    const setting = finish(drawn(random, space), space);
    if (isNew(setting)) return setting;
  }
  return undefined;
}

export function listArguments(setting: TuneSetting): string[] {
  return Object.entries(setting).flatMap(([flag, value]) => value === "" ? [flag] : [flag, value]);
}

/** Describes a setting in tables, such as "pw, weight-decay 10". */
export function describeSetting(setting: TuneSetting): string {
  const parts = Object.entries(setting).filter(([flag]) => flag !== STOPPING).map(([flag, value]) =>
    flag === "--encoder" ? value : `${flag.slice(2).replace(/^no-/, "no ")} ${value}`.trim()
  );
  return parts.length === 0 ? "default" : parts.join(", ");
}

function finish(setting: TuneSetting, { fixed, stopping }: SearchSpace): TuneSetting {
  const searched = { ...setting, [STOPPING]: stopping };
  return Object.fromEntries(Object.entries(searched).filter(([flag]) => !fixed.has(flag)));
}

function drawn(random: Random, space: SearchSpace): TuneSetting {
  const { fixed, learningRate } = space;
  const setting: Record<string, string> = {};
  const encoder = fixed.has("--encoder") ? space.encoder : drawOne(random, ENCODERS);
  if (encoder !== "lstm") setting["--encoder"] = encoder;
  if (encoder === "pw" && random.uniform() < 0.3) setting["--pw-nonlinearity"] = "tanh";
  const dims = encoder === "none" && random.uniform() < 0.5 ? LINEAR : drawOne(random, DIMS);
  if (dims !== "64-64") setting["--dims"] = dims;
  if (random.uniform() < 0.5) setting["--wide"] = drawOne(random, WIDE);
  if (random.uniform() < 0.5) setting[NO_ITEM_IDS] = "";
  const rate = short(logUniform(random, LEARNING_RATE));
  setting["--learning-rate"] = rate;
  const step = fixed.has("--learning-rate") ? learningRate : Number(rate);
  const shrinkage = logUniform(random, SHRINKAGE);
  if (random.uniform() < 2 / 3) setting["--weight-decay"] = short(shrinkage / step);
  if (random.uniform() < 0.5) setting["--item-dropout"] = drawOne(random, DROPOUT);
  if (random.uniform() < 0.2) setting[POSITION_BIAS] = "0";
  return setting;
}

function logUniform(random: Random, [low, high]: readonly [number, number]): number {
  return low * (high / low) ** random.uniform();
}

function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function drawOne(random: Random, values: readonly string[]): string {
  return values[random.integer(values.length)] ?? "";
}
