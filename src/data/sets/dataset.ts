/** Opens the data set that a run's config names. Small logs are read into memory; large logs stay on disk. */

import { type ClickLog, listUsers, splits } from "../click_log.ts";
import { makeShop } from "../demo_shop.ts";
import { featureNames, findShop, shopNames, shops } from "../shops.ts";
import { type LogSource, MemoryLog } from "../log_source.ts";
import type { PreparedOptions } from "./packed_set.ts";
import { readPaperFile } from "./paper_file.ts";
import { createRandomStream } from "../random.ts";
import { UserError } from "../../user_error.ts";
import { alignSourceToModel } from "../align_items.ts";
import type { ModelConfig } from "../../model/model_config.ts";
import { describeDifference, keepsItemNumbers, listUnknownFeatures } from "../feature_difference.ts";
import type { ItemsShape } from "../item_catalogue.ts";
import type { FeatureManifest, PageOrder, TimeSplit } from "../manifest.ts";
import { computeFileChecksum, tryStat } from "../../files/local_file.ts";
import { findItemIdField, removeTokens } from "../item_ids.ts";
import * as v from "../../schema.ts";

/** Identifies the data set of a run, so that a resumed run uses the same data set. */
export type DataConfig =
  | {
    /** The data set is a synthetic shop's log. */
    kind: "demo";
    /** Seed of the shop's items and, if `usersSeed` is absent, of the shop's users. */
    seed: number;
    /** Name of the shop; "demo" if absent. */
    shop?: string;
    usersSeed?: number;
  }
  | {
    kind: "paper";
    path: string;
    sha256: string;
    /** Seed of a new random split of the users; null to use the split in the file. */
    resplit: number | null;
  }
  | {
    kind: "prepared";
    path: string;
    /** Checksum of all files of the data set. */
    sha256: string;
    resplit: number | null;
    /** A log with at most this number of displayed items is read into memory; a larger log stays on disk. */
    memoryRows: number;
    /** True if item ids are used as features, in addition to the items' other features. */
    itemIds: boolean;
  };

/** Returns true if two data sets have the same items: shops of equal seeds, or files of equal checksums. */
export function isSameCatalogue(one: DataConfig, other: DataConfig): boolean {
  const of = (data: DataConfig) => data.kind === "demo" ? data.seed : data.sha256;
  return of(one) === of(other);
}

const file = { path: v.string(), sha256: v.string() };
export const dataConfigSchema: v.GenericSchema<unknown, DataConfig> = v.variant("kind", [
  v.strictObject({
    kind: v.literal("demo"),
    seed: v.wholeNumber(),
    shop: v.optional(v.picklist(shops.map(({ name }) => name))),
    usersSeed: v.optional(v.wholeNumber()),
  }),
  v.strictObject({ kind: v.literal("paper"), ...file, resplit: v.nullable(v.wholeNumber()) }),
  v.strictObject({
    kind: v.literal("prepared"),
    ...file,
    resplit: v.nullable(v.wholeNumber()),
    memoryRows: v.whole(0),
    itemIds: v.boolean(),
  }),
]);

/** Default of `memoryRows`: this number of displayed items takes 48 MB of memory. */
export const MEMORY_ROWS = 4_000_000;

export interface Dataset {
  readonly config: DataConfig;
  /** Source of the clicks. `source.log` is defined only if the whole log is in memory. */
  readonly source: LogSource;
  /** Meaning of the item features; undefined if no manifest describes them. */
  readonly features: FeatureManifest | undefined;
  readonly pageOrder: PageOrder | undefined;
  /** Warnings in the manifest; undefined if the users were split again (--resplit). */
  readonly warnings?: readonly string[];
  /** Dates of a split by time; undefined for a split by users. */
  readonly timeSplit?: TimeSplit;
  /** [R] true utility of every row; undefined if the data set is not a synthetic shop. */
  readonly truth: Float64Array | undefined;
}

/** Options for opening a data set. `needed` lists the splits that must have users (by default, all three). */
export interface OpenOptions extends Partial<Omit<PreparedOptions, "onNote">> {
  /** Seed of the items and users of a synthetic shop; by default the run's seed. */
  readonly dataSeed?: number;
  /** Seed of a synthetic shop's users, if it differs from the seed of the items. */
  readonly usersSeed?: number;
  /** False if item ids are not used as features. */
  readonly itemIds?: boolean;
}

/**
 * Opens a data set: a synthetic shop by name, a prepared data set by folder, or a file in the paper's layout.
 * @param seed: seed of a synthetic shop or a new split. @param resplit: true for a new random split of users.
 * @throws UserError for invalid data.
 */
export async function openDataset(
  source: string,
  seed: number,
  resplit: boolean,
  options: OpenOptions = {},
): Promise<Dataset> {
  const { itemIds = true, ...others } = options;
  const data = await openWhole(source, seed, resplit, others);
  return itemIds ? data : removeItemIds(data);
}

