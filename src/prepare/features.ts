/** What a table says of items: which of its columns are numbers and which are tokens, as a view for item_features.sql. */

import { UserError } from "../user_error.ts";
import { type Engine, identifier, literal, type Variable } from "./engine.ts";
import { faultsOf, type FaultSource } from "./source_faults.ts";
import { selectOf, type TableSource } from "./table_select.ts";
import { openTable, type Wanted } from "./table_source.ts";
import { type BadRows, forgetRejects, shown } from "./bad_rows.ts";

export interface FeatureOptions {
  /** A file with one row an item; none: items are known by their number alone. */
  readonly features?: string;
  /** The column with the item's id, where it is not called as in the log. */
  readonly featuresKey?: string;
  /** Columns that are numbers, and that are tokens; by default all, by their types. */
  readonly dense?: readonly string[];
  readonly tokens?: readonly string[];
  /** Each item has a token for itself, too. */
  readonly itemIds: boolean;
}

export interface Features {
  readonly source: TableSource | undefined;
  readonly variables: Readonly<Record<string, Variable>>;
  readonly faults: FaultSource | undefined;
  /** The columns whose values must be exact, in words. */
  readonly ids: string;
}

/** The step of item_features.sql that reads them. */
export const READING_FEATURES = "Reading item features";

/** Makes the view feature_source. @throws UserError for a file that is not what it should be. */
export async function openFeatures(
  engine: Engine,
  options: FeatureOptions,
  item: string,
  signal?: AbortSignal,
): Promise<Features> {
  const { features, dense, tokens, itemIds } = options;
  if (features === undefined) return await withoutFeatures(engine, options);
  const wanted = [
    { column: item, option: "--features-key" },
    ...(dense ?? []).map((column) => ({ column, option: "--dense" })),
    ...(tokens ?? []).map((column) => ({ column, option: "--tokens" })),
  ];
  const source = await openTable(engine, features, "features of items", wanted, signal);
  expectIds(source, [{ column: item, option: "--features-key" }]);
  const chosen = await chooseColumns(engine, source, item, dense, tokens);
  const ids = [item, ...chosen.tokens].join(" or ");
  await makeViews(engine, source, item, chosen);
  const variables = variablesOf(chosen.dense, chosen.tokens, true, itemIds);
  return { source, ids, variables, faults: featureFaults(source, item, ids) };
}

/** An empty view. @throws {UserError} for options that name columns of no file */
async function withoutFeatures(
  engine: Engine,
  { dense, tokens, itemIds }: FeatureOptions,
): Promise<Features> {
  for (const [list, option] of [[dense, "--dense"], [tokens, "--tokens"]] as const) {
    if (list === undefined) continue;
    throw new UserError(`Expected --features with ${option}: the file with the columns.`);
  }
  await engine.run(
    "CREATE VIEW feature_source AS SELECT ''::VARCHAR AS item_id, []::DOUBLE[] AS dense, []::VARCHAR[][] AS tokens WHERE false",
  );
  return { source: undefined, variables: variablesOf([], [], false, itemIds), faults: undefined, ids: "" };
}

/** The views feature_row, with the fault of each row, and feature_source of the rows without one. */
async function makeViews(
  engine: Engine,
  source: TableSource,
  item: string,
  chosen: { readonly dense: readonly string[]; readonly tokens: readonly string[] },
): Promise<void> {
  const places = (names: readonly string[], letter: string) =>
    names.map((column, k) => [`${letter}${k}`, column] as const);
  const [numbers, lists] = [places(chosen.dense, "d"), places(chosen.tokens, "t")];
  const select = selectOf(source, {
    item_id: { column: item, as: "id" },
    ...Object.fromEntries(numbers.map(([name, column]) => [name, { column, as: "number" as const }])),
    ...Object.fromEntries(lists.map(([name, column]) => [name, { column, as: "list" as const }])),
  });
  const listOf = (columns: readonly (readonly [string, string])[]) =>
    columns.map(([name]) => name).join(", ");
  await engine.run(
    `CREATE VIEW feature_row AS SELECT *, CASE WHEN broken THEN 'broken' WHEN inexact IS NOT NULL THEN 'inexact' ` +
      `WHEN coalesce(item_id, '') = '' THEN 'item' END AS fault FROM (${select});` +
      `CREATE VIEW feature_source AS SELECT item_id, [${listOf(numbers)}]::DOUBLE[] AS dense, ` +
      `[${listOf(lists)}]::VARCHAR[][] AS tokens FROM feature_row WHERE fault IS NULL`,
  );
}

