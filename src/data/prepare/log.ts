/** Any log of what was displayed and clicked, by `data/log.sql` and what follows it. */

export type { LogOptions } from "./log_options.ts";
import clicksApartScript from "../../../data/log_clicks.sql" with { type: "text" };
import gapScript from "../../../data/log_gap.sql" with { type: "text" };
import listsScript from "../../../data/log_lists.sql" with { type: "text" };
import logScript from "../../../data/log.sql" with { type: "text" };
import pagesScript from "../../../data/log_pages.sql" with { type: "text" };
import rowsScript from "../../../data/page_rows.sql" with { type: "text" };
import sampledScript from "../../../data/log_sampled.sql" with { type: "text" };
import { faultsOf, noBadRows } from "./bad_rows.ts";
import { type Engine, literal, type Step, stepsOf, type Variable } from "./engine.ts";
import {
  checkFeatures,
  checkItems,
  expectExact,
  itemFeatureSteps,
  openFeatures,
  READING_FEATURES,
} from "./features.ts";
import {
  DEFAULT_CLICK_WITHIN,
  DEFAULT_PAGE_SIZE,
  DEFAULT_SAMPLED_WINDOW,
  expectShape,
  type LogOptions,
  timeUnits,
} from "./log_options.ts";
import { clicksColumnsOf, openLog, rowsOf, rowsOfLog } from "./log_source.ts";
import type { Begun, Recipe } from "./prepare.ts";
import { UserError } from "../../user_error.ts";
import { thousands } from "../../number_text.ts";

/** @throws UserError for options that do not fit together. */
export function logRecipe(options: LogOptions): Recipe {
  expectShape(options);
  return (engine, _work, signal) => begin(engine, options, signal);
}

/** The end of the scripts of all logs: numbers of items, and rows of pages. */
export const itemsAndRows = () => stepsOf(rowsScript);

async function begin(engine: Engine, options: LogOptions, signal?: AbortSignal): Promise<Begun> {
  const source = await openLog(engine, options, signal);
  const key = options.featuresKey ?? options.item ?? "";
  const features = await openFeatures(engine, options, key, signal);
  return {
    sources: [
      ...source.log.files,
      ...source.clicks?.files ?? [],
      ...features.source?.files ?? [],
    ],
    steps: [...stepsOfLog(options), ...itemsAndRows()],
    itemSteps: itemFeatureSteps(),
    variables: { ...variablesOf(options), ...features.variables },
    places: options.position !== undefined || options.items !== undefined ? "shown" : "arbitrary",
    rowsRead: (engine, { title }) =>
      title === READING_FEATURES && features.source
        ? rowsOf(engine, features.source, "feature_row")
        : rowsOfLog(engine, source),
    badRows: async (engine, { title }) => {
      if (title === READING_FEATURES) return await checkFeatures(engine, features);
      // Of lists, the next step tells which clicks are none.
      if (options.items !== undefined && title !== CLICKS_OF_LISTS) return noBadRows;
      const bad = await faultsOf(engine, source.faults);
      expectExact(bad, source.ids);
      await expectTimes(engine, options);
      await expectClickForm(engine, options);
      await expectEvents(engine, options);
      return bad;
    },
    after: async (engine, step) => {
      const { title } = step;
      await checkItems(engine, features, step);
      if (title === CLICKS_APART) await expectClicksFound(engine, options);
      if (title === PAGES_DONE) await expectPages(engine, options);
    },
  };
}

const CLICKS_OF_LISTS = "Reading the clicks of lists";
/** The steps after which the pages are looked at. */
const CLICKS_APART = "Clicks that belong to no page";
const PAGES_DONE = "Looking at the pages";

function stepsOfLog(options: LogOptions): Step[] {
  const scripts = options.pages === "sampled" ? [sampledScript] : [
    ...options.pageGap === undefined ? [] : [gapScript],
    pagesScript,
    ...isClickApart(options) ? [clicksApartScript] : [],
  ];
  const [values, ...reading] = stepsOf(logScript);
  const [lists, ...clicksOfLists] = options.items === undefined ? [] : stepsOf(listsScript);
  const done = "DROP VIEW row_read; DROP TABLE IF EXISTS row_of_gap; DROP TABLE log_read";
  return [
    ...[values, lists].filter((step) => step !== undefined),
    ...reading,
    ...clicksOfLists,
    ...scripts.flatMap(stepsOf),
    { title: "Leaving the log", sql: done },
  ];
}

