/** Interface of policies, which choose slates. Also builds the dispatches of kernels that write slates. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Constants, Kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { EpisodeRules } from "./simulator_options.ts";
import type { PageBuffers } from "./page_buffers.ts";
import type { SimulatedUsers, UsersSource } from "./users.ts";

/** Dispatches that run once per chunk of users. In kernels, `step.first_entry` is a chunk's first user. */
export interface ChunkedDispatches {
  readonly chunk: number;
  /** Number of rows per user in a chunk. */
  readonly rows: number;
  readonly dispatches: readonly ClickDispatch[];
}

export type PageDispatch = ClickDispatch | ChunkedDispatches;

/** Objects that a policy may use when it records its dispatches. */
export interface PageContext {
  /** Arena for the policy's own buffers, which live as long as the page's buffers. */
  readonly arena: Arena;
  /** Buffers of the page. The policy writes `slates`, and sets the bits of the chosen items in `masked`. */
  readonly page: PageBuffers;
  readonly observer: SimulatedUsers;
  readonly environment: SimulatedUsers;
  /** Reward of a click, and rules by which users leave. */
  readonly rules: EpisodeRules;
}

/** A policy, which writes a slate for every user of a page. */
export interface Policy {
  /** Name of the policy in reports. */
  readonly name: string;
  /** Source of the user states that the policy reads; by default, the source of the users who click. */
  readonly observes?: UsersSource;
  /**
   * Records dispatches that write `slates`. The method is called once for each set of page buffers.
   * @internal
   */
  record(page: PageContext): readonly PageDispatch[];
  /**
   * Returns dispatches that precompute tables, such as products of item vectors and weights. They run once
   * after {@link record}, and again after each change of weights. A policy without tables lacks this method.
   * @internal
   */
  prepare?(): readonly ClickDispatch[];
  /**
   * Returns the Q-values of the last recorded page's slates. A policy without Q-values lacks this method.
   * @internal
   */
  values?(): SlateValueView | undefined;
  /**
   * Records dispatches that score items, to draw slates by scores. A policy without scores lacks this method.
   * @internal
   */
  scores?(page: PageContext): ItemScores;
  /**
   * Returns [pages, users, slots] f32 log P(shown item | items in earlier slots). A policy that does not draw
   * slates at random lacks this method.
   * @internal
   */
  logProbabilities?(): View | undefined;
}

/**
 * Returns a dispatch that writes a page's slates. The kernel has one invocation per user.
 * @param views - kernel inputs except the mask. @param constants - shader constants except page sizes.
 */
export function recordSlates(
  kernel: Kernel,
  label: string,
  page: Pick<PageBuffers, "users" | "slate" | "items" | "slates" | "masked">,
  views: Readonly<Record<string, View>>,
  constants: Constants = {},
): ClickDispatch {
  const { users: USERS, slate: SLATE, items: ITEMS, masked, slates } = page;
  return {
    kernel,
    label,
    constants: { SLATE, USERS, ITEMS, ...constants },
    views: { ...views, masked, slate: slates },
    invocations: ["users"],
  };
}

/** Scores of all items, computed for one chunk of users at a time. */
export interface ItemScores {
  readonly before?: readonly ClickDispatch[];
  readonly chunk: number;
  readonly dispatches: readonly ClickDispatch[];
  /** [users of a chunk, stride] f32: scores in the first I columns. For stride 0, all users share one row. */
  readonly scores: View;
  readonly stride: number;
}

/**
 * [users, stride] f32: the first `count` columns are the slots' Q-values, or one Q-value of the slate. Column
 * `count` - 1 is the slate's value: the predicted reward of this and all later pages.
 */
export interface SlateValueView {
  readonly view: View;
  readonly stride: number;
  readonly count: number;
}
