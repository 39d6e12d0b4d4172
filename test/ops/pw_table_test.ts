/** Position weights over tables of what was clicked, through {@link checkOp}. */

import { pwTable } from "../../src/ops/pw_table.ts";
import { batchOf, U } from "../../src/selftest/ops/op_batches.ts";
import { checkOp } from "../op_check.ts";
import { type Batch, batches, chunks, long, wide } from "../../src/selftest/ops/pw_batches.ts";

interface TableSizes {
  readonly N: number;
  readonly m: number;
  readonly n: number;
}
/** Of all that are about something else: each other size has eight texts of its own to compile. */
const usual: TableSizes = { N: 5, m: 20, n: 4 };
function tableCase(b: Batch, sizes: TableSizes, tanh: boolean, touchedOnly = false): Promise<void> {
  const { N, m, n } = sizes;
  const I = b.log.items.count;
  return checkOp({
    ...b,
    leaves: [],
    parameters: [
      { name: "table", rows: I, columns: n * N, groups: n, table: true },
      { name: "w", rows: m, columns: n },
      { name: "b", rows: 1, columns: N },
      ...(tanh ? [{ name: "c", rows: I, columns: n, table: true }] : []),
    ],
    build: (tape, t) =>
      pwTable(tape, "z", {
        table: t("table"),
        weights: t("w"),
        layerBias: t("b"),
        itemBias: tanh ? t("c") : undefined,
      }),
    touchedOnly,
    scale: 0.7,
    tolerance: 4 * U * 400,
    once: sizes !== usual,
  });
}
const rareItems = batchOf(7, { users: 30, items: 300, width: 0, maxEvents: 9, maxPage: 6 });
Deno.test("pw_table: none, touched rows", () => tableCase(rareItems, usual, false, true));
// With tanh every row has a gradient, whatever the batch touches.
Deno.test("pw_table: tanh, all rows", () => tableCase(chunks, usual, true, true));

/** Every event's click is looked up by event: mixed features. */
function eventCase(b: Batch, sizes: TableSizes): Promise<void> {
  const { N, m, n } = sizes;
  return checkOp({
    ...b,
    leaves: [{ name: "clicks", rows: "events", columns: n * N, groups: n }],
    parameters: [{ name: "w", rows: m, columns: n }, { name: "b", rows: 1, columns: N }],
    build: (tape, t) => pwTable(tape, "z", { table: t("clicks"), weights: t("w"), layerBias: t("b") }),
    scale: 0.7,
    tolerance: 4 * U * 400,
    once: sizes !== usual,
  });
}
for (const [name, b] of Object.entries({ ...batches, chunks })) {
  Deno.test(`pw_table: by event, ${name}`, () => eventCase(b, usual));
}
Deno.test("pw_table: by event, 64 columns", () => eventCase(long, { ...usual, N: 64 }));
Deno.test("pw_table: by event, 8 weightings", () => eventCase(wide, { N: 6, m: 3, n: 8 }));

const sizes = [[1, 1, 1], [2, 4, 3], [20, 3, 17], [64, 16, 64]] as const;
for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  for (const [name, b] of Object.entries(batches)) {
    Deno.test(`pw_table: ${sigma}, ${name}`, () => tableCase(b, usual, tanh));
  }
  // Lags, weightings and columns have edges of their own: each of these sizes is one of all three.
  for (const [m, n, N] of tanh ? [[2, 4, 3], [64, 16, 17]] as const : sizes) {
    Deno.test(`pw_table: ${sigma}, ${m} lags, ${n} weightings, ${N} columns`, () =>
      tableCase(long, { N, m, n }, tanh));
  }
  for (const n of tanh ? [5] : [5, 8]) {
    Deno.test(`pw_table: ${sigma}, ${n} weightings`, () => tableCase(wide, { N: 6, m: 3, n }, tanh));
  }
  Deno.test(`pw_table: ${sigma}, several chunks`, () => tableCase(chunks, { ...usual, N: 8 }, tanh));
}
