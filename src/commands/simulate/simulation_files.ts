/** Files of `simulate`: metrics and episodes in one folder, and the shown pages as a data set in another. */

import type { IdList } from "../../data/ids.ts";
import { expectReplaceable } from "../../files/atomic_write.ts";
import { getRowsMark, type RowColumn, type RowsWritten, writeRows } from "../../files/row_file.ts";
import { type EpisodeLog, listSeenPages, toClickLog } from "../../simulate/episode_log.ts";
import { listCandidates, type PoolPage } from "../../simulate/pool.ts";
import { resolveSettings } from "../../simulate/simulator_options.ts";
import { type Clicks, eventLists } from "../../data/click_log.ts";
import { writePrepared } from "../../data/sets/prepared_writer.ts";
import { getFeatureManifest } from "../../data/sets/dataset.ts";
import { createRandomStream } from "../../data/random.ts";
import { UserError } from "../../user_error.ts";
import type { EpisodeSetting } from "../policy/episode_setting.ts";
import type { SimulateOptions } from "./simulate_options.ts";
import type { SimulationContext } from "./user_selection.ts";
import { splitUsers } from "../../data/demo_shop.ts";

interface PageRow {
  readonly user: number;
  /** Id of the logged user whose clicks the simulated user started with; null without start clicks. */
  readonly startedAs: string | null;
  readonly page: number;
  /** Ids of the items on the page, first position first. */
  readonly slate: readonly string[];
  /** Position of the clicked item, from 0; null without a click. */
  readonly slot: number | null;
  readonly reward: number;
  readonly clickProbability: number;
}

/** Makes a column with the id of the logged user whose clicks a simulated user starts with. */
function makeStartColumn<T>(of: (row: T) => string | null): RowColumn<T> {
  return { name: "started_as", type: "STRING", nullable: true, of };
}

/** Lists columns of episodes. @param slate - items per page @param starts - true to include `started_as` */
function listColumns(slate: number, starts: boolean): RowColumn<PageRow>[] {
  return [
    { name: "user", type: "INT32", of: ({ user }) => user },
    ...(starts ? [makeStartColumn<PageRow>(({ startedAs }) => startedAs)] : []),
    { name: "page", type: "INT32", of: ({ page }) => page },
    ...Array.from({ length: slate }, (_, j): RowColumn<PageRow> => ({
      name: `item_${j + 1}`,
      type: "STRING",
      of: (row) => row.slate[j] ?? "",
    })),
    {
      name: "clicked",
      type: "STRING",
      nullable: true,
      of: (row) => row.slot === null ? null : row.slate[row.slot] ?? null,
    },
    { name: "position", type: "INT32", nullable: true, of: ({ slot }) => slot },
    { name: "reward", type: "FLOAT", of: ({ reward }) => reward },
    { name: "click_probability", type: "FLOAT", of: ({ clickProbability }) => clickProbability },
  ];
}

export interface EpisodeFileOptions {
  readonly slate: number;
  readonly items: IdList;
  /** Returns the id of the logged user whose clicks a simulated user starts with. */
  readonly startedAs?: (user: number) => string | null;
}

/** Writes episodes, ordered by user and page. @throws UserError if the file cannot be written */
export function writeEpisodes(
  path: string,
  options: EpisodeFileOptions,
  logs: AsyncIterable<EpisodeLog>,
): Promise<RowsWritten> {
  async function* rows(): AsyncGenerator<PageRow[]> {
    for await (const log of logs) {
      for (let u = 0; u < log.users; u++) yield listRows(log, u, options);
    }
  }
  return writeRows(path, "episodes", listColumns(options.slate, options.startedAs !== undefined), rows());
}

function listRows(log: EpisodeLog, u: number, { items, startedAs }: EpisodeFileOptions): PageRow[] {
  const user = log.firstUser + u;
  return Array.from(listSeenPages(log, u), ({ page, at, slate, clicked }): PageRow => ({
    user,
    startedAs: startedAs?.(user) ?? null,
    page,
    slate: Array.from(slate, (item) => items.of(item)),
    slot: clicked === undefined ? null : log.choices[at]!,
    reward: log.rewards[at] ?? NaN,
    clickProbability: log.probabilities[at] ?? NaN,
  }));
}

export interface RowSink<T = EpisodeLog> {
  /** Waits until earlier rows are written, and adds rows. @throws Error if writing fails */
  put(made: T): Promise<void>;
  /** Writes the end of the file. @throws UserError if the file cannot be written. */
  finish(): Promise<void>;
  /** Stops writing, and removes the incomplete file. */
  abandon(error: unknown): Promise<void>;
}

