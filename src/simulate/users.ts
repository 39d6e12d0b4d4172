/** Interfaces of simulated users. A new kind of users implements them. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { PageBuffers } from "./page_buffers.ts";

export interface SlateUtilities {
  readonly dispatches: readonly ClickDispatch[];
  /** [rows, 1], stride 1: row u k + j for the item in slot j of user u. */
  readonly utilities: Tensor;
}

/** Utilities of all items for chunks of users, because U I rows are too many at once. */
export interface CatalogueUtilities {
  readonly users: number;
  /**
   * Dispatches for the users from `step.first_entry` on. The sizes of a chunk of c users are c users, c events, c I rows, I items.
   * Utilities exclude position effects, see {@link SimulatedUsers.positionEffects}.
   */
  readonly dispatches: readonly ClickDispatch[];
  /** [users, I] f32 */
  readonly utilities: View;
}

/**
 * Users of a page, one row each, of a learned model or a synthetic shop. They are the environment, or a policy's view of it. They
 * live as long as their page.
 */
export interface SimulatedUsers extends Disposable {
  readonly name: string;
  /**
   * [events, S]: state before the page, as policies see it. Rows may be longer than S + 1: the rest stores the recent clicks, which
   * are needed to restore a user from the state.
   */
  readonly state: Tensor;
  /** [I, G], a constant: dense item features, otherwise the model's item part, frozen. */
  readonly itemVectors: Tensor;
  /** Returns dispatches that compute item tables, once after weights were set. */
  prepare(): ClickDispatch[];
  /** Returns dispatches that set users to the state without a click. */
  reset(): ClickDispatch[];
  /** Returns dispatches that update users by their click, `page.event[u].w`; users without a click stay. */
  step(): ClickDispatch[];
  /** Returns dispatches that run after a displayed page. Start clicks have no page. */
  shown(): ClickDispatch[];
  /** Releases memory outside the arena. */
  [Symbol.dispose](): void;
  /** P(item) is proportional to exp(eta (u + effect of its position)), P(no click) to 1. */
  readonly eta: number;
  /** [P - 1] effects of the second position, the third, ...; undefined without position effects. */
  readonly positionEffects: Tensor | undefined;
  /** Returns dispatches that restore users after their `state` was written. Such users are not stepped. */
  fromState(): readonly ClickDispatch[];
  /** Returns utilities of the slates in the current state. */
  utilities(): SlateUtilities;
  /** Returns utilities of all items in the current state. Repeated calls return the same buffers. */
  catalogue(): CatalogueUtilities;
}

/** Source of users for pages of any size: a model or a shop. */
export interface UsersSource {
  /** Name in reports. */
  readonly name: string;
  /** I, items of the catalogue. */
  readonly itemCount: number;
  /**
   * Allocates the users of a page. @param arena for their memory; the page's by default.
   * @internal
   */
  users(page: PageBuffers, arena?: Arena): SimulatedUsers;
}

/** Returns a tensor without gradient: a constant, or a kernel's output. */
export function makePlainTensor(
  name: string,
  rows: Tensor["rows"],
  columns: number,
  stride: number,
  view: Memory,
): Tensor {
  return { name, rows, columns, groups: 1, stride, view, trainable: false };
}
