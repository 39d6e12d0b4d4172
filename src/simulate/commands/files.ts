/** The files that `simulate` writes: figures and episodes in a folder, and the pages as a data set in another one. */

import type { Clicks } from "../../data/click_log.ts";
import { Handover, writePrepared } from "../../data/sets/prepared_writer.ts";
import type { Features } from "../../data/manifest.ts";
import { randomStream } from "../../data/random.ts";
import { type RowColumn, writeRows } from "../../run/files/row_file.ts";
import { featureNames } from "../../data/shops.ts";
import { episodeFile, writeEpisodes } from "../../policy/episode_file.ts";
import { type EpisodeLog, episodeLog } from "../episode_log.ts";
import { UserError } from "../../user_error.ts";
import type { EpisodeSetting } from "../../policy/commands/episode_setting.ts";
import type { SimulateOptions } from "./options.ts";
import type { PolicyRun } from "./runs.ts";
import type { Simulated } from "./simulated.ts";

/** Takes the pages of users as they come, and writes them down. */
export interface Sink {
  put(log: EpisodeLog): Promise<void>;
  /** All pages were put. @throws UserError when they cannot be written. */
  finish(): Promise<void>;
  /** There will be no more: what is not whole is taken back. */
  abandon(error: unknown): Promise<void>;
}

function sinkOf(write: (logs: AsyncIterable<EpisodeLog>) => Promise<unknown>): Sink {
  const handover = new Handover<EpisodeLog>();
  const done = handover.read(write);
  done.catch(() => {}); // whoever puts or finishes is told
  return {
    put: (log) => handover.put(log),
    async finish() {
      handover.end();
      await done;
    },
    async abandon(error) {
      handover.end(error);
      await done.catch(() => {});
    },
  };
}

export interface SinkContext {
  readonly options: SimulateOptions;
  readonly simulated: Simulated;
  readonly setting: EpisodeSetting;
}

/** Of the files that the options ask for, in folders that are there. */
export function sinksOf(context: SinkContext): Sink[] {
  const { options: { saveDir, episodesFile, writeLog } } = context;
  return [
    ...(saveDir !== undefined && episodesFile
      ? [sinkOf(episodeWriter(context, episodeFile(saveDir, episodesFile)))]
      : []),
    ...(writeLog !== undefined ? [sinkOf(logWriter(context, writeLog))] : []),
  ];
}

function episodeWriter({ options: { slate }, simulated: { data }, setting }: SinkContext, path: string) {
  const { startedAs } = setting;
  return (logs: AsyncIterable<EpisodeLog>) =>
    writeEpisodes(path, { slate, items: data.items, startedAs }, logs);
}

/** Fewer users leave a part without any. */
const LEAST_USERS = 7;

/** @throws UserError for too few users to learn from. */
export function expectEnoughUsers({ writeLog, users }: Pick<SimulateOptions, "writeLog" | "users">): void {
  if (writeLog === undefined || users >= LEAST_USERS) return;
  throw new UserError(
    `Expected --users of at least ${LEAST_USERS} with --write-log, got ${users}: each part of a data set needs some.`,
  );
}

/** The part of each user: 70 % train, 15 % validate, 15 % test. */
function partsOf(users: number, seed: number): Uint8Array {
  const parts = new Uint8Array(users);
  randomStream(seed, "simulated", "split").sampleWithoutReplacement(users, users).forEach((user, place) => {
    parts[user] = place < 0.7 * users ? 0 : place < 0.85 * users ? 1 : 2;
  });
  return parts;
}

const shopFeatures: Features = {
  dense: featureNames.map((name) => ({ name, meaning: `${name} of a made-up shop` })),
  tokens: [],
};

function logWriter({ options, simulated, setting }: SinkContext, folder: string) {
  const { data: { dataset, items: itemIds }, words } = simulated;
  const { source } = dataset;
  const features = dataset.features ?? (dataset.config.kind === "demo" ? shopFeatures : undefined);
  const { users, policy, seed, slate } = options;
  const parts = partsOf(users, seed);
  const own = { name: source.name, items: { kind: "one-hot", count: 0 } } as const; // of clicks alone
  async function* clicks(logs: AsyncIterable<EpisodeLog>): AsyncGenerator<Clicks> {
    for await (const log of logs) {
      yield episodeLog([log], {
        ...own,
        split: (place) => parts[log.firstUser + place] ?? 0,
        startOf: setting.startOf,
      });
    }
  }
  const contents = {
    name: `simulated-${source.name}`,
    items: source.items,
    itemIds,
    ...(features && { features }),
    places: "shown",
    notes: [`simulated: pages of ${slate} items by the policy ${policy}; who clicks: ${words}`],
    command: Deno.args,
  } as const;
  return (logs: AsyncIterable<EpisodeLog>) => writePrepared(folder, contents, clicks(logs));
}

/** returns.csv: a row a user, a column a policy. */
export async function writeReturns(
  path: string,
  { startedAs }: Pick<EpisodeSetting, "startedAs">,
  runs: readonly PolicyRun[],
): Promise<void> {
  const columns: RowColumn<number>[] = [
    { name: "user", type: "INT32", of: (user) => user },
    ...(startedAs ? [{ name: "started_as", type: "STRING" as const, nullable: true, of: startedAs }] : []),
    ...runs.map(({ name, returns }) => ({
      name,
      type: "FLOAT" as const,
      of: (user: number) => returns[user] ?? NaN,
    })),
  ];
  const users = runs[0]?.returns.length ?? 0;
  async function* rows(): AsyncGenerator<number[]> {
    yield await Promise.resolve(Array.from({ length: users }, (_, user) => user));
  }
  await writeRows(path, "returns", columns, rows());
}
