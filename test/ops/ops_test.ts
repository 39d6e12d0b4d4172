/** The other ops through {@link checkOp}: a line a case. Sizes 1, 3, 5, 17 and the tiles' edges. Counts come last. */

import { fixedShapes, type KernelShapes } from "../../src/gpu/kernel_shapes.ts";
import { itemTerm } from "../../src/ops/item_term.ts";
import {
  firstLayerOf,
  firstLayerOfCounts,
  firstLayerOfState,
  firstLayerOfTable,
  itemTermOf,
  mixedProductOf,
  rowDotOf,
  rowDotOfLayer,
  rowDotWithSums,
} from "../../src/selftest/ops/layer_recipes.ts";
import { choiceOf, choiceOfLayer } from "../../src/selftest/ops/loss_recipes.ts";
import {
  batchOf,
  chunks,
  few,
  further,
  given,
  many,
  manyTokens,
  mixed,
  noClicks,
  one,
  oneHot,
  rareItems,
  rareTokens,
  U,
} from "../../src/selftest/ops/op_batches.ts";
import { padded } from "../../src/tape/tensor.ts";
import { checkOp, checkTest } from "../op_check.ts";
import { sumCases } from "../../src/selftest/cases.ts";
import assert from "node:assert/strict";
import type { CountedField } from "../../src/counts/columns.ts";
import { countsConfigFor } from "../../src/counts/tables.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { defaultModel } from "../../src/model/config.ts";
import { countedStart } from "../../src/model/counted.ts";
import { logOfPages, type Page } from "../train/trainings.ts";
import { recentClicksOf, rowCountsOf } from "../../src/selftest/ops/encoder_recipes.ts";

for (const [name, b] of Object.entries({ ...mixed, "many tokens": manyTokens })) {
  for (const rows of ["items", "events"] as const) {
    const sizes = b === manyTokens
      ? [[1, 1], [5, 1], [11, 1], [17, 1], [64, 1]] as const
      : [[20, 4]] as const;
    for (const [N, groups] of sizes) {
      Deno.test(`mixed_product: ${rows}, ${N} columns in ${groups}, ${name}`, () => {
        return checkOp({ ...mixedProductOf(rows, N, { groups })(b), once: b !== mixed.few });
      });
    }
  }
}

for (const rows of ["items", "events"] as const) {
  Deno.test(`mixed_product: ${rows}, touched rows`, () =>
    checkOp(mixedProductOf(rows, 17, { touchedOnly: true })(rareTokens)));
}

for (const [name, b] of Object.entries({ one, few, many, chunks, noClicks })) {
  // An invocation owns four vectors: the last one has each number of them.
  for (const N of b === few ? [1, 5, 11, 16, 17] : [1, 5, 16, 17]) {
    Deno.test(`first_layer: ${N} columns, ${name}`, () => checkOp(firstLayerOf(N)(b)));
  }
}
for (const dropout of [0.2, 0.9]) {
  Deno.test(`first_layer: rows hide their items, ${dropout}`, () =>
    checkOp(firstLayerOf(5, dropout)(chunks)));
}
for (const [name, b] of Object.entries({ one, few, chunks })) {
  for (const [N, C] of [[5, 3], [17, 8], [64, 12]] as const) {
    Deno.test(`first_layer: ${N} columns and ${C} counts, ${name}`, () =>
      checkOp(firstLayerOfCounts(N, C)(b)));
  }
}
// Up to 32 columns of the state are multiplied on the way, on a GPU.
for (const [name, b] of Object.entries({ one, few, chunks })) {
  for (const [N, S] of b === few ? [[17, 5], [64, 20], [5, 33]] as const : [[17, 5]] as const) {
    Deno.test(`first_layer: ${N} columns, over a layer of ${S}, ${name}`, () =>
      checkOp(firstLayerOfState(N, S)(b)));
  }
}

for (
  const [name, b, touchedOnly] of [
    ["", oneHot, false],
    [", items that are not shown", rareItems, false],
    [", touched rows", rareItems, true],
  ] as const
) {
  for (const N of [3, 64]) {
    Deno.test(`first_layer: one-hot table, ${N} columns${name}`, () =>
      checkOp(firstLayerOfTable(N, touchedOnly)(b)));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  for (const K of [1, 3, 17, 32, 64]) {
    const activation = K % 2 ? undefined : K === 32 ? "relu" : "elu";
    Deno.test(`row_dot: ${K} columns, ${name}`, () => checkOp(rowDotOf(K, activation)(b)));
  }
}

// What adds up the outcomes of a loss on the way back: fewer events than a workgroup has invocations, and more.
for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  for (const [K, vectors] of b === few ? [[3, 1], [64, 2], [80, 3]] as const : [[17, 2]] as const) {
    Deno.test(`row_dot: ${K} columns, with sums of ${vectors} vectors, ${name}`, () =>
      checkOp(rowDotWithSums(K, vectors, "elu")(b), [fixedShapes("gpu")]));
  }
}

/** A layer's product as panels do it, and by rows; of little ones also on a GPU. */
const fusedShapes = (K: number, N: number): KernelShapes[] => [
  fixedShapes("cpu"),
  { kind: "cpu", matmul: { [`forward ${padded(K)}x${padded(N)}`]: "rows" } },
  ...(K === 5 ? [fixedShapes("gpu")] : []),
];

// The layer makes the products on the way, but for whoever asks second.
for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  const sizes = [[5, 3], [64, 64], [64, 68]] as const;
  // How many rows a batch has decides how large a panel is: sizes are tried on few, one of them on the others.
  for (const [K, N] of b === few ? sizes : b === chunks ? sizes.slice(1, 2) : sizes.slice(0, 1)) {
    Deno.test(`row_dot: made by a layer of ${K} x ${N}, ${name}`, () =>
      checkOp(rowDotOfLayer(K, N)(b), fusedShapes(K, N)));
  }
}

