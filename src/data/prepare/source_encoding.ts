/** Option `--encoding-from`: encodes the features of a log's items as in another prepared set. */

import { basename } from "node:path";
import { computeFileChecksum } from "../../files/local_file.ts";
import { getHashSize } from "../item_ids.ts";
import { listTableFiles, readManifest } from "../sets/prepared_folder.ts";
import { VOCABULARY } from "../sets/prepared_writer.ts";
import { UserError } from "../../user_error.ts";
import { formatLiteral, type SqlEngine } from "./sql_engine.ts";
import type { FeatureColumns } from "./feature_columns.ts";
import { parseTransform, readContextFeatures } from "./context_columns.ts";
import { escapeGlob } from "./glob.ts";
import type { Json } from "@duckdb/node-api";
import type { ColumnShares, FeatureManifest, Manifest } from "../manifest.ts";

export interface SourceEncoding {
  readonly folder: string;
  /** Columns of the item table from which the features are computed. */
  readonly columns: FeatureColumns;
  readonly isOneHot: boolean;
  /** Value of --hash-items with which the set was prepared; undefined if its item ids are not hashed. */
  readonly hashed: number | undefined;
  /** Checksums of the set's catalogue and of earlier catalogues; see {@link FeatureManifest}. */
  readonly catalogues: readonly string[];
  /** For each column of the set, shares of absent, clipped and unknown values. */
  readonly shares: readonly ColumnShares[];
  /** True to accept a column even if the set cannot encode most of its values (--allow-unknown-values). */
  readonly allowUnknownValues: boolean;
}

const TABLES = `
CREATE TABLE like_scale (
  k BIGINT, name VARCHAR, is_time BOOLEAN, is_used BOOLEAN, is_partly BOOLEAN,
  low DOUBLE, high DOUBLE, scale DOUBLE, mean DOUBLE, sd DOUBLE
);
CREATE TABLE like_vocabulary (k BIGINT, value VARCHAR, token UINTEGER);
CREATE TABLE like_other (k BIGINT, kind VARCHAR);
CREATE TABLE like_share ("column" VARCHAR, kind VARCHAR, absent DOUBLE, clipped DOUBLE, unknown DOUBLE);
CREATE TABLE like_item (
  item UINTEGER, item_id VARCHAR, title VARCHAR, valid_from TIMESTAMP, dense FLOAT[], tokens UINTEGER[]
);`;

/**
 * Reads the feature encoding of the set in `folder` into the tables like_scale, like_vocabulary, like_other,
 * like_share and like_item. Without --encoding-from, these tables stay empty.
 * @throws UserError for incompatible options, and for a set whose manifest does not describe its encoding.
 */
export async function openLike(
  engine: SqlEngine,
  { encodingFrom: folder, itemIds, hashItems, allowUnknownValues = false }: {
    readonly encodingFrom?: string;
    readonly itemIds?: boolean;
    readonly hashItems?: number;
    readonly allowUnknownValues?: boolean;
  },
): Promise<SourceEncoding | undefined> {
  await engine.run(TABLES);
  if (hashItems !== undefined && itemIds !== undefined) {
    const other = itemIds ? "--item-ids" : "--no-item-ids";
    throw new UserError(`Expected --hash-items or ${other}, got both. Leave one of them out.`);
  }
  if (folder === undefined) {
    if (allowUnknownValues) {
      throw new UserError(
        "Expected --encoding-from with --allow-unknown-values: name the prepared set that has the encoding.",
      );
    }
    return undefined;
  }
  if (itemIds !== undefined || hashItems !== undefined) {
    throw new UserError(
      "Expected --encoding-from without --item-ids, --no-item-ids and --hash-items: " +
        `${folder} determines the encoding.`,
    );
  }
  const manifest = await readManifest(folder);
  const { features } = manifest;
  expectMeaning(folder, features);
  const numbers = listScaleRows(features);
  for (const [k, row] of numbers.entries()) {
    await engine.run(`INSERT INTO like_scale VALUES (${[k + 1, ...row].map(formatLiteral).join(", ")})`);
  }
  for (const { column, kind, absent, clipped, unknown } of manifest.shares) {
    const row = [column, kind, absent, clipped, unknown].map(formatLiteral);
    await engine.run(`INSERT INTO like_share VALUES (${row.join(", ")})`);
  }
  // The field of hashed ids is the last field, and has no vocabulary.
  const inVocabulary = features.tokens.filter(({ hashed }) => hashed === undefined);
  for (const [k, { other = null }] of inVocabulary.entries()) {
    await engine.run(`INSERT INTO like_other VALUES (${k + 1}, ${formatLiteral(other)})`);
  }
  const fields = features.tokens.filter(({ column }) => column !== null);
  const isOneHot = features.dense.length === 0 && features.tokens.length === 0;
  if (inVocabulary.length > 0) {
    await engine.run(
      "INSERT INTO like_vocabulary SELECT field + 1, value, token " +
        `FROM read_parquet(${formatLiteral(escapeGlob(await vocabularyFile(folder, manifest)))})`,
    );
  }
  const files = formatLiteral(listTableFiles(folder, "items").map(escapeGlob));
  await engine.run(
    "INSERT INTO like_item BY NAME SELECT id AS item_id, COLUMNS(lambda c: " +
      "c IN ('item', 'title', 'valid_from', 'dense', 'tokens')) " +
      `FROM read_parquet(${files})`,
  );
  return {
    folder,
    isOneHot,
    hashed: getHashSize(features),
    catalogues: features.catalogues ?? [],
    shares: manifest.shares,
    allowUnknownValues,
    columns: {
      dense: numbers.map(([name]) => name),
      times: numbers.map(([, isTime]) => isTime),
      tokens: fields.map(({ column }) => column ?? ""),
      splits: fields.map(({ split }) => split === true),
    },
  };
}

