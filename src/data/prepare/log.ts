/** Any log of what was displayed and clicked, by `data/log.sql` and what follows it. */

import { noBadRows } from "../bad_rows.ts";
import type { Engine, Variable } from "./engine.ts";
import {
  checkFeatures,
  checkItems,
  expectExact,
  itemFeatureSteps,
  itemNumberSteps,
  openFeatures,
  READING_FEATURES,
} from "./features.ts";
import { expectClickForm, expectClicksFound, expectEvents, expectPages, expectTimes } from "./log_checks.ts";
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
import { type Step, stepsOf } from "./script.ts";
import { faultsOf } from "./source_faults.ts";
import logScript from "../../../data/log.sql" with { type: "text" };
import listsScript from "../../../data/log_lists.sql" with { type: "text" };
import gapScript from "../../../data/log_gap.sql" with { type: "text" };
import pagesScript from "../../../data/log_pages.sql" with { type: "text" };
import clicksApartScript from "../../../data/log_clicks.sql" with { type: "text" };
import sampledScript from "../../../data/log_sampled.sql" with { type: "text" };
import rowsScript from "../../../data/page_rows.sql" with { type: "text" };

export type { LogOptions } from "./log_options.ts";

/** @throws UserError for options that do not fit together. */
export function logRecipe(options: LogOptions): Recipe {
  expectShape(options);
  return { begin: (engine, _work, signal) => begin(engine, options, signal) };
}

/** The end of the scripts of all logs: numbers of items, and rows of pages. */
export const itemsAndRows = () => [...itemNumberSteps(), ...stepsOf(rowsScript)];

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
const CLICKS_APART = "Which displayed items were clicked";
const PAGES_DONE = "Looking at the pages";

function stepsOfLog(options: LogOptions): Step[] {
  const scripts = options.pages === "sampled" ? [sampledScript] : [
    ...options.pageGap === undefined ? [] : [gapScript],
    pagesScript,
    ...isClickApart(options) ? [clicksApartScript] : [],
  ];
  const [values, ...reading] = stepsOf(logScript);
  const [lists, ...clicksOfLists] = options.items === undefined ? [] : stepsOf(listsScript);
  const done = "DROP VIEW IF EXISTS row_read; DROP TABLE IF EXISTS row_of_gap; DROP TABLE log_read";
  return [
    ...[values, lists].filter((step) => step !== undefined),
    ...reading,
    ...clicksOfLists,
    ...scripts.flatMap(stepsOf),
    { title: PAGES_DONE, sql: done },
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
