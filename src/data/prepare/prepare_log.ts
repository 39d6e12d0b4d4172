/** Prepares a log of displayed and clicked items: runs data/log.sql, then scripts that build pages. */

export type { LogOptions } from "./log_options.ts";
import logScript from "../../../data/log.sql" with { type: "text" };
import pagesScript from "../../../data/log_pages.sql" with { type: "text" };
import rowsScript from "../../../data/page_rows.sql" with { type: "text" };
import sampledScript from "../../../data/log_sampled.sql" with { type: "text" };
import { forgetRejects, readBadRows } from "./bad_rows.ts";
import { formatLiteral, type ScriptStep, splitScript, type SqlEngine, type SqlValue } from "./sql_engine.ts";
import {
  checkFeatures,
  checkItems,
  expectExact,
  listFeatureSteps,
  openFeatures,
  READING_FEATURES,
} from "./features.ts";
import { DEFAULT_PAGE_SIZE, DEFAULT_SAMPLED_WINDOW, expectShape, type LogOptions } from "./log_options.ts";
import { chooseContextColumns, openContext } from "./context_columns.ts";
import { type LogRelations, openLog } from "./log_relations.ts";
import type { PreparationRecipe, PreparedInput } from "./prepare.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";

/** Returns the function that `prepare` calls to open the log. @throws UserError for incompatible options. */
export function logRecipe(options: LogOptions): PreparationRecipe {
  expectShape(options);
  return (engine, work, signal) => begin(engine, options, work, signal);
}

async function begin(
  engine: SqlEngine,
  options: LogOptions,
  work: string,
  signal?: AbortSignal,
): Promise<PreparedInput> {
  const context = await chooseContextColumns(options);
  const source = await openLog(engine, options, context, work, signal);
  const { names, query } = source;
  const features = await openFeatures(
    engine,
    options,
    { item: names.item, own: source.features, work },
    signal,
  );
  const day_first = await dayFirst(engine, names.time);
  return {
    sources: [...source.files, ...features.source?.files ?? []],
    query,
    steps: [...stepsOfLog(options), ...splitScript(rowsScript), ...listFeatureSteps()],
    variables: {
      ...{ ...buildVariables(options, names), ...features.variables, day_first },
      ...await openContext(engine, context, options.encodingFrom),
    },
    pageOrder: names.position !== undefined || options.items !== undefined ? "shown" : "arbitrary",
    sampledPages: options.pages === "sampled",
    rowsRead: (engine, { title }) =>
      engine.number(`SELECT count(*) FROM ${title === READING_FEATURES ? "feature_row" : "log_read"}`),
    badRows: async (engine, { title }) => {
      if (title === READING_FEATURES) return await checkFeatures(engine, features);
      const bad = await readBadRows(engine, source.faults);
      expectExact(bad, source.ids);
      await expectTimes(engine, options, names);
      return bad;
    },
    after: async (engine, step) => {
      await checkItems(engine, features, step);
      if (step.title === PAGES_DONE) await expectPages(engine, options, names);
    },
  };
}

/** Number of rows at the beginning of a log that are searched for dates such as 31.12.2025. */
const DATED_ROWS = 1000;

/**
 * Finds the order of day and month in dates such as 31.12.2025.
 * @returns true if the day is first, false if the month is first, null for a log without such dates.
 * @throws UserError unless exactly one of the two orders fits all dates.
 */
