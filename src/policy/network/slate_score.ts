/**
 * Scores every item for every row. Stores all scores, or only the best of every 32 items (a panel), from
 * which slate_pick.wgsl picks the best item. A position's settings are in a buffer and not in shader
 * constants, so that all positions use the same shader.
 */

import type { Arena } from "../../gpu/arena.ts";
import type { Memory, View } from "../../gpu/memory.ts";
import panelText from "../../../kernels/slates/slate_score_panel.wgsl" with { type: "text" };
import tiledText from "../../../kernels/slates/slate_score_tiled.wgsl" with { type: "text" };
import { getConstant, parseKernel } from "../../gpu/kernel.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import { allocateUnused, countRows, findRowDimension, type SlateRows } from "./slate_rows.ts";
import pickText from "../../../kernels/slates/slate_pick.wgsl" with { type: "text" };

export const PANEL = 32;

export function countPanels(items: number): number {
  return Math.ceil(items / PANEL);
}

/** Fields of the kernels' `struct Place`, in order. The suffix 4 means: in units of four floats. */
const fields = [
  "items",
  "maskStride",
  "slate",
  "position",
  "baseStride4",
  "nextAt4",
  "tableStride4",
  "tableAt4",
  "chosenAt4",
  "laterAt4",
  "later4",
  "output4",
  "qStride",
  "scoresStride4",
  "panels",
] as const;

/** Values of `struct Place` in kernels/slates/slate_pick.wgsl, by field. A missing field is 0. */
export type PickSettings = Partial<Readonly<Record<typeof fields[number], number>>>;

export function uploadPlace(arena: Arena, name: string, place: PickSettings): View {
  return arena.upload(`place: ${name}`, Uint32Array.from(fields, (field) => place[field] ?? 0));
}

const kernels = {
  cpu: parseKernel("slate_score_panel", panelText),
  gpu: parseKernel("slate_score_tiled", tiledText),
} as const;

/** Maximum number of hidden units. Kernels unroll sums over the units, so more units make shaders longer. */
export const MOST_UNITS = 64;

export interface SlateScoreInputs {
  readonly label: string;
  readonly items: number;
  /** L, the number of hidden units: a multiple of four, at most {@link MOST_UNITS}. */
  readonly units: number;
  readonly views: {
    readonly base: Memory;
    /** [items, width] item table of the position. */
    readonly table: View;
    readonly weights: View;
    readonly place: View;
  };
  /**
   * Output buffers. `best` [items / 32, rows] vec2u: score (bits of an f32) and item number of the best of
   * every 32 items. Items whose bit in `masked` [items / 32, rows] is 1 are excluded; if all 32 are excluded,
   * the number is NONE. `scores` [rows, items]: scores for some rows of the batch, beginning with row
   * `step.first_entry`; each row is padded to a multiple of 32.
   */
  readonly to: { readonly best: View; readonly masked: View } | { readonly scores: View };
}

/** Scores all items. @throws Error if kernels do not support the number of hidden units. */
export function recordSlateScore<S extends BatchSizes>(
  rows: SlateRows<S>,
  score: SlateScoreInputs,
): DispatchSpec<S> {
  const { items, units, views, to, label } = score;
  expectUnits(units);
  const { kind } = rows.arena.gpu.variants;
  const own = kernels[kind];
  const panels = countPanels(items);
  const workgroup = getConstant(own, "WORKGROUP");
  const store = "scores" in to;
  return {
    kernel: own,
    label,
    constants: { M: findRowDimension(rows), L4: units / 4, ...(store && { STORE: true }) },
    views: {
      ...views,
      masked: store ? views.weights : to.masked,
      best: store ? allocateUnused(rows) : to.best,
      scores: store ? to.scores : allocateUnused(rows),
    },
    invocations: kind === "gpu"
      ? [16 * Math.ceil(panels / 2), { of: rows.rows, per: 4 }]
      : [workgroup * panels, { of: rows.rows, per: workgroup }],
    cost: (sizes) => {
      const count = countRows(rows, sizes);
      return {
        flops: 3 * count * items * units,
        bytes: 4 * units * (count + items) + count * panels * (store ? 4 * PANEL : 12),
      };
    },
  };
}

export function expectUnits(units: number): void {
  if (units % 4 !== 0 || units < 4 || units > MOST_UNITS) {
    throw new Error(`expected 4, 8, 12, ... or ${MOST_UNITS} hidden units, got ${units}`);
  }
}

const pickKernel = parseKernel("slate_pick", pickText);

export interface SlatePickInputs {
  readonly label: string;
  readonly units: number;
  readonly given?: boolean;
  readonly views: {
    /** [items / 32, rows] output of {@link recordSlateScore}; not read if `place.panels` is 0. */
    readonly best: View;
    readonly table: View;
    /** [rows, nets x units] hidden units of all positions before relu, without the items' terms. */
    readonly bases: View;
    readonly masked: View;
    readonly slates: View;
    /** [rows, stride] Q-values of the slates. */
    readonly q: View;
    /** [rows, units] output: hidden units of the next position, without the term of that position's item. */
    readonly current: Memory;
    readonly place: View;
  };
}

export function recordSlatePick<S extends BatchSizes>(
  rows: SlateRows<S>,
  pick: SlatePickInputs,
): DispatchSpec<S> {
  const { units, views, label, given } = pick;
  return {
    kernel: pickKernel,
    label,
    constants: { M: findRowDimension(rows), L4: units / 4, ...(given && { GIVEN: true }) },
    views,
    invocations: [rows.rows],
  };
}
