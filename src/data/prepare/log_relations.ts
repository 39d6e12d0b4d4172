/** Creates the view `source`, which data/log.sql reads: the rows of a log, from files or from a SELECT. */

import { UserError } from "../../user_error.ts";
import { quoteIdentifier, type SqlEngine } from "./sql_engine.ts";
import { describeInexactColumn } from "./features.ts";
import { formatFlag, type LogOptions } from "./log_options.ts";
import type { FaultSource } from "./bad_rows.ts";
import type { Relation, RelationColumn, RequestedColumn } from "./relation.ts";
import {
  buildSelectSql,
  expectColumns,
  expectIds,
  findNearestName,
  openFiles,
  PLACE,
  readColumns,
} from "./relation.ts";
import { openSelect } from "./select.ts";
import type { LogContextColumn } from "./context_columns.ts";
import type { SourceFile } from "./sources.ts";

/** Columns of a log. A SELECT must use these names; for files, options such as --user give the names. */
const LOG_COLUMNS = ["user", "item", "time", "clicked", "page", "position", "propensity"] as const;
type LogColumn = typeof LOG_COLUMNS[number];

export interface LogRelations {
  readonly files: readonly SourceFile[];
  readonly query?: string;
  /** Name of each column in the source, for messages; undefined for a column that the log lacks. */
  readonly names: Readonly<Partial<Record<LogColumn | "context" | "candidates", string>>>;
  /** Item features, if the SELECT has a column `features`. */
  readonly features?: Relation;
  /** Names of the columns that contain ids, for messages. */
  readonly ids: string;
  readonly faults: FaultSource;
}

/** Opens a log as the view `source`. @throws UserError for invalid files, or an invalid SELECT. */
export async function openLog(
  engine: SqlEngine,
  options: LogOptions,
  context: readonly LogContextColumn[],
  work: string,
  signal?: AbortSignal,
): Promise<LogRelations> {
  const { query, items } = options;
  const log = query === undefined ? await ofFiles(engine, options, context, signal) : await openSelect(
    engine,
    query,
    { view: "log", option: "--query", work, signal },
  );
  const ofQuery = query === undefined ? undefined : log;
  const names = ofQuery ? findColumnNames(ofQuery.path, ofQuery.columns, options, context) : options;
  const item = items ?? names.item;
  expectIds(
    log,
    (["user", "item", "page"] as const).flatMap((name) => listWantedColumns(names, name, ofQuery)),
  );
  const sql = items === undefined ? buildRowsSql(log, names, context) : buildListsSql(log, options, context);
  await engine.run(`CREATE VIEW source AS ${sql}`);
  const ids = [names.user, item, names.page].filter((name) => name !== undefined).join(" or ");
  return {
    files: log.files,
    ...("text" in log && typeof log.text === "string" ? { query: log.text } : {}),
    names: { ...names, item },
    features: ofQuery && await openFeatureRelation(engine, ofQuery),
    ids,
    faults: { view: "checked", counted: "log_read", texts: listFaultMessages({ ...names, item }, ids) },
  };
}

function listWantedColumns(
  names: Readonly<Partial<Record<LogColumn, string>>>,
  name: LogColumn,
  ofQuery: unknown,
): RequestedColumn[] {
  const column = names[name];
  return column === undefined ? [] : [{ column, option: ofQuery ? "--query" : formatFlag(name) }];
}

async function ofFiles(
  engine: SqlEngine,
  options: LogOptions,
  context: readonly LogContextColumn[],
  signal?: AbortSignal,
): Promise<Relation> {
  const wanted = [
    ...LOG_COLUMNS.flatMap((name) => listWantedColumns(options, name, undefined)),
    ...options.items === undefined ? [] : [{ column: options.items, option: "--items" }],
    ...listWantedContext(context, options),
  ];
  const log = await openFiles(engine, options.source ?? "", "a log", wanted, signal);
  const items = log.columns.find(({ name }) => name === options.items);
  if (items && items.type !== "JSON" && !items.type.endsWith("]")) {
    throw new UserError(
      `${log.path}: expected ${items.name} (--items) to be JSON text or a Parquet list, got ${items.type}. ` +
        "Use a SELECT to read lists that are written as text: see data/recipes/text_lists.sql.",
    );
  }
  return log;
}

function listWantedContext(
  context: readonly LogContextColumn[],
  { encodingFrom }: LogOptions,
): RequestedColumn[] {
  return context.map(({ name: column, kind }) => ({
    column,
    option: encodingFrom === undefined ? `--${kind}-features` : "--encoding-from",
  }));
}

