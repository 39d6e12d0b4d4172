/** Checks ops without a test file of their own, with sizes 1, 3, 5, 17 and tile edges; and count features. */

import assert from "node:assert/strict";
import { buildReferenceBatch } from "../../src/batch/reference_batch.ts";
import { isPredicted, NONE } from "../../src/data/click_log.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { type GameOptions, sparsemax } from "../../src/ops/minimax.ts";
import { getAt, type Matrix } from "../../src/tape/reference.ts";
import { checkOp, checkTest, computeEventMean, countScoredEvents, type OpCase, sweep } from "../op_check.ts";
import {
  chunks,
  createBatch,
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
  type TestBatch,
  U,
} from "../../src/selftest/ops/op_batches.ts";
import {
  type ChoiceRecipe,
  makeChoice,
  makeChoiceOfLayer,
  makeExactMinimax,
  makeMinimax,
  makeMinimaxOfLayer,
} from "../../src/selftest/ops/loss_recipes.ts";
import { getDefaultVariants, type KernelVariants } from "../../src/gpu/kernel_variants.ts";
import { itemTerm } from "../../src/ops/item_term.ts";
import {
  type CaseFactory,
  makeFirstLayer,
  makeFirstLayerOfCounts,
  makeFirstLayerOfState,
  makeFirstLayerOfTable,
  makeItemTerm,
  makeLinearWithSums,
  makeMixedProduct,
  makeRowDot,
  makeRowDotOfLayer,
  makeRowDotOnLayer,
} from "../../src/selftest/ops/layer_recipes.ts";
import { padColumns } from "../../src/tape/tensor.ts";
import { sumCases } from "../../src/selftest/cases.ts";
import type { CountField } from "../../src/counts/count_columns.ts";
import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { initializeFromCounts } from "../../src/model/model_counts.ts";
import { logOfPages, type TrainingPage } from "../../src/selftest/small_logs.ts";
import { makeRecentClicks, makeRowCounts } from "../../src/selftest/ops/encoder_recipes.ts";

/**
 * Checks an op on some batches. With a single batch the op is used only once, because adding the gradients of
 * two uses needs another shader and does not depend on sizes. @param variants default: CPU and GPU
 */
function op(
  name: string,
  batches: readonly TestBatch[],
  make: CaseFactory,
  variants?: readonly KernelVariants[],
): void {
  Deno.test(name, async () => {
    for (const batch of batches) await checkOp({ once: batches.length === 1, ...make(batch) }, variants);
  });
}

for (const rows of ["items", "events"] as const) {
  const { few, ...others } = mixed;
  op(
    `mixed_product: ${rows}`,
    [few],
    (b) => ({ ...makeMixedProduct(rows, 20, { groups: 4 })(b), once: false }),
  );
  op(`mixed_product: ${rows}, recorded once`, Object.values(others), (b) => ({
    ...makeMixedProduct(rows, 20, { groups: 4 })(b),
    once: true,
  }));
  // An invocation computes four vectors; these sizes give the last invocation every number of vectors.
  for (const N of sweep([5, 11], [17])) {
    op(`mixed_product: ${rows}, ${N} columns`, [manyTokens], makeMixedProduct(rows, N));
  }
  op(`mixed_product: ${rows}, sparse rows`, [rareTokens], makeMixedProduct(rows, 17, { sparse: true }));
}