/** @param ids see {@link Features} */
function featureFaults(source: TableSource, item: string, ids: string): FaultSource {
  return {
    view: "feature_row",
    counted: "feature_row",
    csv: source.format === "csv"
      ? {
        delimiter: source.delimiter,
        places: { item_id: source.columns.findIndex(({ name }) => name === item) },
      }
      : undefined,
    texts: {
      broken: { kind: "not a JSON object", expected: "a JSON object" },
      inexact: inexactText(ids),
      item: { kind: `${item} is empty`, expected: `${item} to be an id`, value: "item_id" },
    },
  };
}

export function inexactText(column: string) {
  return {
    kind: `${column} is not an exact id`,
    expected: `${column} to be text or a whole number, exactly`,
    value: "inexact",
  };
}

/**
 * @param ids the columns, in words.
 * @throws UserError for ids that floating point numbers do not hold: leaving these out would not set the others apart.
 */
export function expectExact({ counts, examples }: BadRows, ids: string): void {
  const { kind, expected } = inexactText(ids);
  const lost = counts.get(kind);
  if (lost === undefined) return;
  const example = examples.find(({ fault }) => fault.includes(expected));
  throw new UserError(
    `Expected ${ids} to be text or whole numbers, found floating point numbers that are not whole, or too large to ` +
      `be exact (2^53; 2^24 with 32 bits), in ${lost.toLocaleString("en")} rows: ` +
      "different ids may have become one. Write the ids as text or integers." +
      (example ? `\n  ${example.file}:${example.line}: ${example.fault}` : ""),
  );
}

/** @throws UserError for a column of ids that are lists, structs or the like. */
export function expectIds({ files, columns }: TableSource, ids: readonly Wanted[]): void {
  for (const { column, option } of ids) {
    const found = columns.find(({ name }) => name === column);
    if (!found || !/\[\d*\]|^(STRUCT|MAP|UNION|BLOB|INTERVAL)/.test(found.type)) continue;
    throw new UserError(
      `${files[0]?.path}: expected ${column} (${option}) to be text or whole numbers, found ${found.type}.`,
    );
  }
}

function variablesOf(
  dense: readonly string[],
  tokens: readonly string[],
  withFeatures: boolean,
  itemIds: boolean,
): Record<string, Variable> {
  return { dense, tokens, with_features: withFeatures, item_ids: itemIds };
}

/** Bad rows of the features. @throws UserError for an item that is there with different values, or a number without end. */
export async function checkFeatures(
  engine: Engine,
  { source, variables, faults, ids }: Features,
): Promise<BadRows> {
  if (!source || !faults) return { total: 0, counts: new Map(), examples: [] };
  const bad = await faultsOf(engine, faults);
  expectExact(bad, ids);
  const path = source.files[0]?.path ?? "";
  const [twice] = await engine.rows(
    "SELECT item_id FROM feature_read JOIN number_of USING (item) GROUP BY item_id HAVING count(*) > 1 ORDER BY item_id LIMIT 1",
  );
  if (twice) {
    throw new UserError(
      `${path}: expected one row for each item, found several with different values for the item "${twice.item_id}". ` +
        "Keep one of them.",
    );
  }
  const names = literal(variables.dense ?? []);
  const [infinite] = await engine.rows(
    `SELECT item_id, (${names}::VARCHAR[])[k] AS name, x::VARCHAR AS x FROM (` +
      "SELECT item, unnest(dense) AS x, unnest(range(1, len(dense) + 1)) AS k FROM feature_read) " +
      "JOIN number_of USING (item) WHERE isnan(x) OR abs(x) > 3.4028234e38 ORDER BY item_id, k LIMIT 1",
  );
  if (infinite) {
    throw new UserError(
      `${path}: expected ${infinite.name} to be a number that a 32-bit float holds, found ${infinite.x} for the item ` +
        `"${infinite.item_id}". Leave the value empty where it is not known.`,
    );
  }
  return bad;
}

