/** What a round learns from: the log of a policy's model and the policy's pages, as one data set. */

import { itemIdsOf } from "../../data/item_ids.ts";
import type { LogSource } from "../../data/log_source.ts";
import { MANIFEST } from "../../data/manifest.ts";
import { type Dataset, withoutItemIds } from "../../data/sets/dataset.ts";
import { expectSameFeatures, type MergedPart, mergeSets } from "../../data/sets/merge.ts";
import { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import { inNewSet } from "../../data/sets/prepared_writer.ts";
import { say } from "../../run/commands/run_stages.ts";
import { exists } from "../../run/files/file_error.ts";
import { SIGN } from "../../run/files/owned_folder.ts";
import { writeShown } from "../../simulate/commands/files.ts";
import type { FoundUsers } from "../../simulate/commands/found_users.ts";
import { openData, reopenData, withProgress } from "../../cli/open_data.ts";
import type { Stop } from "../../cli/stop.ts";
import type { Judges } from "../comparison/promise.ts";
import { type Plan, shopOf, shown } from "./round_judges.ts";
import { type RoundOptions, ROUNDS } from "./round_options.ts";

/**
 * A model's log and pages of its policy, in memory, where each page has all that its set says of it.
 * @throws UserError for pages that cannot be read, and items that are known by something else.
 */
export async function openParts({ run }: FoundUsers, log: string, name?: string): Promise<MergedPart[]> {
  const config = run?.trainedOn;
  if (!config) throw new Error("expected a model in its run");
  const all = await openData({ data: log, seed: 1, resplit: false, memoryRows: Infinity }, []);
  const own = await reopenData(config.kind === "prepared" ? { ...config, memoryRows: Infinity } : config);
  const withoutIds = config.kind === "prepared" && !config.itemIds && itemIdsOf(all.features);
  const pages = withoutIds ? withoutItemIds(all) : all;
  const first = { name: own.source.name, data: await OpenedDataset.of(own) };
  const added = { name: name ?? pages.source.name, data: await OpenedDataset.of(pages) };
  expectSameFeatures(first, added);
  return [first, added];
}

/** A model's log and the pages of a policy, as one. */
export interface RoundData {
  readonly data: Dataset;
  /** Who saw the policy's pages. */
  readonly users: Uint32Array<ArrayBuffer>;
}

/**
 * The data of a round, in its folder.
 * @param parts as of {@link openParts}; without them the shop's users see pages, and those are kept beside.
 */
export async function roundData(
  plan: Plan,
  { path, round, parts }: { readonly path: string; readonly round: number; readonly parts?: MergedPart[] },
  options: RoundOptions,
  stop: Stop,
): Promise<RoundData> {
  const { data: { source } } = plan.found;
  const folder = `${path}/data`;
  await onceIn(folder, async () => {
    const own = parts ??
      await openParts(plan.found, await shopLog(plan, path, round, options, stop), `round-${round}`);
    const about = { name: `${own[0]?.name}-${round}`, command: Deno.args };
    await withProgress((onProgress) => mergeSets(folder, own, about, onProgress));
  });
  const { memoryRows } = options;
  const data = await openData({ data: folder, seed: 1, resplit: false, memoryRows });
  const [first, all] = [source.userSplit.length, data.source.userSplit.length];
  return { data, users: Uint32Array.from({ length: all - first }, (_, k) => first + k) };
}

/** Pages of the shop's users under the policy, of whom a round learns. @returns their folder */
async function shopLog(
  plan: Plan,
  path: string,
  round: number,
  options: RoundOptions,
  stop: Stop,
): Promise<string> {
  const folder = `${path}/log`;
  await onceIn(folder, async () => {
    const shop = shopOf(plan.found, options);
    if (!shop) throw new Error("expected a shop");
    const { users, seed } = options;
    const { logs, startOf } = await shown(plan, { source: shop, users, seed, episode: round }, stop);
    const note = `pages of the policy ${plan.policy.path}; who clicks: ${shop.name} itself`;
    await writeShown(folder, plan.found.data, { users, seed, note, startOf }, ReadableStream.from(logs));
  });
  return folder;
}

/** Has a set made in a folder, unless it is there as a whole. */
async function onceIn(folder: string, write: () => Promise<void>): Promise<void> {
  if (await exists(`${folder}/${MANIFEST}`) && !await exists(`${folder}/${SIGN}`)) return;
  await inNewSet(folder, ROUNDS, write);
}

/** Those who saw items that the model knows, and nothing else. */
export function knownUsers({ data: { source }, users }: RoundData, { items }: LogSource): Judges {
  const known = users.filter((user) =>
    source.read(Uint32Array.of(user)).rowItem.every((item) => item < items.shape.count)
  );
  const others = users.length - known.length;
  if (others > 0) {
    say(
      `${others} users saw items that the model does not know: it is asked about the other ${known.length}.`,
    );
  }
  return { source: source.with({ items }), users: known };
}
