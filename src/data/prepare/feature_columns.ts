/** Classifies the columns of an item table as numbers, times or tokens, by their types or values. */

import { UserError } from "../../user_error.ts";
import { forgetRejects, shortenValue } from "./bad_rows.ts";
import { formatLiteral, quoteIdentifier, type SqlEngine } from "./sql_engine.ts";
import { buildSelectSql, type Relation } from "./relation.ts";

export interface FeatureColumns {
  /** Columns with numbers or times, which become dense features. */
  readonly dense: readonly string[];
  /** For each column in `dense`, true if it contains times. */
  readonly times: readonly boolean[];
  /** Columns of categories, whose values become tokens. */
  readonly tokens: readonly string[];
  /** For each column in `tokens`, true if its texts have several values, separated by |. */
  readonly splits: readonly boolean[];
}

export const NO_COLUMNS: FeatureColumns = { dense: [], times: [], tokens: [], splits: [] };

/** Feature columns that --dense and --tokens name, or that the data set of --encoding-from has. */
export interface NamedColumns {
  readonly dense: readonly string[] | undefined;
  readonly tokens: readonly string[] | undefined;
  /** Names of the two command-line options, for messages. */
  readonly options: { readonly dense: string; readonly tokens: string };
}

/** @throws UserError if the columns in `named` are not `columns`, those of the data set in `folder`. */
export function expectEncodedColumns(
  folder: string,
  option: string,
  columns: readonly string[],
  named: readonly string[] = [],
): void {
  if (named.length === 0 || new Set(named).symmetricDifference(new Set(columns)).size === 0) return;
  throw new UserError(
    `Expected ${option} to name the columns of ${folder} (${columns.join(",") || "none"}), because of ` +
      `--encoding-from, got ${named.join(",")}. Leave ${option} out.`,
  );
}

const NUMBER = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\(.*\))$/;
const TOKEN = /^(VARCHAR|BOOLEAN|UUID|ENUM\(.*\))$/;
const TIME = /^(DATE|TIMESTAMP.*)$/;
/** SQL pattern of dates with an unknown order of day and month, such as 03/04/1995. */
const DATE_LIKE = String.raw`(\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}[./]\d{1,2}[./]\d{1,2})([T ].*)?`;

const theItem: ColumnKind = { kind: "other", example: "the items themselves (their tokens: --item-ids)" };

/** Chooses the feature columns of an item table. @throws UserError if a named column has a wrong type. */
export async function chooseColumns(
  engine: SqlEngine,
  source: Relation,
  item: string,
  { dense, tokens, options }: NamedColumns,
): Promise<FeatureColumns> {
  const both = dense?.find((name) => tokens?.includes(name));
  if (both !== undefined) {
    throw new UserError(
      `Expected ${both} in ${options.dense} or ${options.tokens}, got it in both. Choose one of them.`,
    );
  }
  const kinds = await classifyColumns(engine, source, item);
  const classifyColumn = (name: string) => kinds.get(name) ?? theItem;
  const { path } = source;
  for (const name of dense ?? []) {
    const { kind, example, hasCommas } = classifyColumn(name);
    if (kind === "token" || kind === "date" || kind === "other") {
      throw new UserError(
        `${path}: expected ${name} (${options.dense}) to be numbers, got ${example}. ` +
          (hasCommas ? CONVERT_COMMAS : "Name the column with --tokens, or correct the value."),
      );
    }
  }
  for (const name of tokens ?? []) {
    const { kind, example } = classifyColumn(name);
    if (kind === "other") {
      throw new UserError(
        `${path}: expected ${name} (${options.tokens}) to be text or lists of text, got ${example}.`,
      );
    }
  }
  const all = dense === undefined && tokens === undefined;
  if (all) await noteColumns(engine, kinds);
  const ofKind = (...wanted: string[]) =>
    all ? [...kinds].filter(([, { kind }]) => wanted.includes(kind)).map(([name]) => name) : [];
  const numbers = dense ?? ofKind("number", "time");
  const texts = tokens ?? ofKind("token");
  return {
    dense: numbers,
    times: numbers.map((name) => classifyColumn(name).kind === "time"),
    tokens: texts,
    splits: texts.map((name) => classifyColumn(name).isSplit === true),
  };
}

/** Advice for a column whose numbers have a decimal comma, such as 3,14. */
const CONVERT_COMMAS = "Convert them in a SELECT (--features items.sql): replace(column, ',', '.')::DOUBLE.";

async function noteColumns(engine: SqlEngine, kinds: ReadonlyMap<string, ColumnKind>): Promise<void> {
  const named = (wanted: (name: string, kind: ColumnKind) => boolean) =>
    [...kinds].filter(([name, kind]) => wanted(name, kind)).map(([name]) => name).join(", ");
  const left = named((_, { kind }) => kind === "other" || kind === "empty");
  const dates = named((_, { kind }) => kind === "date");
  const codes = named((name, { kind, isWhole }) =>
    kind === "number" && isWhole === true && /(^|_)(id|code|nr|no)$|(Id|ID|Code)$/.test(name)
  );
  const split = named((_, { isSplit }) => isSplit === true);
  const commas = named((_, { hasCommas }) => hasCommas === true);
  for (
    const [names, text] of [
      [left, `ignored columns without numbers or text: ${left}`],
      [dates, `ignored dates that are not all written like 1995-01-31 or 31-Jan-1995: ${dates}`],
      [codes, `read as numbers (if they are codes, name the columns with --tokens): ${codes}`],
      [split, `values are split at |: ${split}`],
      [commas, `read as text, although they are numbers with a decimal comma: ${commas}. ${CONVERT_COMMAS}`],
    ] as const
  ) if (names !== "") await engine.run(`INSERT INTO note VALUES (${formatLiteral(text)})`);
}

