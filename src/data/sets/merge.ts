/**
 * Merges data sets. The users of all sets are concatenated and keep their parts (train, validation, test).
 * Items with equal ids become one item or, if their features differ, versions of one item.
 */

import { createHash } from "node:crypto";
import { UserError } from "../../user_error.ts";
import { type Clicks, eventLists, type ItemFeatures } from "../click_log.ts";
import { describeDifference } from "../feature_difference.ts";
import { type IdList, TextIds, TextList } from "../ids.ts";
import { type ItemsShape, joinItems, MemoryItems } from "../item_catalogue.ts";
import type { OnProgress } from "../log_source.ts";
import type { FeatureManifest, Manifest } from "../manifest.ts";
import { readTexts } from "../prepared_tables.ts";
import { getFeatureManifest } from "./dataset.ts";
import type { OpenedDataset } from "./opened_dataset.ts";
import { readManifest, setFiles } from "./prepared_folder.ts";
import { type PreparedContents, writePrepared } from "./prepared_writer.ts";

/** A data set to merge, which is read into memory. */
export interface MergePart {
  /** Name of the data set, which is written to the column `source` of the table of users. */
  readonly name: string;
  readonly data: OpenedDataset;
}

export interface MergeResult {
  readonly manifest: Manifest;
  /** Number of items of the merged set that the first data set does not have. */
  readonly newItems: number;
}

/** Number of users whose pages are read at once. */
const TOGETHER = 1000;

/**
 * Merges data sets into one prepared data set. @param folder: an existing folder. @throws UserError if the
 * sets have different item features, or if a file cannot be written.
 */
export async function mergeSets(
  folder: string,
  parts: readonly MergePart[],
  about: Pick<PreparedContents, "name" | "command">,
  onProgress?: OnProgress,
): Promise<MergeResult> {
  const [first] = parts;
  if (!first) throw new RangeError("expected a data set to merge");
  expectDistinct(parts);
  const byTime = parts.find(({ data: { dataset } }) => dataset.timeSplit);
  if (byTime) {
    throw new UserError(
      `Expected sets in which each user belongs to one part, got ${byTime.name}, which was split by time. ` +
        "Prepare all logs together, with a glob as --source or with --query.",
    );
  }
  const items = new MergedItems(first);
  const numbers = parts.map((part) => items.add(part));
  const users = new MergedUsers();
  for (const part of parts) await users.add(part);
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
    items: items.catalogue(),
    itemIds: items.ids(),
    userTexts: { id: (user) => users.ids[user] ?? "", source: (user) => users.sources[user] ?? "" },
    ...(items.features && { features: items.features }),
    ...(first.data.dataset.config.kind === "prepared" && { featuresFrom: first.data.dataset.config.path }),
    // The order of items on the pages is known only if it is known, and equal, in all sets.
    ...(pageOrder && others.every((own) => own === pageOrder) && { pageOrder }),
    ...(parts.some(({ data: { source } }) => source.sampledPages) && { sampledPages: true }),
    notes: parts.map(({ name, data: { source: { userSplit } } }) =>
      `merged: ${userSplit.length} users of ${name}`
    ),
    lists: eventLists.filter((name) => parts.some(({ data: { source: { log } } }) => log?.[name])),
    warnings: [
      ...new Set(parts.flatMap(({ data: { dataset: { warnings = [] } } }) => warnings)),
      ...parts.flatMap((part) => drawnFrom(part, items.count)),
    ],
  }, clicks());
  return { manifest, newItems: items.count - (numbers[0]?.length ?? 0) };
}

/** @throws UserError if two data sets have equal contents: the merged set would have each user twice. */
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

/** Warns if a set's pages were drawn from all items of the set, and the merged set has more items. */
function drawnFrom(
  { name, data: { source: { log, items: { shape: { count } } } } }: MergePart,
  all: number,
): string[] {
  const { eventPropensities = [], eventCandidates } = log ?? {};
  if (
    count === all || eventPropensities.every((own, e) => own.length === 0 || eventCandidates?.[e]?.length)
  ) return [];
  return [
    `The pages of ${name} were drawn from its ${count} items, not from all ${all} items: ` +
    "propensities of these pages cannot evaluate a policy that shows other items.",
  ];
}

/** Unique id and source (name of a data set) of each user. The users of a merged set keep their sources. */
class MergedUsers {
  readonly ids: string[] = [];
  readonly sources: string[] = [];
  readonly #taken = new Set<string>();

  async add({ name, data: { dataset: { config }, users, source: { userSplit } } }: MergePart): Promise<void> {
    const known = new Set(this.sources);
    const before = config.kind === "prepared"
      ? await readTexts(
        setFiles(config.path, await readManifest(config.path)),
        "users",
        "source",
        userSplit.length,
      )
      : undefined;
    for (let user = 0; user < userSplit.length; user++) {
      this.ids.push(unlike(users.of(user), this.#taken, name));
      const source = before?.at(user) ?? name;
      this.sources.push(known.has(source) ? `${name}/${source}` : source);
      this.#taken.add(this.ids.at(-1) ?? "");
    }
  }
}

/** Returns a unique id of a user: `id` or, if `id` is taken, the name of the data set followed by `id`. */
function unlike(id: string, taken: ReadonlySet<string>, name: string): string {
  return taken.has(id) ? unlike(`${name}/${id}`, taken, name) : id;
}

/** Merged catalogue: the items of the first data set, then the items that only later data sets have. */
class MergedItems {
  readonly #ids: string[] = [];
  readonly #chunks: ItemFeatures[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(private readonly first: MergePart) {}

  get features(): FeatureManifest | undefined {
    return getFeatureManifest(this.first.data.dataset);
  }

  get count(): number {
    return this.#ids.length;
  }

  /** Adds the items of a data set. @returns each item's number in the merged catalogue. */
  add(part: MergePart): Uint32Array {
    const { data: { items: ids, source: { items } } } = part;
    expectSameFeatures(this.first, part);
    const all = Uint32Array.from({ length: items.shape.count }, (_, item) => item);
    const own = items.read(all);
    const added: number[] = [];
    const numbers = all.map((item) => {
      const id = ids.of(item);
      const version = hashItemVersion(id, own, item);
      // Items of the first set keep their numbers, even if two of these items have equal ids and features.
      const found = part === this.first ? undefined : this.#numbers.get(version);
      if (found !== undefined) return found;
      this.#numbers.set(version, this.count);
      added.push(item);
      return this.#ids.push(id) - 1;
    });
    const more = items.read(Uint32Array.from(added));
    this.#chunks.push(more.kind === "one-hot" ? { ...more, count: added.length } : more);
    return numbers;
  }

  catalogue(): MemoryItems {
    return new MemoryItems(joinItems(this.first.data.source.items.shape, this.#chunks));
  }

  ids(): IdList {
    return new TextIds(TextList.of(this.#ids));
  }
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
