/** Computes statistics of a prepared data set by `data/describe.sql`, and lists warnings. */

import * as v from "../../schema.ts";
import { type ScriptStep, splitScript, SqlEngine } from "./sql_engine.ts";
import { type LogSource, makeStatus, type PreparationStatus } from "../log_source.ts";
import type { BaselineName } from "../../metrics/baselines/baseline_names.ts";
import { FittedBaselines } from "../../metrics/baselines/baselines.ts";
import { listUsers, type Split, splits } from "../click_log.ts";
import type { ColumnShares, ContextFeature, Manifest } from "../manifest.ts";
import { type PreparedSet, readPreparedLog } from "../prepared_set.ts";
import type { TableName } from "../prepared_tables.ts";
import { listTableFiles, openPreparedSet } from "../sets/prepared_folder.ts";
import { MEMORY_ROWS } from "../sets/dataset.ts";
import { escapeGlob } from "./glob.ts";
import { measurePositionEffect, type PositionEffect } from "./measure_position_effect.ts";
import script from "../../../data/describe.sql" with { type: "text" };
import positionsScript from "../../../data/describe_positions.sql" with { type: "text" };
import { formatThousands } from "../../number_text.ts";

/** Schema of a number from the SQL engine, which returns large whole numbers as text. null becomes NaN. */
const number = v.pipe(
  v.nullable(v.union([v.number(), v.string()])),
  v.transform((value) => value === null ? NaN : Number(value)),
);
/** Statistics of one part of the data (train, validation or test). */
const statisticsSchema = v.object({
  split: v.string(),
  users: number,
  events: number,
  rows: number,
  clicks: number,
  /** Loss of a model that gives all items the utility 0. */
  uniformLoss: number,
  /** Share of the impressions whose item no train user saw. */
  unseenShown: number,
  /** Share of the clicks that are on items that no train user saw. */
  unseenClicked: number,
  /** Share of the clicks that are on items that no train user clicked. */
  neverClicked: number,
});
export type SplitStatistics = v.InferOutput<typeof statisticsSchema>;

/** Metrics of baselines on one split. A baseline is absent if the data set lacks the baseline's inputs. */
export type BaselinePrecisions =
  & { readonly split: Split }
  & Readonly<Record<"nll" | "prec1" | "prec2", Readonly<Partial<Record<BaselineName, number>>>>>;