const isClickApart = ({ clicks, event }: LogOptions) => clicks !== undefined || event !== undefined;

function variablesOf(options: LogOptions): Record<string, Variable> {
  const ofClicks = options.clicks === undefined ? {} : clicksColumnsOf(options);
  const sampled = options.pages === "sampled";
  const isUnit = timeUnits.some((unit) => unit === options.timeFormat);
  return {
    with_pages: options.page !== undefined,
    with_lists: options.items !== undefined,
    with_marks: options.clicked !== undefined,
    with_positions: options.position !== undefined,
    propensity_of: options.propensity === undefined ? null : options.propensityOf ?? "page",
    click_lists: options.event !== undefined && options.items !== undefined && options.item === undefined,
    click_any: options.clickedAny === true,
    with_events: options.event !== undefined,
    clicks_with_users: options.clicks === undefined || ofClicks.user !== undefined,
    clicks_with_times: options.clicks === undefined || ofClicks.time !== undefined ||
      ofClicks.date !== undefined,
    time_unit: isUnit ? options.timeFormat ?? null : null,
    time_format: isUnit ? null : options.timeFormat ?? null,
    shown_events: options.eventShown ?? [],
    click_events: options.eventClicked ?? [],
    click_from: options.clickedFrom ?? null,
    click_words: options.clickedValues ?? null,
    click_form: options.clickedAs ?? null,
    all_clicked: sampled && options.clicked === undefined && options.event === undefined,
    click_within_ms: Math.round(60_000 * (options.clickWithin ?? DEFAULT_CLICK_WITHIN)),
    page_gap_ms: Math.round(1000 * (options.pageGap ?? 0)),
    page_size: options.pageSize ?? DEFAULT_PAGE_SIZE,
    window_ms: Math.round(86_400_000 * (options.sampledWindow ?? DEFAULT_SAMPLED_WINDOW)),
    seed: options.seed ?? 1,
  };
}

// What the pages of a log must be, so that a model can learn from them; what is told of them, and what is refused.

const AS_IS = "--pages as-is lets it pass";

/** @throws UserError where the clicks of lists can be read in several ways, or in none. */
async function expectClickForm(engine: Engine, options: LogOptions): Promise<void> {
  const { items, clicked, clickedAs } = options;
  if (items === undefined || clicked === undefined || clickedAs !== undefined) return;
  if (await engine.value("SELECT getvariable('click_form')") !== null) return;
  const forms = await engine.rows("SELECT form, pages, fitting FROM click_form ORDER BY form");
  if (forms.length === 0) return; // no click: told when the pages are looked at
  const counts = forms.map(({ form, fitting }) => `${form} ${thousands(Number(fitting))}`).join(", ");
  const several = forms.filter(({ pages, fitting }) => Number(fitting) >= 0.99 * Number(pages)).length > 1;
  throw new UserError(
    `Expected ${clicked} to say which of ${items} was clicked in one way: its id (id), its place from 0 (index) or from ` +
      `1 (place), or a yes or no for each item (marks). ${several ? "Several fit" : "None fits"}; of ` +
      `${thousands(Number(forms[0]?.pages))} pages with a click fit ${counts}. ` +
      (several
        ? "Say which it is with --clicked-as."
        : "Is it the right column? Say how it is written with --clicked-as."),
  );
}

const timeWords = ({ date = [], time }: LogOptions) =>
  [...date, ...time === undefined ? [] : [time]].join(", ");

/** Numbers are only counted since 1970 where most are within these, in ms: others are years, or count from somewhere else. */
const LOG_TIMES = { from: Date.UTC(1990), to: Date.UTC(2100) } as const;