async function dayFirst(engine: SqlEngine, time: string | undefined): Promise<boolean | null> {
  const dates = "SELECT trim(time) AS t FROM source";
  const some = await engine.number(
    `SELECT count(*) FROM (${dates} LIMIT ${DATED_ROWS}) WHERE is_local_date(t)`,
  );
  const [row = {}] = some === 0 ? [] : await engine.rows(
    "SELECT count(day) AS days, count(month) AS months, count(coalesce(day, month)) AS dates, " +
      "arg_min(t, (day IS NULL, t)) AS by_day, arg_min(t, (month IS NULL, t)) AS by_month, " +
      "any_value(strftime(day, '%Y-%m-%d') ORDER BY day IS NULL, t) AS day_read, " +
      "any_value(strftime(month, '%Y-%m-%d') ORDER BY month IS NULL, t) AS month_read FROM " +
      "(SELECT t, local_time(t, true) AS day, local_time(t, false) AS month " +
      `FROM (${dates}) WHERE is_local_date(t))`,
  );
  await forgetRejects(engine); // the same rows are read again later
  if (some === 0) return null;
  const [days, months, all] = [Number(row.days), Number(row.months), Number(row.dates)];
  if ((days === all) !== (months === all)) return days === all;
  throw new UserError(
    `Expected dates in ${time} that fit one order of day and month, ` +
      `got dates that fit ${days === all ? "both" : "neither"}: ` +
      `with the day first "${row.by_day}" is ${row.day_read} (${formatThousands(days)} ` +
      `of ${formatThousands(all)} rows can be read), with the month first "${row.by_month}" is ` +
      `${row.month_read} (${formatThousands(months)}). ` +
      "Convert the dates in a SELECT: see data/recipes/time_format.sql.",
  );
}

/** Title of the SQL step after which the pages are checked. */
const PAGES_DONE = "Looking at the pages";

function stepsOfLog({ pages }: LogOptions): ScriptStep[] {
  const scripts = [logScript, pages === "sampled" ? sampledScript : pagesScript];
  const done = "DROP VIEW row_read; DROP TABLE IF EXISTS row_of_gap; DROP TABLE log_read";
  return [...scripts.flatMap(splitScript), { title: "Leaving the log", sql: done }];
}

function buildVariables(options: LogOptions, names: LogRelations["names"]): Record<string, SqlValue> {
  return {
    with_pages: names.page !== undefined,
    with_positions: names.position !== undefined,
    with_candidates: names.candidates !== undefined,
    propensity_of: names.propensity === undefined ? null : options.propensityOf ?? "page",
    all_clicked: options.pages === "sampled" && names.clicked === undefined,
    page_gap_ms: options.pageGap === undefined ? null : Math.round(1000 * options.pageGap),
    page_size: options.pageSize ?? DEFAULT_PAGE_SIZE,
    window_ms: Math.round(86_400_000 * (options.sampledWindow ?? DEFAULT_SAMPLED_WINDOW)),
    seed: options.seed ?? 1,
  };
}

// Checks of the pages, which give warnings and errors.

const AS_IS = "--pages as-is accepts the log";

/** Plausible times of a log, in ms since 1970. Other times were probably read in a wrong unit. */
const LOG_TIMES = { from: Date.UTC(1990), to: Date.UTC(2100) } as const;

/** @throws UserError if the log gives times as numbers, and most of them are outside {@link LOG_TIMES}. */
async function expectTimes(
  engine: SqlEngine,
  { pages }: LogOptions,
  { time }: LogRelations["names"],
): Promise<void> {
  if (pages === "as-is") return;
  const { from, to } = LOG_TIMES;
  const text = (time: string) => `strftime(make_timestamp(1000 * ${time}), '%Y-%m-%d %H:%M:%S')`;
  const [row] = await engine.rows(
    `SELECT time_kind, ${text("min(time)")} AS first, ${text("max(time)")} AS last FROM log_read ` +
      "WHERE fault IS NULL AND ends_with(time_kind, 'since 1970') GROUP BY time_kind " +
      `HAVING count_if(time < ${from} OR time >= ${to}) > count(*) / 2`,
  );
  if (!row) return;
  throw new UserError(
    `Expected plausible times in ${time}, got ${row.first} to ${row.last} ` +
      `(read as ${row.time_kind}). Convert the times in a SELECT: see data/recipes/time_format.sql. ` +
      `If only the order of the times matters, ${AS_IS}.`,
  );
}

const GUIDE = "data/README.md shows which command fits which log.";

