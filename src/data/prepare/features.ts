/** Opens a table of item features as the SQL view feature_source, which item_features.sql reads. */

import {
  defineFlagOption,
  defineNameOption,
  defineValueOption,
  InvalidValueError,
  type OptionValues,
  parseFolder,
  whole,
} from "../../option.ts";
import { UserError } from "../../user_error.ts";
import { formatLiteral, type ScriptStep, splitScript, type SqlEngine, type SqlValue } from "./sql_engine.ts";
import { chooseColumns, expectEncodedColumns, type FeatureColumns, NO_COLUMNS } from "./feature_columns.ts";
import { expectKnownItems, expectLike, openLike, type SourceEncoding } from "./source_encoding.ts";
import { type BadRowSummary, type FaultSource, noBadRows, readBadRows } from "./bad_rows.ts";
import { buildSelectSql, expectColumns, expectIds, openFiles, type Relation } from "./relation.ts";
import { openSelect } from "./select.ts";
import contextScript from "../../../data/context_features.sql" with { type: "text" };
import featuresScript from "../../../data/item_features.sql" with { type: "text" };
import { expectOnePageValue } from "./context_columns.ts";
import { formatThousands } from "../../number_text.ts";

/** Default of --rare-below: a category with fewer displays has too little data to learn an embedding. */
const RARE_BELOW = 10;

/** Largest value of --hash-items. A larger embedding table would exceed the buffer limits of all adapters. */
const MOST_BUCKETS = 10_000_000;

export const featureOptions = {
  features: defineNameOption(
    "--features <files>",
    "file with a row per item, or .sql file with a SELECT that returns a row per item",
  ),
  featuresKey: defineNameOption(
    "--features-key <column>",
    "column of --features with the item's id (default: the name of the log's item column)",
  ),
  dense: defineValueOption(
    "--dense <columns>",
    "columns of --features to use as numbers, joined by commas (default without --tokens: all numbers)",
    { parse: columnNames },
  ),
  tokens: defineValueOption(
    "--tokens <columns>",
    "columns of --features to use as categories (text or lists of text), joined by commas " +
      "(default without --dense: all text columns)",
    { parse: columnNames },
  ),
  allItems: defineFlagOption(
    "--all-items",
    "also add the items of --features that no page displays, such as new items to recommend",
  ),
  itemIds: defineFlagOption(
    "--item-ids",
    "also learn an embedding per item (default: if more than a third of the displayed items lack features)",
    "use only item features; without --features, items are one-hot",
  ),
  hashItems: defineValueOption(
    "--hash-items <n>",
    "represent each item by two of 2n embeddings, which a hash of the item's id chooses: for future items, " +
      "and for a catalogue too large for an embedding per item",
    whole(1, MOST_BUCKETS),
  ),
  rareBelow: defineValueOption(
    "--rare-below <n>",
    "categories that train users were shown fewer than n times share one embedding per column",
    whole(1),
    RARE_BELOW,
  ),
  encodingFrom: defineValueOption(
    "--encoding-from <folder>",
    "encode items with the columns, tokens and scales of this prepared set, for models trained on this set",
    { parse: parseFolder },
  ),
  allowUnknownValues: defineFlagOption(
    "--allow-unknown-values",
    "with --encoding-from: accept columns even if the named set cannot encode most of their values",
  ),
};
export type FeatureOptions = OptionValues<typeof featureOptions>;

/** Parses column names that are joined by commas; [] for an empty text. */
function columnNames(text: string): string[] {
  const list = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (new Set(list).size === list.length) return list;
  throw new InvalidValueError(`Expected different columns joined by commas, got "${text}".`);
}

export interface PreparedFeatures {
  readonly source: Relation | undefined;
  readonly columns: FeatureColumns;
  readonly faults: FaultSource | undefined;
  /** Names of the columns with ids and categories, joined by "or", for messages. */
  readonly ids: string;
  readonly like: SourceEncoding | undefined;
  /** True if the option --tokens was given. */
  readonly areTokensNamed: boolean;
  readonly variables: Readonly<Record<string, SqlValue>>;
}

/** Title of the step in page_rows.sql that reads the item features. */
export const READING_FEATURES = "Reading item features";

/** Returns SQL steps that encode items and context, to be run after the train/validation/test split. */
export const listFeatureSteps = (): ScriptStep[] => [featuresScript, contextScript].flatMap(splitScript);

/** Checks items and context after an SQL step. @throws UserError for unsuitable values. */
export async function checkItems(
  engine: SqlEngine,
  { like, areTokensNamed }: PreparedFeatures,
  { title }: ScriptStep,
): Promise<void> {
  if (title === "Numbers of items" && like?.isOneHot) await expectKnownItems(engine, like);
  if ((title === "Vocabulary" || title === "Shares of context values") && like) {
    await expectLike(engine, like);
  }
  if (title === "Types of context columns") await expectOnePageValue(engine);
  if (title !== "Vocabulary" || !areTokensNamed) return;
  const [free] = await engine.rows("FROM text_column WHERE is_free ORDER BY k LIMIT 1");
  if (!free) return;
  throw new UserError(
    `Expected ${free.name} (--tokens) to have values that several items share, got ${free.count} values ` +
      `for ${free.items} items. Leave ${free.name} out; to learn an embedding per item, use --item-ids.`,
  );
}

