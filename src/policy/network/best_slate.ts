/** Finds slates with the largest expected value under the choice model, by an exact search. */

import ratioText from "../../../kernels/slates/slate_ratio.wgsl" with { type: "text" };
import { type Constants, parseKernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import { UserError } from "../../user_error.ts";
import { allocateUnused, countCatalogueItems, findRowDimension, type SlateRows } from "./slate_rows.ts";

const ratioKernel = parseKernel("slate_ratio", ratioText);
const MOST_EXACT = 16;

/** Bit mask [items / 32, stride] of excluded items: bit i of word [p, r] excludes item 32 p + i in row r. */
export interface ItemMask {
  readonly view: View;
  /** Number of mask words from one block of 32 items to the next; at least the number of rows. */
  readonly stride: number;
}

export interface ChoiceModel {
  readonly label: string;
  readonly slate: number;
  /** Inverse temperature: P(item) is proportional to exp(eta x utility), P(no click) to 1. */
  readonly eta: number;
}

export interface BestSlateInputs extends ChoiceModel {
  readonly utilities: View;
  /** Value of a click on an item: its utility (no click then has the value 0), or its Q-value. */
  readonly worthOf: "utility" | {
    /** [some rows, stride] Q-values of the items, without the term that all items of a row share. */
    readonly scores: View;
    readonly stride: number;
    /** [rows, stride] column 0: the term that all items of a row share; column 1: the Q-value of no click. */
    readonly values: View;
    readonly valueStride: number;
  };
  readonly masked: ItemMask;
  readonly slates: View;
  /** [rows] f32 output: expected value of each row's slate. */
  readonly worth: View;
}

/** Finds the best slates, beginning with row `step.first_entry`. @throws UserError if slates are too long. */
export function recordBestSlate<S extends BatchSizes>(
  rows: SlateRows<S>,
  best: BestSlateInputs,
): DispatchSpec<S> {
  const { utilities, worthOf, masked, slates, worth } = best;
  const items = countCatalogueItems(rows);
  const utility = worthOf === "utility";
  return {
    ...ratio(rows, best, {
      MASK_STRIDE: masked.stride,
      UTILITY_STRIDE: items,
      SCORES_STRIDE: utility ? 1 : worthOf.stride,
      VALUE_STRIDE: utility ? 1 : worthOf.valueStride,
      UTILITY: utility,
    }),
    views: {
      utilities,
      scores: utility ? utilities : worthOf.scores,
      values: utility ? utilities : worthOf.values,
      ...{ masked: masked.view, slates, worth },
    },
  };
}

export interface SlateWorthInputs extends ChoiceModel {
  /** [rows, slots] utility of the item in each slot. */
  readonly utilities: View;
  /** [rows, stride] values of a click on the item of each slot, followed by the value of no click. */
  readonly values: View;
  readonly stride: number;
  readonly worth: View;
}

/** Computes the expected values of given slates. @throws as {@link recordBestSlate} */
export function recordSlateWorth<S extends BatchSizes>(
  rows: SlateRows<S>,
  slate: SlateWorthInputs,
): DispatchSpec<S> {
  const { utilities, values, stride, worth } = slate;
  const constants = { GIVEN: true, UTILITY_STRIDE: slate.slate, SCORES_STRIDE: stride, UTILITY: false };
  return {
    ...ratio(rows, slate, constants),
    views: {
      ...{ utilities, scores: values, values, worth },
      ...{ masked: allocateUnused(rows), slates: allocateUnused(rows) },
    },
  };
}

function ratio<S extends BatchSizes>(
  rows: SlateRows<S>,
  { label, slate, eta }: ChoiceModel,
  constants: Constants,
): Omit<DispatchSpec<S>, "views"> {
  if (slate > MOST_EXACT) {
    throw new UserError(
      `Expected at most ${MOST_EXACT} items per slate for an exact search, got ${slate}. ` +
        "Use a smaller --slate, or another algorithm.",
    );
  }
  return {
    kernel: ratioKernel,
    label,
    constants: {
      M: findRowDimension(rows),
      SLATE: slate,
      ITEMS: countCatalogueItems(rows),
      ETA: eta,
      ...constants,
    },
    invocations: [rows.rows],
  };
}
