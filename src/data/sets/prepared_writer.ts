/** Writes a prepared data set, which `PreparedSet` reads. */

import * as v from "../../schema.ts";
import { createHash } from "node:crypto";
import type { ParquetWriter } from "hyparquet-writer";
import { FOLDER_FORMATS, writeJson } from "../../files/json_file.ts";
import { writeAtomically, writeFileAtomically } from "../../files/atomic_write.ts";
import { computeFileChecksum, expectFile, readBytes, withFileErrors } from "../../files/local_file.ts";
import { readManifest } from "./prepared_folder.ts";
import { version } from "../../version.ts";
import { ADDITIONAL_CLICK, CONTEXT_EVENT, listClickedRows, splits } from "../click_log.ts";
import type { Clicks, ItemFeatures, Split } from "../click_log.ts";
import { type ContextWidths, countContextFeatures } from "../prepared_pages.ts";
import { GrowingArray } from "../growing_array.ts";
import type { IdList } from "../ids.ts";
import type { ItemCatalogue } from "../item_catalogue.ts";
import { MANIFEST, manifestSchema } from "../manifest.ts";
import type { FeatureManifest, Manifest, PageOrder } from "../manifest.ts";
import { type FolderPurpose, OwnedFolder } from "../../files/owned_folder.ts";
import { writeParquetGroups } from "../../files/row_file.ts";

/** Contents of a prepared data set, except the clicks. */
export interface PreparedContents {
  readonly name: string;
  readonly items: ItemCatalogue;
  readonly itemIds: IdList;
  /** Text columns of the table of users, by name. Each function returns a user's text in one column. */
  readonly userTexts?: Readonly<Record<string, (user: number) => string>>;
  readonly warnings?: readonly string[];
  /** Meaning of the item features; if absent, the features get generic names. */
  readonly features?: FeatureManifest;
  /** Folder of an earlier data set: if it has the same features, its vocabulary file is copied. */
  readonly featuresFrom?: string;
  readonly pageOrder?: PageOrder;
  readonly sampledPages?: boolean | undefined;
  /** Fields of {@link Clicks} that are written as optional columns of the table of pages. */
  readonly lists?: readonly (keyof typeof LIST_COLUMNS)[];
  readonly notes: readonly string[];
  readonly command: readonly string[];
}

/** Number of rows per row group. */
const GROUP = 2 ** 16;
/** Tables in the order of writing. */
const PARTS = ["pages", "users", "items"] as const;

/** Names of the files that every prepared data set has, in the order of writing. */
export const PREPARED_FILES: readonly string[] = [...PARTS.map((part) => `${part}.parquet`), MANIFEST];

/** File that maps each token (an integer) to its categorical value. Not every set has this file. */
export const VOCABULARY = "vocabulary.parquet";
/** Names of all files that a set may have. */
export const OWN_FILES: readonly string[] = [...PREPARED_FILES, VOCABULARY];

/** Creates the folder `path` and calls `write`, which fills the folder; on failure, the files are removed. */
export async function writeNewSet<T>(
  path: string,
  purpose: FolderPurpose,
  write: () => Promise<T>,
): Promise<T> {
  using folder = await OwnedFolder.begin(path, { ...purpose, own: OWN_FILES });
  const made = await write();
  folder.finish();
  return made;
}

/**
 * Writes a prepared data set, with the manifest last. Users are numbered from 0, in the order of `chunks`.
 * @param folder: an existing folder. @param chunks: pieces of the log, each with all clicks of its users.
 * @throws UserError if a file cannot be written.
 */
