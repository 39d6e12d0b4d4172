/** The slate of every row whose expected value is the largest, by a network of single items and what users think of all items. */

import type { ClickDispatch, ClickSizes } from "../../batch/click_sizes.ts";
import { NONE } from "../../data/click_log.ts";
import { bufferOf, type View } from "../../gpu/memory.ts";
import type { PageDispatch } from "../../simulate/policy.ts";
import type { Users } from "../../simulate/users.ts";
import { PANEL, panelsOf, uploadPlace } from "./place.ts";
import { currentBase, type QAct } from "./q_act.ts";
import type { QNetwork } from "./q_network.ts";
import { slatePick } from "./slate_pick.ts";
import { bestSlate } from "./slate_ratio.ts";
import { itemsOf, type SlateRows, tapeOf } from "./slate_rows.ts";
import { slateScore } from "./slate_score.ts";

/** What is chosen, and where its worth goes. */
export interface ExactAct extends QAct {
  /** [R] f32 */
  readonly worth: View;
}

/**
 * The dispatches, those that see all items by chunks of the rows. @param users in the states of the rows.
 * @throws UserError for slates that are too large to be exact.
 */
export function chooseExactly(
  network: QNetwork,
  rows: SlateRows<ClickSizes>,
  users: Users,
  { copy, input, slates, masked, worth }: ExactAct,
): PageDispatch[] {
  const { shape: { slate, units }, parameters, tables } = network;
  const { arena } = rows;
  const items = itemsOf(rows);
  const panels = panelsOf(items);
  const [table] = tables[copy];
  if (!table) throw new Error("expected a table of items");
  const weights = network.weights(copy);
  const tape = tapeOf<ClickSizes, unknown>(rows, parameters);
  const { bases, values } = network.state(tape, copy, input);
  tape.place();
  const base = currentBase(rows, units);
  const nothing = () => arena.allocate("unwritten", 16);
  const copied = slatePick(rows, {
    ...{ label: "base of items", units, panels: 0, later4: 0 },
    views: {
      ...{ table, weights, bases: bufferOf(bases.view), current: base, slates },
      ...{ best: nothing(), masked: nothing(), q: nothing() },
      place: uploadPlace(arena, "base", { panels: 0, baseStride4: units / 4, nextAt4: 0, nextBias4: NONE }),
    },
  });
  const { users: chunk, dispatches, utilities } = users.catalogue();
  const stride = PANEL * panels;
  const scores = arena.allocate("values of all items", 4 * chunk * stride);
  const place = {
    ...{ items, tableStride4: units / 4, scoresStride4: stride / 4 },
    output4: network.first4("output/kernel"),
  };
  const own: ClickDispatch[] = [
    slateScore(rows, {
      ...{ label: "values of all items", items, units, to: { scores } },
      views: { base, table, weights, place: uploadPlace(arena, "all items", place) },
    }),
    bestSlate(rows, {
      ...{ label: "best slates", slate, eta: users.eta, utilities, masked, slates, worth },
      worthOf: { scores, stride, values: bufferOf(values.view), valueStride: values.stride },
    }),
  ];
  return [...tape.forward(), copied, { chunk, rows: items, dispatches: [...dispatches, ...own] }];
}
