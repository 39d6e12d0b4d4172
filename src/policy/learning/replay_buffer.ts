/**
 * Replay buffer: a ring of whole episodes in device memory. Pages are sampled from it uniformly. For each
 * user an episode has T pages and T + 1 states: the state after a page is the state before the next page. A
 * new episode overwrites the oldest episode: with room for R episodes, episode e is stored at index e mod R.
 * See `replay_push.wgsl`.
 */

import pushText from "../../../kernels/slates/replay_push.wgsl" with { type: "text" };
import startsText from "../../../kernels/slates/replay_starts.wgsl" with { type: "text" };
import type { Arena } from "../../gpu/arena.ts";
import { parseKernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { readViews } from "../../gpu/readback.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { UserError } from "../../user_error.ts";

const pushKernel = parseKernel("replay_push", pushText);
const startsKernel = parseKernel("replay_starts", startsText);

/** Bit of a stored outcome that is set if the user left after the page. */
export const LEFT = 0x80000000;

export interface ReplayCapacity {
  readonly users: number;
  readonly pages: number;
  readonly slate: number;
  /** Number of floats in a user's state, with padding: a multiple of 4. */
  readonly stateStride: number;
  readonly episodes: number;
}

export interface ReplayPage {
  /** [users, columns] states of the users after the page. `begin` expects the initial states here. */
  readonly state: Tensor;
  /** [users, slots] u32: the shown items. */
  readonly slates: View;
  /** [pages, users] vec4f: clicked slot (slate size if there was no click), reward, two unused numbers. */
  readonly outcomes: View;
  /** [users] u32: 0 for users who left after this page or earlier. */
  readonly alive: View;
}
export const replayParts = ["states", "shown", "happened", "lengths"] as const;
export type ReplayState = Readonly<Record<typeof replayParts[number], Uint32Array<ArrayBuffer>>>;

/** Returns how many episodes the buffer stores: enough for `capacity` pages, plus the current episode. */
export function countEpisodes(
  capacity: number,
  { users, pages }: Pick<ReplayCapacity, "users" | "pages">,
): number {
  return Math.ceil(capacity / (users * pages)) + 1;
}

export class ReplayBuffer {
  /** [episodes, pages + 1, users, columns] f32: state of each user before and after each page. */
  readonly states: View;
  readonly shown: View;
  /** [episodes, pages, users] vec2u: clicked slot (slate size: no click), bit {@link LEFT}; f32 reward. */
  readonly happened: View;
  /** [episodes, users] u32: number of pages that the user has seen. */
  readonly lengths: View;
  /** [episodes, users + 1] u32: index of each user's first page in the episode (prefix sums of `lengths`). */
  readonly starts: View;

  /** @throws UserError if the adapter cannot allocate or bind the memory. */
  constructor(private readonly arena: Arena, readonly size: ReplayCapacity) {
    const { users, pages, slate, stateStride, episodes } = size;
    if (episodes < 2) throw new Error(`expected a ring of 2 episodes or more, got ${episodes}`);
    const places = episodes * pages * users;
    this.states = arena.allocate("replay: states", 4 * episodes * (pages + 1) * users * stateStride);
    this.shown = arena.allocate("replay: slates", 4 * places * slate);
    this.happened = arena.allocate("replay: outcomes", 8 * places);
    this.lengths = arena.allocate("replay: lengths", 4 * episodes * users);
    this.starts = arena.allocate("replay: starts", 4 * episodes * (users + 1));
  }

  /** Returns dispatches that store the initial states of an episode. */
  begin(seen: ReplayPage): DispatchSpec[] {
    return [this.#push(seen, false)];
  }

  push(seen: ReplayPage): DispatchSpec[] {
    const { episodes } = this.size;
    return [this.#push(seen, true), {
      kernel: startsKernel,
      label: "starts of users",
      constants: { SLOTS: episodes },
      views: { lengths: this.lengths, starts: this.starts },
      invocations: [1],
    }];
  }

  #push({ state, slates, outcomes, alive }: ReplayPage, after: boolean): DispatchSpec {
    const { users, pages, slate, stateStride, episodes } = this.size;
    if (state.stride !== stateStride) {
      throw new Error(
        `replay buffer: expected states of ${stateStride} floats, got ${state.stride} of ${state.name}`,
      );
    }
    return {
      kernel: pushKernel,
      label: after ? "store a page" : "store the start",
      constants: { S4: stateStride / 4, K: slate, T: pages, SLOTS: episodes, AFTER: after },
      views: {
        ...{ state: state.view, slates, outcome: outcomes, alive },
        ...{ states: this.states, shown: this.shown, happened: this.happened, lengths: this.lengths },
      },
      invocations: [users * stateStride / 4],
    };
  }

  async state(): Promise<ReplayState> {
    const words = await readViews(this.arena.gpu, replayParts.map((name) => this[name]));
    return Object.fromEntries(replayParts.map((name, k) => [name, words[k]])) as ReplayState;
  }

  /**
   * Restores a saved state. The device must be idle.
   * @param items - number of items in the catalogue. @param from - file name for messages.
   * @throws UserError for wrong sizes, and for values out of range.
   */
  restore(state: ReplayState, items: number, from: string): void {
    this.#expectWhole(state, items, from);
    const { users, episodes } = this.size;
    const { queue } = this.arena.gpu;
    for (const name of replayParts) {
      queue.writeBuffer(this[name].buffer, this[name].offset, state[name]);
    }
    const starts = new Uint32Array(episodes * (users + 1));
    for (let episode = 0; episode < episodes; episode++) {
      for (let u = 0; u < users; u++) {
        const at = episode * (users + 1) + u;
        starts[at + 1] = (starts[at] ?? 0) + (state.lengths[episode * users + u] ?? 0);
      }
    }
    queue.writeBuffer(this.starts.buffer, this.starts.offset, starts);
  }

  #expectWhole(state: ReplayState, items: number, from: string): void {
    const { slate, pages } = this.size;
    const wrong = (expected: string, found: string) =>
      new UserError(
        `${from}: damaged replay buffer: expected ${expected}, found ${found}. Use an earlier snapshot.`,
      );
    for (const name of replayParts) {
      const [expected, found] = [this[name].size, state[name].byteLength];
      if (expected !== found) throw wrong(`${expected} bytes of ${name}`, `${found}`);
    }
    const item = state.shown.find((item) => item >= items);
    if (item !== undefined) throw wrong(`items below ${items}`, `${item}`);
    const length = state.lengths.find((length) => length > pages);
    if (length !== undefined) throw wrong(`at most ${pages} pages per episode`, `${length}`);
    for (let k = 0; k < state.happened.length; k += 2) {
      const slot = ((state.happened[k] ?? 0) & ~LEFT) >>> 0;
      if (slot > slate) throw wrong(`slots up to ${slate}`, `${slot}`);
    }
    const broken = new Float32Array(state.states.buffer, state.states.byteOffset, state.states.length)
      .find((value) => !Number.isFinite(value));
    if (broken !== undefined) throw wrong("finite states", `${broken}`);
  }
}
