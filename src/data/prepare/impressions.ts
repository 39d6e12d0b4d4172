/** Logs of impressions in a layout that is known: MIND's, by `data/impressions_mind.sql`, or one for `data log`. */

import { named, oneOf, required, valued, type ValuesOf } from "../../option.ts";
import { UserError } from "../../user_error.ts";
import { type BadRows, faultsOf, type FaultSource, noBadRows } from "./bad_rows.ts";
import { type Engine, stepsOf } from "./engine.ts";
import {
  checkItems,
  featureOptions,
  itemFeatureSteps,
  itemTwice,
  itemVariables,
  NO_FEATURES,
  READING_FEATURES,
} from "./features.ts";
import { type Like, openLike } from "./like.ts";
import { itemsAndRows, logRecipe } from "./log.ts";
import { flag } from "./log_options.ts";
import type { Begun, Recipe } from "./prepare.ts";
import {
  checkCompressed,
  COMPRESSIONS,
  findFiles,
  findFilesIfAny,
  firstLine,
  linesSql,
  type SourceFile,
} from "./sources.ts";
import script from "../../../data/impressions_mind.sql" with { type: "text" };

export const impressionsOptions = {
  source: required(named(
    "--source <path>",
    "a file or a quoted glob; with MIND's layout, also the folder of behaviors.tsv and news.tsv",
  )),
  layout: valued("--layout <name>", "what the log looks like", oneOf(["mind", "long"]), "mind"),
  pages: valued("--pages <how>", "of the long layout, as of deno task data log", oneOf(["log", "as-is"])),
  timeFormat: named("--time-format <format>", "of the long layout, as of deno task data log"),
  news: named(
    "--news <files>",
    "MIND's news.tsv, for the categories of items (default: the one in the folder)",
  ),
  ...featureOptions('"item" (long layout)'),
};
export type ImpressionsOptions = ValuesOf<typeof impressionsOptions>;

/** The columns of the long layout. */
const LONG = {
  user: "user",
  time: "time",
  page: "page",
  item: "item",
  position: "position",
  clicked: "clicked",
};

/** @throws UserError for options of the other layout. */
export function impressions(options: ImpressionsOptions): Recipe {
  if (options.layout === "long") {
    if (options.news === undefined) return logRecipe({ ...options, ...LONG });
    throw new UserError(
      "--news belongs to the layout mind. In the layout long, name the table of items with --features.",
    );
  }
  for (
    const name of ["format", "features", "featuresKey", "dense", "tokens", "pages", "timeFormat"] as const
  ) {
    if (options[name] === undefined) continue;
    throw new UserError(
      `${flag(name)} belongs to the layout long. ` +
        (name === "pages" || name === "timeFormat"
          ? "Leave it out."
          : "In the layout mind, name the table of items with --news."),
    );
  }
  return (engine, _work, signal) => begin(engine, options, signal);
}

const BEHAVIOR_FIELDS = 5;
const TOKENS = ["category", "subcategory"];

async function begin(engine: Engine, options: ImpressionsOptions, signal?: AbortSignal): Promise<Begun> {
  const { behaviors, news } = await filesOf(options);
  await checkCompressed([...behaviors, ...news], signal);
  for (const { path } of behaviors) await expectBehaviors(engine, path);
  await engine.run(`CREATE VIEW behavior_source AS ${fieldsSql(behaviors)}`);
  const like = await openLike(engine, options);
  const tokens = tokensOf(news, like);
  await engine.run(newsViews(news, tokens));
  const columns = { dense: [], times: [], tokens, splits: tokens.map(() => false) };
  return {
    sources: [...behaviors, ...news],
    steps: [...stepsOf(script), ...itemsAndRows()],
    places: "shown",
    itemSteps: itemFeatureSteps(),
    after: (engine, step) => checkItems(engine, { like, areTokensNamed: false }, step),
    variables: itemVariables(columns, news.length > 0, options, like),
    rowsRead: (engine, { title }) =>
      engine.number(`SELECT count(*) FROM ${title === READING_FEATURES ? "news_row" : "behavior_read"}`),
    badRows: async (engine, { title }) =>
      title === READING_FEATURES ? await newsFaults(engine, news) : await faultsOf(engine, behaviorFaults),
  };
}

