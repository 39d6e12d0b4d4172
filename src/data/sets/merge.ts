/**
 * Merges data sets. Each user stays in the same part (train, validation, test). Items with equal ids become
 * one item, which has several versions if its features differ between the data sets.
 */

import { createHash } from "node:crypto";
import { UserError } from "../../user_error.ts";
import { type Clicks, eventLists, type ItemFeatures } from "../click_log.ts";
import { describeDifference } from "../feature_difference.ts";
import { TextIds, TextList } from "../ids.ts";
import { type ItemsShape, joinItems, MemoryItems } from "../item_catalogue.ts";
import type { OnProgress } from "../log_source.ts";
import type { Manifest } from "../manifest.ts";
import { readTexts } from "../prepared_tables.ts";
import { getFeatureManifest } from "./dataset.ts";
import type { OpenedDataset } from "./opened_dataset.ts";
import { readManifest, setFiles } from "./prepared_folder.ts";
import { type PreparedContents, writePrepared } from "./prepared_writer.ts";

/** A data set to merge, which is read into memory. */
export interface MergePart {
  /** Name of the data set; the merged table of users contains it in the column `source`. */
  readonly name: string;
  readonly data: OpenedDataset;
}

/** Largest number of users whose pages are read at once. */
const TOGETHER = 1000;

/**
 * Merges data sets into one prepared data set. @param folder: an existing folder. @returns the manifest, and
 * the number of merged items that are not in the first data set. @throws UserError if the sets have different
 * item features, or if a file cannot be written.
 */
export async function mergeSets(
  folder: string,
  parts: readonly MergePart[],
  about: Pick<PreparedContents, "name" | "command">,
  onProgress?: OnProgress,
): Promise<{ manifest: Manifest; newItems: number }> {
  const [first, ...more] = parts;
  if (!first) throw new RangeError("expected a data set to merge");
  expectDistinct(parts);
  const byTime = parts.find(({ data: { dataset } }) => dataset.timeSplit);
  if (byTime) {
    throw new UserError(
      `Expected data sets that were split by user, got ${byTime.name}, which was split by time. ` +
        "Prepare all logs as one data set: name the files by a glob in --source, or use --query.",
    );
  }
  const { ids, catalogue, numbers } = mergeItems([first, ...more]);
  const users = await mergeUsers(parts);
  const features = getFeatureManifest(first.data.dataset);
  const [pageOrder, ...others] = parts.map(({ data: { dataset: { pageOrder } } }) => pageOrder);
  async function* clicks(): AsyncGenerator<Clicks> {
    for (const [k, { name, data: { source } }] of parts.entries()) {
      const here = (item: number) => numbers[k]?.[item] ?? 0;
      const { length } = source.userSplit;
      for (let first = 0; first < length; first += TOGETHER) {
        onProgress?.(`Merging ${name}`, first, length);
        const count = Math.min(TOGETHER, length - first);
        const log = source.read(Uint32Array.from({ length: count }, (_, user) => first + user));
        const eventCandidates = log.eventCandidates?.map((items) => items.map(here));
        yield await Promise.resolve({
          ...{ ...log, rowItem: log.rowItem.map(here) },
          ...(eventCandidates && { eventCandidates }),
        });
      }
    }
  }
  const manifest = await writePrepared(folder, {
    ...about,
    items: catalogue,
    itemIds: new TextIds(TextList.of(ids)),
    userTexts: { id: (user) => users.ids[user] ?? "", source: (user) => users.sources[user] ?? "" },
    ...(features && { features }),
    ...(first.data.dataset.config.kind === "prepared" && { featuresFrom: first.data.dataset.config.path }),
    // The merged set has a page order only if all sets have the same page order.
    ...(pageOrder && others.every((own) => own === pageOrder) && { pageOrder }),
    ...(parts.some(({ data: { source } }) => source.sampledPages) && { sampledPages: true }),
    notes: parts.map(({ name, data: { source: { userSplit } } }) =>
      `merged: ${userSplit.length} users of ${name}`
    ),
    lists: eventLists.filter((name) => parts.some(({ data: { source: { log } } }) => log?.[name])),
    warnings: [
      ...new Set(parts.flatMap(({ data: { dataset: { warnings = [] } } }) => warnings)),
      ...parts.flatMap((part) => drawnFrom(part, ids.length)),
    ],
  }, clicks());
  return { manifest, newItems: ids.length - (numbers[0]?.length ?? 0) };
}

/** @throws UserError if two data sets have equal contents, because the merged set would have users twice. */
function expectDistinct(parts: readonly MergePart[]): void {
  const seen = new Map<string, string>();
  for (const { name, data: { dataset: { config } } } of parts) {
    // A config without its path identifies the contents, by a checksum or by the seeds of a synthetic shop.
    const contents = JSON.stringify({ ...config, path: undefined });
    const before = seen.get(contents);
    if (before !== undefined) {
      throw new UserError(
        `Expected different data sets, got the same contents in ${name} and ${before}: ` +
          "their users would count twice. Name each set once.",
      );
    }
    seen.set(contents, name);
  }
}

