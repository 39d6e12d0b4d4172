/**
 * Search space of `tune`: settings, each a few options of `train` as typed. The first is the default, then come a few known
 * to do well, then random ones.
 */

import { createRandomStream, type Random } from "../data/random.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { findItemIdField } from "../data/item_ids.ts";

/** Options of `train` by flag, as typed: { "--encoder": "pw", "--no-item-ids": "" }. Absent ones have their defaults. */
export type TuneSetting = Readonly<Record<string, string>>;

/** Search space of a data set, given the fixed options. */
export interface SearchSpace {
  readonly seed: number;
  /** Flags that are not searched: set by the user, or not applicable to the data. */
  readonly fixed: ReadonlySet<string>;
  /** Encoder and learning rate of the default setting. */
  readonly encoder: string;
  readonly learningRate: number;
  /** True if a setting is valid with the fixed options, these items and this adapter. */
  readonly accepts: (setting: TuneSetting) => boolean;
  /** Metric for early stopping of all settings but the default. */
  readonly stopping: string;
}

export const NO_ITEM_IDS = "--no-item-ids";
export const POSITION_BIAS = "--position-bias";

/** Settings worth trying on any log, fast learners first, for budgets too short for many random ones. */
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
/** Few, because each needs its own kernels. */
const DIMS = ["64-64", "64-64", "32", "32-64-32", "128-64"];
/** Without a history, hidden layers are optional. */
const LINEAR = "none";
const WIDE = ["0", "16"];
const LEARNING_RATE = [2e-4, 1e-2] as const;
/** Shrinkage of the weights per step: decay times learning rate. */
const SHRINKAGE = [1e-4, 2e-2] as const;
const DROPOUT = ["0.1", "0.2", "0.3", "0.5"];

/** Lists flags that do not apply to a data set: there are no item ids to leave out, or positions are unknown. */
export function listInapplicableFlags(
  { features, pageOrder }: Pick<Dataset, "features" | "pageOrder">,
): ReadonlySet<string> {
  return new Set([
    ...(findItemIdField(features) ? [] : [NO_ITEM_IDS]),
    ...(pageOrder === "shown" ? [] : [POSITION_BIAS]),
  ]);
}

/** Draws of known settings before the space counts as exhausted. */
const MOST_DRAWS = 100;

/**
 * Draws setting `number` of a search; 0 is the default. @param before the settings so far.
 * @returns undefined if all settings have been tried.
 */
export function drawSetting(
  number: number,
  space: SearchSpace,
  before: readonly TuneSetting[],
): TuneSetting | undefined {
  if (number === 0) return {};
  const taken = new Set(before.map(describeSetting));
  const isNew = (setting: TuneSetting) => !taken.has(describeSetting(setting)) && space.accepts(setting);
  const known = KNOWN.map((setting) => finish(setting, space)).find(isNew);
  // Each known setting is either taken or next, so a resumed search draws the same.
  if (known) return known;
  const random = createRandomStream(space.seed, "tune", number);
  for (let k = 0; k < MOST_DRAWS; k++) {
    const setting = finish(drawn(random, space), space);
    if (isNew(setting)) return setting;
  }
  return undefined;
}

/** Returns a setting as command-line arguments. */
export function listArguments(setting: TuneSetting): string[] {
  return Object.entries(setting).flatMap(([flag, value]) => value === "" ? [flag] : [flag, value]);
}

/** Describes a setting for tables: "pw, weight-decay 10". */
export function describeSetting(setting: TuneSetting): string {
  const parts = Object.entries(setting).filter(([flag]) => !STOPPING.includes(flag)).map(([flag, value]) =>
    flag === "--encoder" ? value : `${flag.slice(2).replace(/^no-/, "no ")} ${value}`.trim()
  );
  return parts.length === 0 ? "default" : parts.join(", ");
}

const STOPPING = ["--early-stopping"];

/** Removes fixed options, and adds early stopping. */
function finish(setting: TuneSetting, { fixed, stopping }: SearchSpace): TuneSetting {
  const searched = { ...setting, "--early-stopping": stopping };
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

/** Rounds to two significant digits. */
function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function drawOne(random: Random, values: readonly string[]): string {
  return values[random.integer(values.length)] ?? "";
}