for (const N of sweep([5, 16, 17], [1, 11])) {
  const batches = N === 5 ? [one, few, many, chunks, noClicks] : [few];
  op(`first_layer: ${N} columns`, batches, makeFirstLayer(N));
}
op("first_layer: rows hide their items", [chunks], makeFirstLayer(5, 0.9));
for (const [N, C] of sweep<readonly [number, number]>([[5, 3], [17, 14], [17, 23]], [[17, 8], [64, 12]])) {
  op(
    `first_layer: ${N} columns, ${C} counts`,
    N === 17 ? [few, chunks] : [few],
    makeFirstLayerOfCounts(N, C),
  );
}
Deno.test("a leaf without a gradient, in the kernels or in the reference, is reported with advice", async () => {
  const own = makeFirstLayerOfCounts(5, 3)(few);
  const leaves = own.leaves.map((leaf) => ({ ...leaf, trainable: true }));
  const build: OpCase["build"] = (tape, tensor) => {
    const output = own.build(tape, tensor);
    const { reference } = tape.nodes.at(-1) ?? assert.fail();
    const forwardOnly: typeof reference = (...given) => ({ ...reference(...given), backward: () => [] });
    Object.assign(tape.nodes.at(-1) ?? {}, { reference: forwardOnly });
    return output;
  };
  for (const [where, one] of [["backward", { ...own, leaves }], ["reference", { ...own, build }]] as const) {
    await assert.rejects(
      checkOp(one),
      new RegExp(`of the input "\\w+" from the op's ${where}.*trainable: false`),
    );
  }
});
// On a GPU, the same dispatch multiplies up to 32 columns of the state.
for (const [N, S] of sweep<readonly [number, number]>([[17, 18], [5, 33]], [[17, 5], [64, 20]])) {
  const batches = S === 18 ? [one, few, chunks] : [few];
  op(`first_layer: ${N} columns, over a layer of ${S}`, batches, makeFirstLayerOfState(N, S));
}
op("first_layer: one-hot table", [oneHot, rareItems], makeFirstLayerOfTable(3, false));
for (const N of sweep([3], [64])) {
  op(`first_layer: one-hot table, ${N} columns, sparse rows`, [rareItems], makeFirstLayerOfTable(N, true));
}

for (const K of sweep([1, 17, 32, 80], [3, 64])) {
  const activation = K % 2 ? undefined : K === 32 ? "relu" : "elu";
  op(`row_dot: ${K} columns`, K === 17 ? [one, few, chunks] : [few], makeRowDot(K, activation));
}
// The backward pass adds up a loss's outcomes, for fewer and for more events than invocations per workgroup.
for (const [K, vectors] of [[3, 1], [17, 2], [80, 3]] as const) {
  const batches = K === 17 ? [one, few, chunks] : [few];
  const make = makeLinearWithSums(K, 20, vectors);
  op(`linear: ${K} x 20, with sums of ${vectors} vectors`, batches, make, [getDefaultVariants("gpu")]);
}
// A dispatch computes the gradients of row_dot and of the layer below, from one or more blocks of columns.
for (const [K, N] of [[3, 17], [64, 20], [68, 64], [17, 130]] as const) {
  const batches = K === 3 ? [one, few, chunks, noClicks] : [few];
  const make = makeRowDotOnLayer(K, N, K === 64 ? "relu" : K === 68 ? "none" : "elu");
  op(`row_dot: gradients computed by a layer of ${K} x ${N}`, batches, make, [getDefaultVariants("gpu")]);
}

/** Returns kernel variants of a layer: CPU kernels by panel and by row, for K = 5 also two GPU variants. */
const fusedShapes = (K: number, N: number): KernelVariants[] => [
  getDefaultVariants("cpu"),
  { kind: "cpu", matmul: { [`forward ${padColumns(K)}x${padColumns(N)}`]: "rows" } },
  ...(K === 5 ? [getDefaultVariants("gpu"), { kind: "gpu", matmul: { "weight 8x4": "rows" } } as const] : []),
];
for (const [K, N] of [[5, 3], [64, 64], [64, 68]] as const) {
  // The layer also computes the row dots, for its first reader. The rows determine the panel's size.
  const [own, variants] = [N === 64 ? [few, chunks] : [few], fusedShapes(K, N)];
  op(`row_dot: made by a layer of ${K} x ${N}`, own, makeRowDotOfLayer(K, N), variants);
  op(`row_dot: added to a layer of ${K} x ${N}`, [few], makeRowDotOnLayer(K, N), variants);
  const all = K === 5 ? [one, few, given, further, noClicks] : [few];
  op(`choice_nll: of a fused last layer of ${K} x ${N}`, all, makeChoiceOfLayer(K, N), variants);
}

const predicted = [one, few, many, chunks, given, further, noClicks];
const ofPage = (recipe: ChoiceRecipe): CaseFactory => (b) => ({
  ...makeChoice(recipe)(b),
  tolerance: 4 * U * 64,
});
op("choice_nll", predicted, ofPage({ eta: 1 }));
op("choice_nll: eta 3", [few, given], ofPage({ eta: 3 }));
// With utilities around 100, an exponential would overflow without a shift.
op("choice_nll: utilities of 100", [few, further, noClicks], ofPage({ scale: 100, eta: 1 }));
op("choice_nll: utilities that are equal", [few, given, further], ofPage({ whole: true, eta: 1 }));
// Effects of positions 2 to 4. Pages of one item have none, and later positions share the last effect.
op("choice_nll: places", predicted, makeChoice({ place: true }));
op("choice_nll: logistic", [one, few, given, further, noClicks], ofPage({ eta: 2, loss: "logistic" }));
op("choice_nll: logistic, utilities of 100", [few], ofPage({ scale: 100, eta: 1, loss: "logistic" }));

