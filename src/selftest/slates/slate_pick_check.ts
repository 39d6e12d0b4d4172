/** The kernel that takes the best item into the next slot of a slate, for one position. */

import { NONE } from "../../data/click_log.ts";
import type { Gpu } from "../../gpu/device.ts";
import { PANEL, panelsOf, slatePick, uploadPlace } from "../../policy/network/slate_score.ts";
import type { Checks } from "../finding.ts";
import { type Bench, normals, slateBench } from "./slate_bench.ts";
import { floats, maskBits, range } from "../harness.ts";

const [R, ITEMS, UNITS, SLATE, POSITION] = [70, 71, 8, 4, 2];
const PANELS = panelsOf(ITEMS);

type Inputs = ReturnType<typeof pickInputs>;

function pickInputs() {
  return {
    // Of an item's own part and of those of two later positions.
    table: normals(ITEMS * 2 * UNITS, "table"),
    // Of four positions.
    bases: normals(R * 4 * UNITS, "bases"),
    // Among them a bias of each position.
    weights: normals(8 * UNITS, "weights"),
    q: normals(R * SLATE, "q"),
    slates: Uint32Array.from(
      { length: R * SLATE },
      (_, i) => i % SLATE < POSITION ? (i % SLATE) + (i % 3) : 77,
    ),
    masked: maskBits(R, ITEMS, (row, item) => (row + item) % 5 === 0),
    best: bestOfPanels(),
  };
}

/** [panels, R] (value, item): some panels have no item left, some rows none at all. */
function bestOfPanels(): Uint32Array<ArrayBuffer> {
  const best = new Uint32Array(2 * PANELS * R);
  const values = new Float32Array(best.buffer);
  // Whole numbers, so that some are equal.
  const random = normals(PANELS * R, "best");
  for (let i = 0; i < PANELS * R; i++) {
    const [panel, row] = [Math.floor(i / R), i % R];
    const none = row % 7 === 0 || (row + panel) % 4 === 0;
    values[2 * i] = none ? -3.4e38 : Math.round(random[i] ?? 0);
    best[2 * i + 1] = none ? NONE : PANEL * panel + row % 7;
  }
  return best;
}

/** Words of bases, masks, slates, values and the next position's base. */
function runPick(
  { gpu: { queue }, arena, rows, upload, run }: Bench,
  { table, bases, weights, q, slates, masked, best }: Inputs,
): Promise<readonly Uint32Array<ArrayBuffer>[]> {
  const U4 = UNITS / 4;
  const views = {
    ...{ best: upload("best", best), table: upload("table", table), weights: upload("weights", weights) },
    ...{
      bases: upload("bases", bases),
      masked: upload("masked", masked),
      slates: upload("slates", slates),
    },
    ...{ q: upload("q", q), current: arena.allocate("current", 4 * R * UNITS) },
    place: uploadPlace(arena, "pick", {
      ...{ items: ITEMS, maskStride: R, slate: SLATE, position: POSITION, baseStride4: 4 * U4 },
      ...{ nextAt4: 3 * U4, tableStride4: 2 * U4, chosenAt4: U4, laterAt4: 3 * U4, later4: U4 },
      ...{ nextBias4: 5 * U4, qStride: SLATE, panels: PANELS },
    }),
  };
  const reset = () => {
    queue.writeBuffer(views.bases.buffer, 0, bases);
    queue.writeBuffer(views.masked.buffer, 0, masked);
    queue.writeBuffer(views.slates.buffer, 0, slates);
    queue.writeBuffer(views.q.buffer, 0, q);
  };
  const spec = slatePick(rows, { label: "pick", units: UNITS, panels: PANELS, later4: U4, views });
  return run([spec], [views.bases, views.masked, views.slates, views.q, views.current], { reset });
}

/** The item that a row takes, and its value. */
function pickOf({ best, slates }: Inputs, row: number): { item: number; value: number } {
  const values = new Float32Array(best.buffer);
  let [value, item] = [-Infinity, NONE];
  for (let panel = 0; panel < PANELS; panel++) {
    const i = panel * R + row;
    if (best[2 * i + 1] !== NONE && (values[2 * i] ?? NaN) > value) {
      [value, item] = [values[2 * i] ?? NaN, best[2 * i + 1] ?? NONE];
    }
  }
  if (item !== NONE) return { item, value };
  // Where nothing is left: the first item that the slate does not have.
  const shown = slates.slice(row * SLATE, row * SLATE + POSITION);
  return { item: range(3).find((item) => !shown.includes(item)) ?? NONE, value: 0 };
}

/** What the kernel writes: each number is a sum of two that is rounded once. */
function pickOnHost(inputs: Inputs) {
  const { table, weights } = inputs;
  const masked = inputs.masked.slice();
  const slates = inputs.slates.slice();
  const [bases, q] = [inputs.bases.slice(), inputs.q.slice()];
  for (let row = 0; row < R; row++) {
    const { item, value } = pickOf(inputs, row);
    const slot = row * SLATE + POSITION;
    slates[slot] = item;
    const word = Math.floor(item / PANEL) * R + row;
    masked[word] = ((masked[word] ?? 0) | (1 << (item % PANEL))) >>> 0;
    q[slot] = (q[slot] ?? NaN) + value;
    for (let n = 0; n < UNITS; n++) {
      const at = row * 4 * UNITS + 3 * UNITS + n;
      bases[at] = (bases[at] ?? NaN) + (table[item * 2 * UNITS + UNITS + n] ?? NaN);
    }
  }
  const current = Float32Array.from({ length: R * UNITS }, (_, i) => {
    const [row, n] = [Math.floor(i / UNITS), i % UNITS];
    return (bases[row * 4 * UNITS + 3 * UNITS + n] ?? NaN) + (weights[5 * UNITS + n] ?? NaN);
  });
  return { bases, masked, slates, q, current };
}

export async function checkPick(gpu: Gpu, checks: Checks): Promise<void> {
  using bench = slateBench(gpu, { rows: R, items: ITEMS }, checks);
  const inputs = pickInputs();
  const [bases, masked, slates, q, current] = await runPick(bench, inputs);
  const wanted = pickOnHost(inputs);
  const by = { kernels: ["slate_pick"] };
  checks.same(slates, wanted.slates, { ...by, what: "slates", columns: SLATE });
  checks.same(masked, wanted.masked, { ...by, what: "what may not be shown" });
  checks.same(floats(q), wanted.q, { ...by, what: "values", columns: SLATE });
  checks.same(floats(bases), wanted.bases, { ...by, what: "bases of later positions", columns: 4 * UNITS });
  checks.same(floats(current), wanted.current, { ...by, what: "the next position's base", columns: UNITS });
}