/** @throws UserError if a manifest lacks the encoding, because another program or an old version wrote it. */
function expectMeaning(folder: string, { dense, tokens, catalogues }: FeatureManifest): void {
  const unknown = dense.find(({ transform }) => transform === undefined)?.name ??
    tokens.find(({ column, sha256 }) => column === undefined || sha256 === undefined)?.name;
  if (unknown === undefined && (dense.length + tokens.length > 0 || catalogues !== undefined)) return;
  throw new UserError(
    `${folder}: expected the encoding of ${unknown ?? "the items"} in the manifest, found none. ` +
      "Prepare this set again, then name it with --encoding-from.",
  );
}

/** Returns the rows of the table like_scale (scales of the dense features), without the row number k. */
function listScaleRows({ dense }: FeatureManifest) {
  const columns = [...new Set(dense.flatMap(({ transform }) => transform?.column ?? []))];
  return columns.map((column) => {
    const own = dense.flatMap(({ transform }) => transform?.column === column ? [transform] : []);
    const scale = own.find(({ of }) => of !== "known");
    const isPartly = own.some(({ of }) => of === "known");
    const of = scale?.of === "known" ? undefined : scale;
    return [
      column,
      of?.of === "age",
      of !== undefined,
      isPartly,
      of?.low ?? null,
      of?.high ?? null,
      of?.log ?? null,
      of?.mean ?? null,
      of?.sd ?? null,
    ] as const;
  });
}

/** Returns the path of a set's vocabulary. @throws UserError if the file does not match the manifest. */
async function vocabularyFile(folder: string, { files }: Manifest): Promise<string> {
  const path = `${folder}/${VOCABULARY}`;
  const found = await computeFileChecksum(path);
  if (files.vocabulary?.sha256 === found.sha256) return path;
  throw new UserError(
    `${path} does not match the manifest (SHA-256 ${found.sha256.slice(0, 12)}..., ` +
      `expected ${files.vocabulary?.sha256.slice(0, 12) ?? "none"}...): ` +
      "the file was damaged or changed. Prepare this set again.",
  );
}

/** @throws UserError if the log has an item that the set of --encoding-from does not have. */
export async function expectKnownItems(engine: SqlEngine, { folder }: SourceEncoding): Promise<void> {
  const rows = await engine.rows(
    "SELECT item_id, count(*) OVER () AS n FROM number_of ANTI JOIN like_item USING (item_id) " +
      "ORDER BY item_id LIMIT 3",
  );
  if (rows.length === 0) return;
  const examples = rows.map(({ item_id }) => `"${item_id}"`).join(", ");
  throw new UserError(
    `Expected only items of ${basename(folder)}, got ${
      rows[0]?.n
    } other items (${examples}). The items of that ` +
      "set are one-hot, so its models cannot score other items. Prepare that set with --item-ids, and " +
      "train again.",
  );
}

