/** The best item of all into the next slot of every row's slate. */

import pickText from "../../../kernels/slates/slate_pick.wgsl" with { type: "text" };
import { kernel } from "../../gpu/kernel.ts";
import type { Memory, View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { rowsIndex, rowsOf, type SlateRows } from "./slate_rows.ts";

const pickKernel = kernel("slate_pick", pickText);

export interface SlatePick {
  readonly label: string;
  readonly units: number;
  /** I / 32; 0 for what comes before the first position. */
  readonly panels: number;
  /** Vectors that an item adds to later positions. */
  readonly later4: number;
  /** The slates are there already. */
  readonly given?: boolean;
  readonly views: {
    /** [panels, R] of {@link import("./slate_score.ts").slateScore}; any buffer without panels */
    readonly best: View;
    /** [I, .] of the position */
    readonly table: View;
    readonly weights: View;
    /** [R, .] */
    readonly bases: View;
    readonly masked: View;
    /** [R, k] u32 */
    readonly slates: View;
    /** [R, .] */
    readonly q: View;
    /** [R, L] the next position's base */
    readonly current: Memory;
    readonly place: View;
  };
}

/** The dispatch. */
export function slatePick<S extends Sizes>(rows: SlateRows<S>, pick: SlatePick): DispatchSpec<S> {
  const { units, panels, later4, views, label, given } = pick;
  return {
    kernel: pickKernel,
    label,
    constants: { M: rowsIndex(rows), L4: units / 4, ...(given && { GIVEN: true }) },
    views,
    invocations: [rows.rows],
    cost: (sizes) => ({
      flops: rowsOf(rows, sizes) * (panels + 4 * later4 + units),
      bytes: rowsOf(rows, sizes) * (8 * panels + 48 * later4 + 8 * units + 16),
    }),
  };
}