/** Builds the SQL of the view `source` for a log that has a row per displayed item. */
function buildRowsSql(
  log: Relation,
  names: Readonly<Partial<Record<LogColumn | "context" | "candidates", string>>>,
  context: readonly LogContextColumn[],
): string {
  // If the column `clicked` has times, a row with a time was clicked, and times order the clicks of a page.
  const clickedAt = log.columns.find(({ name, type }) =>
    name === names.clicked && /^(DATE|TIMESTAMP)/.test(type)
  );
  const at = clickedAt && quoteIdentifier(clickedAt.name);
  const sql = at === undefined
    ? log.sql
    : `(SELECT * REPLACE (${at} IS NOT NULL AS ${at}), epoch_us(${at})::DOUBLE AS "click time" ` +
      `FROM ${log.sql})`;
  const columns: RelationColumn[] = [
    ...log.columns.map((column) => column === clickedAt ? { ...column, type: "BOOLEAN" } : column),
    ...clickedAt ? [{ name: "click time", type: "DOUBLE" }] : [],
  ];
  const select = buildSelectSql({ ...log, sql, columns }, {
    user_id: { column: names.user, as: "id" },
    item_id: { column: names.item, as: "id" },
    page_id: { column: names.page, as: "id" },
    time: { column: names.time, as: "text" },
    clicked: { column: names.clicked, as: "text" },
    position: { column: names.position, as: "text" },
    propensity: { column: names.propensity, as: "text" },
    candidates: { column: names.candidates, as: "items" },
    context_text: { column: names.context, as: "text" },
    click_time: { column: clickedAt && "click time", as: "number" },
    ...Object.fromEntries(
      context.map(({ name }, k) => [`value ${k}`, { column: name, as: "text" as const }]),
    ),
  });
  const values = context.map((_, k) => `"value ${k}"`);
  return `SELECT * EXCLUDE (${["context_text", ...values].join(", ")}), ` +
    `[${values}]::VARCHAR[] AS row_values, NULL::VARCHAR AS part, ` +
    `coalesce(context_text = 'true', false) AS context FROM (${select})`;
}

/** Builds the SQL of the view `source` (a row per displayed item) for a log with a row per page. */
function buildListsSql(
  log: Relation,
  { user, items, page, time, clicked, propensity, propensityOf }: LogOptions,
  context: readonly LogContextColumn[],
): string {
  const select = buildSelectSql(log, {
    user_id: { column: user, as: "id" },
    page_id: { column: page, as: "id" },
    time: { column: time, as: "text" },
    list: { column: items, as: "items" },
    clicks: { column: clicked, as: "ids" },
    chances: { column: propensity, as: "list" },
    ...Object.fromEntries(
      context.map(({ name, kind }, k) => [
        `value ${k}`,
        { column: name, as: kind === "page" ? "text" as const : "list" as const },
      ]),
    ),
  });
  const values = context.map((_, k) => `"value ${k}"`);
  // A column of --impression-features has a list with one value per item.
  const ofItem = context.map(({ kind }, k) =>
    kind === "page" ? values[k] : `CASE WHEN len(${values[k]}) = len(list) THEN ${values[k]}[k] END`
  );
  return [
    `SELECT * EXCLUDE (${["list, clicks, chances, k", ...values].join(", ")}),`,
    `  [${ofItem}]::VARCHAR[] AS row_values,`,
    "  list[k] AS item_id, (k - 1)::VARCHAR AS position,",
    "  CASE WHEN list_has_all(list, clicks) THEN list_contains(clicks, list[k])::VARCHAR END AS clicked,",
    "  CASE",
    "    WHEN len(chances) IS NULL OR (len(chances) = 1 AND chances[1] IS NULL) THEN NULL",
    "    WHEN len(chances) = len(list) THEN coalesce(chances[k], 'none')",
    `    WHEN len(chances) = 1 AND ${propensityOf !== "item"} THEN chances[1]`,
    "    ELSE 'as many as there are items: ' || chances::VARCHAR",
    "  END AS propensity,",
    // A row is a page. Without page ids, a hash of the items distinguishes a user's pages of equal times.
    "  chr(31) || md5(list::VARCHAR) AS part,",
    "  false AS context, NULL::VARCHAR[] AS candidates, NULL::DOUBLE AS click_time",
    "FROM (",
    "  SELECT *, unnest(range(1, 1 + greatest(1, coalesce(len(list), 0)))) AS k",
    "  FROM (SELECT * REPLACE (list_filter(coalesce(clicks, []), lambda x: x <> '') AS clicks)",
    `  FROM (${select}))`,
    ")",
  ].join("\n");
}

/** For each column that a SELECT may return: allowed SQL types, a description, and true if it is required. */
const QUERY_COLUMNS: Readonly<
  Record<LogColumn | "candidates" | "features" | "context", readonly [RegExp, string, boolean?]>