/** Checks the table `page_of`; --pages as-is skips most checks. @throws UserError if a check fails. */
async function expectPages(
  engine: SqlEngine,
  options: LogOptions,
  names: LogRelations["names"],
): Promise<void> {
  const { pages = "log", items, pageGap } = options;
  await expectOnePropensity(engine, options, names);
  const [row = {}] = await engine.rows(
    "SELECT count(*) AS pages, count(*) FILTER (items > 1) AS longer, " +
      "count(*) FILTER (clicks > 0) AS clicked, count(*) FILTER (clicks < items) AS unclicked, " +
      "count(*) FILTER (has_position_twice) AS twice, " +
      `count(*) FILTER (span >= ${LONG_MS}) AS long, max(span) AS span, sum(items) AS items, ` +
      `min(time) = max(time) AS "one time", ${TIMES} FROM page_of`,
  );
  const [count, longer, clicked] = [Number(row.pages), Number(row.longer), Number(row.clicked)];
  if (count === 0) return; // reported later, when the users are counted
  const step = STEPS.find(({ name }) => row[name] === true);
  const note = async (text: string) => await engine.run(`INSERT INTO note VALUES (${formatLiteral(text)})`);
  const order = pages === "sampled" ? "at random" : "by id";
  if (count > 1 && row["one time"] === true) {
    await note(`all pages have the same time, so a user's pages are ordered ${order}`);
  }
  if (step?.order) {
    await note(`times are whole ${step.name}s: pages of a user in one ${step.name} are ordered ${order}`);
  }
  if (pages === "as-is") return;
  if (clicked === 0) {
    throw new UserError(
      `Expected clicks, got no click on ${formatThousands(count)} pages: there is nothing to learn. ` +
        `Is ${names.clicked} the right column? For ratings, see data/recipes/ratings.sql. ${AS_IS}.`,
    );
  }
  const byTime = names.page === undefined && items === undefined && pageGap === undefined &&
    pages !== "sampled";
  if (byTime && longer > 0 && step) {
    const merge = `all rows of a user in one ${step.name} would be one page`;
    if (step.refused) {
      throw new UserError(
        `Expected page ids or finer times, got times in whole ${step.name}s (${names.time}): ${merge}. ` +
          `Name the column of page ids by --page, or a finer time by --time. If these rows are one page, ` +
          `${AS_IS}. ${GUIDE}`,
      );
    }
    await note(`times are whole ${step.name}s, and --page is not given: ${merge}`);
  }
  if (longer === 0 || Number(row.unclicked) === 0) {
    throw new UserError(
      pages !== "sampled" && (longer > 0 || clicked === count)
        ? allClickedText(count, Number(row.items))
        : oneItemText(names, pages, count),
    );
  }
  const counts = { count, longer, twice: Number(row.twice), long: Number(row.long), span: Number(row.span) };
  if (pages === "sampled") return;
  for (const text of pageWarnings(counts, options, names)) {
    await engine.run(`INSERT INTO warning VALUES (${formatLiteral(text)})`);
  }
}

/** Least time in ms between the first and the last row of a suspicious page. */
const LONG_MS = 120_000;
/** Share of suspicious pages above which a warning is printed. */
const ODD_SHARE = 0.05;

/**
 * Numbers of all pages (`count`), of pages with several items (`longer`), of pages with two items at one
 * position (`twice`), and of pages that last {@link LONG_MS} or more (`long`), and the duration of the
 * longest page in ms (`span`).
 */
type PageCounts = Readonly<Record<"count" | "longer" | "twice" | "long" | "span", number>>;

