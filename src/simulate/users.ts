/** Who is simulated, and how others see them: the interfaces. Adding a kind of users is a file that implements one. */

import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { Arena } from "../gpu/arena.ts";
import type { Memory, View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { PageBuffers } from "./page_buffers.ts";

/** What the users of a page think of their slates. */
export interface SlateUtilities {
  readonly dispatches: readonly ClickDispatch[];
  /** [rows, 1], stride 1: row u k + j for the item in slot j of user u. */
  readonly utilities: Tensor;
}

/** What some of the users think of all items: users are taken in chunks, as U I rows are many. */
export interface CatalogueUtilities {
  /** Users of a chunk, at most. */
  readonly users: number;
  /**
   * For the users from `step.first_entry` on. The sizes of a chunk of c users are c users, c events, c I rows, I items.
   * Places: see {@link SimulatedUsers.placeEffects}; utilities are without.
   */
  readonly dispatches: readonly ClickDispatch[];
  /** [users, I] f32 */
  readonly utilities: View;
}

/**
 * Users of a page, a row a user: a learned model's, or those of a made-up shop. They click, or a policy sees those who do through
 * them. They live as long as the page that they were made for.
 */
export interface SimulatedUsers extends Disposable {
  readonly name: string;
  /**
   * [events, S]: before the page is shown; what policies see. Rows may be longer than S + 1: behind it stands what else is
   * needed to put users into a remembered state, the last clicks.
   */
  readonly state: Tensor;
  /** [I, G], a constant: what is known of items. Dense features, otherwise what the model makes of an item, frozen. */
  readonly itemVectors: Tensor;
  /** Once, after weights were set: tables of the items. */
  prepare(): ClickDispatch[];
  /** Users without a click. */
  reset(): ClickDispatch[];
  /** Moves users by what they clicked, `page.event[u].w`; who clicked nothing stays. */
  step(): ClickDispatch[];
  /** A page was shown to them. The first clicks that users are fed are not: they stand on no page. */
  shown(): ClickDispatch[];
  /** Frees what does not stand in the arena that it was made with. */
  [Symbol.dispose](): void;
  /** P(item) is proportional to exp(eta (u + effect of its place)), P(no click) to 1. */
  readonly eta: number;
  /** [P - 1] what the second place, the third, ... add to a utility; undefined where places do not count. */
  readonly placeEffects: Tensor | undefined;
  /** After whole rows of `state` were written from outside: what utilities follow from. These users are not stepped further. */
  fromState(): readonly ClickDispatch[];
  /** In the state that they are in. */
  utilities(): SlateUtilities;
  /** In the state that they are in. May be asked for several times: the buffers are the same. */
  catalogue(): CatalogueUtilities;
}

/** What users are made of, for pages of any size: a model, or a shop. */
export interface UsersSource {
  /** For reports. */
  readonly name: string;
  /** I, items of the catalogue. */
  readonly itemCount: number;
  /**
   * Users on a page. @param arena for their memory; the page's by default.
   * @internal
   */
  users(page: PageBuffers, arena?: Arena): SimulatedUsers;
}

/** A constant, or what a kernel writes, that no gradient flows into. */
export function makePlainTensor(
  name: string,
  rows: Tensor["rows"],
  columns: number,
  stride: number,
  view: Memory,
): Tensor {
  return { name, rows, columns, groups: 1, stride, view, trainable: false };
}
