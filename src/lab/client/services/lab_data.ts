/** What can be trained on in a page: a made-up shop, or files of the reader's, which stay in the page. */

import { makeShop } from "../../../data/demo_shop.ts";
import { describeDifference } from "../../../data/feature_meaning.ts";
import type { ItemsShape } from "../../../data/item_catalogue.ts";
import { computeDataSizes, type DataSizes, type LogSource, MemoryLog } from "../../../data/log_source.ts";
import { parseManifest } from "../../../data/manifest.ts";
import { findShop, shopNames, type ShopTruth } from "../../../data/shops.ts";
import { alignSourceToModel } from "../../../model/item_features.ts";
import type { SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import { shownBaselines, type TestedData, TestedUsers } from "../../../run/tested_users.ts";
import { UserError } from "../../../user_error.ts";
import { formatCount } from "../../draw/text.ts";
import { loadScript } from "../scripts.ts";
import type { ReaderFile } from "../reader.ts";

/** Which data the reader has chosen. */
export type DataChoice =
  | { readonly kind: "shop"; readonly name: string; readonly seed: number }
  /** A file in the paper's layout, or the files of a prepared data set. */
  | { readonly kind: "files"; readonly files: readonly ReaderFile[] };

/** Told what is being done. */
type Tell = (what: string) => void;

export interface LabData extends Omit<TestedData, "truth"> {
  readonly kind: "demo" | "paper" | "prepared";
  /** [R] the true utility of every row, and why users click; of a made-up shop. */
  readonly truth: { readonly utility: Float64Array; readonly shop: ShopTruth } | undefined;
}

/** What is said of data. */
export interface DataSummary extends DataSizes {
  readonly name: string;
  /** What is known of an item, in words. */
  readonly features: string;
}

/** @throws UserError for files that cannot be used: it names the file, and the line or row. */
export async function openLabData(choice: DataChoice, tell: Tell): Promise<LabData> {
  if (choice.kind === "files") return await openFiles(choice.files, tell);
  const shop = findShop(choice.name);
  if (!shop) throw new UserError(`Expected a made-up shop (${shopNames}), got ${choice.name}.`);
  const { log, truth } = makeShop(shop, { items: choice.seed, users: choice.seed });
  const known = { features: undefined, places: undefined, truth: { utility: truth.utility, shop } };
  return { kind: "demo", source: new MemoryLog(log), ...known };
}

async function openFiles(files: readonly ReaderFile[], tell: Tell): Promise<LabData> {
  tell("Loading what reads files");
  const { readOwn } = await loadScript<typeof import("../reader.ts")>("reader");
  const { log, kind, features, places } = await readOwn(files, { tell, parseManifest });
  return { kind, source: new MemoryLog(log), features, places, truth: undefined };
}

export function summarizeData({ source }: LabData): DataSummary {
  const { name, items: { shape } } = source;
  return { name, ...computeDataSizes(source), features: featureWords(shape) };
}

function featureWords(shape: ItemsShape): string {
  if (shape.kind === "one-hot") return "known by their number alone";
  const numbers = shape.width > 0 ? [`${formatCount(shape.width)} features each`] : [];
  const tokens = shape.kind === "mixed" ? [`${formatCount(shape.tokens)} tokens`] : [];
  return `with ${[...tokens, ...numbers].join(" and ")}`;
}

export function isSameData(a: DataChoice, b: DataChoice): boolean {
  if (a.kind === "shop") return b.kind === "shop" && a.name === b.name && a.seed === b.seed;
  if (b.kind === "shop" || a.files.length !== b.files.length) return false;
  // A file is another one each time that it crosses over to the worker.
  return a.files.every(({ path, file: { size, lastModified } }, k) => {
    const other = b.files[k];
    return path === other?.path && size === other.file.size && lastModified === other.file.lastModified;
  });
}

/**
 * The data as a snapshot's model has them. @param what it is, at the beginning of a sentence.
 * @throws UserError for other items, or features that mean something else.
 */
export function fitData(what: string, info: SnapshotInfo, data: LabData): LabData {
  expectSameFeatures(what, info, data);
  return { ...data, source: alignSourceToModel(data.source, info.items, what) };
}

/** @throws UserError for items whose features mean something else than those of the model. */
function expectSameFeatures(what: string, { features }: SnapshotInfo, data: LabData): void {
  const difference = features && data.features && describeDifference(features, data.features);
  if (difference === undefined) return;
  throw new UserError(
    `${what} was trained on items whose features mean something else than those of ${data.source.name}: ${difference}. ` +
      "Prepare this log with --encoding-from and the set that the model was trained on.",
  );
}

/** A figure of something that does not learn: a line across the chart. */
export interface BaselineLevel {
  readonly name: string;
  /** A ranking has no loss. */
  readonly loss: number | undefined;
  readonly prec1: number;
}

/** What the figures of its users need. */
export function selectTestedData({ source, features, places, truth }: LabData): TestedData {
  return { source, features, places, truth: truth?.utility };
}

/** On the validation users, whom the curves are of, too. */
export function computeBaselineLevels(data: LabData): BaselineLevel[] {
  const results = TestedUsers.ofPart(selectTestedData(data), "validation").results();
  return shownBaselines.flatMap(([key, name]) => {
    const found = results[key];
    return found ? [{ name, loss: found.nll, prec1: found.prec1 }] : [];
  });
}

/** @returns the same for the same log, of users, pages, clicks and features. Not made against forgery. */
export function computeDataChecksum({ log, items }: LogSource): string {
  let sum = 0x811c9dc5; // FNV-1a, by words of 32 bits
  const add = (values: Uint8Array | Uint32Array | undefined) =>
    values?.forEach((word) => sum = Math.imul(sum ^ word, 0x01000193));
  if (log) {
    for (const part of [log.userSplit, log.userEvents, log.eventRows, log.eventClick]) add(part);
    for (const part of [log.eventGiven, log.rowItem]) add(part);
  }
  const features = items.items;
  if (features && features.kind !== "one-hot") {
    const { buffer, byteOffset, length } = features.values;
    add(new Uint32Array(buffer, byteOffset, length));
    if (features.kind === "mixed") [features.tokens.first, features.tokens.token].forEach(add);
  }
  return (sum >>> 0).toString(16);
}