/** Warns if many pages of the log look like several merged pages, or like fragments of pages. */
function pageWarnings(
  { count, longer, twice, long, span }: PageCounts,
  { pageGap, query }: LogOptions,
  { page, position }: LogRelations["names"],
): string[] {
  const of = (some: number) =>
    `${formatThousands(some)} of ${formatThousands(count)} pages (${Math.round(100 * some / count)} %)`;
  const gap = "--page-gap 10, which joins rows of a user less than 10 seconds apart";
  const apart = page !== undefined
    ? `If ${page} repeats on later pages of a user, it is not a page id: ` +
      (query === undefined ? "name another column by --page" : "select another column as page") +
      `, or use ${gap}, instead.`
    : pageGap !== undefined
    ? `If these rows are several pages, make --page-gap smaller than ${pageGap}, ` +
      "or name the column of page ids by --page."
    : "If these rows are several pages, name the column of page ids by --page.";
  const warnings: string[] = [];
  if (long > ODD_SHARE * count) {
    const most = durationText(span);
    warnings.push(
      `${of(long)} have rows at least ${LONG_MS / 60_000} minutes apart, up to ${most}. ${apart}`,
    );
  }
  if (twice > ODD_SHARE * count) {
    warnings.push(`${of(twice)} have two items at one ${position}. ${apart}`);
  }
  if (count - longer > count / 3) {
    const whole = page !== undefined
      ? `If ${page} differs between the rows of one page, name the column that these rows share by --page, ` +
        `or use ${gap}, instead.`
      : pageGap !== undefined
      ? `If rows of one page are ${pageGap} seconds apart or more, make --page-gap larger.`
      : `If the rows of one page have different times, name the column of page ids by --page, or use ${gap}.`;
    warnings.push(`${of(count - longer)} show one item, which any model ranks first. ${whole}`);
  }
  return warnings;
}

function durationText(ms: number): string {
  const [unit, length] = ms < 7_200_000
    ? ["minutes", 60_000] as const
    : ms < 172_800_000
    ? ["hours", 3_600_000] as const
    : ["days", 86_400_000] as const;
  return `${formatThousands(Math.floor(ms / length))} ${unit}`;
}

/** @throws UserError if rows of a page have different propensities, except with --propensity-of item. */
async function expectOnePropensity(
  engine: SqlEngine,
  { propensityOf }: LogOptions,
  { propensity }: LogRelations["names"],
): Promise<void> {
  if (propensity === undefined || propensityOf === "item") return;
  const several = await engine.number("SELECT count(*) FROM page_of WHERE has_several_propensities");
  if (several === 0) return;
  throw new UserError(
    `Expected one ${propensity} per page, got several values on ${formatThousands(several)} pages. ` +
      "If the column has a propensity per item (given the items before it), use --propensity-of item.",
  );
}

/** Units of time, longest first. */
const STEPS = [
  { name: "day", ms: 86_400_000, least: 1, refused: true, order: true },
  { name: "hour", ms: 3_600_000, least: 20, refused: true, order: false },
  { name: "minute", ms: 60_000, least: 20, refused: false, order: false },
] as const;
/** SQL that tests for each unit of time whether all times are whole numbers of units apart. */
const TIMES = STEPS.map(({ name, ms, least }) =>
  `(bool_and(time % ${ms} = 0) AND approx_count_distinct(time) >= ${least}) OR ` +
  `(min((time % ${ms} + ${ms}) % ${ms}) = max((time % ${ms} + ${ms}) % ${ms}) ` +
  `AND approx_count_distinct(time) >= 20) AS "${name}"`
).join(", ");

function allClickedText(pages: number, items: number): string {
  return `Expected items without a click, got ${formatThousands(items)} clicked items on ` +
    `${formatThousands(pages)} pages: this is a log of clicks without negatives, so prec@1 is always 1. ` +
    "Sample unclicked items with --pages sampled, or join the displayed items in a SELECT " +
    `(data/recipes/clicks_table.sql). If all displayed items were clicked, ${AS_IS}. ${GUIDE}`;
}

function oneItemText(
  { page, clicked: column }: LogRelations["names"],
  pages: LogOptions["pages"],
  count: number,
): string {
  if (pages === "sampled") {
    return `Expected several items, got one item on all ${formatThousands(count)} pages. Add items.`;
  }
  const why = page === undefined
    ? "no two rows of a user have the same time. Name the column of page ids by --page; or join rows " +
      "of a user that are less than some seconds apart, with --page-gap 5; or, if the log has no " +
      "unclicked items, sample them with --pages sampled"
    : `no two rows of a user have the same ${page}. Name the column that all rows of a page share by --page`;
  return `Expected pages of several items, got one item on each of ${formatThousands(count)} pages: ` +
    `${why}. ` +
    "If users were shown one item at a time, prec@1 is always 1 and a model can only learn the probability " +
    `of a click (${column ?? "clicked"}): ${AS_IS}. ${GUIDE}`;
}
