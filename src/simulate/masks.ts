/** What may be shown on a page: bits of items, a set a user. */

import fillText from "../../kernels/simulate/fill.wgsl" with { type: "text" };
import maskText from "../../kernels/simulate/page_mask.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { purposes } from "../data/philox.ts";
import { kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { Page } from "./page.ts";
import type { Pool } from "./pool.ts";

const fillKernel = kernel("fill", fillText);
const maskKernel = kernel("page_mask", maskText);

/** One word in `count` words of each user's. */
export function fill(label: string, words: View, count: number, value = 0): ClickDispatch {
  return {
    kernel: fillKernel,
    label,
    constants: { COUNT: count, VALUE: value },
    views: { words },
    invocations: [{ of: "users", times: count }],
    cost: (s) => ({ flops: 0, bytes: 4 * s.users * count }),
  };
}

/** What a page begins with: `masked` says what may not be shown. @param repeats clicked items may be shown again. */
export function pageMask(page: Page, pool: Pool, repeats: boolean, arena = page.arena): ClickDispatch {
  const { users: USERS, panels: PANELS, slate: SLATE, clicked, masked } = page;
  return {
    kernel: maskKernel,
    label: "page mask",
    constants: {
      USERS,
      PANELS,
      SLATE,
      REPEATS: repeats,
      POOL: pool.threshold,
      PURPOSE: purposes.POOL,
    },
    views: { clicked, excluded: arena.upload("excluded", pool.excluded), masked },
    invocations: ["users"],
    cost: (s) => ({ flops: 0, bytes: 8 * s.users * PANELS }),
  };
}