/** Opens the item features as the view feature_source. @throws UserError for an invalid source. */
export async function openFeatures(
  engine: SqlEngine,
  options: FeatureOptions,
  log: { readonly item: string | undefined; readonly own: Relation | undefined; readonly work: string },
  signal?: AbortSignal,
): Promise<PreparedFeatures> {
  const like = await openLike(engine, options);
  const named = namedColumns(options, like);
  const source = await openSource(engine, options, log, signal);
  if (source === undefined) return await withoutFeatures(engine, options, like);
  if (options.allItems && options.features === undefined) {
    throw new UserError("Expected --features FILE with --all-items, got features in the log.");
  }
  const item = options.featuresKey ?? log.item ?? "item";
  const wanted = [
    { column: item, option: "--features-key" },
    ...(named.dense ?? []).map((column) => ({ column, option: named.options.dense })),
    ...(named.tokens ?? []).map((column) => ({ column, option: named.options.tokens })),
  ];
  expectColumns(source.path, source.columns, wanted, source.sql.startsWith("read_csv"));
  expectIds(source, wanted.slice(0, 1));
  const chosen = await chooseColumns(engine, source, item, named);
  const columns = like?.columns ?? chosen;
  const ids = [item, ...columns.tokens].join(" or ");
  await makeViews(engine, source, item, columns);
  const variables = itemVariables(columns, true, options, like);
  const faults = featureFaults(item, ids);
  return { source, columns, ids, like, variables, faults, areTokensNamed: options.tokens !== undefined };
}

/** Opens item features from files, a SELECT, or the log's column `features`; undefined if there are none. */
async function openSource(
  engine: SqlEngine,
  { features }: FeatureOptions,
  { own, work }: { readonly own: Relation | undefined; readonly work: string },
  signal?: AbortSignal,
): Promise<Relation | undefined> {
  if (features !== undefined && own !== undefined) {
    throw new UserError(
      `Expected --features or a column "features" in ${own.path}, got both. Leave one of them out.`,
    );
  }
  if (features === undefined) return own;
  if (!features.endsWith(".sql")) return await openFiles(engine, features, "features of items", [], signal);
  return await openSelect(engine, features, { view: "features", option: "--features", work, signal });
}

function namedColumns({ dense, tokens }: FeatureOptions, like: SourceEncoding | undefined) {
  if (!like) return { dense, tokens, options: { dense: "--dense", tokens: "--tokens" } };
  expectEncodedColumns(like.folder, "--dense", like.columns.dense, dense);
  expectEncodedColumns(like.folder, "--tokens", like.columns.tokens, tokens);
  return {
    dense: like.columns.dense,
    tokens: like.columns.tokens,
    options: { dense: "--encoding-from", tokens: "--encoding-from" },
  };
}

function itemVariables(
  { dense, times, tokens, splits }: FeatureColumns,
  withFeatures: boolean,
  { itemIds, hashItems, rareBelow = RARE_BELOW, allItems = false }: FeatureOptions,
  like: SourceEncoding | undefined,
): Record<string, SqlValue> {
  return {
    dense,
    times,
    tokens,
    splits,
    with_features: withFeatures,
    all_items: allItems,
    item_ids: itemIds ?? null,
    hash_items: like ? like.hashed ?? null : hashItems ?? null,
    rare_below: rareBelow,
    is_like: like !== undefined,
    like_name: like?.folder ?? "",
    like_catalogues: like?.catalogues ?? [],
  };
}

/** Creates an empty view feature_source. @throws UserError if an option requires item features. */
async function withoutFeatures(
  engine: SqlEngine,
  options: FeatureOptions,
  like: SourceEncoding | undefined,
): Promise<PreparedFeatures> {
  const { dense, tokens, allItems } = options;
  for (
    const [option, value] of Object.entries({ "--dense": dense, "--tokens": tokens, "--all-items": allItems })
  ) {
    if (value === undefined) continue;
    throw new UserError(`Expected --features FILE, because ${option} applies to a file of features.`);
  }
  const missing = [...like?.columns.dense ?? [], ...like?.columns.tokens ?? []];
  if (like && missing.length > 0) {
    const columns = missing.join(", ");
    throw new UserError(
      `Expected --features with the columns ${columns} that items of ${like.folder} (--encoding-from) have.`,
    );
  }
  await engine.run(NO_FEATURES);
  const columns = like?.columns ?? NO_COLUMNS;
  const variables = itemVariables(columns, false, options, like);
  const none = { source: undefined, faults: undefined, ids: "", areTokensNamed: false };
  return { ...none, columns, like, variables };
}

const NO_FEATURES = "CREATE VIEW feature_source AS " +
  "SELECT ''::VARCHAR AS item_id, ''::VARCHAR AS title, []::DOUBLE[] AS dense, []::VARCHAR[][] AS tokens WHERE false";

