/** Options of simulations and their defaults. */

import { UserError } from "../user_error.ts";
import { createPool, type ItemPool, type PoolOptions } from "./pool.ts";
import { startClicks, type StartOptions } from "./start.ts";
import { formatThousands } from "../number_text.ts";
import type { PageCapacity } from "./page_buffers.ts";

/** Options of a simulation. */
export interface SimulatorOptions {
  /** U, the number of simulated users. */
  readonly users: number;
  /** k, the number of items in a slate. */
  readonly slate: number;
  /** T, the number of pages in an episode. */
  readonly pages: number;
  /** Seed of 32 bits; 1 by default. On the same adapter, the same seed gives identical results. */
  readonly seed?: number;
  /** Reward of a click: 1 with "click" (default), the utility of the clicked item with "utility". */
  readonly reward?: "click" | "utility";
  /** True if clicked items may be shown again; false by default. */
  readonly repeats?: boolean;
  /** Probability that a user leaves after a page without a click; 0 by default. */
  readonly leave?: number;
  /** Number of consecutive pages without a click after which a user leaves; 0 (default): no limit. */
  readonly patience?: number;
  /** Items that may be shown; all items by default. */
  readonly pool?: PoolOptions;
  /** Clicks of the users before an episode; no clicks by default. */
  readonly start?: StartOptions;
  /** Maximum number of users that are simulated together, 4,096 by default. Results do not depend on it. */
  readonly usersAtOnce?: number;
}

/** Validated options, with all defaults filled in. */
export interface SimulationSettings extends Required<Omit<SimulatorOptions, "pool">> {
  readonly pool: ItemPool;
}

/** Rules of an episode: the reward of a click, and when users leave. */
export type EpisodeRules = Pick<SimulationSettings, "reward" | "leave" | "patience">;

const TOGETHER = 4096;
/** Maximum number of items in a slate. */
const MOST_SLATE = 1024;

/** Validates options and fills in defaults. @throws UserError that names the expected value. */
export function resolveSettings(options: SimulatorOptions, items: number): SimulationSettings {
  const { users, slate, pages, seed = 1, reward = "click", repeats = false, leave = 0, patience = 0 } =
    options;
  const { start = "empty", usersAtOnce = TOGETHER } = options;
  wholeNumber("users", users, 1, 2 ** 31);
  wholeNumber("the slate", slate, 1, MOST_SLATE);
  wholeNumber("pages", pages, 1, 100_000);
  wholeNumber("the seed", seed, 0, 2 ** 32 - 1);
  wholeNumber("patience", patience, 0, 2 ** 31);
  wholeNumber("users simulated together", usersAtOnce, 1, 2 ** 24);
  if (!(leave >= 0 && leave <= 1)) {
    throw new UserError(`Expected a probability of leaving from 0 to 1, got ${leave}.`);
  }
  const pool = createPool(options.pool ?? "all", items);
  checkStart(start, items);
  const clicked = repeats ? 0 : startClicks(start) + pages - 1;
  if (pool.size < slate + clicked) {
    throw new UserError(
      `Expected a pool of ${slate + clicked} items or more, got ${pool.size}. A slate has ${slate} items` +
        (clicked > 0 ? `, and ${clicked} other items may have been clicked before` : "") +
        `. Use a smaller slate${clicked > 0 ? ", fewer pages, or let items repeat" : ""}.`,
    );
  }
  if (typeof options.pool === "object" && "random" in options.pool && options.pool.random < slate) {
    throw new UserError(`Expected a random pool of ${slate} items or more, got ${options.pool.random}.`);
  }
  return { users, slate, pages, seed, reward, repeats, leave, patience, pool, start, usersAtOnce };
}

function wholeNumber(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new UserError(
    `Expected ${what} to be a whole number from ${least} to ${formatThousands(most)}, got ${value}.`,
  );
}

function checkStart(start: StartOptions, items: number): void {
  if (start === "empty") return;
  if (start.length === 0) throw new UserError("Expected at least one start history, got an empty list.");
  for (const history of start) {
    const isKnown = (item: number) => Number.isInteger(item) && item >= 0 && item < items;
    const wrong = Array.from(history, (item) => item ?? NaN).find((item) => !isKnown(item));
    if (wrong === undefined) continue;
    throw new UserError(`Expected histories of items in 0..${items - 1}, got ${wrong}.`);
  }
}

/** Error for an invalid slate. `user` is the number of the user for whom the slate is invalid. */
export class SlateError extends UserError {
  constructor(readonly user: number, message: string) {
    super(message);
  }
}

/**
 * Validates slates, and copies them to an array for the device. @param slates - [users, slots] items. @param
 * clicked - per user, clicked items that may not be shown again. @throws UserError for a wrong length of
 * `slates`. @throws SlateError for a slate with an unknown, repeated or clicked item.
 */
export function validateSlates(
  slates: ArrayLike<number>,
  { users, slate: k, items }: Pick<PageCapacity, "users" | "slate" | "items">,
  clicked?: readonly ReadonlySet<number>[],
): Uint32Array<ArrayBuffer> {
  if (slates.length !== users * k) {
    throw new UserError(`Expected ${users} x ${k} items, got ${slates.length}.`);
  }
  const words = new Uint32Array(users * k);
  for (let u = 0; u < users; u++) {
    const seen = new Set<number>();
    for (let j = 0; j < k; j++) {
      const item = slates[u * k + j] ?? NaN;
      if (!Number.isInteger(item) || item < 0 || item >= items) {
        throw new SlateError(u, `Expected items in 0..${items - 1}, got item ${item} for user ${u}.`);
      }
      if (seen.has(item)) {
        throw new SlateError(u, `Expected each item once in a slate, got item ${item} twice for user ${u}.`);
      }
      if (clicked?.[u]?.has(item)) {
        throw new SlateError(
          u,
          `Expected items that were not clicked before, got item ${item} for user ${u}. Set \`repeats\` to allow them.`,
        );
      }
      seen.add(item);
      words[u * k + j] = item;
    }
  }
  return words;
}