export function createSink<T>(write: (all: AsyncIterable<T>) => Promise<unknown>): RowSink<T> {
  const { readable, writable } = new TransformStream<T, T>();
  const into = writable.getWriter();
  const done = write(readable);
  into.closed.catch(() => {}); // put and finish report the error
  done.catch((error) => into.abort(error)).catch(() => {}); // ends the writer if the reader fails
  /** Waits for `work`. If `work` fails because `write` failed earlier, throws that earlier error. */
  const orWhyNot = (work: Promise<void>) =>
    work.catch(async () => {
      await done;
      throw new Error("its reader has ended");
    });
  return {
    put: (made) => orWhyNot(into.write(made)),
    async finish() {
      await orWhyNot(into.close());
      await done;
    },
    async abandon(error) {
      await into.abort(error).catch(() => {});
      await done.catch(() => {});
    },
  };
}

export interface SinkContext {
  readonly options: SimulateOptions;
  readonly simulated: SimulationContext;
  readonly setting: EpisodeSetting;
}

/** Creates a writer for each requested file, whose folder must exist. */
export function createSinks(context: SinkContext): RowSink[] {
  const { options: { saveDir, episodesFile, writeLog, slate }, simulated: { data }, setting } = context;
  const episodes = { slate, items: data.items, startedAs: setting.startedAs };
  const write = (logs: AsyncIterable<EpisodeLog>) =>
    writeEpisodes(`${saveDir}/episodes.${episodesFile}`, episodes, logs);
  return [
    ...(saveDir !== undefined && episodesFile ? [createSink(write)] : []),
    ...(writeLog !== undefined ? [createSink(logWriter(context, writeLog))] : []),
  ];
}

/** Minimum number of users; with fewer users, a split would be empty. */
const LEAST_USERS = 7;

/** @throws UserError if there are too few users for the three splits. */
export function expectEnoughUsers({ writeLog, users }: Pick<SimulateOptions, "writeLog" | "users">): void {
  if (writeLog === undefined || users >= LEAST_USERS) return;
  throw new UserError(
    `Expected --users of at least ${LEAST_USERS} with --write-log, got ${users}: each split needs a user.`,
  );
}

/** Returns a function that writes the displayed pages as a prepared data set. */
function logWriter(
  { options, simulated: { data: { dataset, items: itemIds }, description, found }, setting }: SinkContext,
  folder: string,
) {
  const { policy, slate, explore, users, seed } = options;
  const drawn = explore ? `, drawn by its scores (Plackett-Luce) at temperature ${explore.temperature}` : "";
  const note =
    `simulated: pages of ${slate} items by the policy ${policy}${drawn}; click model: ${description}`;
  const { source } = dataset;
  const { count } = source.items.shape;
  const settings = resolveSettings(setting.options, count);
  const from = explore && { listCandidates: (page: PoolPage) => listCandidates(settings, count, page) };
  const features = getFeatureManifest(dataset);
  const parts = splitUsers(users, createRandomStream(seed, "simulated", "split"));
  const { contexts } = found;
  const own = {
    ...{ name: source.name, items: { kind: "one-hot", count: 0 } as const }, // items: in `contents`
    ...(contexts && { getContext: contexts.getRow.bind(contexts) }),
  };
  const contents = {
    name: `simulated-${source.name}`,
    items: source.items,
    itemIds,
    ...(features && { features }),
    ...(dataset.config.kind === "prepared" && { featuresFrom: dataset.config.path }),
    pageOrder: "shown",
    notes: [note],
    ...(from && { lists: eventLists }),
    command: Deno.args,
  } as const;
  return (logs: AsyncIterable<EpisodeLog>) => {
    async function* clicks(): AsyncGenerator<Clicks> {
      for await (const log of logs) {
        const split = (place: number) => parts[log.firstUser + place] ?? 0;
        yield toClickLog([log], { ...own, split, getStart: setting.getStart, ...from });
      }
    }
    return writePrepared(folder, contents, clicks());
  };
}

const RETURNS_HEAD = { name: "simulated_user" };

/** @throws UserError if the path has a file that {@link writeReturns} did not write. */
export function expectReturns(path: string): void {
  expectReplaceable(path, getRowsMark(path, "returns", [RETURNS_HEAD], false));
}

export async function writeReturns(
  path: string,
  { startedAs }: Pick<EpisodeSetting, "startedAs">,
  runs: readonly { readonly name: string; readonly returns: Float64Array }[],
): Promise<void> {
  const columns: RowColumn<number>[] = [
    { ...RETURNS_HEAD, type: "INT32", of: (user) => user },
    ...(startedAs ? [makeStartColumn(startedAs)] : []),
    ...runs.map(({ name, returns }): RowColumn<number> => ({
      name,
      type: "FLOAT",
      of: (user) => returns[user]!,
    })),
  ];
  const users = runs[0]?.returns.length ?? 0;
  const rows = ReadableStream.from([Array.from({ length: users }, (_, user) => user)]);
  await writeRows(path, "returns", columns, rows, 1);
}
