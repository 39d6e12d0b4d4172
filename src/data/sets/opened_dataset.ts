/** Opens a data set, and reads the ids of its users and items. */

import type { LogSource, OnProgress } from "../log_source.ts";
import { type IdList, NumberIds, TextIds, TextList } from "../ids.ts";
import { addPastPage, isPage, NO_PAST_PAGES, NONE, type PastPages } from "../click_log.ts";
import { UserError } from "../../user_error.ts";
import { type Dataset, openDataset as openAny } from "./dataset.ts";
import { formatThousands } from "../../number_text.ts";
import { readPaperUsers } from "./paper_file.ts";
import { readIds } from "../prepared_tables.ts";
import { readManifest, setFiles } from "./prepared_folder.ts";

/** A data set: its clicks, and the ids of its users and items. */
export class OpenedDataset {
  /** Call {@link openDataset} instead of this constructor. @internal */
  constructor(
    /** @internal */
    readonly dataset: Dataset,
    readonly users: IdList,
    readonly items: IdList,
  ) {}

  /** Adds the ids of users and items to a data set. @throws UserError if the ids cannot be read. @internal */
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

  /** Log of clicks that trainers and evaluations read. */
  get source(): LogSource {
    return this.dataset.source;
  }

  /**
   * Returns the index of the user with this id. A data set that is split by time may have several entries of
   * a user; the index is that of the entry with the longest history. @throws UserError for an unknown id.
   */
  user(id: string): number {
    return this.users.findIndex(id) ?? this.#missing("user", id, this.users);
  }

  /** Returns the number of the latest version of an item. @throws UserError for an unknown id. */
  item(id: string): number {
    return this.items.findIndex(id) ?? this.#missing("item", id, this.items);
  }

  /** Returns the numbers of the items that a user clicked, oldest first. @param user: the user's number. */
  readHistory(user: number): Uint32Array<ArrayBuffer> {
    const { eventClick, rowItem } = this.source.read(Uint32Array.of(user));
    return Uint32Array.from(eventClick.filter((row) => row !== NONE), (row) => rowItem[row] ?? 0);
  }

  /** Counts a user's pages and clicks. Sampled pages (`data log --pages sampled`) are not counted. */
  readPastPages(user: number): PastPages {
    const clicks = this.source.read(Uint32Array.of(user));
    if (this.source.sampledPages) return NO_PAST_PAGES;
    const pages = Array.from(clicks.eventClick.keys()).filter((e) => isPage(clicks.eventKind?.[e]));
    return pages.reduce((past, e) => addPastPage(past, clicks, e), NO_PAST_PAGES);
  }

  #missing(what: string, id: string, ids: IdList): never {
    const count = formatThousands(ids.latest().length);
    throw new UserError(
      `Expected the id of ${what === "item" ? "an" : "a"} ${what} of ${this.source.name}, ` +
        `got the unknown id ${JSON.stringify(id)}. There are ${count} ${what}s; ` +
        `the first is ${JSON.stringify(ids.of(0))}.`,
    );
  }
}

/**
 * Opens a data set: a synthetic shop ("demo" or "restless"), a prepared data set, or a file in paper layout.
 * @param options.seed - seed of a synthetic shop; 1 by default. @param options.usersSeed - seed of the shop's
 * users, if it differs from the seed of the items. @param options.memoryRows - a data set with at most this
 * number of displayed items (four million by default) is read into memory. @param options.cache - folder in
 * which a larger set is packed into files; no other files are written. @throws UserError for invalid data.
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
