/** Device buffers for one page of all simulated users. */

import { countBitWords } from "../batch/device_log.ts";
import type { ClickBatch } from "../batch/click_tape.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import type { DeviceItems } from "../batch/device_items.ts";
import { NONE } from "../data/click_log.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";

export interface PageCapacity {
  /** U, the number of users that are simulated together. */
  readonly users: number;
  /** k, the number of items in a slate. */
  readonly slate: number;
  /** I, the number of items in the catalogue. */
  readonly items: number;
  /** T, the number of pages in an episode. */
  readonly pages: number;
  readonly startClicks: number;
}

/** Number of 4-bit counts (of an item's impressions without a click) per 32-bit word. */
const PASSED_ITEMS = 8;

/** Returns the number of words per user: ceil(items / 8) for impressions without a click, 1 for pages. */
export function countPassWords({ items }: Pick<PageCapacity, "items">): number {
  return Math.ceil(items / PASSED_ITEMS) + 1;
}

export function computePageSizes(
  { slate, items }: Pick<PageCapacity, "slate" | "items">,
  users: number,
): ClickSizes {
  return { users, events: users, rows: users * slate, items };
}

/** Returns the initial {@link PageBuffers.event}, without clicks. @param rows - rows per user */
export function encodeEmptyEvents(users: number, rows: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    Array.from({ length: users }, (_, user) => [user * rows, (user + 1) * rows, NONE, NONE]).flat(),
  );
}

/**
 * Buffers of a page, which the policy and the simulated users share. A mask has one bit per user and item.
 * 32 items form a panel: for user u, bit i of word[panel * U + u] belongs to item 32 * panel + i.
 */
export class PageBuffers implements PageCapacity {
  readonly users: number;
  readonly slate: number;
  readonly items: number;
  readonly pages: number;
  readonly startClicks: number;
  /** ceil(I / 32), the number of mask words per user. */
  readonly panels: number;
  /** [users] vec4u: first row, last row + 1, clicked row or NONE, clicked item or NONE. */
  readonly event: View;
  /** [users, slots] u32: the items that each user sees. */
  readonly slates: View;
  /** [items] u32: 0, 1, 2, ..., because a page's batch has all items of the catalogue. */
  readonly allItems: View;
  /** [panels, users] mask bits of the items that each user has clicked, during the episode or before it. */
  readonly clicked: View;
  /** [panels, users] mask bits of items that the page may not show. Policies also set the slate's bits. */
  readonly masked: View;
  /** [users] u32, written by `choose`: 0 if the user has left, else 1 + pages since the last click. */
  readonly alive: View;

  /** @throws UserError if the adapter lacks the memory. */
  constructor(readonly gpu: Gpu, readonly arena: Arena, room: PageCapacity) {
    const { users, slate, items, pages, startClicks } = room;
    [this.users, this.slate, this.items, this.pages] = [users, slate, items, pages];
    this.startClicks = startClicks;
    this.panels = countBitWords(items);
    this.event = arena.upload("event", encodeEmptyEvents(users, slate));
    this.slates = arena.allocate("slates", 4 * users * slate);
    this.allItems = arena.upload("all items", Uint32Array.from({ length: items }, (_, item) => item));
    this.clicked = arena.allocate("clicked", 4 * this.panels * users);
    this.masked = arena.allocate("masked", 4 * this.panels * users);
    this.alive = arena.allocate("alive", 4 * users);
  }

  get sizes(): ClickSizes {
    return computePageSizes(this, this.users);
  }
}

/** Clicks of all users, in lists on the device. */
export interface ClickLists {
  /** [users] pair: number of clicks so far, and the index in `clicks` of the user's next click. */
  readonly history: View;
  /** [users, capacity] vec4u per click, oldest first. The last component is the clicked item. */
  readonly clicks: View;
  readonly capacity: number;
}

/** Batch with one page of every user. Event u belongs to user u; its rows are the user's shown items. */
export class PageBatch implements ClickBatch {
  readonly event: View;
  readonly rowItem: View;
  readonly slotItem: View;
  readonly pageLength?: number;
  readonly passed?: ClickBatch["passed"];
  readonly contexts?: ClickBatch["contexts"];

  /**
   * @param more.lists - click lists, if the model reads clicks. @param more.passed - counts of impressions
   * without a click. @param more.all - buffers for a batch that shows every item to every user.
   */
  constructor(
    readonly page: PageBuffers,
    readonly items: DeviceItems,
    private readonly more: {
      readonly lists?: ClickLists | undefined;
      readonly passed?: View | undefined;
      readonly contexts?: ClickBatch["contexts"] | undefined;
      readonly all?: { readonly event: View; readonly rowItem: View };
    } = {},
  ) {
    const { all, passed, contexts } = more;
    const { event, rowItem } = all ?? { event: page.event, rowItem: page.slates };
    [this.event, this.rowItem, this.slotItem] = [event, rowItem, page.allItems];
    if (all) this.pageLength = page.slate;
    if (contexts) this.contexts = contexts;
    if (passed) {
      this.passed = { view: passed, users: page.users, words: countPassWords(page), slate: page.slate };
    }
  }

  get history(): View {
    return this.more.lists?.history ?? missing("history");
  }
  get clicks(): View | undefined {
    return this.more.lists?.clicks;
  }
  get logged(): never {
    return missing("index arrays of a log");
  }
  get row(): never {
    return missing("row");
  }
}

function missing(what: string): never {
  throw new Error(`an op reads the ${what}, which simulated pages lack`);
}