/** @throws UserError for numbers that, counted since 1970, are no times of a log. */
async function expectTimes(engine: Engine, options: LogOptions): Promise<void> {
  if (options.timeFormat !== undefined || options.pages === "as-is") return;
  const { from, to } = LOG_TIMES;
  const text = (time: string) => `strftime(make_timestamp(1000 * ${time}), '%Y-%m-%d %H:%M:%S')`;
  const [row] = await engine.rows(
    `SELECT time_kind, ${text("min(time)")} AS first, ${text("max(time)")} AS last FROM log_read ` +
      "WHERE fault IS NULL AND ends_with(time_kind, 'since 1970') GROUP BY time_kind " +
      `HAVING count_if(time < ${from} OR time >= ${to}) > count(*) / 2`,
  );
  if (!row) return;
  throw new UserError(
    `Expected ${
      timeWords(options)
    } to be times of a log. As numbers of ${row.time_kind} they would mean ${row.first} to ` +
      `${row.last}. Say how they are written by --time-format: a format such as %Y or %Y%m%d, or the unit ` +
      `(${
        timeUnits.join(", ")
      }) where only their order counts. Columns with year, month and day: --date year,month,day.`,
  );
}

/** @throws UserError where no row is an event that was named. */
async function expectEvents(
  engine: Engine,
  { event, eventShown = [], eventClicked = [], pages }: LogOptions,
): Promise<void> {
  if (event === undefined) return;
  const kinds = await engine.rows(
    "SELECT kind, count(*) AS n FROM log_read WHERE fault IS NULL GROUP BY kind",
  );
  const has = (kind: string) => kinds.some((row) => row.kind === kind);
  const missing = [
    ...pages === "sampled" || has("shown") ? [] : [`${eventShown.join(" or ")} (--event-shown)`],
    ...has("click") ? [] : [`${eventClicked.join(" or ")} (--event-clicked)`],
  ];
  if (missing.length === 0 || kinds.length === 0) return;
  const found = await engine.rows(
    "SELECT coalesce(event, 'none') AS event, count(*) AS n FROM log_read GROUP BY event ORDER BY n DESC, event LIMIT 20",
  );
  throw new UserError(
    `Expected rows whose ${event} is ${missing.join(", and ")}, found none. Found ` +
      found.map((row) => `${row.event} (${thousands(Number(row.n))} rows)`).join(", ") + ".",
  );
}

/** @throws UserError where most clicks belong to nothing that was displayed. */
async function expectClicksFound(engine: Engine, options: LogOptions): Promise<void> {
  const [row] = await engine.rows("FROM click_match");
  const [clicks, found] = [Number(row?.clicks), Number(row?.found)];
  if (clicks === 0 || found >= 0.5 * clicks || options.pages === "as-is") return;
  const by = options.page === undefined
    ? `the same user and item, shown at most ${options.clickWithin ?? 30} minutes before (--click-within)`
    : "the same page id and item";
  throw new UserError(
    `Expected each click to be of an item that was displayed (${by}), found this of ${thousands(found)} of ${
      thousands(clicks)
    } clicks. ` +
      `Are ids and times written alike on both sides, and is the log whole? ${AS_IS}: other clicks are left out.`,
  );
}

/** The columns and options that make a page, for what does not fit. */
const GUIDE = "data/README.md shows which command fits which log.";

