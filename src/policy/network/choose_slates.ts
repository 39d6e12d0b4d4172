/** Chooses slates by a Q-network: position by position, or by an exact search for the largest value. */

import type { ClickDispatch, ClickSizes } from "../../batch/click_sizes.ts";
import { NONE } from "../../data/click_log.ts";
import { asBufferView, type Memory, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import type { PageDispatch } from "../../simulate/policy.ts";
import type { SimulatedUsers } from "../../simulate/users.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { countPanels, PANEL, recordSlatePick, recordSlateScore, uploadPlace } from "./slate_score.ts";
import type { PickSettings } from "./slate_score.ts";
import type { QNetwork, QState, WeightCopy } from "./q_network.ts";
import { type ItemMask, recordBestSlate } from "./best_slate.ts";
import { allocateRows, countCatalogueItems, countRows, createTape, type SlateRows } from "./slate_rows.ts";

/** Inputs of a Q-network's choice, and the buffers to which slates and masks are written. */
export interface SlateChoiceViews {
  readonly copy: WeightCopy;
  readonly input: Tensor;
  readonly slates: View;
  /** Mask of items. The bits of the chosen items are set. */
  readonly masked: ItemMask;
  /** True if `slates` are an input: column j of `q` gets the value of the best item after j given items. */
  readonly given?: boolean;
}

export interface SlateChoice<S extends BatchSizes> {
  readonly dispatches: readonly DispatchSpec<S>[];
  /** [rows, stride] f32: column j is the Q-value of the first j + 1 items (kinds `cascade` and `shared`). */
  readonly q: View;
  readonly stride: number;
}

/** Chooses the best item for each position in turn. Items that are already chosen are excluded. */
export function chooseByPosition<S extends BatchSizes>(
  network: QNetwork,
  rows: SlateRows<S>,
  act: SlateChoiceViews,
): SlateChoice<S> {
  const { kind, slate } = network.shape;
  const panels = countPanels(countCatalogueItems(rows));
  const best = rows.arena.allocate("best of panels", 8 * panels * countRows(rows));
  const { forward, choice: begun } = begin(network, rows, { ...act, best });
  // slate_value computes the values of a network of kind `item`.
  const choice = kind === "item"
    ? { ...begun, q: rows.arena.allocate("sums of values", 4 * slate * countRows(rows)), stride: slate }
    : begun;
  const dispatches = [...forward, firstBase(choice)];
  for (let position = 0; position < slate; position++) {
    const place = { ...buildPickSettings(choice, position), panels };
    dispatches.push(score(choice, position, place), pick(choice, `pick ${position + 1}`, position, place));
  }
  return { dispatches, q: choice.q, stride: choice.stride };
}

export interface ExactChoiceViews extends SlateChoiceViews {
  readonly worth: View;
}

/**
 * Chooses the slates with the largest expected value, from a network of kind `item` and the users' utilities
 * of all items. Dispatches over all items run in chunks of rows. @param users - simulated users, one per row.
 * @throws UserError for slates that are too long for the exact search.
 */
export function chooseExactly(
  network: QNetwork,
  rows: SlateRows<ClickSizes>,
  users: SimulatedUsers,
  { worth, ...act }: ExactChoiceViews,
): PageDispatch[] {
  const { slate } = network.shape;
  const { masked, slates } = act;
  const { users: chunk, dispatches, utilities } = users.catalogue();
  const { before, scored, scores, stride, values } = scoreItems(network, rows, act, chunk);
  const best = recordBestSlate(rows, {
    ...{ label: "best slates", slate, eta: users.eta, utilities, masked, slates, worth },
    worthOf: { scores, stride, values: asBufferView(values.view), valueStride: values.stride },
  });
  return [...before, { chunk, rows: countCatalogueItems(rows), dispatches: [...dispatches, scored, best] }];
}

/** Computes the values of all items (in chunks of rows) and of states, by a network of kind `item`. */
export function scoreItems(
  network: QNetwork,
  rows: SlateRows<ClickSizes>,
  act: SlateChoiceViews,
  chunk: number,
) {
  const { units } = network.shape;
  const { arena } = rows;
  const items = countCatalogueItems(rows);
  const weights = network.weights(act.copy);
  const { forward, choice } = begin(network, rows, { ...act, best: weights }); // no panel is read
  const stride = PANEL * countPanels(items);
  const scores = arena.allocate("values of all items", 4 * chunk * stride);
  const place = {
    ...{ items, tableStride4: units / 4, scoresStride4: stride / 4 },
    output4: network.first4("output/kernel"),
  };
  const scored: ClickDispatch = recordSlateScore(rows, {
    ...{ label: "values of all items", items, units, to: { scores } },
    views: {
      ...{ base: choice.current, table: network.table(act.copy, 0), weights },
      place: uploadPlace(arena, "all items", place),
    },
  });
  return { before: [...forward, firstBase(choice)], scored, scores, stride, values: choice.state.values };
}

/** Buffers and tensors that the dispatches of all positions share. */
interface PositionChoice<S extends BatchSizes> extends SlateChoiceViews {
  readonly network: QNetwork;
  readonly rows: SlateRows<S>;
  readonly state: QState;
  /** [panels, rows] best item of each panel of 32 items: see {@link recordSlatePick}. */
  readonly best: View;
  /** [rows, stride] linear parts of Q-values, to which the values of chosen items are added. */
  readonly q: View;
  readonly stride: number;
  readonly current: Memory;
}

/** Computes partial sums of hidden units (bases) and linear parts of Q-values, from the rows' states. */
function begin<S extends BatchSizes>(
  network: QNetwork,
  rows: SlateRows<S>,
  act: SlateChoiceViews & Pick<PositionChoice<S>, "best">,
): { forward: DispatchSpec<S>[]; choice: PositionChoice<S> } {
  const tape = createTape<S, unknown>(rows, network.parameters);
  const state = network.state(tape, act.copy, act.input);
  tape.place();
  const { view, stride } = state.values;
  const current = allocateRows(rows, "current base", network.shape.units);
  return {
    forward: tape.forward(),
    choice: { ...act, network, rows, state, q: asBufferView(view), stride, current },
  };
}

function firstBase<S extends BatchSizes>(choice: PositionChoice<S>): DispatchSpec<S> {
  return pick(choice, "first base", 0, { ...buildPickSettings(choice, -1), later4: 0, panels: 0 });
}

/** Finds the best item of each panel for one position of the slate. */
function score<S extends BatchSizes>(
  { network, rows, copy, masked, best, current: base }: PositionChoice<S>,
  position: number,
  place: PickSettings,
): DispatchSpec<S> {
  const label = `score ${position + 1}`;
  return recordSlateScore(rows, {
    ...{
      label,
      items: countCatalogueItems(rows),
      units: network.shape.units,
      to: { best, masked: masked.view },
    },
    views: {
      ...{ base, table: network.table(copy, position), weights: network.weights(copy) },
      place: uploadPlace(rows.arena, label, place),
    },
  });
}

/** Writes the best item, its value, and the base of the next position. @param position - current position. */
function pick<S extends BatchSizes>(
  { network, rows, copy, slates, masked, given, state: { bases }, best, q, current }: PositionChoice<S>,
  label: string,
  position: number,
  place: PickSettings,
): DispatchSpec<S> {
  return recordSlatePick(rows, {
    ...{ label, given, units: network.shape.units },
    views: {
      ...{ best, slates, q, current, masked: masked.view, bases: asBufferView(bases.view) },
      ...{ table: network.table(copy, position), weights: network.weights(copy) },
      place: uploadPlace(rows.arena, label, place),
    },
  });
}

/** Returns the kernels' settings for a position; -1 stands for the state before the first position. */
function buildPickSettings<S extends BatchSizes>(
  { network, rows, masked, stride, state: { bases } }: PositionChoice<S>,
  position: number,
): PickSettings {
  const { kind, slate, units } = network.shape;
  const units4 = units / 4;
  // With kind `item`, all positions have the same base, which is computed once.
  const isLast = position + 1 === slate || (kind === "item" && position >= 0);
  return {
    ...{
      items: countCatalogueItems(rows),
      maskStride: masked.stride,
      slate,
      position,
      ...network.layout(position),
    },
    baseStride4: bases.stride / 4,
    nextAt4: isLast ? NONE : kind === "cascade" ? (position + 1) * units4 : 0,
    nextBias4: kind === "shared" ? network.first4("position/bias") + (position + 1) * units4 : NONE,
    qStride: stride,
  };
}
