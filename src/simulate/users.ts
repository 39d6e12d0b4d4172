/** Interfaces of simulated users, which learned models and synthetic shops implement. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { PageBuffers } from "./page_buffers.ts";

export interface SlateUtilities {
  readonly dispatches: readonly ClickDispatch[];
  /** [rows, 1] utilities, stride 1. The item in slot j of user u has row u x (slots per slate) + j. */
  readonly utilities: Tensor;
}

/** Utilities of all items, computed for one chunk of users at a time to limit the memory. */
export interface CatalogueUtilities {
  readonly users: number;
  /**
   * Dispatches that compute the utilities for one chunk of users, with a row per user and item, without
   * position effects ({@link SimulatedUsers.positionEffects}).
   */
  readonly dispatches: readonly ClickDispatch[];
  /** [users of the chunk, items] f32 utilities. */
  readonly utilities: View;
}

/**
 * Simulated users of a page, from a learned model or a synthetic shop. Users of the environment click; an
 * observer's users only compute user states for a policy. The object is valid as long as the page's buffers.
 */
export interface SimulatedUsers extends Disposable {
  /**
   * [events, columns] user states before the page, which policies read. If the model reads recent clicks, the
   * buffer's rows also store these clicks, so that {@link fromState} can restore the users.
   */
  readonly state: Tensor;
  /** [items, columns] item vectors for policies: dense features, or other features x first-layer weights. */
  readonly itemVectors: Tensor;
  /** Returns dispatches that compute tables with a row per item. Run these once after setting weights. */
  prepare(): ClickDispatch[];
  /** Returns dispatches that set all users to the state of a user without clicks. */
  reset(): ClickDispatch[];
  /** Returns dispatches that update the users who clicked; user u clicked the item `page.event[u].w`. */
  step(): ClickDispatch[];
  /** Returns dispatches that update all users after a page, but not after clicks before an episode. */
  shown(): ClickDispatch[];
  /** Releases the memory that was not allocated in the arena. */
  [Symbol.dispose](): void;
  /** Inverse temperature: P(item) is proportional to exp(eta (utility + position effect)). */
  readonly eta: number;
  /** [P - 1] effects of the positions 2 to P; undefined for users without position effects. */
  readonly positionEffects: Tensor | undefined;
  /** Returns dispatches that load the users from `state`, after which only utilities may be computed. */
  fromState(): readonly ClickDispatch[];
  /** Returns the utilities of the slates' items in the users' current states. */
  utilities(): SlateUtilities;
  /** Returns the utilities of all items in the users' current states. Every call returns the same buffers. */
  catalogue(): CatalogueUtilities;
}

/** Source of simulated users: a learned model or a synthetic shop. */
export interface UsersSource {
  /** Name of the source in reports. */
  readonly name: string;
  /** I, the number of items in the catalogue. */
  readonly itemCount: number;
  /**
   * Creates the users who see a page. @param arena - allocates the users' memory; default: the page's arena.
   * @internal
   */
  users(page: PageBuffers, arena?: Arena): SimulatedUsers;
}

/** Returns a tensor without gradient: a constant, or the output of a kernel. */
export function makePlainTensor(
  name: string,
  rows: Tensor["rows"],
  columns: number,
  stride: number,
  view: Memory,
): Tensor {
  return { name, rows, columns, groups: 1, stride, view, trainable: false };
}
