/** The rows of a log as the view `source` of data/log.sql, from one table or two; and what is said of bad ones. */

import { UserError } from "../../user_error.ts";
import { type Engine, literal } from "./engine.ts";
import { expectIds, inexactText } from "./features.ts";
import { type ClicksColumn, flag, type LogOptions, timeUnits } from "./log_options.ts";
import type { CsvPlaces, FaultSource, FaultText } from "./bad_rows.ts";
import { rowsOfCsv } from "./sources.ts";
import { type ReadAs, selectOf, type TableSource } from "./table_select.ts";
import { openTable, type Wanted } from "./table_source.ts";

export interface LogSource {
  readonly log: TableSource;
  readonly clicks?: TableSource;
  /** The columns with ids, in words. */
  readonly ids: string;
  readonly faults: FaultSource;
}

/** A column of the view: the option that names its column of the log, and how it is read. */
interface Value {
  readonly option: keyof LogOptions;
  /** Which of its columns, where it names several. */
  readonly place?: number;
  readonly as: ReadAs;
  /** The column of `checked` that has it as it is written. */
  readonly read: string;
}

/** Of a log with a row for each displayed item. */
const ROWS: Readonly<Record<string, Value>> = {
  user_id: { option: "user", as: "id", read: "user_id" },
  item_id: { option: "item", as: "id", read: "item_id" },
  page_id: { option: "page", as: "id", read: "page_id" },
  time: { option: "time", as: "text", read: "time_text" },
  date: { option: "date", place: 0, as: "text", read: "date" },
  month: { option: "date", place: 1, as: "text", read: "month" },
  day: { option: "date", place: 2, as: "text", read: "day" },
  clicked: { option: "clicked", as: "text", read: "clicked_text" },
  position: { option: "position", as: "text", read: "position_text" },
  propensity: { option: "propensity", as: "text", read: "propensity_text" },
  event: { option: "event", as: "text", read: "event" },
};
/** Of one with a list of items a page: the lists, and the same as text to find the line of a bad one by. */
const LISTS: Readonly<Record<string, Value>> = {
  item_list: { option: "items", as: "items", read: "items_text" },
  clicked_list: { option: "clicked", as: "items", read: "clicked_text" },
  position_list: { option: "position", as: "items", read: "position_text" },
  propensity_list: { option: "propensity", as: "items", read: "propensity_text" },
  items_text: { option: "items", as: "text", read: "items_text" },
};
/** The columns of a table of clicks, as the view calls them. */
type ClicksNames = Partial<Readonly<Record<ClicksColumn, string>>>;
const CLICKS: Readonly<Partial<Record<string, keyof ClicksNames>>> = {
  user_id: "user",
  item_id: "item",
  page_id: "page",
  time: "time",
  date: "date",
  month: "month",
  day: "day",
};
const ID_OPTIONS = ["user", "item", "page"] as const;

/** Makes the view. @throws UserError for files that are not what they should be. */
export async function openLog(engine: Engine, options: LogOptions, signal?: AbortSignal): Promise<LogSource> {
  await expectTimeFormat(engine, options);
  const { format } = options;
  const values = { ...ROWS, ...LISTS };
  const wanted = wantedOf(options, Object.values(values));
  const log = await openTable(engine, options.source, "a log", wanted, { format, signal });
  expectIds(log, wanted.filter(({ option }) => ID_OPTIONS.some((name) => option === flag(name))));
  const read = columnsOf(values, (value) => column(options, value));
  const selects = [`SELECT *, false AS is_clicks FROM (${joined(selectOf(log, read), read)})`];
  let clicks: TableSource | undefined;
  if (options.clicks !== undefined) {
    const named = clicksColumnsOf(options);
    const wanted = Object.entries(named).map(([name, column]) => ({
      column,
      option: `--clicks-columns ${name}=`,
    }));
    clicks = await openTable(engine, options.clicks, "a table of clicks", wanted, { format, signal });
    const ids = ID_OPTIONS.map((name) => `--clicks-columns ${name}=`);
    expectIds(clicks, wanted.filter(({ option }) => ids.includes(option)));
    const read = columnsOf(values, (_, name) => ofClicksTable(named, name));
    selects.push(`SELECT *, true AS is_clicks FROM (${joined(selectOf(clicks, read), read)})`);
  }
  await engine.run(`CREATE VIEW source AS ${selects.join(" UNION ALL ")}`);
  const ids = [...new Set([...ID_OPTIONS, "items" as const].flatMap((name) => options[name] ?? []))].join(
    " or ",
  );
  return { log, clicks, ids, faults: faultsOfLog(options, values, log, clicks, ids) };
}

