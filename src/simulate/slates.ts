/** Slates that need no model: random ones, the first of an order, and the best of given scores. */

import popularText from "../../kernels/simulate/popular_slate.wgsl" with { type: "text" };
import randomText from "../../kernels/simulate/random_slate.wgsl" with { type: "text" };
import topText from "../../kernels/simulate/top_slate.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { purposes } from "../data/philox.ts";
import { kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { Page } from "./page.ts";

const randomKernel = kernel("random_slate", randomText);
const popularKernel = kernel("popular_slate", popularText);
const topKernel = kernel("top_slate", topText);

/** Where slates are written, and what may not be shown. */
export type SlatePlace = Pick<Page, "users" | "slate" | "items" | "panels" | "slates" | "masked">;

/**
 * Every item that may be shown equally often in every slot.
 * @param explore only for users that a draw picks with probability `step.epsilon`, in the place of the slate that is there.
 */
export function randomSlate(page: SlatePlace, explore = false): ClickDispatch {
  const { users: USERS, slate: SLATE, items: ITEMS, panels: PANELS, masked, slates } = page;
  return {
    kernel: randomKernel,
    label: explore ? "explore" : "random slate",
    constants: {
      SLATE,
      USERS,
      PANELS,
      ITEMS,
      EXPLORE: explore,
      EXPLORE_PURPOSE: purposes.EXPLORE,
      SLATE_PURPOSE: purposes.SLATE,
    },
    views: { masked, slate: slates },
    invocations: ["users"],
    cost: (s) => ({ flops: 0, bytes: 12 * s.users * SLATE }),
  };
}

/** The first items of an order that may be shown. @param order [I] u32, all items. */
export function popularSlate(page: SlatePlace, order: View): ClickDispatch {
  const { users: USERS, slate: SLATE, items: ITEMS, masked, slates } = page;
  return {
    kernel: popularKernel,
    label: "popular slate",
    constants: { SLATE, USERS, ITEMS },
    views: { order, masked, slate: slates },
    invocations: ["users"],
    cost: (s) => ({ flops: 0, bytes: 16 * s.users * SLATE }),
  };
}

/** The items of the highest scores that may be shown, best first. @param score [users of a chunk, I] f32 */
export function topSlate(page: SlatePlace, score: View): ClickDispatch {
  const { users: USERS, slate: SLATE, items: ITEMS, masked, slates } = page;
  return {
    kernel: topKernel,
    label: "top slate",
    constants: { SLATE, USERS, ITEMS },
    views: { score, masked, slate: slates },
    invocations: ["users"],
    cost: (s) => ({ flops: 0, bytes: 4 * s.rows + 4 * SLATE * s.users }),
  };
}