async function openWhole(
  source: string,
  seed: number,
  resplit: boolean,
  options: OpenOptions,
): Promise<Dataset> {
  const { needed = splits, memoryRows = MEMORY_ROWS, dataSeed, usersSeed } = options;
  if (findShop(source)) {
    const shop = source === "demo" ? {} : { shop: source };
    const users = usersSeed === undefined ? {} : { usersSeed };
    return madeUp({ kind: "demo", seed: dataSeed ?? seed, ...shop, ...users });
  }
  for (const [option, value] of Object.entries({ "--data-seed": dataSeed, "--data-users-seed": usersSeed })) {
    if (value === undefined) continue;
    throw new UserError(
      `Expected a synthetic shop (${shopNames}) with ${option}, got ${source}. Leave ${option} out.`,
    );
  }
  const dealt = resplit ? seed : null;
  if (tryStat(source)?.isDirectory) {
    const { openPrepared } = await import("./packed_set.ts"); // Parquet: 20 ms of CPU
    const { source: log, sha256, manifest } = await openPrepared(source, { ...options, needed, memoryRows });
    const config = {
      kind: "prepared",
      path: source,
      sha256,
      resplit: dealt,
      memoryRows,
      itemIds: true,
    } as const;
    const { features, pageOrder, warnings, timeSplit } = manifest;
    if (resplit && timeSplit) {
      throw new UserError(
        `Expected --resplit with data in which each user belongs to one part, got ${source}, ` +
          "which was split by time. After a new split, a model would train on validation and test pages. " +
          "Leave --resplit out, or prepare the log again with other --shares or --split-at.",
      );
    }
    return {
      ...dealtOut(log, config),
      features,
      pageOrder,
      warnings: resplit ? undefined : warnings,
      ...timeSplit && { timeSplit },
    };
  }
  const log = readPaperFile(source, needed);
  const { sha256 } = await computeFileChecksum(source);
  return dealtOut(new MemoryLog(log), { kind: "paper", path: source, sha256, resplit: dealt });
}

/** Opens the data set of a run again. @throws UserError if the data set has changed since the run began. */
export async function reopenDataset(config: DataConfig, options: OpenOptions = {}): Promise<Dataset> {
  if (config.kind === "demo") return madeUp(config);
  const { path, resplit } = config;
  const found = await openDataset(path, resplit ?? 0, resplit !== null, {
    ...options,
    ...(config.kind === "prepared" ? { memoryRows: config.memoryRows, itemIds: config.itemIds } : {}),
  });
  const sha256 = "sha256" in found.config ? found.config.sha256 : "none";
  if (found.config.kind !== config.kind || sha256 !== config.sha256) {
    throw new UserError(
      `${path} has changed since the run began (expected SHA-256 ${config.sha256.slice(0, 12)}..., ` +
        `got ${sha256.slice(0, 12)}...). A run can only continue with the same data.`,
    );
  }
  return { ...found, config };
}

type MadeUp = Extract<DataConfig, { kind: "demo" }>;

function madeUp(config: MadeUp): Dataset {
  const { shop: name = "demo", seed, usersSeed = seed } = config;
  const shop = findShop(name);
  if (!shop) throw new UserError(`Expected a synthetic shop (${shopNames}), got ${name}.`);
  const { log, truth } = makeShop(shop, { items: seed, users: usersSeed });
  return { ...createDataset(new MemoryLog(log), config), truth: truth.utility };
}

function dealtOut(source: LogSource, config: Exclude<DataConfig, MadeUp>): Dataset {
  const { resplit } = config;
  return createDataset(
    resplit === null ? source : source.with({ userSplit: resplitUsers(source, resplit) }),
    config,
  );
}

/** Returns a data set without a manifest. @param config: identifies the data set when a run is resumed. */
export function createDataset(source: LogSource, config: DataConfig): Dataset {
  return { config, source, features: undefined, pageOrder: undefined, truth: undefined };
}

/** Returns the data set without item ids. @throws UserError if items have no ids, or only ids. */
export function removeItemIds(data: Dataset): Dataset {
  const { source, features, config } = data;
  const field = findItemIdField(features);
  if (!features || !field || config.kind !== "prepared") {
    throw new UserError(
      `Expected item ids and other features in ${source.name}, got only one of the two. ` +
        "Leave --no-item-ids out.",
    );
  }
  return {
    ...data,
    config: { ...config, itemIds: false },
    source: source.with({ items: removeTokens(source.items, field.first) }),
    features: { ...features, tokens: features.tokens.filter((other) => other !== field) },
  };
}

const shopFeatures: FeatureManifest = {
  dense: featureNames.map((name) => ({ name, meaning: `${name} of a synthetic shop` })),
  tokens: [],
};