/** The column of a table of clicks that a value of the view is read from. */
function ofClicksTable(named: ClicksNames, value: string): string | undefined {
  const name = CLICKS[value];
  return name && named[name];
}

/** @throws UserError for a format that is none. */
async function expectTimeFormat(engine: Engine, { timeFormat }: LogOptions): Promise<void> {
  if (timeFormat === undefined || timeUnits.some((unit) => unit === timeFormat)) return;
  try {
    await engine.run(`SELECT try_strptime('', ${literal(timeFormat)})`);
  } catch {
    throw new UserError(
      `Expected --time-format to be ${
        timeUnits.join(", ")
      }, or a format of strptime such as %d/%m/%Y %H:%M, got ` +
        `${JSON.stringify(timeFormat)}.`,
    );
  }
}

type ReadColumns = Readonly<Record<string, { readonly column: string | undefined; readonly as: ReadAs }>>;

/** Puts date and time of day together; what the time was written like goes on as time_of_day. */
function joined(select: string, { date, month, time }: ReadColumns): string {
  if (date?.column === undefined) return `SELECT *, time AS time_of_day FROM (${select})`;
  const twoDigits = (text: string) => `regexp_replace(trim(${text}), '^(\\d)$', '0\\1')`;
  const day = month?.column === undefined
    ? "regexp_replace(trim(date), '[T ]00:00:00(\\.0+)?$', '')" // a timestamp may stand for a date
    : `trim(date) || '-' || ${twoDigits("month")} || '-' || ${twoDigits("day")}`;
  const clock = time?.column === undefined ? "" : " || ' ' || regexp_replace(trim(time), '^(\\d:)', '0\\1')";
  return `SELECT * REPLACE (${day}${clock} AS time), time AS time_of_day FROM (${select})`;
}

/** The column of the log that a value of the view is read from. */
function column(options: LogOptions, { option, place = 0 }: Value): string | undefined {
  const named: unknown = [options[option]].flat()[place];
  return typeof named === "string" ? named : undefined;
}

function columnsOf(
  values: Readonly<Record<string, Value>>,
  of: (value: Value, name: string) => string | undefined,
): ReadColumns {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { column: of(value, name), as: value.as }]),
  );
}

/** The columns that the log must have. With a table of clicks, the item may be a column of that table alone. */
function wantedOf(options: LogOptions, values: readonly Value[]): Wanted[] {
  const ofClicks = options.clicks !== undefined && options.items !== undefined;
  return values.filter(({ option }) => option !== "item" || !ofClicks).flatMap((value) => {
    const named = column(options, value);
    return named === undefined ? [] : [{ column: named, option: flag(value.option) }];
  });
}

/** The columns that the table of clicks must have: with pages' ids, user and time only where they are named for it. */
export function clicksColumnsOf(options: LogOptions): ClicksNames {
  const { user, time, item, page, date = [], clicksColumns = {} } = options;
  // A time that has a name of its own there is a whole one, unless its date is named as well.
  const [year, month, day] = clicksColumns.time === undefined ? date : [];
  const dates = clicksColumns.date === undefined ? { date: year, month, day } : {};
  if ((clicksColumns.month === undefined) !== (clicksColumns.day === undefined)) {
    throw new UserError(
      "Expected year, month and day of the clicks together: --clicks-columns date=year,month=month,day=day.",
    );
  }
  const own = page === undefined ? { user, item, time, ...dates } : { item, page };
  return Object.fromEntries(
    Object.entries({ ...own, ...clicksColumns }).filter(([, column]) => column !== undefined),
  );
}

function faultsOfLog(
  options: LogOptions,
  values: Readonly<Record<string, Value>>,
  log: TableSource,
  clicks: TableSource | undefined,
  ids: string,
): FaultSource {
  const named = options.clicks === undefined ? {} : clicksColumnsOf(options);
  const ofLog = placesOf(values, log, (value) => column(options, value));
  const ofClicks = clicks && placesOf(ROWS, clicks, (_, name) => ofClicksTable(named, name));
  return {
    view: "checked",
    counted: "log_read",
    csv: (path) => clicks?.files.some((file) => file.path === path) ? ofClicks : ofLog,
    texts: textsOf(options, named, ids),
  };
}