/** Looks at `page_of`. @throws UserError for pages that cannot be what was displayed, unless they are taken as they are. */
async function expectPages(engine: Engine, options: LogOptions): Promise<void> {
  const { pages = "log", page, items, pageGap } = options;
  await expectOnePropensity(engine, options);
  const [row = {}] = await engine.rows(
    "SELECT count(*) AS pages, count(*) FILTER (items > 1) AS longer, count(*) FILTER (clicks > 0) AS clicked, " +
      `min(time) = max(time) AS "one time", ${TIMES} FROM page_of`,
  );
  const [count, longer, clicked] = [Number(row.pages), Number(row.longer), Number(row.clicked)];
  if (count === 0) return; // told where users are counted
  const step = STEPS.find(({ name }) => row[name] === true);
  const note = async (text: string) => await engine.run(`INSERT INTO note VALUES (${literal(text)})`);
  if (count > 1 && row["one time"] === true) {
    await note("all pages have the same time: those of a user go by their ids");
  }
  if (step?.order) {
    await note(`times are whole ${step.name}s: pages of a user in one ${step.name} go by their ids`);
  }
  if (pages === "as-is") return;
  if (clicked === 0) {
    const { clicked: column } = options;
    const remedy = column === undefined
      ? ""
      : `Is ${column} what says so? Ratings: --clicked-from; other words: --clicked-values; any value: --clicked-any. `;
    throw new UserError(
      `Expected clicks, found none on ${
        thousands(count)
      } pages: there is nothing to learn. ${remedy}${AS_IS}.`,
    );
  }
  const byTime = page === undefined && items === undefined && pageGap === undefined && pages !== "sampled";
  if (byTime && longer > 0 && step) {
    const merge = `all rows of a user in one ${step.name} would be one page`;
    if (step.refused) {
      throw new UserError(
        `The times (${
          timeWords(options)
        }) are whole ${step.name}s: without the pages' ids, ${merge}. Name the column with the id of ` +
          `the page by --page, or a finer time by --time. If that is what a page is: ${AS_IS}. ${GUIDE}`,
      );
    }
    await note(`times are whole ${step.name}s, and there is no --page: ${merge}`);
  }
  if (longer === 0) throw new UserError(oneItemText(options, count, clicked));
  if (longer < count / 2) {
    await note(
      `${Math.round(100 * (1 - longer / count))} % of the pages show one item: they are always ranked right`,
    );
  }
}

/** @throws UserError for pages whose items have several, unless each item has its own. */
async function expectOnePropensity(engine: Engine, { propensity, propensityOf }: LogOptions): Promise<void> {
  if (propensity === undefined || propensityOf === "item") return;
  const several = await engine.number("SELECT count(*) FROM page_of WHERE has_several_propensities");
  if (several === 0) return;
  throw new UserError(
    `Expected one ${propensity} on all rows of a page, found several on ${
      thousands(several)
    } pages. If each item has its own, ` +
      "given those before it: --propensity-of item.",
  );
}

/** What times may be multiples of, the longest first. One alone says little: an hour or a minute needs several. */
const STEPS = [
  { name: "day", ms: 86_400_000, least: 1, refused: true, order: true },
  { name: "hour", ms: 3_600_000, least: 20, refused: true, order: false },
  { name: "minute", ms: 60_000, least: 20, refused: false, order: false },
] as const;
/** Also where all are the same time of the day. */
const TIMES = STEPS.map(({ name, ms, least }) =>
  `(bool_and(time % ${ms} = 0) AND approx_count_distinct(time) >= ${least}) OR ` +
  `(min((time % ${ms} + ${ms}) % ${ms}) = max((time % ${ms} + ${ms}) % ${ms}) AND approx_count_distinct(time) >= 20) AS "${name}"`
).join(", ");

function oneItemText({ page, clicked: column, pages }: LogOptions, count: number, clicked: number): string {
  if (pages === "sampled") {
    return `Each of the ${
      thousands(count)
    } pages shows one item: there is no other one to draw. A log of clicks needs several items.`;
  }
  if (clicked === count) {
    return `Each of the ${
      thousands(count)
    } pages shows one item, and it was clicked: this is a log of clicks, which does not say what ` +
      "was passed over. A model has nothing to tell apart, and prec@1 would be 1.000. Draw items to stand beside each " +
      `click with --pages sampled, or name what was displayed by --clicks or --event. ${GUIDE}`;
  }
  const why = page === undefined
    ? "no two rows of a user have the same time. Name the column with the id of the page by --page; or let rows of a user " +
      "less than some seconds apart be one page, with --page-gap 5; or, where the log does not say what stood beside a click, " +
      "draw it with --pages sampled"
    : `no two rows of a user have the same ${page}. Name the column that all rows of one page share by --page`;
  return `Each of the ${
    thousands(count)
  } pages shows one item: ${why}. Where one item at a time was displayed, prec@1 is always 1 ` +
    `and only the probability of a click (${column ?? "clicked"}) can be learned: ${AS_IS}. ${GUIDE}`;
}