/** Returns the meaning of the item features; undefined if unknown. */
export function getFeatureManifest({ features, config }: Dataset): FeatureManifest | undefined {
  return features ?? (config.kind === "demo" ? shopFeatures : undefined);
}

/**
 * Removes a data set's context features that a model does not use. @param wanted - the model's features
 * @param what - the model's name, for messages. @throws UserError if the set lacks a feature of the model
 */
export function removeOtherContext(
  data: Dataset,
  wanted: FeatureManifest | undefined,
  what: string,
): Dataset {
  const { features, source } = data;
  if (!wanted || !features) return data;
  const context = features.context ?? [];
  const names = wanted.context?.map(({ name }) => name) ?? [];
  const missing = names.filter((name) => !context.some((own) => own.name === name));
  if (missing.length > 0) {
    throw new UserError(
      `Expected the context features that ${what} was trained on, got ${source.name} without ${
        missing.join(", ")
      }. Choose a data set that has all of these features (--data), or prepare this log again with all of them.`,
    );
  }
  const kept = context.keys().filter((k) => names.includes(context[k]!.name)).toArray();
  if (kept.length === context.length) return data;
  return {
    ...data,
    source: source.with({ rowColumns: kept }),
    features: { ...features, context: kept.map((k) => context[k]!) },
  };
}

/** Description of the items that a model was trained on. */
export interface ModelItems {
  readonly items: ItemsShape;
  /** Meaning of the item features; absent if the data set did not describe them. */
  readonly features?: FeatureManifest;
  /** Config of the model, if the model contains counts of items. */
  readonly model?: Pick<ModelConfig, "counts">;
}

/**
 * Adapts a data set to a model: removes item ids that the model does not use.
 * @param what: the model's name, for messages. @param onNote: called if the manifests do not show whether
 * features differ from training. @throws UserError if features differ, or if the model has other items.
 */
export function fitDataset(
  whole: Dataset,
  { items, features, model }: ModelItems,
  what: string,
  onNote: (text: string) => void = console.error,
): Dataset {
  // Leave out item ids if the model was trained without item ids.
  const data = features && !findItemIdField(features) && findItemIdField(whole.features)
    ? removeItemIds(whole)
    : whole;
  const { name } = data.source;
  const difference = features && data.features && describeDifference(features, data.features);
  if (difference !== undefined) {
    throw new UserError(
      `Expected the item features that ${what} was trained on, got a difference in ${name}: ${difference}. ` +
        "Prepare this log with --encoding-from and the set that the model was trained on. To compare runs " +
        "with different item features, run deno task -q report RUN RUN.",
    );
  }
  const isOneHot = items.kind === "one-hot";
  const hasSameCount = items.count === data.source.items.shape.count;
  const isKnown = keepsItemNumbers(features, data.features) ?? (isOneHot || hasSameCount);
  if (!isKnown && (isOneHot || model?.counts)) {
    throw new UserError(
      `Expected the items of ${what} to be the first items of ${name}, because the model has ` +
        `${isOneHot ? "weights" : "counts"} of each item, got other items. ` +
        "Prepare this log with --encoding-from and the set that the model was trained on.",
    );
  }
  // If the features have the same meaning as in training, the model can score any items, even new items.
  const anyCount = features !== undefined && data.features !== undefined && !isOneHot;
  const wanted = anyCount ? { ...items, count: data.source.items.shape.count } : items;
  const source = alignSourceToModel(data.source, wanted, what);
  const unknown = features && data.features ? listUnknownFeatures(features, data.features) : [];
  if (unknown.length > 0) {
    onNote(
      `note: ${unknown.join(", ")} may have another meaning in ${name} than in training: ` +
        "the manifest has no checksum (sha256).",
    );
  } else if ((features === undefined) !== (data.features === undefined)) {
    onNote(
      `note: the features of ${name} may have another meaning than in training: ` +
        `${features ? "this log" : "the model"} does not describe its features.`,
    );
  }
  return { ...data, source };
}

/** Returns the whole log of a data set. @throws UserError if the log is not in memory. */
export function readWholeLog({ source }: Dataset): ClickLog {
  if (source.log) return source.log;
  throw new UserError(
    `Expected a data set in memory, got ${source.name}, which stays on disk. ` +
      "Raise --memory-rows, or use a smaller data set.",
  );
}

/** Randomly splits the users again. Each part keeps its number of users. */
function resplitUsers(source: LogSource, seed: number): Uint8Array<ArrayBuffer> {
  const users = source.userSplit.length;
  const order = createRandomStream(seed, "split").sampleWithoutReplacement(users, users);
  const userSplit = new Uint8Array(users);
  let place = 0;
  splits.forEach((split, code) => {
    const count = listUsers(source, split).length;
    for (let k = 0; k < count; k++) userSplit[order[place++] ?? 0] = code;
  });
  return userSplit;
}