/** Largest accepted share of a column's values that another set's encoding cannot represent. */
const MOST_UNLIKE = 0.5;
const UNLIKE = [
  ["clipped", "of the numbers are out of that set's range"],
  ["unknown", "of the values have no token"],
  ["absent", "of the items have no value"],
] as const;

/** @throws UserError if the encoded share of a column's values is less than half of that in the other set. */
export async function expectLike(
  engine: SqlEngine,
  { folder, shares, allowUnknownValues }: SourceEncoding,
): Promise<void> {
  if (allowUnknownValues) return;
  const found = (await readColumnShares(engine)).filter(({ column }) => column !== null).flatMap((here) => {
    const there = shares.find(({ column, kind }) => column === here.column && kind === here.kind);
    const lost = (kind: (typeof UNLIKE)[number][0]) => 1 - (1 - here[kind]) / (1 - (there?.[kind] ?? 0));
    return UNLIKE.filter(([kind]) => lost(kind) > MOST_UNLIKE)
      .map(([kind, text]) => `${here.column}: ${(100 * here[kind]).toFixed(1)} % ${text}`);
  });
  if (found.length === 0) return;
  throw new UserError(
    `Expected features like those of ${folder}, got ${found.join("; ")}. A model of that set cannot use ` +
      "other values. Compare units, spellings and columns, or accept other values by --allow-unknown-values.",
  );
}

type Row = Readonly<Record<string, Json>>;

/** Builds the manifest's description of features from the tables that data/item_features.sql creates. */
export async function readFeatures(engine: SqlEngine): Promise<FeatureManifest> {
  const dense = (await engine.rows("FROM dense_feature ORDER BY position")).map((row) => ({
    name: String(row.name),
    meaning: String(row.meaning),
    transform: parseTransform(row),
  }));
  const tokens = (await engine.rows("FROM token_field ORDER BY first")).map((row) => ({
    name: String(row.name),
    first: Number(row.first),
    count: Number(row.count),
    meaning: String(row.meaning),
    ...parseVocabulary(row),
  }));
  const found = await readContextFeatures(engine);
  const context = found.length > 0 ? { context: found } : {};
  const ids = String(await engine.value(`SELECT ${buildChecksumSql("id", "item")} FROM item`));
  const earlier = await engine.rows("SELECT unnest(getvariable('like_catalogues')) AS sha256");
  const catalogues = [...new Set([...earlier.map(({ sha256 }) => String(sha256)), ids])];
  return { dense, tokens, ...context, catalogues };
}

/** Reads the shares of absent, clipped and unknown values per column from the table `column_share`. */
export async function readColumnShares(engine: SqlEngine): Promise<ColumnShares[]> {
  const rows = await engine.rows("FROM column_share ORDER BY is_token, k");
  return rows.map(({ column, kind, absent, clipped, unknown }) => ({
    column: column === null || column === undefined ? null : String(column),
    kind: kind === "impression" || kind === "page" ? kind : "item",
    absent: Number(absent),
    clipped: Number(clipped),
    unknown: Number(unknown),
  }));
}

/** Builds SQL for a checksum of texts. Text lengths are included, because a text may have line breaks. */
function buildChecksumSql(text: string, order: string): string {
  return `sha256(coalesce(string_agg(length(${text}) || ' ' || ${text}, chr(10) ORDER BY ${order}), ''))`;
}

function parseVocabulary(row: Row) {
  const column = row.column === null ? null : String(row.column);
  if (row.hashed !== null) return { column, hashed: Number(row.hashed), sha256: String(row.sha256) };
  return {
    column,
    other: row.other === "trained" ? "trained" as const : "mean" as const,
    ...(row.split === true ? { split: true } : {}),
    ...(Array.isArray(row.values) ? { values: row.values.map(String) } : {}),
    sha256: String(row.sha256),
  };
}

/**
 * Writes a row per token to the vocabulary: token, value, and `field` (index into the manifest's `tokens`).
 * The value NULL stands for all values that have no token of their own.
 * @returns the number of rows; 0 if there are no tokens.
 */
export async function writeVocabulary(engine: SqlEngine, folder: string): Promise<number> {
  const rows = await engine.number("SELECT count(*) FROM vocabulary");
  if (rows === 0) return 0;
  await engine.run(
    "COPY (SELECT (dense_rank() OVER (ORDER BY k) - 1)::UINTEGER AS field, value, token FROM vocabulary " +
      `ORDER BY token) TO ${formatLiteral(`${folder}/${VOCABULARY}`)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  return rows;
}
