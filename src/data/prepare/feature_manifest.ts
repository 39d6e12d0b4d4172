/** What the manifest of a prepared data set says of its features, and the file of their vocabulary. */

import type { Json } from "@duckdb/node-api";
import type { ColumnShares, Features, Transform } from "../manifest.ts";
import { type Engine, literal } from "./engine.ts";

type Row = Readonly<Record<string, Json>>;

/** Of the tables that data/item_features.sql makes. */
export async function featuresOf(engine: Engine): Promise<Features> {
  const dense = (await engine.rows("FROM dense_feature ORDER BY place")).map((row) => ({
    name: String(row.name),
    meaning: String(row.meaning),
    transform: transformOf(row),
  }));
  const tokens = (await engine.rows("FROM token_field ORDER BY first")).map((row) => ({
    name: String(row.name),
    first: Number(row.first),
    count: Number(row.count),
    meaning: String(row.meaning),
    ...vocabularyOf(row),
  }));
  if (dense.length > 0 || tokens.length > 0) return { dense, tokens };
  const ids = await engine.value(`SELECT ${sumOf("id", "item")} FROM item`);
  return { dense, tokens, idsSha256: String(ids) };
}

/** The same of `column_share`. */
export async function sharesOf(engine: Engine): Promise<ColumnShares[]> {
  const rows = await engine.rows("FROM column_share ORDER BY is_token, k");
  return rows.map(({ column, absent, clipped, unknown }) => ({
    column: column === null || column === undefined ? null : String(column),
    absent: Number(absent),
    clipped: Number(clipped),
    unknown: Number(unknown),
  }));
}

/** A checksum of texts in an order, as SQL; no two lists of texts are written alike. */
function sumOf(text: string, order: string): string {
  return `sha256(coalesce(string_agg(length(${text}) || ' ' || ${text}, chr(10) ORDER BY ${order}), ''))`;
}

function transformOf(row: Row): Transform {
  const column = String(row.column);
  if (row.is_indicator === true) return { of: "known", column };
  return {
    of: row.is_time === true ? "age" : "number",
    column,
    log: row.scale === null ? null : Number(row.scale),
    mean: Number(row.mean),
    sd: Number(row.sd),
    low: Number(row.low),
    high: Number(row.high),
  };
}

function vocabularyOf(row: Row) {
  return {
    column: row.column === null ? null : String(row.column),
    other: row.other === "trained" ? "trained" as const : "mean" as const,
    ...(row.split === true ? { split: true } : {}),
    ...(Array.isArray(row.values) ? { values: row.values.map(String) } : {}),
    sha256: String(row.sha256),
  };
}

export const VOCABULARY = "vocabulary";

/**
 * Writes which token means what: a row for each token, with the place of its field in the manifest, and the value; NULL
 * for all others.
 * @returns the rows; 0 where there are no tokens.
 */
export async function writeVocabulary(engine: Engine, folder: string): Promise<number> {
  const rows = await engine.number("SELECT count(*) FROM vocabulary");
  if (rows === 0) return 0;
  await engine.run(
    "COPY (SELECT (dense_rank() OVER (ORDER BY k) - 1)::UINTEGER AS field, value, token FROM vocabulary ORDER BY token) " +
      `TO ${literal(`${folder}/${VOCABULARY}.parquet`)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  return rows;
}
