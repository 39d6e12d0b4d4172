/** The slate of every row by a Q-network: the best item of the catalogue, position by position. */

import { inTextures } from "../../gpu/kernel_shapes.ts";
import type { Memory, View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { rowByRow } from "../../gpu/texture_layout.ts";
import { NONE } from "../../data/click_log.ts";
import { bufferOf } from "../../gpu/memory.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { panelsOf, type Place, uploadPlace } from "./place.ts";
import type { QCopy, QNetwork } from "./q_network.ts";
import { slatePick } from "./slate_pick.ts";
import { itemsOf, rowsOf, shapesOf, type SlateRows, tapeOf } from "./slate_rows.ts";
import { slateScore } from "./slate_score.ts";

/** Bits of items that may not be chosen: bit i of word p stride + r is item 32 p + i of row r. */
export interface Mask {
  readonly view: View;
  /** From one panel's words to the next. */
  readonly stride: number;
}

export interface QAct {
  readonly copy: QCopy;
  /** [R, inputs] */
  readonly input: Tensor;
  /** [R, k] u32 */
  readonly slates: View;
  /** Bits of chosen items are set. */
  readonly masked: Mask;
  /** The slates are there already: then q_rj is the value of the best item after the first j of row r's slate. */
  readonly given?: boolean;
}

/** What chooses, and what it is worth. */
export interface QChoice<S extends Sizes> {
  readonly dispatches: readonly DispatchSpec<S>[];
  /** [R, stride] f32, of which the first k: Q^j of the first j + 1 items. */
  readonly q: View;
  readonly stride: number;
}

/** Of a network that values slates position by position. @throws Error for one of single items. */
export function chooseByPosition<S extends Sizes>(
  network: QNetwork,
  rows: SlateRows<S>,
  { copy, input, slates, masked, given }: QAct,
): QChoice<S> {
  const { shape: { kind, slate, units }, parameters, tables } = network;
  if (kind === "item") throw new Error("expected a network that values slates, got one of single items");
  const { arena } = rows;
  const items = itemsOf(rows);
  const panels = panelsOf(items);
  const units4 = units / 4;
  const most = rowsOf(rows);
  const tape = tapeOf<S, unknown>(rows, parameters);
  const { bases, values } = network.state(tape, copy, input);
  tape.place();
  const q = bufferOf(values.view);
  const best = arena.allocate("best of panels", 8 * panels * most);
  const current = currentBase(rows, units);
  const shared = kind === "shared";
  const weights = network.weights(copy);
  const place = (position: number): Place => ({
    items,
    maskStride: masked.stride,
    slate,
    position,
    baseStride4: bases.stride / 4,
    // Of the position behind.
    nextAt4: position + 1 === slate ? NONE : shared ? 0 : (position + 1) * units4,
    nextBias4: shared ? network.first4("position/bias") + (position + 1) * units4 : NONE,
    tableStride4: (shared ? 2 : slate - position) * units4,
    chosenAt4: units4,
    laterAt4: shared ? 0 : (position + 1) * units4,
    later4: later4(position),
    output4: network.first4("output/kernel") + (shared ? 0 : position * units4),
    qStride: values.stride,
    panels,
  });
  const later4 = (position: number) =>
    units4 * (position + 1 === slate ? 0 : shared ? 1 : slate - position - 1);
  const pick = (position: number, own: Place) =>
    slatePick(rows, {
      label: own.panels ? `pick ${position + 1}` : "first base",
      units,
      panels: own.panels ?? 0,
      later4: own.later4 ?? 0,
      given,
      views: {
        best,
        table: tableOf(position),
        weights,
        bases: bufferOf(bases.view),
        masked: masked.view,
        slates,
        q,
        current,
        place: uploadPlace(arena, `pick ${position + 1}`, own),
      },
    });
  const tableOf = (position: number): View => {
    const table = tables[copy][shared ? 0 : position];
    if (!table) throw new Error(`there is no table of position ${position}`);
    return table;
  };
  const dispatches = [...tape.forward(), pick(0, { ...place(-1), later4: 0, panels: 0 })];
  for (let position = 0; position < slate; position++) {
    const own = place(position);
    dispatches.push(
      slateScore(rows, {
        label: `score ${position + 1}`,
        items,
        units,
        views: {
          base: current,
          table: tableOf(position),
          weights,
          place: uploadPlace(arena, `score ${position + 1}`, own),
        },
        to: { best, masked: masked.view },
      }),
      pick(position, own),
    );
  }
  return { dispatches, q, stride: values.stride };
}

/** [R, L]: what a score kernel reads. On llvmpipe a texture: numbers of a buffer take as long as their products. */
export function currentBase<S extends Sizes>(rows: SlateRows<S>, units: number): Memory {
  const bytes = 4 * units * rowsOf(rows);
  if (!inTextures(shapesOf(rows))) return rows.arena.allocate("current base", bytes);
  const used = (sizes: Sizes) => 4 * units * rowsOf(rows, sizes as S);
  return rows.arena.allocateTexture("current base", bytes, used, rowByRow(bytes));
}
