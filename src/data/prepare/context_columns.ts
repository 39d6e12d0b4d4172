/** Columns of a log that describe impressions or pages, and the context features computed from them. */

import { InvalidValueError } from "../../option.ts";
import { UserError } from "../../user_error.ts";
import { expectEncodedColumns } from "./feature_columns.ts";
import { readManifest } from "../sets/prepared_folder.ts";
import { formatLiteral, type SqlEngine, type SqlValue } from "./sql_engine.ts";
import { type ContextFeature, listContextColumns, type Transform } from "../manifest.ts";

const TYPES = ["number", "time", "category"] as const;

/** A column of the log that describes an impression (a displayed item of a page) or a whole page. */
export interface LogContextColumn {
  readonly name: string;
  readonly kind: ContextFeature["kind"];
  /** Type that the user chose; null if the column's values determine the type. */
  readonly type: typeof TYPES[number] | null;
}

/** Parses columns joined by commas, each with an optional type, such as "price,device:category". */
export function parseContextColumns(text: string): Omit<LogContextColumn, "kind">[] {
  const columns = text.split(",").map((one) => one.trim()).filter((one) => one !== "").map((one) => {
    const [, name = one, type] = /^(.+):(\w+)$/.exec(one) ?? [];
    const known = TYPES.find((own) => own === type);
    if (type === undefined || known) return { name, type: known ?? null };
    throw new InvalidValueError(`Expected the type of ${name} to be ${TYPES.join(", ")}, got "${type}".`);
  });
  if (columns.length > 0 && new Set(columns.map(({ name }) => name)).size === columns.length) return columns;
  throw new InvalidValueError(`Expected different columns joined by commas, got "${text}".`);
}

/** Options that determine the context columns of a log. */
interface ContextOptions {
  readonly impressionFeatures?: Omit<LogContextColumn, "kind">[];
  readonly pageFeatures?: Omit<LogContextColumn, "kind">[];
  readonly encodingFrom?: string;
}

/** Lists the impression columns, then the page columns. @throws UserError if a column is in both options. */
export async function chooseContextColumns(
  { impressionFeatures = [], pageFeatures = [], encodingFrom }: ContextOptions,
): Promise<LogContextColumn[]> {
  const columns: LogContextColumn[] = [
    ...impressionFeatures.map((column) => ({ ...column, kind: "impression" as const })),
    ...pageFeatures.map((column) => ({ ...column, kind: "page" as const })),
  ];
  const twice = impressionFeatures.find(({ name }) => pageFeatures.some((page) => page.name === name));
  if (twice) {
    throw new UserError(
      `Expected ${twice.name} in --impression-features or --page-features, got it in both. Choose one.`,
    );
  }
  if (encodingFrom === undefined) return columns;
  const own: LogContextColumn[] = listContextColumns((await readManifest(encodingFrom)).features.context).map(
    ({ kind, column, type }) => ({ kind, name: column, type: type === "age" ? "time" : type }),
  );
  for (const [kind, named] of [["impression", impressionFeatures], ["page", pageFeatures]] as const) {
    const used = own.filter((one) => one.kind === kind);
    const format = ({ name, type }: Omit<LogContextColumn, "kind">) =>
      named.some((one) => one.name === name && one.type !== null) ? `${name}:${type}` : name;
    expectEncodedColumns(encodingFrom, `--${kind}-features`, used.map(format), named.map(format));
  }
  return own;
}

/** Copies the context features of the data set in folder `like` to an SQL table. @returns SQL variables */
export async function openContext(
  engine: SqlEngine,
  columns: readonly LogContextColumn[],
  like: string | undefined,
): Promise<Record<string, SqlValue>> {
  await engine.run(
    "CREATE TABLE like_row_feature (position BIGINT, kind VARCHAR, k BIGINT, name VARCHAR, " +
      '"column" VARCHAR, meaning VARCHAR, "of" VARCHAR, "value" VARCHAR, is_time BOOLEAN, ' +
      "scale DOUBLE, mean DOUBLE, sd DOUBLE, low DOUBLE, high DOUBLE)",
  );
  const { context = [] } = like === undefined ? {} : (await readManifest(like)).features;
  for (const [position, { kind, name, meaning, transform }] of context.entries()) {
    const k = columns.findIndex((column) => column.name === transform.column);
    const { of, column } = transform;
    const value = of === "value" ? transform.value : null;
    const scale = of === "value" || of === "known"
      ? [null, null, null, null, null]
      : [transform.log, transform.mean, transform.sd, transform.low, transform.high];
    const isTime = columns[k]?.type === "time";
    const row: SqlValue[] = [position, kind, k + 1, name, column, meaning, of, value, isTime, ...scale];
    await engine.run(`INSERT INTO like_row_feature VALUES (${row.map(formatLiteral).join(", ")})`);
  }
  return {
    row_columns: columns.map(({ name }) => name),
    row_kinds: columns.map(({ kind }) => kind),
    row_types: columns.map(({ type }) => type),
  };
}

/** @throws UserError if a column of --page-features has several values on one page. */
export async function expectOnePageValue(engine: SqlEngine): Promise<void> {
  const [row] = await engine.rows(
    "SELECT name, count(*) AS pages FROM (SELECT DISTINCT user_id, time, tie, k FROM row_value " +
      "GROUP BY user_id, time, tie, k HAVING count(DISTINCT coalesce(value, '')) > 1) " +
      "JOIN row_column USING (k) WHERE kind = 'page' GROUP BY k, name ORDER BY k LIMIT 1",
  );
  if (!row) return;
  throw new UserError(
    `Expected one ${row.name} per page (--page-features), got several values on ${row.pages} pages. ` +
      "If the column describes displayed items, name it in --impression-features.",
  );
}

/** Reads the manifest's context features from the table that data/context_features.sql creates. */
export async function readContextFeatures(engine: SqlEngine): Promise<ContextFeature[]> {
  return (await engine.rows("FROM row_feature ORDER BY position")).map((row) => ({
    kind: row.kind === "page" ? "page" : "impression",
    name: String(row.name),
    meaning: String(row.meaning),
    transform: row.of === "value"
      ? { of: "value", column: String(row.column), value: String(row.value) }
      : parseTransform(row),
  }));
}

/** Converts a row of the table `row_feature` or `dense_feature` to a {@link Transform}. */
export function parseTransform(row: Awaited<ReturnType<SqlEngine["rows"]>>[number]): Transform {
  const column = String(row.column);
  if (row.of === "known") return { of: "known", column };
  return {
    of: row.of === "age" ? "age" : "number",
    column,
    log: row.scale === null ? null : Number(row.scale),
    ...{ mean: Number(row.mean), sd: Number(row.sd), low: Number(row.low), high: Number(row.high) },
  };
}