export async function writePrepared(
  folder: string,
  contents: PreparedContents,
  chunks: AsyncIterable<Clicks>,
): Promise<Manifest> {
  const users = new UserRows();
  const { lists = [] } = contents;
  const features = addCatalogue(contents, contents.features ?? namesOnly(contents));
  const widths = countContextFeatures(features);
  const schema = buildSchema([
    ...PAGE_COLUMNS,
    ...lists.map((name) => LIST_COLUMNS[name]),
    ...listContextKinds(widths).map((kind) => CONTEXT_COLUMNS[kind]),
  ]);
  const pages = await writePart(`${folder}/pages.parquet`, schema, pageGroups(chunks, users, lists, widths));
  const texts = Object.entries(contents.userTexts ?? {});
  const userSchema = buildSchema([...USER_COLUMNS, ...texts.map(([name]) => plain(name, "TEXT"))]);
  await writePart(`${folder}/users.parquet`, userSchema, users.groups(texts.map(([, of]) => of)));
  const { items } = contents;
  await writePart(`${folder}/items.parquet`, itemSchema(items), itemGroups(contents));
  const rows = { pages, users: users.count, items: items.shape.count };
  const file = async (part: (typeof PARTS)[number]) => ({
    rows: rows[part],
    ...await computeFileChecksum(`${folder}/${part}.parquet`),
  });
  const { shares, vocabulary } = await copyVocabulary(folder, contents.featuresFrom, features);
  const manifest = v.parse(manifestSchema, {
    format: FOLDER_FORMATS.dataset,
    version: 1,
    name: contents.name,
    pageOrder: contents.pageOrder,
    sampledPages: contents.sampledPages,
    features,
    shares,
    files: {
      ...{ users: await file("users"), items: await file("items"), pages: await file("pages") },
      ...(vocabulary && { vocabulary }),
    },
    counts: {
      ...{ users: users.bySplit(), items: rows.items, pages, ...users.sums },
      propensities: lists.includes("eventPropensities") ? users.propensities : undefined,
    },
    notes: [...contents.notes],
    warnings: contents.warnings && [...contents.warnings],
    command: [...contents.command],
    clickgan: version,
  });
  await writeJson(`${folder}/${MANIFEST}`, manifest);
  return manifest;
}

/**
 * Copies the vocabulary file of an earlier set (`--encoding-from`), if that set has the same features.
 * @returns fields for the new set's manifest; {} if `from` is undefined or the features differ.
 */
async function copyVocabulary(
  folder: string,
  from: string | undefined,
  features: FeatureManifest,
): Promise<{ readonly shares?: Manifest["shares"]; readonly vocabulary?: Manifest["files"]["vocabulary"] }> {
  const manifest = from === undefined ? undefined : await readManifest(from);
  const withoutIds = (own: FeatureManifest) => JSON.stringify({ ...own, catalogues: undefined });
  if (!manifest || withoutIds(manifest.features) !== withoutIds(features)) return {};
  const { shares, files: { vocabulary } } = manifest;
  if (vocabulary) {
    const path = `${from}/${VOCABULARY}`;
    const bytes = await withFileErrors("read", path, () => {
      expectFile(path);
      return readBytes(path);
    });
    await writeFileAtomically(`${folder}/${VOCABULARY}`, bytes);
  }
  return { shares, vocabulary };
}

type Element = ParquetWriter["schema"][number];
/** A Parquet row group: an array of values per column, in the order of the schema's columns. */
type Columns = readonly (readonly unknown[])[];

function plain(
  name: string,
  type: "INT32" | "FLOAT" | "DOUBLE" | "BOOLEAN" | "TEXT",
  nullable = false,
): Element {
  const repetition_type = nullable ? "OPTIONAL" : "REQUIRED";
  return type === "TEXT"
    ? { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type }
    : { name, type, repetition_type };
}

