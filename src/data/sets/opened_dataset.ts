/** A data set with the ids of users and items in its source. */

import type { LogSource, OnProgress } from "../log_source.ts";
import { type IdList, NumberIds, TextIds, TextList } from "../ids.ts";
import { NONE } from "../click_log.ts";
import { UserError } from "../../user_error.ts";
import { type Dataset, openDataset as openAny } from "./dataset.ts";
import { formatThousands } from "../../number_text.ts";
import { readPaperUsers } from "./paper_file.ts";
import { readIds } from "../prepared_tables.ts";
import { readManifest, setFiles } from "./prepared_folder.ts";

/** Users, pages and items of a data set, with their ids. */
export class OpenedDataset {
  /** Use {@link openDataset}. @internal */
  constructor(
    /** @internal */
    readonly dataset: Dataset,
    /** The users' ids by number. */
    readonly users: IdList,
    /** The items' ids by number. */
    readonly items: IdList,
  ) {}

  /**
   * Reads the ids: the columns `id` of a prepared data set, or the numbers of a file in the paper's layout.
   * @throws UserError for ids that cannot be read.
   * @internal
   */
  static async of(dataset: Dataset, onProgress?: OnProgress): Promise<OpenedDataset> {
    const { config, source: { userSplit: { length: users }, items: { shape: { count: items } } } } = dataset;
    if (config.kind === "demo") return new OpenedDataset(dataset, new NumberIds(users), new NumberIds(items));
    if (config.kind === "paper") {
      const list = TextList.of(readPaperUsers(config.path).map(String));
      return new OpenedDataset(dataset, new TextIds(list), new NumberIds(items));
    }
    const files = setFiles(config.path, await readManifest(config.path));
    const userIds = await readIds(files, "users", users, onProgress);
    return new OpenedDataset(dataset, userIds, await readIds(files, "items", items, onProgress));
  }

  /** The log, for trainers and evaluations. */
  get source(): LogSource {
    return this.dataset.source;
  }

  /** Returns the number of a user. @throws UserError for an unknown id. */
  user(id: string): number {
    return this.users.findIndex(id) ?? this.#missing("user", id, this.users);
  }

  /** Returns the number of an item, of its latest version. @throws UserError for an unknown id. */
  item(id: string): number {
    return this.items.findIndex(id) ?? this.#missing("item", id, this.items);
  }

  /** Returns the items that a user clicked, oldest first. @param user their number. */
  readHistory(user: number): Uint32Array<ArrayBuffer> {
    const { eventClick, rowItem } = this.source.read(Uint32Array.of(user));
    return Uint32Array.from(eventClick.filter((row) => row !== NONE), (row) => rowItem[row] ?? 0);
  }

  #missing(what: string, id: string, ids: IdList): never {
    throw new UserError(
      `Expected the id of ${what === "item" ? "an" : "a"} ${what} of ${this.source.name}, got ${
        JSON.stringify(id)
      }, which it does not have. ` +
        `It has ${formatThousands(ids.count)} ${what}s; the first is ${JSON.stringify(ids.of(0))}.`,
    );
  }
}

/**
 * Opens a data set: a synthetic shop ("demo" or "restless"), a prepared one (a folder), or a file in the paper's layout.
 *
 * @param options.seed of a synthetic shop; 1 by default. @param options.usersSeed of its users alone, so that others visit
 * the
 *   same items.
 * @param options.cache a folder for packed sets of more than four million displayed items; nothing else is written.
 * @param options.memoryRows another limit.
 * @throws UserError for invalid data.
 */
export async function openDataset(
  path: string,
  options: {
    readonly cache?: string;
    readonly memoryRows?: number;
    readonly seed?: number;
    readonly usersSeed?: number;
  } = {},
): Promise<OpenedDataset> {
  const { seed: dataSeed, ...others } = options;
  return await OpenedDataset.of(await openAny(path, 1, false, { ...others, dataSeed, needed: [] }));
}
