/** Chooses slates by a Q-network: position by position, or by an exact search for the best slate. */

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

/** Inputs from which a Q-network chooses slates, and the buffers in which slates and masks are stored. */
export interface SlateChoiceViews {
  readonly copy: WeightCopy;
  readonly input: Tensor;
  readonly slates: View;
  /** Mask of excluded items. Choosing an item sets the item's bit, so that it is not chosen again. */
  readonly masked: ItemMask;
  /** True to keep `slates`: column j of `q` is then the best Q-value in slot j after items 0 to j - 1. */
  readonly given?: boolean;
}

export interface SlateChoice<S extends BatchSizes> {
  readonly dispatches: readonly DispatchSpec<S>[];
  /** [rows, stride] f32 Q-values. For kind `cascade`, column j is the Q-value of the first j + 1 items. */
  readonly q: View;
  readonly stride: number;
}

/** Chooses the best item for each position in turn, without repeating items. */
export function chooseByPosition<S extends BatchSizes>(
  network: QNetwork,
  rows: SlateRows<S>,
  act: SlateChoiceViews,
): SlateChoice<S> {
  const { kind, slate } = network.shape;
  const panels = countPanels(network.items);
  const best = rows.arena.allocate("best of panels", 8 * panels * countRows(rows));
  // These sums are not read: slate_value computes the values of a network of kind `item`.
  const sums = kind === "item"
    ? { view: rows.arena.allocate("sums of values", 4 * slate * countRows(rows)), stride: slate }
    : undefined;
  const choice = new PositionChoice(network, rows, act, best, sums);
  const dispatches = choice.begin();
  for (let position = 0; position < slate; position++) {
    const place = { ...choice.buildPickSettings(position), panels };
    dispatches.push(choice.score(position, place), choice.pick(`pick ${position + 1}`, position, place));
  }
  return { dispatches, q: choice.q, stride: choice.stride };
}

/**
 * Chooses the slates with the largest expected value; `network` must be of kind `item`. Items are scored for
 * a limited number of rows at a time. @throws UserError if slates are too long for the exact search.
 */
export function chooseExactly(
  network: QNetwork,
  rows: SlateRows<ClickSizes>,
  users: SimulatedUsers,
  { worth, ...act }: SlateChoiceViews & { readonly worth: View },
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

/** Computes Q-values of all items by a network of kind `item`, for a limited number of rows at a time. */
export function scoreItems(
  network: QNetwork,
  rows: SlateRows<ClickSizes>,
  act: SlateChoiceViews,
  chunk: number,
) {
  const { items, shape: { units } } = network;
  const { arena } = rows;
  const weights = network.weights(act.copy);
  const choice = new PositionChoice(network, rows, act, weights); // `best` is not read
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
  return { before: choice.begin(), scored, scores, stride, values: choice.state.values };
}

/** Chooses the items of a slate in the order of positions, with buffers that all positions share. */
class PositionChoice<S extends BatchSizes> {
  readonly state: QState;
  /** [rows, stride] Q-values, to which each chosen item adds a term. */
  readonly q: View;
  readonly stride: number;
  readonly current: Memory;
  readonly #forward: DispatchSpec<S>[];

  /** @param best - [items / 32, rows] best item of each block of 32 items @param values - initial Q-values */
  constructor(
    private readonly network: QNetwork,
    private readonly rows: SlateRows<S>,
    private readonly act: SlateChoiceViews,
    private readonly best: View,
    values?: { readonly view: View; readonly stride: number },
  ) {
    const tape = createTape<S, unknown>(rows, network.parameters);
    this.state = network.state(tape, act.copy, act.input);
    tape.place();
    this.#forward = tape.forward();
    this.current = allocateRows(rows, "current base", network.shape.units);
    const { view, stride } = values ?? this.state.values;
    [this.q, this.stride] = [asBufferView(view), stride];
  }

  /** Computes the parts of the Q-values that depend only on the states, before an item is chosen. */
  begin(): DispatchSpec<S>[] {
    const place = { ...this.buildPickSettings(-1), later4: 0, panels: 0 };
    return [...this.#forward, this.pick("first base", 0, place)];
  }

  /** Finds the best item of each block of 32 items for one position of the slate. */
  score(position: number, place: PickSettings): DispatchSpec<S> {
    const { network, rows, act: { copy, masked }, best, current: base } = this;
    const label = `score ${position + 1}`;
    return recordSlateScore(rows, {
      ...{ label, items: network.items, units: network.shape.units, to: { best, masked: masked.view } },
      views: {
        ...{ base, table: network.table(copy, position), weights: network.weights(copy) },
        place: uploadPlace(rows.arena, label, place),
      },
    });
  }

  /** Adds the best item to the slate, and adds the item's terms to the hidden units of the next position. */
  pick(label: string, position: number, place: PickSettings): DispatchSpec<S> {
    const { network, rows, act: { copy, slates, masked, given }, state: { bases }, best, q, current } = this;
    return recordSlatePick(rows, {
      ...{ label, given, units: network.shape.units },
      views: {
        ...{ best, slates, q, current, masked: masked.view, bases: asBufferView(bases.view) },
        ...{ table: network.table(copy, position), place: uploadPlace(rows.arena, label, place) },
      },
    });
  }

  /** Returns the kernels' settings for a position; -1 stands for the state before any item is chosen. */
  buildPickSettings(position: number): PickSettings {
    const { network, act: { masked }, stride, state: { bases } } = this;
    const { kind, slate, units } = network.shape;
    const units4 = units / 4;
    // With kind `item`, all positions have the same base, which is computed once.
    const isLast = position + 1 === slate || (kind === "item" && position >= 0);
    return {
      ...{ items: network.items, maskStride: masked.stride, slate, position, ...network.layout(position) },
      baseStride4: bases.stride / 4,
      nextAt4: isLast ? NONE : kind === "cascade" ? (position + 1) * units4 : 0,
      qStride: stride,
    };
  }
}