function list(name: string, type: "INT32" | "FLOAT" | "DOUBLE"): Element[] {
  return [
    { name, repetition_type: "REQUIRED", converted_type: "LIST", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    plain("element", type),
  ];
}

function buildSchema(columns: readonly (Element | Element[])[]): Element[] {
  return [{ name: "root", num_children: columns.length }, ...columns.flat()];
}

const PAGE_COLUMNS = [
  plain("user", "INT32"),
  plain("page", "INT32"),
  list("items", "INT32"),
  plain("clicked", "INT32", true),
  list("additional_clicks", "INT32"),
  plain("context", "BOOLEAN"),
];
const LIST_COLUMNS = {
  eventPropensities: list("propensities", "DOUBLE"),
  eventCandidates: list("candidates", "INT32"),
} as const;
/** Columns of the table of pages that contain context features. */
const CONTEXT_COLUMNS = {
  impression: list("impression_features", "FLOAT"),
  page: list("page_features", "FLOAT"),
} as const;
const USER_COLUMNS = [
  plain("user", "INT32"),
  plain("split", "TEXT"),
  plain("pages", "INT32"),
  plain("rows", "INT32"),
];

function itemSchema({ shape }: ItemCatalogue): Element[] {
  return buildSchema([
    plain("item", "INT32"),
    plain("id", "TEXT"),
    ...(shape.kind !== "one-hot" && shape.width > 0 ? [list("dense", "FLOAT")] : []),
    ...(shape.kind === "mixed" ? [list("tokens", "INT32")] : []),
  ]);
}

/** Writes a table. @returns the number of rows. */
async function writePart(path: string, schema: Element[], groups: AsyncIterable<Columns>): Promise<number> {
  const names = listColumnNames(schema);
  let rows = 0;
  async function* data() {
    for await (const columns of groups) {
      rows += columns[0]?.length ?? 0;
      yield names.map((name, k) => ({ name, data: [...columns[k] ?? []] }));
    }
  }
  await writeAtomically(path, (write) => writeParquetGroups(schema, data(), write));
  return rows;
}

/** Returns the column names of a schema, without the inner elements of list columns. */
function listColumnNames(schema: readonly Element[]): string[] {
  return schema.slice(1).filter(({ name }) => name !== "list" && name !== "element").map(({ name }) => name);
}

/** Rows of the table of users, collected while the pages are written. */
class UserRows {
  readonly #split = new GrowingArray(Uint8Array);
  readonly #pages = new GrowingArray(Uint32Array);
  readonly #rows = new GrowingArray(Uint32Array);
  readonly sums = { rows: 0, clicks: 0, context: 0 };
  /** Number of pages with a known propensity. */
  propensities = 0;

  get count(): number {
    return this.#split.length;
  }

  add(split: number, pages: number, rows: number): void {
    this.#split.push(split);
    this.#pages.push(pages);
    this.#rows.push(rows);
    this.sums.rows += rows;
  }

  bySplit(): Record<Split, number> {
    const counts = { train: 0, validation: 0, test: 0 };
    for (const code of this.#split.values()) counts[getSplitName(code)]++;
    return counts;
  }

  /** Yields the table's row groups. @param texts: a function per text column, which returns a user's text. */
  async *groups(texts: readonly ((user: number) => string)[]): AsyncGenerator<Columns> {
    const [split, pages, rows] = [this.#split.values(), this.#pages.values(), this.#rows.values()];
    for (let first = 0; first < split.length; first += GROUP) {
      const end = Math.min(split.length, first + GROUP);
      yield [
        Array.from({ length: end - first }, (_, k) => first + k),
        Array.from(split.subarray(first, end), getSplitName),
        Array.from(pages.subarray(first, end)),
        Array.from(rows.subarray(first, end)),
        ...texts.map((of) => Array.from({ length: end - first }, (_, k) => of(first + k))),
      ];
    }
  }
}

function getSplitName(code: number): Split {
  return splits[code] ?? "train";
}

async function* pageGroups(
  chunks: AsyncIterable<Clicks>,
  users: UserRows,
  lists: readonly (keyof typeof LIST_COLUMNS)[],
  widths: ContextWidths,
): AsyncGenerator<Columns> {
  const kinds = listContextKinds(widths);
  const columns = PAGE_COLUMNS.length + lists.length + kinds.length;
  const empty = (): unknown[][] => Array.from({ length: columns }, () => []);
  let group = empty();
  for await (const clicks of chunks) {
    const { userSplit, userEvents, eventRows, eventKind, rowItem } = clicks;
    for (let user = 0; user < userSplit.length; user++) {
      let [pages, rows] = [0, 0];
      for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
        if (eventKind?.[e] === ADDITIONAL_CLICK) continue;
        const [row, end] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0];
        const isContext = eventKind?.[e] === CONTEXT_EVENT;
        const clicked = listClickedRows(clicks, e).map((click) => click - row);
        const items = Array.from(rowItem.subarray(row, end));
        const own = lists.map((name) => [...clicks[name]?.[e] ?? []]);
        const context = kinds.map((kind) => listContext(clicks, widths, kind, row, end));
        const [first = null, ...others] = clicked;
        const page = [users.count, pages, items, first, others, isContext, ...own, ...context];
        if ((clicks.eventPropensities?.[e] ?? []).length > 0) users.propensities++;
        page.forEach((value, column) => group[column]?.push(value));
        if (isContext) users.sums.context++;
        else users.sums.clicks += clicked.length;
        pages++;
        rows += end - row;
        if ((group[0]?.length ?? 0) < GROUP) continue;
        yield group;
        group = empty();
      }
      users.add(userSplit[user] ?? 0, pages, rows);
    }
  }
  if ((group[0]?.length ?? 0) > 0) yield group;
}

const listContextKinds = (widths: ContextWidths) =>
  (["impression", "page"] as const).filter((kind) => widths[kind] > 0);

function listContext(
  { rowFeatures }: Clicks,
  { impression, page }: ContextWidths,
  kind: keyof ContextWidths,
  row: number,
  end: number,
): number[] {
  const X = impression + page;
  const values = rowFeatures?.subarray(X * row, X * end) ?? new Float32Array(X * (end - row));
  if (kind === "page") return Array.from(values.subarray(impression, X));
  return Array.from(values).filter((_, k) => k % X < impression);
}

async function* itemGroups({ items, itemIds }: PreparedContents): AsyncGenerator<Columns> {
  const { shape } = items;
  for (let first = 0; first < shape.count; first += GROUP) {
    const length = Math.min(GROUP, shape.count - first);
    const numbers = Uint32Array.from({ length }, (_, k) => first + k);
    const own = items.read(numbers);
    yield [
      Array.from(numbers),
      Array.from(numbers, (item) => itemIds.of(item)),
      ...(own.kind !== "one-hot" && own.width > 0 ? [listDenseFeatures(own)] : []),
      ...(own.kind === "mixed" ? [listTokens(own)] : []),
    ];
  }
}

function listDenseFeatures({ count, width, values }: Exclude<ItemFeatures, { kind: "one-hot" }>): number[][] {
  return Array.from({ length: count }, (_, k) => Array.from(values.subarray(k * width, (k + 1) * width)));
}

function listTokens(
  { count, tokens: { first, token } }: Extract<ItemFeatures, { kind: "mixed" }>,
): number[][] {
  return Array.from({ length: count }, (_, k) => Array.from(token.subarray(first[k], first[k + 1])));
}

/** Computes the checksum of the item ids. `deno task data log` computes the same checksum in SQL. */
function hashIds({ items: { shape }, itemIds }: PreparedContents): string {
  const hash = createHash("sha256");
  for (let item = 0; item < shape.count; item++) {
    const id = itemIds.of(item);
    hash.update(`${item > 0 ? "\n" : ""}${[...id].length} ${id}`);
  }
  return hash.digest("hex");
}

/** Appends the checksum of the item ids to `features.catalogues`. */
function addCatalogue(contents: PreparedContents, features: FeatureManifest): FeatureManifest {
  return { ...features, catalogues: [...new Set([...features.catalogues ?? [], hashIds(contents)])] };
}

function namesOnly({ items: { shape }, name }: PreparedContents): FeatureManifest {
  if (shape.kind === "one-hot") return { dense: [], tokens: [] };
  return {
    dense: Array.from({ length: shape.width }, (_, k) => ({
      name: `feature-${k}`,
      meaning: `number ${k} of the items of ${name}`,
    })),
    tokens: shape.kind === "mixed"
      ? [{ name: "token", first: 0, count: shape.tokens, meaning: `a token of the items of ${name}` }]
      : [],
  };
}
