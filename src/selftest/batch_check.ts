/** What the batch kernels lay out, beside the same on the CPU in the plainest way. */

import type { BatchBuffers } from "../batch/batch_buffers.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import type { TokenPairs } from "../batch/token_pairs.ts";
import { type ClickLog, type ItemTokens, NONE } from "../data/click_log.ts";
import type { Gpu } from "../gpu/device.ts";
import { readViews } from "../gpu/readback.ts";
import type { Checks } from "./finding.ts";

const EXPAND = ["batch_expand"];
const GROUP = ["batch_group", "batch_rank", "batch_expand"];

/** @param slice which of the batches that are laid out side by side */
export async function compareBatch(
  gpu: Gpu,
  log: ClickLog,
  batch: BatchBuffers,
  slice: number,
  expected: ReferenceBatch,
  sizes: ClickSizes,
  checks: Checks,
): Promise<void> {
  const { event, eventItem, row, rowItem, slotItem, slotFirst, sorted, history } = batch;
  const own = [event, eventItem, row, rowItem, slotItem, slotFirst, sorted, history].map((
    { buffer, offset, size, slices },
  ) => ({ buffer, offset: offset + slice * (slices?.stride ?? 0), size }));
  const read = await readViews(gpu, own);
  const [events, eventItems, rows, rowItems, slotItems, slotFirsts, order, histories] = read;
  const same = (
    what: string,
    kernels: readonly string[],
    found: ArrayLike<number> | undefined,
    wanted: readonly number[],
    columns?: number,
  ) => checks.same(found, wanted, { kernels, what, columns });
  same("events", EXPAND, events, expected.events.flatMap((e) => [e.first, e.end, e.click, e.fed]), 4);
  same("items fed", EXPAND, eventItems, expected.events.map((e) => (e.fed === NONE ? 0 : e.fed)));
  same("history", EXPAND, histories, expected.history.flatMap((h) => [h.clicks, h.end]), 2);
  // The third word is of no one's concern.
  same(
    "rows",
    EXPAND,
    rows,
    expected.rows.flatMap(({ event, logRow, fedEvent }, r) => [
      event,
      logRow,
      rows?.[4 * r + 2] ?? NaN,
      fedEvent,
    ]),
    4,
  );
  const oneHot = log.items.kind === "one-hot";
  same("items of rows", GROUP, rowItems, oneHot ? expected.rows.map((row) => row.item) : expected.rowSlot);
  same("distinct items", GROUP, slotItems, expected.slotItem);
  // Rows by item: each row once, and each segment holds the rows of its item.
  const ofItem = expected.slotItem.map((item) =>
    expected.rows.flatMap((row, r) => row.item === item ? [r] : [])
  );
  const firsts = [0];
  for (const rows of ofItem) firsts.push((firsts.at(-1) ?? NaN) + rows.length);
  same("first rows of items", GROUP, slotFirsts?.subarray(0, sizes.items + 1), firsts);
  const segments = ofItem.flatMap((_, slot) =>
    Array.from(order?.subarray(firsts[slot], firsts[slot + 1]) ?? []).sort((a, b) => a - b)
  );
  same("rows by item", GROUP, segments, ofItem.flat());
}

/** The pairs of items and tokens, sorted by token: of all items, and of those that are fed. */
export async function compareTokens(
  gpu: Gpu,
  { first, token, count }: ItemTokens,
  { pair }: TokenPairs,
  { slotItem, rows, rowSlot }: ReferenceBatch,
  checks: Checks,
): Promise<void> {
  const fed = new Set(rowSlot.filter((_, r) => rows[r]?.fedEvent !== NONE));
  const pairsOf = (slots: readonly number[], more: number) =>
    slots.flatMap((slot) => {
      const item = slotItem[slot] ?? NaN;
      return Array.from(token.subarray(first[item], first[item + 1]), (id) => [slot, more + id] as const);
    }).sort(([a, s], [b, t]) => s - t || a - b);
  const all = pairsOf(slotItem.map((_, slot) => slot), 0);
  const expected = [...all, ...pairsOf([...fed], count)].flat();
  const [found] = await readViews(gpu, [pair]);
  const kernels = ["token_group", "batch_rank", "token_mark"];
  checks.same(found, expected, { kernels, what: "pairs of items and tokens", columns: 2 });
}
