import assert from "node:assert/strict";
import { openDataset } from "../../src/data/sets/dataset.ts";
import { nameResults } from "../../src/run/name_results.ts";
import type { SnapshotResult } from "../../src/run/tested_users.ts";
import { logFiles, makeCsv, makeLogRecipe, makeShopLog } from "../data/synthetic_logs.ts";
import { prepareIn, query, withFolder } from "../prepared_folder.ts";

const shop = makeShopLog(5, { users: 40, items: 60, events: 3 });
const gain = { displays: 40, clicked: 0.1, model: 0.1, clickRate: 0.1, gain: 1 };

/** Returns the names that results about items 0 to 4 and user 2 get, and the ids of these items and users. */
async function readNames(folder: string, items: readonly Readonly<Record<string, unknown>>[]) {
  await Deno.writeTextFile(`${folder}/items.csv`, makeCsv(items));
  const prepared = await prepareIn(folder, makeLogRecipe(folder));
  const dataset = await openDataset(prepared.folder, 1, false);
  const gains = Array.from({ length: 5 }, (_, item) => ({ ...gain, item }));
  const itemGains = { leastDisplays: 30, compared: 5, gains, losses: gains.slice(3) };
  const tastes = [{ user: 2, pages: 9, clicks: 8, shares: [] }];
  const result: Pick<SnapshotResult, "itemGains" | "tastes"> = { itemGains, tastes };
  const [named] = await nameResults([result], dataset);
  const ids = await query(prepared.folder, "SELECT id FROM items ORDER BY item LIMIT 5");
  const users = await query(prepared.folder, "SELECT id FROM users WHERE user = 2");
  await Deno.remove(`${prepared.folder}/items.parquet`);
  const [moved] = await nameResults([result], dataset);
  assert.deepEqual(moved, result, "numbers alone, if the data set was removed");
  return { named, ids: ids.map(({ id }) => String(id)), users: users.map(({ id }) => String(id)) };
}

Deno.test("items are named by their titles or, without titles, by their ids", () =>
  withFolder(logFiles(shop), async (folder) => {
    const plain = shop.items.map(({ name: _, ...item }) => item);
    const titled = plain.map((item, k) => ({ ...item, Title: k === 10 ? "" : `"${item.item}", the film` }));
    for (const items of [plain, titled]) {
      const { named, ids, users } = await readNames(folder, items);
      const missing = plain[10]?.item;
      const names = ids.map((id) => items === titled && id !== missing ? `"${id}", the film` : id);
      assert.deepEqual(named?.itemGains?.gains.map(({ name }) => name), names);
      assert.deepEqual(named?.itemGains?.losses.map(({ name }) => name), names.slice(3));
      assert.deepEqual(named?.tastes?.map(({ name }) => name), users);
    }
  }));
