/** Opens data for a training: a synthetic shop, or files that the user chose. All data stay in the tab. */

import { makeShop } from "../../../data/demo_shop.ts";
import { describeDifference, keepsItemNumbers } from "../../../data/feature_difference.ts";
import type { ItemsShape } from "../../../data/item_catalogue.ts";
import { computeDataSizes, describeDataSizes, type LogSource, MemoryLog } from "../../../data/log_source.ts";
import { parseManifest } from "../../../data/manifest.ts";
import { findShop, shopNames, type ShopTruth } from "../../../data/shops.ts";
import { alignSourceToModel } from "../../../data/align_items.ts";
import type { SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import { shownBaselines, type TestedData, TestedUsers } from "../../../run/tested_users.ts";
import { UserError } from "../../../user_error.ts";
import { formatCount } from "../../draw/text.ts";
import { loadScript } from "../scripts.ts";
import type { ReaderFile } from "../reader.ts";

export type DataChoice =
  | { readonly kind: "shop"; readonly name: string; readonly seed: number }
  /** Files that the user chose: one file for data/sets/paper_file.ts, or all files of a prepared data set. */
  | { readonly kind: "files"; readonly files: readonly ReaderFile[] };

type Report = (what: string) => void;

export interface LabData extends TestedData {
  readonly kind: "demo" | "paper" | "prepared";
  /** Ground truth of the synthetic shop; undefined for files that the user chose. */
  readonly shop: ShopTruth | undefined;
}

/** Opens the chosen data. @throws UserError that names file and line (or row) of invalid data */
export async function openLabData(choice: DataChoice, report: Report): Promise<LabData> {
  if (choice.kind === "files") return await openFiles(choice.files, report);
  const shop = findShop(choice.name);
  if (!shop) throw new UserError(`Expected a synthetic shop (${shopNames}), got ${choice.name}.`);
  const { log, truth } = makeShop(shop, { items: choice.seed, users: choice.seed });
  const known = { features: undefined, pageOrder: undefined, truth: truth.utility, shop };
  return { kind: "demo", source: new MemoryLog(log), ...known };
}

async function openFiles(files: readonly ReaderFile[], report: Report): Promise<LabData> {
  report("Loading the file reader");
  const { readFiles } = await loadScript<typeof import("../reader.ts")>("reader");
  const { log, kind, features, pageOrder } = await readFiles(files, { report, parseManifest });
  return { kind, source: new MemoryLog(log), features, pageOrder, truth: undefined, shop: undefined };
}

/** Returns a sentence with the name, the sizes and the item features of a data set. */
export function describeData({ source }: LabData): string {
  const { name, items: { shape } } = source;
  return `${name}: ${describeDataSizes(computeDataSizes(source))} ${describeFeatures(shape)}.`;
}

function describeFeatures(shape: ItemsShape): string {
  if (shape.kind === "one-hot") return "without features";
  const numbers = shape.width > 0 ? [`${formatCount(shape.width)} features each`] : [];
  const tokens = shape.kind === "mixed" ? [`${formatCount(shape.tokens)} tokens`] : [];
  return `with ${[...tokens, ...numbers].join(" and ")}`;
}

export function isSameData(a: DataChoice, b: DataChoice): boolean {
  if (a.kind === "shop") return b.kind === "shop" && a.name === b.name && a.seed === b.seed;
  if (b.kind === "shop" || a.files.length !== b.files.length) return false;
  // Compare files by their properties: each message from the page has a new File object.
  return a.files.every(({ path, file: { size, lastModified } }, k) => {
    const other = b.files[k];
    return path === other?.path && size === other.file.size && lastModified === other.file.lastModified;
  });
}

/** Gives the data as many items as the snapshot's model. @throws UserError if the item features differ */
export function alignDataToSnapshot(what: string, info: SnapshotInfo, data: LabData): LabData {
  expectSameFeatures(what, info, data);
  return { ...data, source: alignSourceToModel(data.source, info.items, what) };
}

function expectSameFeatures(what: string, { features }: SnapshotInfo, data: LabData): void {
  const others = keepsItemNumbers(features, data.features) === false
    ? "its items have other numbers"
    : undefined;
  const difference = features && data.features && (describeDifference(features, data.features) ?? others);
  if (difference === undefined) return;
  throw new UserError(
    `${what} was trained on other item features than those of ${data.source.name}: ${difference}. ` +
      "Prepare this log with --encoding-from <folder of the model's training data>.",
  );
}

/** Metrics of a baseline, which charts show as horizontal lines. */
export interface BaselineLevel {
  readonly name: string;
  /** Loss of the baseline; undefined if the baseline only ranks items. */
  readonly loss: number | undefined;
  readonly prec1: number;
}

/** Computes metrics of the baselines on the validation users, to compare them with validation curves. */
export function computeBaselineLevels(data: LabData): BaselineLevel[] {
  const results = TestedUsers.ofPart(data, "validation").results();
  return shownBaselines.flatMap(([key, name]) => {
    const found = results[key];
    return found ? [{ name, loss: found.nll, prec1: found.prec1 }] : [];
  });
}

/** Returns a checksum (not cryptographic) of the users, pages, clicks and features of a log. */
export function computeDataChecksum({ log, items }: LogSource): string {
  let sum = 0x811c9dc5; // FNV-1a over words of 32 bits
  const add = (values: Uint8Array | Uint32Array | undefined) =>
    values?.forEach((word) => sum = Math.imul(sum ^ word, 0x01000193));
  if (log) {
    for (const part of [log.userSplit, log.userEvents, log.eventRows, log.eventClick]) add(part);
    for (const part of [log.eventKind, log.rowItem]) add(part);
    const { rowFeatures } = log;
    if (rowFeatures) add(new Uint32Array(rowFeatures.buffer, rowFeatures.byteOffset, rowFeatures.length));
  }
  const features = items.items;
  if (features && features.kind !== "one-hot") {
    const { buffer, byteOffset, length } = features.values;
    add(new Uint32Array(buffer, byteOffset, length));
    if (features.kind === "mixed") [features.tokens.first, features.tokens.token].forEach(add);
  }
  return (sum >>> 0).toString(16);
}