for (const N of sweep([5, 17], [1, 8])) {
  op(`item_term: ${N} columns`, N === 5 ? [one, few, many, chunks, noClicks] : [many], makeItemTerm(N));
}
op("item_term: rows hide their items", [chunks], makeItemTerm(5, 0.2));
op("item_term: an item's number and a bias", [few, chunks], (b) => ({
  ...b,
  leaves: [{ name: "item", rows: "items", columns: 1 }],
  parameters: [{ name: "b", rows: 1, columns: 1 }],
  build: (tape, t) => itemTerm(tape, "u", { item: t("item"), base: t("b") }),
  tolerance: 4 * U * 400,
}));
for (const sparse of [false, true]) {
  op(`item_term: one-hot table${sparse ? ", sparse rows" : ""}`, [rareItems], (b) => ({
    ...b,
    leaves: [{ name: "state", rows: "events", columns: 3 }],
    parameters: [{ name: "item", rows: 300, columns: 3, table: true }, { name: "b", rows: 1, columns: 1 }],
    build: (tape, t) => itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("b") }),
    sparse,
    tolerance: 4 * U * 400,
  }));
}

for (const kind of ["cpu", "gpu"] as const) {
  for (const { name, check } of sumCases) checkTest(`${name}, ${kind} variants`, kind, check);
}

const none: CountField[] = [];
const two: CountField[] = [{ first: 0, count: 20, slots: 3 }, { first: 20, count: 43, slots: 2 }];
const context = createBatch(8, { users: 9, items: 23, width: 0, tokens: 9, given: 0.2, rowWidth: 5 });
const long = createBatch(8, { users: 9, items: 23, width: 0, maxEvents: 60, maxPage: 12 });

op(
  "row_counts: users whose own pages were counted",
  [one, few, given, oneHot, long, noClicks],
  (b) => makeRowCounts(b, none, 8, 5),
);
op(
  "row_counts: users who were not counted, more neighbours than items",
  [few, many],
  (b) => makeRowCounts(b, none, 64, undefined),
);
op(
  "row_counts: context features",
  [context],
  (b) => makeRowCounts(b, [{ first: 0, count: 6, slots: 4 }], 8, 5),
);
op("row_counts: categories", [mixed.few], (b) => makeRowCounts(b, [{ first: 0, count: 6, slots: 4 }], 8, 5));
op(
  "row_counts: several tokens of a category, none",
  [mixed.many, mixed["tokens alone"], mixed.noClicks],
  (b) => makeRowCounts(b, two, 10, 500),
);
op(
  "recent_clicks: more clicks than the op reads, and repeated items",
  [long],
  (b) => makeRecentClicks(b, none),
);
op("recent_clicks: tokens", [mixed.many], (b) => makeRecentClicks(b, two));

Deno.test("a count that is equal on all pages does not affect the utility of any page", () => {
  const makePage = (page: number): TrainingPage => [
    Array.from({ length: 12 }, (_, k) => 7 * (12 * page + k) % 40),
    page % 12,
  ];
  const users = Array.from(
    { length: 100 },
    (_, u) => Array.from({ length: 10 }, (_, k) => makePage(10 * u + k)),
  );
  const source = new MemoryLog(logOfPages({ kind: "one-hot", count: 40 }, users));
  const counts = buildCountsConfig(source, []);
  const scale = initializeFromCounts(source, { ...defaultModel, counts }, 1).get("counts/scale") ?? [];
  const C = scale.length / 3;
  assert.equal(scale[2 * C - 3], 0, "1 / standard deviation of the page length");
  assert.ok((scale[2 * C - 4] ?? NaN) > 0, "1 / standard deviation of the clicks so far");
});

const games = {
  one,
  few,
  many: createBatch(3, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 17 }),
  given: createBatch(7, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 17, given: 0.4 }),
  further,
  noClicks,
};
const plain: GameOptions = {
  eta: 1,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
  skipNoClick: false,
};
const rules: GameOptions[] = [
  plain,
  { eta: 3, generatorEta: 1.6, etaByPage: true, utilityPenalty: 0.8, skipNoClick: true },
];