function drawnFrom(
  { name, data: { source: { log, items: { shape: { count } } } } }: MergePart,
  all: number,
): string[] {
  const { eventPropensities = [], eventCandidates } = log ?? {};
  if (
    count === all || eventPropensities.every((own, e) => own.length === 0 || eventCandidates?.[e]?.length)
  ) return [];
  return [
    `The pages of ${name} show items drawn from the ${count} items of ${name}, not from all ${all} items. ` +
    "Do not use the propensities of these pages to evaluate a policy that shows other items.",
  ];
}

/** Returns, for each user, a unique id and the source (the name of the data set that contained the user). */
async function mergeUsers(parts: readonly MergePart[]): Promise<{ ids: string[]; sources: string[] }> {
  const [ids, sources, taken] = [[] as string[], [] as string[], new Set<string>()];
  for (const { name, data: { dataset: { config }, users, source: { userSplit } } } of parts) {
    const known = new Set(sources);
    const before = config.kind === "prepared"
      ? await readTexts(
        setFiles(config.path, await readManifest(config.path)),
        "users",
        "source",
        userSplit.length,
      )
      : undefined;
    for (let user = 0; user < userSplit.length; user++) {
      const id = unlike(users.of(user), taken, name);
      taken.add(id);
      ids.push(id);
      const source = before?.at(user) ?? name;
      sources.push(known.has(source) ? `${name}/${source}` : source);
    }
  }
  return { ids, sources };
}

/** Returns a unique id of a user: `id` or, if `id` is taken, the name of the data set followed by `id`. */
function unlike(id: string, taken: ReadonlySet<string>, name: string): string {
  return taken.has(id) ? unlike(`${name}/${id}`, taken, name) : id;
}

/**
 * Returns a merged catalogue: the items of the first data set, and then the items that only later data sets
 * have. `numbers[k]` maps the item numbers of data set k to item numbers of the merged catalogue.
 */
function mergeItems(
  parts: readonly [MergePart, ...MergePart[]],
): { ids: string[]; catalogue: MemoryItems; numbers: readonly Uint32Array[] } {
  const [first] = parts;
  const ids: string[] = [];
  const chunks: ItemFeatures[] = [];
  const merged = new Map<string, number>();
  const numbers = parts.map((part) => {
    const { data: { items: own, source: { items } } } = part;
    expectSameFeatures(first, part);
    const all = Uint32Array.from({ length: items.shape.count }, (_, item) => item);
    const features = items.read(all);
    const added: number[] = [];
    const numbers = all.map((item) => {
      const id = own.of(item);
      const version = hashItemVersion(id, features, item);
      // Items of the first set keep their numbers, even if two of these items have equal ids and features.
      const found = part === first ? undefined : merged.get(version);
      if (found !== undefined) return found;
      merged.set(version, ids.length);
      added.push(item);
      return ids.push(id) - 1;
    });
    const more = items.read(Uint32Array.from(added));
    chunks.push(more.kind === "one-hot" ? { ...more, count: added.length } : more);
    return numbers;
  });
  return { ids, catalogue: new MemoryItems(joinItems(first.data.source.items.shape, chunks)), numbers };
}

/** @throws UserError if the item features of `part` and of `first` differ in meaning or shape. */
function expectSameFeatures(first: MergePart, part: MergePart): void {
  const [one, other] = [first.data.dataset, part.data.dataset];
  const [there, here] = [getFeatureManifest(one), getFeatureManifest(other)];
  const [theirs, ours] = [shapeText(one.source.items.shape), shapeText(other.source.items.shape)];
  const difference = there && here && describeDifference(there, here) ||
    (theirs === ours ? undefined : `${theirs} there, ${ours} here`);
  if (difference === undefined) return;
  throw new UserError(
    `Expected the same item features in ${part.name} and ${first.name}, got a difference: ${difference}. ` +
      `Prepare the log of ${part.name} again with --encoding-from ${first.name}.`,
  );
}

function shapeText(shape: ItemsShape): string {
  if (shape.kind === "one-hot") return shape.kind;
  return `${shape.width} numbers${shape.kind === "mixed" ? ` and ${shape.tokens} tokens` : ""}`;
}

/** Returns a text that identifies a version of an item: its id, and a checksum of its features. */
function hashItemVersion(id: string, items: ItemFeatures, item: number): string {
  if (items.kind === "one-hot") return id;
  const values = items.values.subarray(item * items.width, (item + 1) * items.width);
  const { first, token } = items.kind === "mixed" ? items.tokens : { first: [], token: new Uint32Array() };
  const known = [values.join(), token.subarray(first[item], first[item + 1]).join()];
  return `${createHash("sha256").update(known.join(";")).digest("base64")} ${id}`;
}