/** The fields of news.tsv that become tokens. @throws UserError where they are not those of the set that is followed. */
function tokensOf(news: readonly SourceFile[], like: Like | undefined): readonly string[] {
  if (!like) return news.length > 0 ? TOKENS : [];
  const { dense, tokens } = like.columns;
  const other = [...dense, ...tokens.filter((name) => !TOKENS.includes(name))];
  if (other.length > 0) {
    throw new UserError(
      `Expected --like with a set of impressions in MIND's layout, but the items of ${like.folder} have ${
        other.join(", ")
      }. ` +
        "Prepare this log with deno task data log and --features.",
    );
  }
  if (tokens.length === 0 || news.length > 0) return tokens;
  throw new UserError(
    `Expected --news with --like: the items of ${like.folder} have the columns ${tokens.join(", ")}.`,
  );
}

async function filesOf(
  { source, news }: ImpressionsOptions,
): Promise<{ behaviors: SourceFile[]; news: SourceFile[] }> {
  const stat = await Deno.stat(source).catch(() => undefined);
  const ofNews = news === undefined ? [] : findFiles(news, "news.tsv");
  if (!stat?.isDirectory) {
    return { behaviors: findFiles(source, "behaviors.tsv"), news: ofNews };
  }
  const inFolder = (name: string) =>
    COMPRESSIONS.map((ending) => findFilesIfAny(name + ending, source)).find(({ length }) => length > 0) ??
      [];
  const behaviors = inFolder("behaviors.tsv");
  if (behaviors.length === 0) {
    throw new UserError(
      `Expected behaviors.tsv (plain, .gz or .zst) in the folder ${source}, found none. Name the folder that holds it, ` +
        "or the file.",
    );
  }
  return { behaviors, news: news === undefined ? inFolder("news.tsv") : ofNews };
}

/** @throws UserError for a file that is something else. */
async function expectBehaviors(engine: Engine, path: string): Promise<void> {
  const line = await firstLine(engine, path);
  const found = line.split("\t").length;
  if (found === BEHAVIOR_FIELDS) return;
  throw new UserError(
    `${path}:1: expected ${BEHAVIOR_FIELDS} columns separated by tabs (impression id, user, time, history, impressions), ` +
      `found ${found}: ${line.slice(0, 200)}. ` +
      "Prepare logs with a header with --layout long, or by deno task data log.",
  );
}

/** Lines that are not blank, and what tabs separate in them. */
function fieldsSql(files: readonly SourceFile[]): string {
  const lines = linesSql(files.map(({ path }) => path));
  return `SELECT "clickgan file" AS file, NULL::BIGINT AS "row", line, string_split(line, chr(9)) AS fields ` +
    `FROM (SELECT "clickgan file", rtrim(line, chr(13)) AS line FROM ${lines} ` +
    `WHERE trim(coalesce(line, ''), chr(13) || ' ') <> '')`;
}

function newsViews(files: readonly SourceFile[], tokens: readonly string[]): string {
  if (files.length === 0) return NO_FEATURES;
  const lists = tokens.map((name) => `[fields[${TOKENS.indexOf(name) + 2}]]`).join(", ");
  return `CREATE VIEW news_row AS SELECT *, CASE WHEN len(fields) < 3 OR fields[1] = '' THEN 'fields' END AS fault ` +
    `FROM (${fieldsSql(files)});` +
    "CREATE VIEW feature_source AS SELECT fields[1] AS item_id, []::DOUBLE[] AS dense, " +
    `[${lists}]::VARCHAR[][] AS tokens FROM news_row WHERE fault IS NULL`;
}

const behaviorFaults: FaultSource = {
  view: "checked",
  counted: "behavior_read",
  texts: {
    fields: {
      kind: "an impression without its five columns",
      expected: `${BEHAVIOR_FIELDS} columns separated by tabs`,
    },
    impression: { kind: "the impression id is empty", expected: "an impression id", value: "impression" },
    user: { kind: "the user is empty", expected: "a user", value: "user_id" },
    time: {
      kind: "the time cannot be read",
      expected: "a time such as 11/11/2019 9:05:58 AM",
      value: "time_text",
    },
    impressions: {
      kind: "an item of an impression is not marked -0 or -1",
      expected: "items such as N123-0 N456-1",
      value: "unmarked",
    },
  },
};

/** @throws UserError for an item that has several categories. */
async function newsFaults(engine: Engine, news: readonly SourceFile[]): Promise<BadRows> {
  if (news.length === 0) return noBadRows;
  const twice = await itemTwice(engine);
  if (twice !== undefined) {
    const files = news.map(({ path }) => path).join(", ");
    throw new UserError(
      `${files}: expected one category and subcategory for each item, found several for ${twice}. ` +
        "Keep one of its lines.",
    );
  }
  return await faultsOf(engine, {
    view: "news_row",
    counted: "news_row",
    texts: {
      fields: {
        kind: "a line of news without id, category and subcategory",
        expected: "news as id, category and subcategory, separated by tabs",
      },
    },
  });
}
