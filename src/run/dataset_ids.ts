/** The ids of a data set, as the user wrote them: read when they are asked for, as training does without. */

import { type Ids, NumberIds, TextIds } from "../data/ids.ts";
import { readPaperUsers } from "../data/sets/paper_file.ts";
import { readIds } from "../data/prepared/ids.ts";
import { readManifest, setFiles } from "../data/sets/prepared_folder.ts";
import { TextList } from "../data/text_list.ts";
import type { Dataset } from "./dataset.ts";

/** The ids of users and items by their numbers in the log. */
export interface DatasetIds {
  readonly users: Ids;
  readonly items: Ids;
}

/**
 * Of a prepared data set its columns `id`; of a file in the paper's layout the numbers that stand there.
 * @throws UserError for ids that cannot be read.
 */
export async function idsOf({ config, source }: Dataset): Promise<DatasetIds> {
  const users = source.userSplit.length;
  const items = source.items.shape.count;
  if (config.kind === "demo") return { users: new NumberIds(users), items: new NumberIds(items) };
  const { path } = config;
  if (config.kind === "paper") {
    const list = TextList.of(readPaperUsers(path).map(String));
    return { users: new TextIds(list), items: new NumberIds(items) };
  }
  const files = setFiles(path, await readManifest(path));
  return { users: await readIds(files, "users", users), items: await readIds(files, "items", items) };
}
