/**
 * Defaults of `train` that follow from its data: what did best on many logs (bench/trials.md). Of the paper's model, without
 * counts, they are those of the paper's scripts.
 */

import { usersOf } from "../../data/click_log.ts";
import { countedOf, type LogSource } from "../../data/log_source.ts";
import type { Places } from "../../data/manifest.ts";
import { defaultTraining } from "../../train/config.ts";
import type { ModelOptions } from "./model.ts";
import type { OptimiserOptions, ShannonOptions } from "./training.ts";

/** Options that have no default of their own. */
export type ByData = Required<
  & Pick<ModelOptions, "wide" | "positionEffect">
  & Pick<ShannonOptions, "batchSize" | "learningRate">
  & Pick<OptimiserOptions, "weightDecay">
>;

/** What the defaults follow from. */
export interface FittedData {
  readonly source: LogSource;
  /** Whether the places on its pages mean something. */
  readonly places?: Places;
}

/** What is given already. */
type Given = Partial<ByData> & Pick<ModelOptions, "counts" | "loss"> & { readonly adversarial?: number };

/** Pages of a batch: with fewer a step is noise, with more it is slow. */
const BATCH_PAGES = 400;
/** At least, as the pages of a user are alike. */
const LEAST_USERS = 8;
const WIDE = 8;
const PLACES = 20;
const LEARNING_RATE = 1e-3;
/** In the Shannon stage of a model with counts. */
export const WEIGHT_DECAY = 0.1;

/** The options with what is not given. */
export function withDefaults<T extends Given>(options: T, { source, places }: FittedData): T & ByData {
  const { learningRate, weightDecay, batchSize } = defaultTraining;
  const paper: ByData = { wide: 0, positionEffect: 0, batchSize, learningRate, weightDecay };
  // The game of the adversarial stage is of choices, whatever their places.
  const placed = places === "shown" && !options.adversarial && options.loss === "choice";
  const own: ByData = {
    wide: WIDE,
    positionEffect: placed ? PLACES : 0,
    batchSize: batchFor(source),
    learningRate: LEARNING_RATE,
    weightDecay: WEIGHT_DECAY,
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
  return { ...options.counts === "none" ? paper : own, ...given };
}

/** Users with some {@link BATCH_PAGES} pages together, at most a quarter of all. */
function batchFor(source: LogSource): number {
  const train = usersOf(source, "train");
  let pages = 0;
  for (const user of train) pages += countedOf(source, user);
  const users = Math.round(BATCH_PAGES * train.length / Math.max(1, pages));
  return Math.max(1, Math.min(Math.max(LEAST_USERS, users), Math.ceil(train.length / 4)));
}