interface ColumnKind {
  readonly kind: "number" | "time" | "date" | "token" | "empty" | "other";
  /** Example of a value, for messages. */
  readonly example: string;
  readonly isWhole?: boolean;
  /** True for numbers such as 3,14, which are read as text. */
  readonly hasCommas?: boolean;
  /** True if a text may have several values, separated by |. */
  readonly isSplit?: boolean;
}

/** Finds the kind of each column by its type or its values. `item` (the column of item ids) is left out. */
async function classifyColumns(
  engine: SqlEngine,
  source: Relation,
  item: string,
): Promise<Map<string, ColumnKind>> {
  const columns = source.columns.filter(({ name }) => name !== item);
  const kinds = new Map<string, ColumnKind>();
  if (columns.length === 0) return kinds;
  const select = buildSelectSql(
    source,
    Object.fromEntries(columns.map(({ name }, k) => [`x${k}`, { column: name, as: "text" as const }])),
  );
  const [row = {}] = await engine.rows(
    `SELECT ${columns.map((_, k) => buildStatisticsSql(k)).join(", ")} FROM (${select})`,
  );
  for (const [k, { name, type }] of columns.entries()) {
    const of = (figure: string) => row[`${figure}${k}`] ?? null;
    const n = Number(of("n"));
    const wrong = of("wrong");
    const isWhole = n > 0 && Number(of("wholes")) === n;
    const dates = Number(of("dates"));
    const isDate = dates + Number(of("days")) > n / 2;
    const isTime = n > 0 &&
      (dates === n || (isWhole && isEpoch(Number(of("low")), Number(of("high")))));
    if (type !== "JSON" && !source.sql.startsWith("read_csv")) {
      const kind = TIME.test(type) || (isTime && (NUMBER.test(type) || type === "VARCHAR"))
        ? "time"
        : NUMBER.test(type)
        ? "number"
        : TOKEN.test(type.replace(/\[\]$/, ""))
        ? isDate ? "date" : "token"
        : "other";
      kinds.set(name, { kind, isWhole, example: `the type ${type}` });
      continue;
    }
    const kind = type === "JSON" && Number(of("objects")) > 0
      ? "other"
      : n === 0
      ? "empty"
      : isTime
      ? "time"
      : wrong === null
      ? "number"
      : isDate
      ? "date"
      : "token";
    const isSplit = kind === "token" && type !== "JSON" && Number(of("bars")) > 0 &&
      await hasFewerParts(engine, select, `x${k}`);
    const commas = Number(of("commas"));
    kinds.set(name, {
      kind,
      isWhole,
      hasCommas: kind === "token" && commas > 0 && commas + Number(of("wholes")) === n,
      isSplit,
      example: wrong === null ? "no text" : `"${shortenValue(String(wrong))}"`,
    });
  }
  await forgetRejects(engine);
  return kinds;
}

/** Builds SQL for statistics of column k: the number of values of each kind, and examples. */
function buildStatisticsSql(k: number): string {
  const x = quoteIdentifier(`x${k}`);
  const number = `TRY_CAST(${x} AS DOUBLE)`;
  const wrong = `${x} <> '' AND ${number} IS NULL`;
  return `count(*) FILTER (${x} <> '') AS n${k}, min(${x}) FILTER (${wrong}) AS wrong${k}, ` +
    `count(*) FILTER (starts_with(trim(${x}), '{')) AS objects${k}, ` +
    `count(*) FILTER (iso_time(trim(${x})) IS NOT NULL) AS dates${k}, ` +
    `count(*) FILTER (regexp_full_match(trim(${x}), ${formatLiteral(DATE_LIKE)})) AS days${k}, ` +
    `count(*) FILTER (contains(${x}, '|')) AS bars${k}, ` +
    `count(*) FILTER (regexp_full_match(trim(${x}), '-?\\d+,\\d+')) AS commas${k}, ` +
    `count(*) FILTER (abs(${number}) <= 9e15 AND ${number} = floor(${number})) AS wholes${k}, ` +
    `min(${number}) AS low${k}, max(${number}) AS high${k}`;
}

/** Returns true if the values `low` to `high` may be times from 2001 to 2049, in seconds or ms since 1970. */
function isEpoch(low: number, high: number): boolean {
  return (low >= 1e9 && high < 2.5e9) || (low >= 1e12 && high < 2.5e12);
}

/** Returns true if a column seems to contain lists such as "a|b": it has fewer distinct parts than texts. */
async function hasFewerParts(engine: SqlEngine, select: string, column: string): Promise<boolean> {
  const x = quoteIdentifier(column);
  const [row = {}] = await engine.rows(
    `SELECT (SELECT count(DISTINCT ${x}) FROM (${select})) AS whole, ` +
      "(SELECT count(DISTINCT part) FROM " +
      `(SELECT unnest(string_split(${x}, '|')) AS part FROM (${select}))) AS parts`,
  );
  return Number(row.parts) < Number(row.whole);
}
