/** The score of every item for every row: the best of each panel of items, or all of them. */

import panelText from "../../../kernels/slates/slate_score_panel.wgsl" with { type: "text" };
import tiledText from "../../../kernels/slates/slate_score_tiled.wgsl" with { type: "text" };
import { constantOf, kernel } from "../../gpu/kernel.ts";
import type { Memory, View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { PANEL, panelsOf } from "./place.ts";
import { rowsIndex, rowsOf, shapesOf, type SlateRows, unwritten } from "./slate_rows.ts";

const kernels = {
  cpu: kernel("slate_score_panel", panelText),
  gpu: kernel("slate_score_tiled", tiledText),
} as const;

/** Hidden units that the kernels take: their sum is written out for so many. */
export const MOST_UNITS = 64;

export interface SlateScore {
  readonly label: string;
  /** I */
  readonly items: number;
  /** L, a multiple of four up to {@link MOST_UNITS}. */
  readonly units: number;
  readonly views: {
    /** [R, L] */
    readonly base: Memory;
    /** [I, .] */
    readonly table: View;
    /** All weights of the network. */
    readonly weights: View;
    readonly place: View;
  };
  /**
   * Where the results go: the best of each panel, [panels, R] (value's bits, item or NONE), of the items whose bit in
   * `masked` [panels, R] is not set; or all scores, [R of a chunk, 32 panels], of the rows from `step.first_entry` on.
   */
  readonly to: { readonly best: View; readonly masked: View } | { readonly scores: View };
}

/** The dispatch. @throws Error for hidden units that the kernels do not take. */
export function slateScore<S extends Sizes>(rows: SlateRows<S>, score: SlateScore): DispatchSpec<S> {
  const { items, units, views, to, label } = score;
  expectUnits(units);
  const { kind } = shapesOf(rows);
  const own = kernels[kind];
  const panels = panelsOf(items);
  const workgroup = constantOf(own, "WORKGROUP");
  const store = "scores" in to;
  return {
    kernel: own,
    label,
    constants: { M: rowsIndex(rows), L4: units / 4, ...(store && { STORE: true }) },
    views: {
      ...views,
      masked: store ? views.weights : to.masked,
      best: store ? unwritten(rows) : to.best,
      scores: store ? to.scores : unwritten(rows),
    },
    invocations: kind === "gpu"
      ? [16 * Math.ceil(panels / 2), { of: rows.rows, per: 4 }]
      : [workgroup * panels, { of: rows.rows, per: workgroup }],
    cost: (sizes) => {
      const count = rowsOf(rows, sizes);
      return {
        flops: 3 * count * items * units,
        bytes: 4 * units * (count + items) + count * panels * (store ? 4 * PANEL : 12),
      };
    },
  };
}

/** @throws Error */
export function expectUnits(units: number): void {
  if (units % 4 !== 0 || units < 4 || units > MOST_UNITS) {
    throw new Error(`expected 4, 8, ... or ${MOST_UNITS} hidden units, got ${units}`);
  }
}
