/** Resolves the options of an episode for a data set: items of the pool, and start clicks of the users. */

import { expectFile, expectLocal, explainFileError, readTextSync } from "../../files/local_file.ts";
import { listUsers, NONE, type Split } from "../../data/click_log.ts";
import { type LogSource, walk } from "../../data/log_source.ts";
import { parseIds } from "../../data/ids.ts";
import { makeKey } from "../../data/philox.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { SimulatorOptions } from "../../simulate/simulator_options.ts";
import type { PoolOptions } from "../../simulate/pool.ts";
import { drawStartHistory, type StartOptions } from "../../simulate/start.ts";
import { UserError } from "../../user_error.ts";
import type { EpisodeOptions, PoolArgument } from "../simulate/simulate_options.ts";

export interface EpisodeSetting {
  readonly options: SimulatorOptions;
  /** Returns the clicks with which a simulated user starts. */
  getStart(user: number): ArrayLike<number>;
  /** Returns the id of the logged user whose clicks are a simulated user's start clicks. Undefined without start clicks. */
  readonly startedAs: ((user: number) => string | null) | undefined;
}

/** Builds the setting of episodes. @throws UserError for a split without users, or a pool with unknown items. */
export function buildEpisodeSetting(
  { users, pages, slate, start, repeats, pool, leave, patience = 0, reward, seed }: EpisodeOptions,
  data: OpenedDataset,
): EpisodeSetting {
  const options = {
    users,
    pages,
    slate,
    seed,
    reward,
    repeats,
    leave,
    patience,
    pool: buildPoolOptions(pool, data),
  };
  if (start === "empty") return { options, getStart: () => [], startedAs: undefined };
  const { histories, users: logged } = readHistories(data.source, start);
  const whose = new Map(histories.map((history, place) => [history as ArrayLike<number>, place]));
  const key = makeKey(seed);
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

/** Returns the users' start clicks: none, or the clicks of a split's users. @throws UserError for an empty split. */
export function buildStartOptions(source: LogSource, start: "empty" | Split): StartOptions {
  return start === "empty" ? "empty" : readHistories(source, start).histories;
}

/** Reads the clicks of the users of a split: one array per user, oldest click first. */
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
  const path = pool.file;
  const places = new Map<number, number>();
  for (const { id, place } of idsOfFile(path)) {
    const item = data.items.findIndex(id);
    if (item === undefined) {
      throw new UserError(
        `${path}:${place}: expected the id of an item of ${data.source.name}, got ${JSON.stringify(id)}, ` +
          `which the data set does not have. The first item is ${JSON.stringify(data.items.of(0))}.`,
      );
    }
    const before = places.get(item);
    if (before !== undefined) {
      throw new UserError(
        `${path}:${place}: expected each item once, got ${
          JSON.stringify(id)
        }, which is already in line ${before}.`,
      );
    }
    places.set(item, place);
  }
  return { items: [...places.keys()] };
}

/** Reads a file of item ids: a JSON list, or one id per line. `place` is the line, or the place in the list, from 1. */
function idsOfFile(path: string): { id: string; place: number }[] {
  expectLocal(path);
  expectFile(path);
  let text: string;
  try {
    text = readTextSync(path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  const found = parseIds(text.replace(/^\ufeff/, ""), /\r?\n/)
    .map((id, k) => ({ id, place: k + 1 })).filter(({ id }) => id !== "");
  if (found.length > 0) return found;
  throw new UserError(`${path}: expected ids of items, one per line, found none.`);
}