for (const [name, b] of Object.entries({ one, few, many, given, further, noClicks })) {
  for (const [K, N] of b === few ? [[5, 3], [64, 64], [64, 68]] as const : [[5, 3]] as const) {
    Deno.test(`choice_nll: of a fused last layer of ${K} x ${N}, ${name}`, () =>
      checkOp(choiceOfLayer(K, N)(b), fusedShapes(K, N)));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks, given, further, noClicks })) {
  // At 100 whole pages lie so far below no click, or above it, that one of the exponentials would overflow.
  for (const [scale, eta] of [[1, 1], [40, 1], [100, 1], [1, 3]] as const) {
    Deno.test(`choice_nll: utilities of ${scale}, eta ${eta}, ${name}`, () =>
      checkOp({ ...choiceOf({ scale, eta })(b), tolerance: 4 * U * 64 }));
  }
}

for (const [name, b] of Object.entries({ few, many, given, further })) {
  Deno.test(`choice_nll: utilities that are equal, ${name}`, () =>
    checkOp({ ...choiceOf({ whole: true, eta: 1 })(b), tolerance: 4 * U * 64 }));
}

// Effects of places two to four: pages of one item have none, and long pages share the last.
for (const [name, b] of Object.entries({ one, few, many, chunks, given, further, noClicks })) {
  Deno.test(`choice_nll: places, ${name}`, () => checkOp(choiceOf({ place: true })(b)));
}

for (const [name, b] of Object.entries({ one, few, many, given, further, noClicks })) {
  for (const [scale, eta] of [[1, 2], [100, 1]] as const) {
    Deno.test(`choice_nll: logistic, utilities of ${scale}, eta ${eta}, ${name}`, () =>
      checkOp({ ...choiceOf({ scale, eta, loss: "logistic" })(b), tolerance: 4 * U * 64 }));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks, noClicks })) {
  for (const N of name === "many" ? [1, 5, 8, 17] : [5]) {
    Deno.test(`item_term: ${N} columns, ${name}`, () => checkOp(itemTermOf(N)(b)));
  }
  Deno.test(`item_term: an item's number and a bias, ${name}`, () =>
    checkOp({
      ...b,
      leaves: [{ name: "item", rows: "items", columns: 1 }],
      parameters: [{ name: "b", rows: 1, columns: 1 }],
      build: (tape, t) => itemTerm(tape, "u", { item: t("item"), base: t("b") }),
      tolerance: 4 * U * 400,
    }));
}
for (const dropout of [0.2, 0.9]) {
  Deno.test(`item_term: rows hide their items, ${dropout}`, () => checkOp(itemTermOf(5, dropout)(chunks)));
}
for (
  const [name, b, rows, touchedOnly] of [
    ["items that are not shown", rareItems, 300, false],
    ["touched rows", rareItems, 300, true],
  ] as const
) {
  Deno.test(`item_term: one-hot table, ${name}`, () =>
    checkOp({
      ...b,
      leaves: [{ name: "state", rows: "events", columns: 3 }],
      parameters: [{ name: "item", rows, columns: 3, table: true }, { name: "b", rows: 1, columns: 1 }],
      build: (tape, t) => itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("b") }),
      touchedOnly,
      tolerance: 4 * U * 400,
    }));
}

for (const kind of ["cpu", "gpu"] as const) {
  for (const { name, check } of sumCases) checkTest(`${name}, ${kind} shapes`, kind, check);
}

const none: CountedField[] = [];
const two: CountedField[] = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];
const long = batchOf(8, { users: 9, items: 23, width: 0, maxEvents: 60, maxPage: 12 });

Deno.test("row_counts: users whose own pages were counted", async () => {
  for (const batch of [one, few, many, given, oneHot, long, noClicks]) {
    await checkOp(rowCountsOf(batch, none, 8, 5));
  }
});

Deno.test("row_counts: users who were not counted, more neighbours than items", async () => {
  for (const batch of [few, many]) await checkOp(rowCountsOf(batch, none, 64, undefined));
});

Deno.test("row_counts: categories, several tokens of one, none", async () => {
  await checkOp(rowCountsOf(mixed.few, [{ first: 0, count: 6, slots: 4 }], 8, 5));
  for (const batch of [mixed.many, mixed["tokens alone"], mixed.noClicks]) {
    await checkOp(rowCountsOf(batch, two, 10, 500));
  }
});

Deno.test("recent_clicks: more clicks than are looked at, repeats, tokens", async () => {
  await checkOp(recentClicksOf(long, none));
  await checkOp(recentClicksOf(mixed.many, two));
});

Deno.test("a count that is the same on all pages has no part in the utility, whatever a page is like later", () => {
  const pageOf = (page: number): Page => [
    Array.from({ length: 12 }, (_, k) => 7 * (12 * page + k) % 40),
    page % 12,
  ];
  const users = Array.from(
    { length: 100 },
    (_, u) => Array.from({ length: 10 }, (_, k) => pageOf(10 * u + k)),
  );
  const source = new MemoryLog(logOfPages({ kind: "one-hot", count: 40 }, users));
  const counts = countsConfigFor(source, []);
  const scale = countedStart(source, { ...defaultModel, counts }, 1).get("counts/scale") ?? [];
  const C = scale.length / 3;
  assert.equal(scale[2 * C - 1], 0, "1 / standard deviation of the page length");
  assert.ok((scale[2 * C - 2] ?? NaN) > 0, "that of the clicks so far");
});