const NUMBER = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\(.*\))$/;
const TOKEN = /^(VARCHAR|BOOLEAN|UUID|ENUM\(.*\))$/;

const theItem: ColumnKind = { kind: "other", example: "the items themselves (their tokens: --item-ids)" };

/** The columns that are features. @throws UserError for one that was named and cannot be what it should. */
async function chooseColumns(
  engine: Engine,
  source: TableSource,
  item: string,
  dense: readonly string[] | undefined,
  tokens: readonly string[] | undefined,
): Promise<{ dense: string[]; tokens: string[] }> {
  const both = dense?.find((name) => tokens?.includes(name));
  if (both !== undefined) {
    throw new UserError(`${both} is named by --dense and by --tokens. Choose one of them.`);
  }
  const kinds = await kindsOf(engine, source, item);
  const path = source.files[0]?.path ?? "";
  for (const name of dense ?? []) {
    const { kind, example } = kinds.get(name) ?? theItem;
    if (kind !== "number" && kind !== "empty") {
      throw new UserError(
        `${path}: expected ${name} (--dense) to be numbers, found ${example}. Name it with --tokens, or correct it.`,
      );
    }
  }
  for (const name of tokens ?? []) {
    const { kind, example } = kinds.get(name) ?? theItem;
    if (kind === "other") {
      throw new UserError(
        `${path}: expected ${name} (--tokens) to be text or lists of text, found ${example}.`,
      );
    }
  }
  const named = [...dense ?? [], ...tokens ?? []];
  const rest = [...kinds].filter(([name]) => !named.includes(name));
  const all = dense === undefined && tokens === undefined;
  const left = rest.filter(([, { kind }]) => kind === "other" || kind === "empty").map(([name]) => name);
  if (all && left.length > 0) {
    const note = `columns of the features without numbers or text are left out: ${left.join(", ")}`;
    await engine.run(`INSERT INTO note VALUES (${literal(note)})`);
  }
  const ofKind = (wanted: string) => rest.filter(([, { kind }]) => kind === wanted).map(([name]) => name);
  return {
    dense: [...dense ?? (all ? ofKind("number") : [])],
    tokens: [...tokens ?? (all ? ofKind("token") : [])],
  };
}

interface ColumnKind {
  readonly kind: "number" | "token" | "empty" | "other";
  /** An example of what is in it, for a message. */
  readonly example: string;
}

/** What is in each column but the item's, of the whole file. */
async function kindsOf(engine: Engine, source: TableSource, item: string): Promise<Map<string, ColumnKind>> {
  const columns = source.columns.filter(({ name }) => name !== item);
  if (source.format === "parquet") {
    return new Map(columns.map(({ name, type }) => {
      const kind = NUMBER.test(type) ? "number" : TOKEN.test(type.replace(/\[\]$/, "")) ? "token" : "other";
      return [name, { kind, example: `the type ${type}` }];
    }));
  }
  // Text: numbers are what all values can be read as.
  const kinds = new Map<string, ColumnKind>();
  const select = selectOf(
    source,
    Object.fromEntries(columns.map(({ name }, k) => [`x${k}`, { column: name, as: "text" as const }])),
  );
  const figures = columns.map((_, k) => {
    const x = identifier(`x${k}`);
    const wrong = `${x} <> '' AND TRY_CAST(${x} AS DOUBLE) IS NULL`;
    return `count(*) FILTER (${x} <> '') AS n${k}, min(${x}) FILTER (${wrong}) AS wrong${k}, ` +
      `count(*) FILTER (starts_with(trim(${x}), '{')) AS objects${k}`;
  });
  if (figures.length === 0) return kinds;
  const [row = {}] = await engine.rows(`SELECT ${figures.join(", ")} FROM (${select})`);
  await forgetRejects(engine);
  for (const [k, { name }] of columns.entries()) {
    const wrong = row[`wrong${k}`];
    const example = wrong === null || wrong === undefined ? "no text" : `"${shown(String(wrong))}"`;
    const kind = source.format === "json" && Number(row[`objects${k}`]) > 0
      ? "other"
      : Number(row[`n${k}`]) === 0
      ? "empty"
      : wrong === null
      ? "number"
      : "token";
    kinds.set(name, { kind, example });
  }
  return kinds;
}
