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
import type { QCopy, QNetwork, QState } from "./q_network.ts";
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
  act: QAct,
): QChoice<S> {
  const { shape: { kind, slate, units }, parameters } = network;
  if (kind === "item") throw new Error("expected a network that values slates, got one of single items");
  const tape = tapeOf<S, unknown>(rows, parameters);
  const state = network.state(tape, act.copy, act.input);
  tape.place();
  const best = rows.arena.allocate("best of panels", 8 * panelsOf(itemsOf(rows)) * rowsOf(rows));
  const choice: PositionChoice<S> = { ...act, network, rows, state, best, current: currentBase(rows, units) };
  const dispatches = [...tape.forward(), firstBase(choice)];
  for (let position = 0; position < slate; position++) {
    dispatches.push(score(choice, position), pick(choice, position));
  }
  const { values } = state;
  return { dispatches, q: bufferOf(values.view), stride: values.stride };
}

/** What the dispatches of all positions work on. */
interface PositionChoice<S extends Sizes> extends QAct {
  readonly network: QNetwork;
  readonly rows: SlateRows<S>;
  readonly state: QState;
  /** Of each panel: see {@link slatePick}. */
  readonly best: View;
  /** The base of the position that is scored next. */
  readonly current: Memory;
}

/** Before the first position: its base is that of the state alone. */
function firstBase<S extends Sizes>(choice: PositionChoice<S>): DispatchSpec<S> {
  return pickDispatch(choice, "first base", 0, { ...placeOf(choice, -1), later4: 0, panels: 0 });
}

/** The best item of each panel, for a position. */
function score<S extends Sizes>(choice: PositionChoice<S>, position: number): DispatchSpec<S> {
  const { network, rows, copy, masked, best, current } = choice;
  const label = `score ${position + 1}`;
  return slateScore(rows, {
    label,
    items: itemsOf(rows),
    units: network.shape.units,
    views: {
      base: current,
      table: network.table(copy, position),
      weights: network.weights(copy),
      place: uploadPlace(rows.arena, label, placeOf(choice, position)),
    },
    to: { best, masked: masked.view },
  });
}

/** The best item of all into the position, its value, and the base of the next one. */
function pick<S extends Sizes>(choice: PositionChoice<S>, position: number): DispatchSpec<S> {
  return pickDispatch(choice, `pick ${position + 1}`, position, placeOf(choice, position));
}

/** @param position whose table is read. */
function pickDispatch<S extends Sizes>(
  { network, rows, copy, slates, masked, given, state: { bases, values }, best, current }: PositionChoice<S>,
  label: string,
  position: number,
  place: Place,
): DispatchSpec<S> {
  return slatePick(rows, {
    label,
    units: network.shape.units,
    panels: place.panels ?? 0,
    later4: place.later4 ?? 0,
    given,
    views: {
      best,
      table: network.table(copy, position),
      weights: network.weights(copy),
      bases: bufferOf(bases.view),
      masked: masked.view,
      slates,
      q: bufferOf(values.view),
      current,
      place: uploadPlace(rows.arena, label, place),
    },
  });
}

/** How the kernels work at a position; -1 is before the first one. */
function placeOf<S extends Sizes>(
  { network, rows, masked, state: { bases, values } }: PositionChoice<S>,
  position: number,
): Place {
  const { kind, slate, units } = network.shape;
  const items = itemsOf(rows);
  const units4 = units / 4;
  const shared = kind === "shared";
  const isLast = position + 1 === slate;
  return {
    items,
    maskStride: masked.stride,
    slate,
    position,
    baseStride4: bases.stride / 4,
    // Of the position behind.
    nextAt4: isLast ? NONE : shared ? 0 : (position + 1) * units4,
    nextBias4: shared ? network.first4("position/bias") + (position + 1) * units4 : NONE,
    tableStride4: (shared ? 2 : slate - position) * units4,
    chosenAt4: units4,
    laterAt4: shared ? 0 : (position + 1) * units4,
    later4: units4 * (isLast ? 0 : shared ? 1 : slate - position - 1),
    output4: network.first4("output/kernel") + (shared ? 0 : position * units4),
    qStride: values.stride,
    panels: panelsOf(items),
  };
}

/** [R, L]: what a score kernel reads. On llvmpipe a texture: numbers of a buffer take as long as their products. */
export function currentBase<S extends Sizes>(rows: SlateRows<S>, units: number): Memory {
  const bytes = 4 * units * rowsOf(rows);
  if (!inTextures(shapesOf(rows))) return rows.arena.allocate("current base", bytes);
  const used = { of: rows.rows, times: 4 * units };
  return rows.arena.allocateTexture("current base", bytes, used, rowByRow(bytes));
}
