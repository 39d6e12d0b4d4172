/** Computes which items a page may show: all items, a random pool or a list, without clicked items. */

import { countBitWords } from "../batch/device_log.ts";
import { computePhilox, getSlotPurpose, makeKey, type PhiloxCounter, purposes } from "../data/philox.ts";
import { UserError } from "../user_error.ts";
import fillText from "../../kernels/simulate/fill.wgsl" with { type: "text" };
import maskText from "../../kernels/simulate/page_mask.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { PageBuffers } from "./page_buffers.ts";

/**
 * Items that pages may show. The choices are `all` items, a list of items, or a `random` pool of n items on
 * average. A random pool is drawn for each user and page, with probability n / I for each of the I items. If
 * a random pool has fewer items than a slate, all items may be shown.
 */
export type PoolOptions =
  | "all"
  | { readonly random: number }
  | { readonly items: ArrayLike<number> };

export interface ItemPool {
  /** An item is in a random pool if its random 32-bit word is below this number. 0: no random pool. */
  readonly threshold: number;
  /** Bit mask [ceil(I / 32)]: a bit is 1 if its item is never shown. Bits after the last item are 1. */
  readonly excluded: Uint32Array<ArrayBuffer>;
  readonly size: number;
}

/** Creates a pool. @throws UserError for unknown or repeated items, or a random pool that is too large. */
export function createPool(options: PoolOptions, items: number): ItemPool {
  const listed = typeof options === "object" && "items" in options ? options.items : undefined;
  const excluded = new Uint32Array(countBitWords(items)).fill(listed ? 0xffffffff : 0);
  if (!listed && items % 32 > 0) excluded[excluded.length - 1] = (0xffffffff << (items % 32)) >>> 0;
  for (const item of Array.from(listed ?? [], (item) => item ?? NaN)) {
    if (!Number.isInteger(item) || item < 0 || item >= items) {
      throw new UserError(`Expected the pool's items to be in 0..${items - 1}, got ${item}.`);
    }
    const bit = (1 << (item % 32)) >>> 0;
    const word = excluded[item >>> 5] ?? 0;
    if ((word & bit) === 0) throw new UserError(`Expected a pool without repeats, got item ${item} twice.`);
    excluded[item >>> 5] = (word & ~bit) >>> 0;
  }
  return {
    threshold: typeof options === "object" && "random" in options
      ? computeThreshold(options.random, items)
      : 0,
    excluded,
    size: listed?.length ?? items,
  };
}

function computeThreshold(count: number, items: number): number {
  if (!Number.isInteger(count) || count < 1 || count > items) {
    throw new UserError(`Expected a random pool of 1 to ${items} items, got ${count}.`);
  }
  return count === items ? 0 : Math.max(1, Math.floor(2 ** 32 * (count / items)));
}

/** Draws a random pool as an array [items] of 1 (in the pool) or 0. @param words - returns random words */
export function drawRandomPool(
  threshold: number,
  items: number,
  words: (purpose: number) => PhiloxCounter,
): Uint8Array<ArrayBuffer> {
  const pool = new Uint8Array(items);
  for (let first = 0; first < items; first += 4) {
    words(getSlotPurpose(purposes.POOL, first >>> 2)).forEach((word, k) => {
      if (first + k < items) pool[first + k] = word < threshold ? 1 : 0;
    });
  }
  return pool;
}

export interface PoolPage {
  readonly user: number;
  readonly episode: number;
  readonly page: number;
  readonly slate: number;
  /** Items that the user had clicked before the page. */
  readonly clicked: ReadonlySet<number>;
}

/**
 * Returns the items that a page could show; [] if only the user's earlier clicks are excluded.
 * @param setting - pool and seed of the simulation; `repeats` is true if clicked items may be shown again.
 */
export function listCandidates(
  { pool, repeats, seed }: { readonly pool: ItemPool; readonly repeats: boolean; readonly seed: number },
  items: number,
  { user, episode, page, slate, clicked }: PoolPage,
): number[] {
  if (pool.threshold === 0 && pool.size === items && !repeats) return [];
  const may = Array.from({ length: items }, (_, item) => item).filter((item) =>
    ((pool.excluded[item >>> 5] ?? 0) >>> (item % 32) & 1) === 0 && (repeats || !clicked.has(item))
  );
  if (pool.threshold === 0) return may;
  const key = makeKey(seed);
  const drawn = drawRandomPool(
    pool.threshold,
    items,
    (purpose) => computePhilox([user, episode, page, purpose], key),
  );
  const left = may.filter((item) => drawn[item] === 1);
  return left.length < slate ? may : left;
}

const fillKernel = parseKernel("fill", fillText);
const maskKernel = parseKernel("page_mask", maskText);

/** Returns a dispatch that fills a buffer of `count` words per user with `value`. */
export function fill(label: string, words: View, count: number, value = 0): ClickDispatch {
  return {
    kernel: fillKernel,
    label,
    constants: { COUNT: count, VALUE: value },
    views: { words },
    invocations: [{ of: "users", times: count }],
  };
}

/** Marks the items that each user's page may not show. @param repeats - true if clicked items are allowed */
export function recordPageMask(
  page: PageBuffers,
  pool: ItemPool,
  repeats: boolean,
  arena = page.arena,
): ClickDispatch {
  const { users: USERS, panels: PANELS, slate: SLATE, clicked, masked } = page;
  return {
    kernel: maskKernel,
    label: "page mask",
    constants: { USERS, PANELS, SLATE, REPEATS: repeats, POOL: pool.threshold, PURPOSE: purposes.POOL },
    views: { clicked, excluded: arena.upload("excluded", pool.excluded), masked },
    invocations: ["users"],
  };
}
