/** The data set of a run, from what its config says of it. */

import { type ClickLog, type Split, splits, usersOf } from "../data/click_log.ts";
import { attainable, type DemoShop, makeDemoShop } from "../data/demo_shop.ts";
import { readPaperFile } from "../data/paper_file.ts";
import { randomStream } from "../data/random.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../data/user_error.ts";
import type { RunConfig } from "./run_folder.ts";

export type DataConfig = RunConfig["data"];

export interface Dataset {
  readonly config: DataConfig;
  readonly log: ClickLog;
  /** The figures of the truth on these users, where the truth is known. */
  readonly attainable: ((users: Uint32Array) => ChoiceFigures) | undefined;
  /** [R] the true utility of every row, where it is known. */
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
  return { config, log, attainable: (users) => attainable(log, truth, users), truth: truth.utility };
}

function paper(log: ClickLog, config: Extract<DataConfig, { kind: "paper" }>): Dataset {
  return {
    config,
    log: config.resplit === null ? log : resplitUsers(log, config.resplit),
    attainable: undefined,
    truth: undefined,
  };
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