/** Returns utilityPenalty / 2 times the variance of a page's utilities, as a mean over all events. */
function computePenalty(u: Matrix, { log, users }: Pick<OpCase, "log" | "users">, game: GameOptions): number {
  const { events } = buildReferenceBatch(log, users);
  let sum = 0;
  for (const { first, end, click } of events) {
    if (!isPredicted(click) || (game.skipNoClick && click === NONE)) continue;
    const page = Array.from({ length: end - first }, (_, k) => getAt(u, first + k, 0));
    const mean = page.reduce((s, x) => s + x, 0) / page.length;
    sum += page.reduce((s, x) => s + (x - mean) ** 2, 0) / page.length;
  }
  return game.utilityPenalty / 2 * sum / countScoredEvents(log, users);
}

for (const [k, game] of rules.entries()) {
  // The plain game needs no batches for special cases of the other games.
  for (const [name, batch] of Object.entries(k === 0 ? { few } : games)) {
    const ofReward: OpCase["loss"] = (output, [u]) =>
      computeEventMean(output, 4, batch) + computePenalty(u ?? assert.fail(), batch, game);
    // Whole numbers, so that some are equal.
    const whole = name === "many";
    for (const player of ["generator", "reward"] as const) {
      const own = makeMinimax(player, game)(batch);
      const loss: OpCase["loss"] = player === "reward"
        ? ofReward
        : (output) => -computeEventMean(output, 7, batch);
      Deno.test(`minimax: ${player}, game ${k}, ${name}`, () =>
        checkOp({ ...own, leaves: own.leaves.map((leaf) => ({ ...leaf, whole })), loss }));
    }
    Deno.test(`exact_minimax: game ${k}, ${name}`, () =>
      checkOp({ ...makeExactMinimax(game)(batch), loss: ofReward }));
  }
}

Deno.test("minimax: the op also computes the generator's last layer", () =>
  checkOp({ ...makeMinimaxOfLayer(5)(few), loss: (output) => -computeEventMean(output, 7, few) }));

for (const player of ["generator", "reward"] as const) {
  Deno.test(`minimax: ${player}, utilities and logits of 100 and more, beyond exponentials`, () =>
    checkOp({ ...makeMinimax(player, plain)(few), scale: 100, tolerance: 4 * U * 100 * 50, once: true }));
}

Deno.test("sparsemax is the projection on the simplex, for a table of logits and compared with random points", () => {
  const table: [number[], number[]][] = [
    [[0], [1]],
    [[-7], [1]],
    [[0, 0], [0.5, 0.5]],
    [[1, 0], [1, 0]],
    [[0.5, 0], [0.75, 0.25]],
    [[3, 2.5, -4], [0.75, 0.25, 0]],
    [[0.1, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3]],
    [[100, 99.9, 99.8], [0.4333333333, 0.3333333333, 0.2333333333]],
  ];
  for (const [z, expected] of table) {
    sparsemax(z).forEach((p, k) =>
      assert.ok(Math.abs(p - (expected[k] ?? NaN)) < 1e-9, `${z}: ${sparsemax(z)}`)
    );
  }
  const random = createRandomStream(5, "sparsemax");
  for (let trial = 0; trial < 200; trial++) {
    const z = Array.from({ length: 1 + random.integer(9) }, () => 2 * random.normal());
    const p = sparsemax(z);
    const distance = (q: readonly number[]) => q.reduce((sum, x, k) => sum + (x - (z[k] ?? NaN)) ** 2, 0);
    const raw = z.map(() => -Math.log(1 - random.uniform()));
    const total = raw.reduce((a, b) => a + b, 0);
    assert.ok(distance(p) <= distance(raw.map((x) => x / total)) + 1e-12);
    assert.ok(Math.abs(p.reduce((a, b) => a + b, 0) - 1) < 1e-12 && p.every((x) => x >= 0));
    // At the maximum no direction in the simplex gains: u - pi is constant on the support, else smaller.
    const slope = z.map((x, k) => x - (p[k] ?? NaN));
    const top = Math.max(...slope);
    p.forEach((x, k) => assert.ok(x === 0 || Math.abs((slope[k] ?? NaN) - top) < 1e-9));
  }
});
