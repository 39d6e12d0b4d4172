/** What chooses slates. Adding a policy is a file that implements this. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";
import type { EpisodeRules } from "./choose_clicks.ts";
import type { PageBuffers } from "./page_buffers.ts";
import type { SimulatedUsers, UsersSource } from "./users.ts";

/** Dispatches that run once for each chunk of the users, from `step.first_entry` on. */
export interface ChunkedDispatches {
  /** Users of a chunk, at most. */
  readonly chunk: number;
  /** Rows of a user in the sizes that its dispatches see. */
  readonly rows: number;
  readonly dispatches: readonly ClickDispatch[];
}

/** A dispatch for all users of a page, or dispatches by chunks of them. */
export type PageDispatch = ClickDispatch | ChunkedDispatches;

/** What a policy is recorded with. */
export interface PageContext {
  /** For the policy's own buffers; it lives as long as the page. */
  readonly arena: Arena;
  /** The policy writes its `slates`, and sets the bits of what it picks in `masked`. The page's number is `step.page`. */
  readonly page: PageBuffers;
  /** How the policy sees the users. */
  readonly observer: SimulatedUsers;
  /** Who clicks. */
  readonly environment: SimulatedUsers;
  /** What a click counts, and when users leave. */
  readonly rules: EpisodeRules;
}

/** What writes a slate for every user of a page. */
export interface Policy {
  /** For reports. */
  readonly name: string;
  /** Whose encoder it sees the users through; by default that of whoever clicks. */
  readonly observes?: UsersSource;
  /**
   * Dispatches that write `slates`. Called once for each page of other buffers.
   * @internal
   */
  record(page: PageContext): readonly PageDispatch[];
  /**
   * Once after {@link record}, and again after its weights changed: tables.
   * @internal
   */
  prepare(): readonly ClickDispatch[];
  /**
   * What the slates of the page that was recorded last were chosen for; of policies that have such values.
   * @internal
   */
  values?(): SlateValueView | undefined;
  /**
   * A score of each item, by which slates may be drawn; of policies that have such. In the place of {@link record}.
   * @internal
   */
  scores?(page: PageContext): ItemScores;
  /**
   * [T, U, k] f32, of the page that was recorded last: logarithms of the chance of each item that was shown, given those before
   * it; of policies that draw.
   * @internal
   */
  chances?(): View | undefined;
}

/** Scores of all items, by chunks of the users. */
export interface ItemScores {
  /** Of all users, before the chunks. */
  readonly before?: readonly ClickDispatch[];
  /** Users of a chunk, at most. */
  readonly chunk: number;
  /** Of a chunk. */
  readonly dispatches: readonly ClickDispatch[];
  /** [chunk, stride] f32, of which the first I; a stride of 0: all users have the same. */
  readonly scores: View;
  readonly stride: number;
}

/**
 * [U, stride] f32, of which the first `count`: k values of the slate, as the policy saw it with each slot, or the one of the
 * whole slate. The last one is the value of the slate: the rewards of this page and of all later ones.
 */
export interface SlateValueView {
  readonly view: View;
  readonly stride: number;
  readonly count: number;
}
