/** The slate of every row by a network that values each item alone: the best items, best first. */

import { NONE } from "../../data/click_log.ts";
import { bufferOf } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { panelsOf, type Place, uploadPlace } from "./place.ts";
import { currentBase } from "./q_act.ts";
import type { Choosing } from "./choosing.ts";
import { slatePick } from "./slate_pick.ts";
import { itemsOf, rowsOf, tapeOf } from "./slate_rows.ts";
import { slateScore } from "./slate_score.ts";

/** The dispatches. The catalogue is scored once a slot, as what is taken is masked. */
export function chooseItems<S extends Sizes>(
  { network, rows, copy, input, slates, masked }: Choosing<S>,
): DispatchSpec<S>[] {
  const { shape: { slate, units }, parameters, tables } = network;
  const { arena } = rows;
  const items = itemsOf(rows);
  const panels = panelsOf(items);
  const tape = tapeOf<S, unknown>(rows, parameters);
  const { bases } = network.state(tape, copy, input);
  tape.place();
  const best = arena.allocate("best of panels", 8 * panels * rowsOf(rows));
  const current = currentBase(rows, units);
  const weights = network.weights(copy);
  const [table] = tables[copy];
  if (!table) throw new Error("expected a table of items");
  // What is added up here is of no use: values come from slate_value.
  const q = arena.allocate("sums of values", 4 * slate * rowsOf(rows));
  const place = (position: number): Place => ({
    ...{ items, maskStride: masked.stride, slate, position, panels: position < 0 ? 0 : panels },
    baseStride4: bases.stride / 4,
    nextAt4: position < 0 ? 0 : NONE,
    nextBias4: NONE,
    tableStride4: units / 4,
    output4: network.first4("output/kernel"),
    qStride: slate,
  });
  const pick = (position: number) =>
    slatePick(rows, {
      label: position < 0 ? "base" : `pick ${position + 1}`,
      units,
      panels: position < 0 ? 0 : panels,
      later4: 0,
      views: {
        ...{ best, table, weights, bases: bufferOf(bases.view), masked: masked.view, slates, q, current },
        place: uploadPlace(arena, `pick ${position + 1}`, place(position)),
      },
    });
  const dispatches = [...tape.forward(), pick(-1)];
  for (let position = 0; position < slate; position++) {
    const views = {
      ...{ base: current, table, weights },
      place: uploadPlace(arena, `score ${position + 1}`, place(position)),
    };
    const to = { best, masked: masked.view };
    dispatches.push(
      slateScore(rows, { label: `score ${position + 1}`, items, units, views, to }),
      pick(position),
    );
  }
  return dispatches;
}
