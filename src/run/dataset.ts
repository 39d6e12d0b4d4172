/**
 * The data set of a run, from what its config says of it. The kinds that are here are in memory as a whole; one that stays
 * on disk is another {@link LogSource}, which {@link datasetOf} takes.
 */

import { type ClickLog, type Split, splits, usersOf } from "../data/click_log.ts";
import { attainable, type DemoShop, makeDemoShop } from "../data/demo_shop.ts";
import { type LogSource, MemoryLog } from "../data/log_source.ts";
import { readPaperFile } from "../data/paper_file.ts";
import { randomStream } from "../data/random.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../data/user_error.ts";
import { fitSource } from "../model/fit_source.ts";
import type { ItemsShape } from "../model/item_features.ts";
import type { RunConfig } from "./run_folder.ts";

export type DataConfig = RunConfig["data"];

export interface Dataset {
  readonly config: DataConfig;
  /** Its `log` is there only where the whole log is in memory. */
  readonly source: LogSource;
  /** The figures of the truth on these users, where the truth is known. */
  readonly attainable: ((users: Uint32Array) => ChoiceFigures) | undefined;
  /** [R] the true utility of every row, where it is known: of a log in memory. */
  readonly truth: Float64Array | undefined;
}

/**
 * The built-in demo data, or a file in the paper's layout.
 * @param needed parts that must have users.
 * @throws UserError for a file that cannot be used.
 */
export async function openDataset(
  source: string,
  seed: number,
  resplit: boolean,
  needed: readonly Split[] = splits,
): Promise<Dataset> {
  if (source === "demo") return demo(makeDemoShop(seed), { kind: "demo", seed });
  const log = readPaperFile(source, needed);
  const sha256 = await digestOf(source);
  return paper(log, { kind: "paper", path: source, sha256, resplit: resplit ? seed : null });
}

/** Opens the data of a run again. @throws UserError when the file has changed since. */
export async function reopenDataset(config: DataConfig): Promise<Dataset> {
  if (config.kind === "demo") return demo(makeDemoShop(config.seed), config);
  const log = readPaperFile(config.path);
  const sha256 = await digestOf(config.path);
  if (sha256 !== config.sha256) {
    throw new UserError(
      `${config.path} has changed since the run began (SHA-256 ${sha256.slice(0, 12)}..., ` +
        `expected ${config.sha256.slice(0, 12)}...). A run can only go on with the same data.`,
    );
  }
  return paper(log, config);
}

function demo(shop: DemoShop, config: DataConfig): Dataset {
  const { log, truth } = shop;
  return {
    ...datasetOf(new MemoryLog(log), config),
    attainable: (users) => attainable(log, truth, users),
    truth: truth.utility,
  };
}

function paper(log: ClickLog, config: Extract<DataConfig, { kind: "paper" }>): Dataset {
  return datasetOf(new MemoryLog(config.resplit === null ? log : resplitUsers(log, config.resplit)), config);
}

/** A data set whose truth is not known. @param config what a run records of it, to open it again. */
export function datasetOf(source: LogSource, config: DataConfig): Dataset {
  return { config, source, attainable: undefined, truth: undefined };
}

/** The data set over a model's items. @param what the model. @throws UserError for a log over other items. */
export function fitDataset(data: Dataset, items: ItemsShape, what: string): Dataset {
  return { ...data, source: fitSource(data.source, items, what) };
}

/** The whole log of a data set. @throws UserError where it stays on disk. */
export function wholeLog({ source }: Dataset): ClickLog {
  if (source.log) return source.log;
  throw new UserError(
    `Expected a data set that is read into memory, got ${source.name}, which stays on disk. Use the demo shop or a log in ` +
      "the paper's layout.",
  );
}

/** Deals the users out anew at random; each part keeps its size. */
function resplitUsers(log: ClickLog, seed: number): ClickLog {
  const users = log.userSplit.length;
  const order = randomStream(seed, "split").sampleWithoutReplacement(users, users);
  const userSplit = new Uint8Array(users);
  let place = 0;
  splits.forEach((split, code) => {
    const count = usersOf(log, split).length;
    for (let k = 0; k < count; k++) userSplit[order[place++] ?? 0] = code;
  });
  return { ...log, userSplit };
}

/** SHA-256 of a file, in hexadecimal. */
export async function digestOf(path: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