/** Finds a column named "title" or, if there is none, "name" (in lower or upper case). */
function findTitle({ columns }: Relation, item: string): string | undefined {
  const find = (text: string) => columns.find(({ name }) => name !== item && name.toLowerCase() === text);
  return (find("title") ?? find("name"))?.name;
}

/** Creates the views feature_row (all rows with their faults) and feature_source (rows without a fault). */
async function makeViews(
  engine: SqlEngine,
  source: Relation,
  item: string,
  { dense, times, tokens, splits }: FeatureColumns,
): Promise<void> {
  const values = (names: readonly string[], letter: string, as: (k: number) => "number" | "text" | "list") =>
    Object.fromEntries(names.map((column, k) => [`${letter}${k}`, { column, as: as(k) }]));
  const select = buildSelectSql(source, {
    item_id: { column: item, as: "id" },
    title: { column: findTitle(source, item), as: "text" },
    ...values(dense, "d", (k) => times[k] ? "text" : "number"),
    ...values(tokens, "t", () => "list"),
  });
  const numbers = dense.map((_, k) => times[k] ? `item_ms(d${k})` : `d${k}`).join(", ");
  const lists = tokens.map((_, k) =>
    splits[k] ? `flatten(list_transform(t${k}, lambda x: string_split(x, '|')))` : `t${k}`
  ).join(", ");
  await engine.run(
    `CREATE VIEW feature_row AS SELECT *, CASE WHEN inexact IS NOT NULL THEN 'inexact' ` +
      `WHEN coalesce(item_id, '') = '' THEN 'item' END AS fault FROM (${select});` +
      `CREATE VIEW feature_source AS SELECT item_id, title, [${numbers}]::DOUBLE[] AS dense, ` +
      `[${lists}]::VARCHAR[][] AS tokens FROM feature_row WHERE fault IS NULL`,
  );
}

function featureFaults(item: string, ids: string): FaultSource {
  return {
    view: "feature_row",
    counted: "feature_row",
    texts: {
      inexact: describeInexactColumn(ids),
      item: { kind: `${item} is empty`, expected: `${item} to be an id`, value: "item_id" },
    },
  };
}

export function describeInexactColumn(column: string) {
  return {
    kind: `${column} is not an exact id`,
    expected: `${column} to be text or a whole number, exactly`,
    value: "inexact",
  };
}

/**
 * @throws UserError for inexact ids in a floating point column: rounding may have made different ids equal.
 * @param ids: names of the columns, for messages.
 */
export function expectExact({ counts, examples }: BadRowSummary, ids: string): void {
  const { kind, expected } = describeInexactColumn(ids);
  const lost = counts.get(kind);
  if (lost === undefined) return;
  const example = examples.find(({ fault }) => fault.includes(expected));
  throw new UserError(
    `Expected ${ids} to be text or whole numbers, got floating point numbers that are fractions ` +
      `or above 2^53 (32 bits: 2^24) in ${formatThousands(lost)} rows. ` +
      "Different ids may have been rounded to the same number. Write ids as text or integers." +
      (example ? `\n  ${example.place}: ${example.fault}` : ""),
  );
}

/** Returns the id of an item whose rows differ; undefined if the rows of each item are equal. */
async function itemTwice(engine: SqlEngine): Promise<string | undefined> {
  const [twice] = await engine.rows(
    "SELECT item_id FROM feature_read JOIN number_of USING (item) " +
      "GROUP BY item_id HAVING count(*) > 1 ORDER BY item_id LIMIT 1",
  );
  return twice && String(twice.item_id);
}

/** Counts bad feature rows. @throws UserError if rows of an item differ, or if a number overflows f32. */
export async function checkFeatures(
  engine: SqlEngine,
  { source, columns, faults, ids }: PreparedFeatures,
): Promise<BadRowSummary> {
  if (!source || !faults) return noBadRows;
  const bad = await readBadRows(engine, faults);
  expectExact(bad, ids);
  const { path } = source;
  const twice = await itemTwice(engine);
  if (twice !== undefined) {
    throw new UserError(
      `${path}: expected one row per item, got several with different values for the item "${twice}". ` +
        "Keep one row, or name only columns that describe items by --tokens and --dense. A column that " +
        "differs between displays of an item belongs in --impression-features.",
    );
  }
  const names = formatLiteral(columns.dense);
  const [infinite] = await engine.rows(
    `SELECT item_id, (${names}::VARCHAR[])[k] AS name, x::VARCHAR AS x FROM (` +
      "SELECT item, unnest(dense) AS x, unnest(range(1, len(dense) + 1)) AS k FROM feature_read) " +
      "JOIN number_of USING (item) WHERE isnan(x) OR abs(x) > 3.4028234e38 ORDER BY item_id, k LIMIT 1",
  );
  if (infinite) {
    throw new UserError(
      `${path}: expected ${infinite.name} to be a number in the range of 32-bit floats, got ${infinite.x} ` +
        `for the item "${infinite.item_id}". Leave the cell empty if the value is unknown.`,
    );
  }
  return bad;
}