> = {
  user: [/./, "an id", true],
  item: [/./, "an id", true],
  time: [/^(U?\w*INT\w*|DECIMAL.*|DOUBLE|FLOAT|VARCHAR|JSON|DATE|TIMESTAMP.*)$/, "a time", true],
  clicked: [
    /^(BOOLEAN|U?\w*INT\w*|DECIMAL.*|DOUBLE|FLOAT|VARCHAR|JSON|DATE|TIMESTAMP.*)$/,
    "true or false, 1 or 0, or the time of the click",
    true,
  ],
  page: [/./, "an id"],
  position: [/^(U?\w*INT\w*|DECIMAL.*|DOUBLE|FLOAT|VARCHAR|JSON)$/, "a number"],
  propensity: [/^(U?\w*INT\w*|DECIMAL.*|DOUBLE|FLOAT|VARCHAR|JSON)$/, "a number"],
  candidates: [/\[\d*\]$/, "a list of ids"],
  features: [/^STRUCT/, "a struct such as {price: price, brand: brand}"],
  context: [/^BOOLEAN$/, "true for a click before the log begins"],
};

/** Returns a SELECT's column names. @throws UserError for a missing or unknown column, or a wrong type. */
function findColumnNames(
  path: string,
  columns: readonly RelationColumn[],
  { pages, encodingFrom }: LogOptions,
  context: readonly LogContextColumn[],
): LogRelations["names"] {
  const known = Object.keys(QUERY_COLUMNS);
  const optional = pages === "sampled" ? ["clicked"] : [];
  const wanted = Object.entries(QUERY_COLUMNS)
    .filter(([name, [, , needed]]) => needed === true && !optional.includes(name))
    .map(([column]) => ({ column, option: "--query" }));
  expectColumns(path, columns, [...wanted, ...listWantedContext(context, { encodingFrom })]);
  for (const { name, type } of columns) {
    if (PLACE.some((own) => own === name) || context.some((own) => own.name === name)) continue;
    const near = findNearestName(
      name,
      known.filter((other) => !columns.some((column) => column.name === other)),
    );
    const [types, expected] = Object.entries(QUERY_COLUMNS).find(([own]) => own === name)?.[1] ?? [];
    if (types === undefined) {
      throw new UserError(
        `${path}: expected the columns ${known.join(", ")} (and ${PLACE.join(" and ")}, ` +
          `for messages about bad rows), got ${name}. ` +
          (near === undefined
            ? `Leave ${name} out, or name it in --impression-features or --page-features.`
            : `Is it "${near}"?`),
      );
    }
    if (types.test(type)) continue;
    throw new UserError(
      `${path}: expected the column ${name} to be ${expected}, got ${type}. Cast ${name} in the SELECT.`,
    );
  }
  const names = Object.fromEntries(columns.map(({ name }) => [name, name]));
  const drawn = ["position", "propensity", "candidates", "context"].find((name) => name in names);
  if (pages === "sampled" && drawn !== undefined) {
    throw new UserError(
      `${path}: expected no ${drawn} with --pages sampled. Leave ${drawn} out.`,
    );
  }
  return names;
}

/** Stores a SELECT's column `features` in a table, because running the SELECT again may take long. */
async function openFeatureRelation(
  engine: SqlEngine,
  { path, columns }: Relation,
): Promise<Relation | undefined> {
  if (!columns.some(({ name }) => name === "features")) return undefined;
  await engine.run(
    "CREATE TABLE log_features AS SELECT DISTINCT * FROM (SELECT item, unnest(features) FROM log)",
  );
  return { path, files: [], sql: '"log_features"', columns: await readColumns(engine, '"log_features"') };
}

function listFaultMessages(names: LogRelations["names"], ids: string): FaultSource["texts"] {
  const empty = (name: "user" | "item" | "page") => ({
    kind: `${names[name]} is empty`,
    expected: `${names[name]} to be an id`,
    value: `${name}_id`,
  });
  const unreadable = (name: LogColumn, expected: string) => ({
    kind: `${names[name]} cannot be read`,
    expected: `${names[name]} to be ${expected}`,
    value: `${name}_text`,
  });
  return {
    inexact: describeInexactColumn(ids),
    user: empty("user"),
    item: empty("item"),
    page: empty("page"),
    time: unreadable(
      "time",
      "a time: a number since 1970, ISO 8601, or a date such as 31.12.2025 " +
        "(other formats: data/recipes/time_format.sql)",
    ),
    "kind of time": {
      kind: `${names.time} has another time format than most rows`,
      expected: `${names.time} to have the time format of most rows`,
      value: "time_text",
    },
    clicked: unreadable("clicked", CLICKED),
    position: unreadable("position", "a number"),
    propensity: unreadable("propensity", "a number above 0 and up to 1, or empty where unknown"),
    candidates: {
      kind: "the item is not one of the page's candidates",
      expected: "item to be one of the page's candidates",
      value: "item_id",
    },
  };
}

const CLICKED = "0, 1, true, false, yes or no (ratings, other words, times: data/recipes/ratings.sql)";