export interface DataDescription {
  readonly manifest: Manifest;
  readonly items: number;
  /** Number of distinct item ids: less than `items` if an item has several versions. */
  readonly ids: number;
  readonly context: number;
  /** In a split by time: number of pages that models read only as history of validation or test users. */
  readonly earlier: number;
  readonly parts: readonly SplitStatistics[];
  /** Metrics of baselines on validation and test; empty if the set does not fit into memory. */
  readonly baselines: readonly BaselinePrecisions[];
  /** Histogram of page sizes: the number of pages for each number of items per page. */
  readonly pageSizes: readonly { size: number; pages: number }[];
  /** Number of clicks at each position, over pages with at least two items. */
  readonly clickPositions: readonly { position: number; clicks: number }[];
  readonly positionEffect: PositionEffect;
  /** Number of pages with a known propensity, and minimum and median of the propensities. */
  readonly propensities: { readonly pages: number; readonly least: number; readonly median: number };
  readonly contextFeatures: readonly ContextDescription[];
  /** Minimum, the three quartiles and maximum of the number of events per user. */
  readonly eventsPerUser: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * Clicks per displayed item, for low and for high values of a context feature. For numbers, these are the
 * lowest and the highest third of the values. For categories, low is 0 and high is 1.
 */
export interface ContextDescription {
  readonly name: string;
  readonly kind: ContextFeature["kind"];
  /** Shares of absent, clipped and unknown values; undefined if the manifest lacks them. */
  readonly shares: ColumnShares | undefined;
  readonly low: number;
  readonly high: number;
  /** Ratio high / low of the two click rates. */
  readonly ratio: number;
  /** Half width of the 95 % interval of log(ratio), computed as if all clicks were independent. */
  readonly error: number;
}

/** Describes the data set in a folder. @throws UserError if the folder is not a prepared data set. */
export async function describe(
  folder: string,
  memory: string,
  onStep?: (standing: PreparationStatus) => void,
): Promise<DataDescription> {
  onStep?.(makeStatus("Checking users, items and pages"));
  const { set: { manifest }, log } = await checked(folder);
  onStep?.(makeStatus("Baselines"));
  const baselines = log ? baselinesOn(log, manifest) : [];
  const engine = await SqlEngine.open({ workFolder: "", memory });
  try {
    await count(engine, folder, [...splitScript(script), ...splitScript(positionsScript)], { onStep });
    return { ...await buildDescription(engine, manifest), baselines };
  } finally {
    engine.close();
  }
}

/** Lists warnings about a data set that `engine` wrote. Runs `USE memory`. */
export async function listSetWarnings(
  engine: SqlEngine,
  folder: string,
  signal?: AbortSignal,
): Promise<string[]> {
  await engine.run("USE memory");
  await count(engine, folder, splitScript(script), { signal });
  return await countedWarnings(engine, await readStatistics(engine));
}

async function count(
  engine: SqlEngine,
  folder: string,
  steps: readonly ScriptStep[],
  events: Parameters<SqlEngine["runSteps"]>[1],
): Promise<void> {
  const files = (part: TableName) => listTableFiles(folder, part).map(escapeGlob);
  await engine.setVariables({
    users: files("users"),
    items: files("items"),
    pages: files("pages"),
    page_files: listTableFiles(folder, "pages"),
  });
  await engine.runSteps(steps, events);
}

async function countedWarnings(engine: SqlEngine, parts: readonly SplitStatistics[]): Promise<string[]> {
  const [suspicion = {}] = await engine.rows("FROM suspicion");
  return listWarnings(Object.fromEntries(Object.entries(suspicion).map(([k, v]) => [k, Number(v)])), parts);
}

/** Builds the description from the tables that data/describe.sql creates. */
async function buildDescription(
  engine: SqlEngine,
  manifest: Manifest,
): Promise<Omit<DataDescription, "baselines">> {
  const parts = await readStatistics(engine);
  const [quartiles] = await engine.rows(
    "SELECT quantile_disc(events, [0, 0.25, 0.5, 0.75, 1]) AS q FROM events_of_user",
  );
  const [propensities] = await engine.rows(
    "SELECT count(log_propensity) AS pages, exp(min(log_propensity)) AS least, " +
      "exp(median(log_propensity)) AS median FROM page WHERE NOT context",
  );
  return {
    manifest,
    items: await engine.number("SELECT count(*) FROM items"),
    ids: await engine.number("SELECT count(DISTINCT id) FROM id_of"),
    context: await engine.number("SELECT count(*) FROM page WHERE context AND NOT earlier"),
    earlier: await engine.number("SELECT count(*) FROM page WHERE earlier"),
    parts,
    pageSizes: (await engine.rows("FROM page_size")).map((r) => ({
      size: Number(r.size),
      pages: Number(r.pages),
    })),
    clickPositions: (await engine.rows("FROM click_position")).map((r) => ({
      position: Number(r.position),
      clicks: Number(r.clicks),
    })),
    propensities: {
      pages: Number(propensities?.pages),
      ...{ least: Number(propensities?.least), median: Number(propensities?.median) },
    },
    positionEffect: await measurePositionEffect(engine, manifest.pageOrder),
    contextFeatures: await describeContext(engine, manifest),
    eventsPerUser: Array.isArray(quartiles?.q) ? quartiles.q.map(Number) : [],
    // Only `data log` can compute warnings about the raw log's pages, so they are read from the manifest.
    warnings: [...new Set([...manifest.warnings ?? [], ...await countedWarnings(engine, parts)])],
  };
}

async function describeContext(
  engine: SqlEngine,
  { features: { context = [] }, shares }: Manifest,
): Promise<ContextDescription[]> {
  const Xi = context.filter(({ kind }) => kind === "impression").length;
  const rows = "SELECT list_contains(clicks, j) AS is_clicked, " +
    `list_concat(impression_features[j * ${Xi} + 1 : (j + 1) * ${Xi}], page_features) AS f FROM (` +
    "SELECT list_prepend(clicked, additional_clicks) AS clicks, unnest(range(0, len(items))) AS j, " +
    "impression_features, page_features FROM pages WHERE NOT context)";
  const found: ContextDescription[] = [];
  for (const [k, { name, kind, transform: { of, column } }] of context.entries()) {
    if (of === "known") continue;
    const x = `f[${k + 1}]`;
    const [row = {}] = await engine.rows(
      `WITH r AS (${rows}), q AS (SELECT quantile_cont(${x}, [1.0 / 3, 2.0 / 3]) AS q, ` +
        `min(${x}) AS least FROM r), ` +
        // If both tertiles are one value, rows with this value are high (or low, if it is the least value).
        `s AS (SELECT is_clicked, if(q[1] = q[2] AND q[1] > least, ${x} < q[1], ${x} <= q[1]) AS is_low, ` +
        `if(q[1] = q[2] AND q[1] = least, ${x} > q[1], ${x} >= q[2]) AS is_high FROM r, q) ` +
        "SELECT count_if(is_low) AS low, count_if(is_low AND is_clicked) AS low_clicks, " +
        "count_if(is_high) AS high, count_if(is_high AND is_clicked) AS high_clicks FROM s",
    );
    const low = Number(row.low_clicks) / Number(row.low);
    const high = Number(row.high_clicks) / Number(row.high);
    const error = 1.96 * Math.sqrt(1 / Number(row.low_clicks) + 1 / Number(row.high_clicks));
    const own = shares.find((one) => one.column === column && one.kind === kind);
    found.push({ ...{ name, kind, low, high, ratio: high / low, error }, shares: own });
  }
  return found;
}

async function readStatistics(engine: SqlEngine): Promise<SplitStatistics[]> {
  return v.parse(v.array(statisticsSchema), await engine.rows("FROM part"));
}

/**
 * Reads and checks a set as training does, because the statistics of a faulty set would be misleading.
 * @returns the set, and the log if the log fits into memory. @throws UserError for a faulty set.
 */
async function checked(folder: string): Promise<{ set: PreparedSet; log: LogSource | undefined }> {
  const set = await openPreparedSet(folder);
  if (set.rows <= MEMORY_ROWS) return { set, log: await readPreparedLog(set) };
  await set.readClicks(await set.readItems(() => {}), () => {});
  return { set, log: undefined };
}

function baselinesOn(log: LogSource, { features, pageOrder }: Manifest): BaselinePrecisions[] {
  const counted = FittedBaselines.of(log, features.tokens, undefined, pageOrder);
  return splits.filter((split) => split !== "train").flatMap((split): BaselinePrecisions[] => {
    const users = listUsers(log, split);
    if (users.length === 0) return [];
    const tested = [...counted.test(users)];
    const of = (figure: "nll" | "prec1" | "prec2") =>
      Object.fromEntries(tested.map(([name, { details }]) => [name, details.metrics[figure]]));
    return [{ split, nll: of("nll"), prec1: of("prec1"), prec2: of("prec2") }];
  });
}

/** Numbers of suspicious pages, users and clicks, by column of the table `suspicion` (data/describe.sql). */
type Suspicion = Readonly<Record<string, number>>;

export function listWarnings(s: Suspicion, parts: readonly SplitStatistics[]): string[] {
  return [...positionWarnings(s), ...pageWarnings(s), ...partWarnings(parts)];
}

const share = (part: number | undefined, whole: number | undefined) => whole ? (part ?? 0) / whole : 0;
const percent = (x: number) => `${(100 * x).toFixed(0)} %`;

/** Warns if a position (often the last) is clicked far more often than by chance. */
function positionWarnings(s: Suspicion): string[] {
  const last = share(s.last_clicks, s.clicks);
  const most = share(s.most_clicks, s.clicks);
  const chance = percent(s.chance ?? 0);
  const odd = Math.min(0.9, 2 * (s.chance ?? 1));
  if (last > odd) {
    return [
      `${percent(last)} of the clicks are on the last item of a page (${chance} by chance). Metrics ` +
      "that rank tied items by position would depend on this order. (clickgan averages over ties.)",
    ];
  }
  if (most <= odd) return [];
  return [
    `${percent(most)} of the clicks are at position ${s.most_position} (${chance} by chance): ` +
    "either people look at this position first (position bias, not utility), " +
    "or the log lists clicked items at this position.",
  ];
}

/** Warns if pages repeat items, have one item or only clicked items, or if most users have no history. */
function pageWarnings(s: Suspicion): string[] {
  const warnings: string[] = [];
  const n = (count: number | undefined) => formatThousands(count ?? 0);
  if ((s.pages_with_twice ?? 0) > 0) {
    warnings.push(
      `${n(s.pages_with_twice)} pages show an item twice. In ${n(s.twice_clicked)} cases, ` +
        "this item was clicked, so the repeated rows reveal the click. Keep one row per item of a page.",
    );
  }
  if (s.pages_with_unclicked === 0) {
    warnings.push("Every displayed item was clicked: the log has no negatives, and all metrics are 1.");
  }
  const one = share(s.pages_of_one, s.pages);
  if (one === 1) {
    warnings.push(
      "Each page shows one item, which any model ranks first, so prec@1 is always 1. " +
        "A model can only learn the probability of a click.",
    );
  } else if (one > 0.1) {
    warnings.push(
      `${percent(one)} of the pages show one item, which any model ranks first. ` +
        "Look at the metrics of longer pages, which have several items.",
    );
  }
  const single = share(s.users_of_one, s.users);
  if (single > 0.5) {
    warnings.push(
      `${percent(single)} of the users have one event and no history. ` +
        "For these users, a model cannot use any earlier clicks.",
    );
  }
  return warnings;
}

/** Warns if a part has no users, or if many validation or test clicks are on items no train user saw. */
function partWarnings(parts: readonly SplitStatistics[]): string[] {
  const unseen = parts.filter(({ split, unseenClicked }) => split !== "train" && unseenClicked > 0.1);
  const empty = splits.filter((split) => !parts.some((part) => part.split === split));
  return [
    ...unseen.map(({ split, unseenClicked }) =>
      `${percent(unseenClicked)} of the clicks in the ${split} part are on items that no train user saw: ` +
      "a model knows these items only by their features, not by their ids."
    ),
    ...empty.map((split) =>
      `The ${split} part has no users: training needs all three parts. Prepare the data with other --shares.`
    ),
  ];
}
