/** Interface of policies, which choose slates. A new policy implements it. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";
import type { EpisodeRules } from "./choose_clicks.ts";
import type { PageBuffers } from "./page_buffers.ts";
import type { SimulatedUsers, UsersSource } from "./users.ts";

/** Dispatches that run once for each chunk of the users, from `step.first_entry` on. */
export interface ChunkedDispatches {
  readonly chunk: number;
  /** Rows per user in the sizes of the dispatches. */
  readonly rows: number;
  readonly dispatches: readonly ClickDispatch[];
}

export type PageDispatch = ClickDispatch | ChunkedDispatches;

/** Context in which a policy is recorded. */
export interface PageContext {
  /** For the policy's own buffers; lives as long as the page. */
  readonly arena: Arena;
  /** The policy writes its `slates`, and sets the bits of the chosen items in `masked`. The page's number is `step.page`. */
  readonly page: PageBuffers;
  readonly observer: SimulatedUsers;
  readonly environment: SimulatedUsers;
  /** Reward of a click, and when users leave. */
  readonly rules: EpisodeRules;
}

/** A policy writes a slate for every user of a page. */
export interface Policy {
  /** Name in reports. */
  readonly name: string;
  /** Model through whose encoder it sees the users; by default the environment. */
  readonly observes?: UsersSource;
  /**
   * Records dispatches that write `slates`. Called once for each set of page buffers.
   * @internal
   */
  record(page: PageContext): readonly PageDispatch[];
  /**
   * Returns dispatches that compute tables; run after {@link record}, and again after weights have changed.
   * @internal
   */
  prepare(): readonly ClickDispatch[];
  /**
   * Returns the Q-values of the slates of the page recorded last, if the policy has them.
   * @internal
   */
  values?(): SlateValueView | undefined;
  /**
   * Records a score per item from which slates can be drawn, if the policy has them. Replaces {@link record}.
   * @internal
   */
  scores?(page: PageContext): ItemScores;
  /**
   * Returns [T, U, k] f32 of the page recorded last: log-probability of each shown item given those before it, for policies that draw.
   * @internal
   */
  logProbabilities?(): View | undefined;
}

/** Scores of all items, by chunks of the users. */
export interface ItemScores {
  readonly before?: readonly ClickDispatch[];
  readonly chunk: number;
  readonly dispatches: readonly ClickDispatch[];
  /** [chunk, stride] f32, the first I columns; stride 0: all users have the same scores. */
  readonly scores: View;
  readonly stride: number;
}

/**
 * [U, stride] f32, the first `count` columns: k values of the slate, one per slot, or the value of the whole slate. The last column
 * is the value of the slate: the predicted reward of this page and all later ones.
 */
export interface SlateValueView {
  readonly view: View;
  readonly stride: number;
  readonly count: number;
}
