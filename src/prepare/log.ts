/** Any log with a row for each displayed item, by `data/log.sql`. */

import type { Engine } from "./engine.ts";
import {
  checkFeatures,
  expectExact,
  expectIds,
  type FeatureOptions,
  inexactText,
  openFeatures,
  READING_FEATURES,
} from "./features.ts";
import type { Begun, Recipe } from "./prepare.ts";
import { stepsOf } from "./script.ts";
import { faultsOf, type FaultSource } from "./source_faults.ts";
import { rowsOfCsv } from "./sources.ts";
import { selectOf, type TableSource } from "./table_select.ts";
import { openTable } from "./table_source.ts";
import logScript from "../../data/log.sql" with { type: "text" };
import featuresScript from "../../data/item_features.sql" with { type: "text" };
import clicksScript from "../../data/split_clicks.sql" with { type: "text" };

export interface LogOptions extends FeatureOptions {
  /** A file or glob: CSV, JSON lines or Parquet. */
  readonly source: string;
  /** Columns of the log. */
  readonly user: string;
  readonly item: string;
  readonly time: string;
  readonly clicked: string;
  /** Without it, a page is what a user has at one time. */
  readonly page?: string;
  /** Without it, items of a page are in the order of their ids. */
  readonly position?: string;
}

export function logRecipe(options: LogOptions, name = "log"): Recipe {
  return { name, begin: (engine, _work, signal) => begin(engine, options, signal) };
}

/** Which option names which column of the view. */
const COLUMNS = {
  user_id: "user",
  item_id: "item",
  page_id: "page",
  time: "time",
  clicked: "clicked",
  position: "position",
} as const;
type Value = keyof typeof COLUMNS;
const values = Object.keys(COLUMNS) as Value[];

/** The end of the scripts of all logs: features of items, and pages with one click. */
export const itemsAndClicks = () => [...stepsOf(featuresScript), ...stepsOf(clicksScript)];

async function begin(engine: Engine, options: LogOptions, signal?: AbortSignal): Promise<Begun> {
  const wanted = values.flatMap((value) => {
    const column = options[COLUMNS[value]];
    return column === undefined ? [] : [{ column, option: `--${COLUMNS[value]}` }];
  });
  const source = await openTable(engine, options.source, "a log", wanted, signal);
  expectIds(source, wanted.filter(({ option }) => ["--user", "--item", "--page"].includes(option)));
  const as = (value: Value) => ({
    column: options[COLUMNS[value]],
    as: value.endsWith("_id") ? "id" as const : "text" as const,
  });
  const select = selectOf(source, Object.fromEntries(values.map((value) => [value, as(value)])));
  await engine.run(`CREATE VIEW source AS ${select}`);
  const features = await openFeatures(engine, options, options.item, signal);
  const faults = faultsOfLog(source, options);
  return {
    sources: [...source.files, ...features.source?.files ?? []],
    steps: [...stepsOf(logScript), ...itemsAndClicks()],
    variables: {
      with_pages: options.page !== undefined,
      with_positions: options.position !== undefined,
      ...features.variables,
    },
    rowsRead: (engine, { title }) =>
      title === READING_FEATURES && features.source
        ? rowsOf(engine, features.source, "feature_row")
        : rowsOf(engine, source, "log_read"),
    badRows: async (engine, { title }) => {
      if (title === READING_FEATURES) return await checkFeatures(engine, features);
      const bad = await faultsOf(engine, faults);
      expectExact(bad, idsText(options));
      return bad;
    },
  };
}

const idsText = ({ user, item, page }: LogOptions) =>
  [user, item, ...page === undefined ? [] : [page]].join(" or ");

function faultsOfLog(source: TableSource, options: LogOptions): FaultSource {
  const { user, item, time, clicked, page = "", position = "" } = options;
  const read: Record<Value, string> = {
    user_id: "user_id",
    item_id: "item_id",
    page_id: "page_id",
    time: "time_text",
    clicked: "clicked_text",
    position: "position_text",
  };
  const places = values.map((value): [string, number] => [
    read[value],
    source.columns.findIndex(({ name }) => name === options[COLUMNS[value]]),
  ]).filter(([, place]) => place >= 0);
  const empty = (column: string, value: Value) => ({
    kind: `${column} is empty`,
    expected: `${column} to be an id`,
    value: read[value],
  });
  const unreadable = (column: string, expected: string, value: Value) => ({
    kind: `${column} cannot be read`,
    expected: `${column} to be ${expected}`,
    value: read[value],
  });
  return {
    view: "checked",
    counted: "log_read",
    csv: source.format === "csv"
      ? { delimiter: source.delimiter, places: Object.fromEntries(places) }
      : undefined,
    texts: {
      broken: { kind: "not a JSON object", expected: "a JSON object" },
      inexact: inexactText(idsText(options)),
      user: empty(user, "user_id"),
      item: empty(item, "item_id"),
      page: empty(page, "page_id"),
      time: unreadable(time, "a time (a number since 1970, or ISO 8601)", "time"),
      "kind of time": {
        kind: `${time} is another kind of time than in most rows`,
        expected: `${time} to be a time of the kind that most rows have`,
        value: read.time,
      },
      clicked: unreadable(clicked, "0, 1, true or false", "clicked"),
      position: unreadable(position, "a number", "position"),
    },
  };
}

/** Rows of a source, the bad ones among them. */
async function rowsOf(engine: Engine, { format, files }: TableSource, table: string): Promise<number> {
  if (format === "csv") return await rowsOfCsv(engine, files.map(({ path }) => path));
  return await engine.number(`SELECT count(*) FROM ${table}`);
}
