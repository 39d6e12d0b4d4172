/** The slate whose expected value is the largest: exact, where clicks follow the choice model. */

import ratioText from "../../kernels/slate_ratio.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import type { View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { Sizes } from "../gpu/sizes.ts";
import { UserError } from "../user_error.ts";
import type { Mask } from "./q_act.ts";
import { itemsOf, rowsIndex, rowsOf, type SlateRows, unwritten } from "./slate_rows.ts";

const ratioKernel = kernel("slate_ratio", ratioText);

/** Items of a slate that can be exact. */
export const MOST_EXACT = 16;

export interface SlateRatio {
  readonly label: string;
  /** k */
  readonly slate: number;
  /** P(item) is proportional to exp(eta u), P(no click) to 1. */
  readonly eta: number;
  /** [rows of a chunk, I] */
  readonly utilities: View;
  /** What a click on an item is worth: by a network, or its utility, and no click nothing. */
  readonly worthOf: "utility" | {
    /** [rows of a chunk, stride], beside a part of the row */
    readonly scores: View;
    readonly stride: number;
    /** [R, stride] (the part of the row, the value of no click) */
    readonly values: View;
    readonly valueStride: number;
  };
  readonly masked: Mask;
  /** [R, k] u32 */
  readonly slates: View;
  /** [R] f32: what the slate is worth. */
  readonly worth: View;
  /** The slates are there already: only their worth is wanted. */
  readonly given?: boolean;
}

/** The dispatch, for the rows from `step.first_entry` on. @throws UserError for a larger slate than it takes. */
export function slateRatio<S extends Sizes>(rows: SlateRows<S>, ratio: SlateRatio): DispatchSpec<S> {
  const { label, slate, eta, utilities, worthOf, masked, slates, worth, given = false } = ratio;
  if (slate > MOST_EXACT) {
    throw new UserError(
      `Expected slates of at most ${MOST_EXACT} items where the best slate is found exactly, got ${slate}. ` +
        "Use a smaller --slate, or another algorithm.",
    );
  }
  const items = itemsOf(rows);
  const utility = worthOf === "utility";
  return {
    kernel: ratioKernel,
    label,
    constants: {
      M: rowsIndex(rows),
      SLATE: slate,
      ITEMS: items,
      MASK_STRIDE: masked.stride,
      UTILITY_STRIDE: items,
      SCORES_STRIDE: utility ? 1 : worthOf.stride,
      VALUE_STRIDE: utility ? 1 : worthOf.valueStride,
      ETA: eta,
      UTILITY: utility,
      GIVEN: given,
    },
    views: {
      utilities,
      scores: utility ? utilities : worthOf.scores,
      values: utility ? utilities : worthOf.values,
      masked: given ? unwritten(rows) : masked.view,
      slates,
      worth,
    },
    invocations: (sizes) => [rowsOf(rows, sizes)],
    cost: (sizes) => ({
      flops: 90 * rowsOf(rows, sizes) * (given ? slate : items),
      bytes: 24 * rowsOf(rows, sizes) * (given ? slate : items),
    }),
  };
}
