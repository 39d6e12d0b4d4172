/** Clicks of simulated users before the first page: no clicks, or the clicks of logged users. */

import feedText from "../../kernels/simulate/feed_click.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { NONE } from "../data/click_log.ts";
import { computePhilox, type PhiloxKey, purposes } from "../data/philox.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { PageBuffers } from "./page_buffers.ts";

const feedKernel = parseKernel("feed_click", feedText);

/** Clicks before an episode: none ("empty"), or histories (oldest click first), of which a user draws one. */
export type StartOptions = "empty" | readonly ArrayLike<number>[];

export function startClicks(start: StartOptions): number {
  return start === "empty" ? 0 : start.reduce((most, { length }) => Math.max(most, length), 0);
}

export function drawStartHistory(
  start: StartOptions,
  user: number,
  episode: number,
  key: PhiloxKey,
): ArrayLike<number> {
  if (start === "empty" || start.length === 0) return [];
  const [word] = computePhilox([user, episode, 0, purposes.START], key);
  return start[Math.floor(word / 2 ** 32 * start.length)] ?? [];
}

export class StartClicks {
  /** [start clicks, users] clicked items; NONE fills the columns of users with shorter histories. */
  readonly view: View;
  readonly #items: Uint32Array<ArrayBuffer>;

  constructor(private readonly page: PageBuffers, private readonly start: StartOptions) {
    this.#items = new Uint32Array(Math.max(1, page.startClicks * page.users));
    this.view = page.arena.allocate("starts", this.#items.byteLength);
  }

  put(users: number, firstUser: number, episode: number, key: PhiloxKey): void {
    const { page } = this;
    if (page.startClicks === 0) return;
    this.#items.fill(NONE);
    for (let u = 0; u < users; u++) {
      const own = drawStartHistory(this.start, firstUser + u, episode, key);
      for (let s = 0; s < own.length; s++) this.#items[s * page.users + u] = own[s] ?? NONE;
    }
    page.gpu.queue.writeBuffer(this.view.buffer, this.view.offset, this.#items);
  }

  /** Returns a dispatch that writes each user's start click number `step.page` to `event` and `clicked`. */
  feed(): ClickDispatch {
    const { users: USERS, event, clicked } = this.page;
    return {
      kernel: feedKernel,
      label: "feed click",
      constants: { USERS },
      views: { start: this.view, event, clicked },
      invocations: ["users"],
    };
  }
}