/** Which column of a CSV file holds which one of `checked`. */
function placesOf(
  values: Readonly<Record<string, Value>>,
  { format, columns, delimiter }: TableSource,
  of: (value: Value, name: string) => string | undefined,
): CsvPlaces | undefined {
  if (format !== "csv") return undefined;
  const places = Object.entries(values).map(([own, value]): [string, number] => [
    value.option === "time" ? "time_of_day" : value.read,
    columns.findIndex(({ name }) => name === of(value, own)),
  ]);
  return { delimiter, places: Object.fromEntries(places.filter(([, place]) => place >= 0)) };
}

/** What a click looks like, for a message. */
function clickText({ clickedFrom, clickedAs }: LogOptions): { expected: string; remedy: string } {
  if (clickedFrom !== undefined) return { expected: "a number", remedy: "" };
  return {
    expected: "0, 1, true, false, yes or no",
    remedy: clickedAs === undefined
      ? " (other words: --clicked-values; ratings: --clicked-from; any value: --clicked-any)"
      : "",
  };
}

function textsOf(
  options: LogOptions,
  named: ClicksNames,
  ids: string,
): Record<string, FaultText> {
  const { items = "items", clicked = "clicked", position = "position", propensity = "propensity" } = options;
  const chance = "a number above 0 and up to 1, or nothing where it is not known";
  const click = clickText(options);
  const either = (name: "user" | "item" | "page" | "time" | "date") => {
    const own = [options[name] ?? name].flat().join(", ");
    const other = name === "date" && named.month !== undefined ? own : named[name] ?? own;
    return own === other ? own : `${own} (of clicks: ${other})`;
  };
  const empty = (name: "user" | "item" | "page", value: string) => ({
    kind: `${either(name)} is empty`,
    expected: `${either(name)} to be an id`,
    value,
  });
  const unreadable = (column: string, expected: string, value: string) => ({
    kind: `${column} cannot be read`,
    expected: `${column} to be ${expected}`,
    value,
  });
  const { date, time, timeFormat } = options;
  const times = [...date ? [either("date")] : [], ...time === undefined ? [] : [either("time")]].join(
    " and ",
  );
  const kinds = timeFormat ??
    (date
      ? `a date such as 2024-03-01${time === undefined ? "" : ", and a time of day such as 09:05:58"}`
      : "a number since 1970, or ISO 8601; say another way by --time-format; name a date that stands apart with --date");
  return {
    broken: { kind: "not a JSON object", expected: "a JSON object" },
    inexact: inexactText(ids),
    user: empty("user", "user_id"),
    item: empty("item", "item_id"),
    page: empty("page", "page_id"),
    items: unreadable(items, "a list of ids, at least one", "items_text"),
    time: unreadable(times, `a time (${kinds})`, "time_text"),
    "kind of time": {
      kind: `${times} is another kind of time than in most rows`,
      expected: `${times} to be a time of the kind that most rows have`,
      value: "time_text",
    },
    clicked: {
      kind: `${clicked} cannot be read${click.remedy}`,
      expected: `${clicked} to be ${click.expected}`,
      value: "clicked_text",
    },
    marks: unreadable(clicked, `the click of the list in ${items}, written as in most rows`, "clicked_text"),
    position: unreadable(position, "a number", "position_text"),
    propensity: unreadable(propensity, chance, "propensity_text"),
    propensities: unreadable(
      propensity,
      options.propensityOf === "item"
        ? `a list of such numbers, one for each of ${items}: ${chance}`
        : chance,
      "propensity_text",
    ),
    positions: unreadable(position, `a list of numbers, one for each of ${items}`, "position_text"),
  };
}

/** Rows of the log and the clicks, the bad ones among them. */
export async function rowsOfLog(engine: Engine, { log, clicks }: LogSource): Promise<number> {
  return await rowsOf(engine, log, "log_read WHERE NOT is_clicks") +
    (clicks ? await rowsOf(engine, clicks, "log_read WHERE is_clicks") : 0);
}

/** @param rows a table, and which of its rows are of the source. */
export async function rowsOf(engine: Engine, { format, files }: TableSource, rows: string): Promise<number> {
  if (format === "csv") return await rowsOfCsv(engine, files.map(({ path }) => path));
  return await engine.number(`SELECT count(*) FROM ${rows}`);
}
