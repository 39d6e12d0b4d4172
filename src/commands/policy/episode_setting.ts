/** Reads a command's options for simulated episodes: slate size, pages, item pool and start clicks. */

import type { GivenOptions } from "../../cli/command_options.ts";
import { readItemFile } from "../../cli/item_file.ts";
import { type Clicks, listUsers, NONE, type Split } from "../../data/click_log.ts";
import { countScored, type LogSource, walk } from "../../data/log_source.ts";
import { makeKey } from "../../data/philox.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { SimulatorOptions } from "../../simulate/simulator_options.ts";
import type { PoolOptions } from "../../simulate/pool.ts";
import { drawStartHistory, type StartOptions } from "../../simulate/start.ts";
import { UserError } from "../../user_error.ts";
import type { EpisodeOptions, PoolArgument } from "../simulate/simulate_options.ts";

export interface EpisodeSetting {
  readonly options: SimulatorOptions;
  /** Returns a simulated user's clicks before the first page, oldest click first. */
  getStart(user: number): ArrayLike<number>;
  /** Returns the id of the logged user whose clicks a simulated user starts with; undefined for no clicks. */
  readonly startedAs: ((user: number) => string | null) | undefined;
}

/** Maximum number of pages per episode if the default of --pages comes from a log. */
const MOST_PAGES = 100;

/** Defaults of --slate and --pages that come from a log, and a text that reports them. */
export interface LoggedSizes {
  /** The log's most frequent page size, and the median number of pages per user. */
  readonly sizes: { readonly slate?: number; readonly pages?: number };
  readonly note: string;
}

/**
 * Derives defaults of --slate and --pages from the pages of a log's train users.
 * @returns undefined if both options were typed, for a synthetic shop's log, or for randomly sampled pages
 */
export function measureLoggedSizes(
  { source, dataset: { config } }: Pick<OpenedDataset, "source" | "dataset">,
  given: GivenOptions,
): LoggedSizes | undefined {
  const [needsSlate, needsPages] = [!given.has("slate"), !given.has("pages")];
  if (config.kind === "demo" || source.sampledPages || !(needsSlate || needsPages)) return undefined;
  const train = listUsers(source, "train");
  const counts = Array.from(train, (user) => countScored(source, user)).filter((pages) => pages > 0);
  const usual = findCommonPageSize(walk(source, train));
  const median = counts.sort((a, b) => a - b)[counts.length >> 1];
  if (usual === undefined || median === undefined) return undefined;
  const { count } = source.items.shape;
  const slate = Math.min(usual, count);
  const pages = Math.min(median, MOST_PAGES, count - slate + 1); // clicked items are not shown again
  const texts = [
    ...(needsSlate
      ? [`Slates have ${slate} items (the most frequent page size of the train users of ${source.name}).`]
      : []),
    ...(needsPages ? [`Users see ${pages} pages (the median of the train users of ${source.name}).`] : []),
  ];
  return { sizes: { ...(needsSlate && { slate }), ...(needsPages && { pages }) }, note: texts.join(" ") };
}

/** Returns the most frequent page size. Of equally frequent sizes, the smallest is returned. */
export function findCommonPageSize(
  parts: Iterable<{ readonly log: Clicks; readonly users: Iterable<number> }>,
): number | undefined {
  const sizes = new Map<number, number>();
  for (const { log: { userEvents, eventRows, eventKind }, users } of parts) {
    for (const user of users) {
      for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
        if (eventKind?.[e]) continue;
        const size = eventRows[e + 1]! - eventRows[e]!;
        sizes.set(size, (sizes.get(size) ?? 0) + 1);
      }
    }
  }
  return [...sizes].sort(([a, times], [b, others]) => others - times || a - b)[0]?.[0];
}

/** Builds the setting of simulated episodes. @throws UserError for a split without users, or unknown items */
export function buildEpisodeSetting(
  { start, pool, ...others }: EpisodeOptions,
  data: OpenedDataset,
): EpisodeSetting {
  const options = { ...others, pool: buildPoolOptions(pool, data) };
  if (start === "empty") return { options, getStart: () => [], startedAs: undefined };
  const { histories, users: logged } = readHistories(data.source, start);
  const whose = new Map(histories.map((history, place) => [history as ArrayLike<number>, place]));
  const key = makeKey(others.seed);
  const own = (user: number) => drawStartHistory(histories, user, 0, key);
  return {
    options: { ...options, start: histories },
    getStart: own,
    startedAs: (user) => {
      const number = logged[whose.get(own(user)) ?? -1];
      return number === undefined ? null : data.users.of(number);
    },
  };
}

/** Returns the start clicks: none, or the clicks of a split's users. @throws UserError for an empty split */
export function buildStartOptions(source: LogSource, start: "empty" | Split): StartOptions {
  return start === "empty" ? "empty" : readHistories(source, start).histories;
}

/** Reads the clicks of a split's users: one array per user, oldest click first. */
function readHistories(source: LogSource, part: Split): { histories: Uint32Array[]; users: Uint32Array } {
  const users = listUsers(source, part);
  if (users.length === 0) {
    throw new UserError(
      `Expected ${part} users in ${source.name} for --start, found none. Use another split.`,
    );
  }
  const histories: Uint32Array[] = [];
  for (const { log, users: places } of walk(source, users)) {
    for (const user of places) {
      const clicks = log.eventClick.subarray(log.userEvents[user], log.userEvents[user + 1]);
      histories.push(Uint32Array.from(clicks.filter((row) => row !== NONE), (row) => log.rowItem[row] ?? 0));
    }
  }
  return { histories, users };
}

function buildPoolOptions(pool: PoolArgument, data: OpenedDataset): PoolOptions {
  if (pool === "all" || "random" in pool) return pool;
  return { items: readItemFile(pool.file, data) };
}
