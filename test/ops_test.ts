/** Every op through {@link checkOp}: a line a case. Sizes 1, 3, 5, 17 and the tiles' edges. */

import {
  type AdapterKind,
  fixedShapes,
  type KernelShapes,
  type MatmulVariant,
} from "../src/gpu/kernel_shapes.ts";
import { linear } from "../src/ops/linear.ts";
import { firstLayer } from "../src/ops/first_layer.ts";
import { rowDot } from "../src/ops/row_dot.ts";
import { mixedProduct } from "../src/ops/mixed_product.ts";
import { lstm } from "../src/ops/lstm.ts";
import { choiceNll } from "../src/ops/choice_nll.ts";
import type { Tape } from "../src/tape/tape.ts";
import type { Tensor } from "../src/tape/tensor.ts";
import { checkOp, type Leaf, meanOf, type OpCase } from "./op_check.ts";
import { shuffled, smallLog, type SmallLogOptions } from "./small_logs.ts";

const U = 2 ** -24;

/** A log and a batch of all of its users in random order. */
function batchOf(seed: number, options: SmallLogOptions): Pick<OpCase, "log" | "users"> {
  return { log: smallLog(seed, options), users: shuffled(seed, options.users) };
}
const one = batchOf(1, { users: 1, items: 1, width: 3, maxEvents: 1, maxPage: 1 });
const few = batchOf(2, { users: 5, items: 7, width: 5 });
const many = batchOf(3, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 9 });
/** More rows than a chunk of partial sums holds. */
const chunks = batchOf(4, { users: 90, items: 300, width: 4, maxEvents: 9, maxPage: 10 });
const oneHot = batchOf(5, { users: 40, items: 70, width: 0, maxEvents: 6, maxPage: 6 });
/** Of which some are not shown, some not clicked, and some clicked often. */
const rareItems = batchOf(6, { users: 40, items: 300, width: 0, maxEvents: 6, maxPage: 6 });
/** Of whose events many are given as history. */
const given = batchOf(7, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 9, given: 0.4 });
/** Of whose tokens many are on no item that is shown, fewer on one that is fed. */
const rareTokens = batchOf(7, { users: 20, items: 300, width: 3, tokens: 500, maxEvents: 6, maxPage: 6 });
/** Items with tokens, alone or beside dense features. */
const mixed = {
  "no item has a token": bare(batchOf(2, { users: 5, items: 7, width: 5, tokens: 3 })),
  one: batchOf(1, { users: 1, items: 1, width: 3, tokens: 1, maxEvents: 1, maxPage: 1 }),
  few: batchOf(2, { users: 5, items: 7, width: 5, tokens: 6 }),
  "tokens alone": batchOf(3, { users: 67, items: 33, width: 0, tokens: 11, maxEvents: 7, maxPage: 9 }),
  // The first token has several stretches of items.
  many: batchOf(4, { users: 90, items: 400, width: 17, tokens: 63, maxEvents: 9, maxPage: 10 }),
  noClicks: batchOf(6, { users: 9, items: 5, width: 2, tokens: 4, noClick: 1 }),
};
const noClicks = batchOf(6, { users: 9, items: 5, width: 2, noClick: 1 });

type Batch = Pick<OpCase, "log" | "users">;

function bare({ log, users }: Batch): Batch {
  const { items } = log;
  if (items.kind !== "mixed") throw new Error("expected mixed features");
  const tokens = { count: 3, first: new Uint32Array(items.count + 1), token: new Uint32Array(0) };
  return { log: { ...log, items: { ...items, tokens } }, users };
}

/** F of a log with dense features. */
function widthOf({ log }: Batch): number {
  return log.items.kind === "one-hot" ? 0 : log.items.width;
}
function tokensOf({ log }: Batch): number {
  return log.items.kind === "mixed" ? log.items.tokens.count : 0;
}

function linearCase(
  b: Batch,
  K: number,
  N: number,
  o: { elu?: boolean; inputElu?: boolean; bias?: boolean; shapes?: readonly KernelShapes[] } = {},
) {
  const input: Leaf = { name: "x", rows: "rows", columns: K, activation: o.inputElu ? "elu" : undefined };
  const bias = o.bias ?? true;
  return checkOp({
    ...b,
    leaves: [input],
    parameters: [{ name: "w", rows: K, columns: N }, ...(bias ? [{ name: "b", rows: 1, columns: N }] : [])],
    build: (tape, t) =>
      linear(tape, "y", { input: t("x"), weights: t("w"), bias: bias ? t("b") : undefined }, { elu: o.elu }),
    tolerance: 4 * U * (K + N + 300),
  }, o.shapes);
}
const linearSizes = [
  [1, 1],
  [3, 5],
  [5, 17],
  [17, 3],
  [16, 16],
  [20, 80],
  [31, 33],
  [64, 64],
  [65, 63],
  // Panels in two, three and four parts; more than a panel holds.
  [68, 36],
  [132, 190],
  [256, 33],
  [36, 255],
  [300, 20],
] as const;
for (const [K, N] of linearSizes) {
  Deno.test(`linear ${K} -> ${N}`, () => linearCase(few, K, N, { elu: true, inputElu: true }));
}
Deno.test("linear: a batch of one row", () => linearCase(one, 5, 7, { elu: true, inputElu: true }));
Deno.test("linear: many rows", () => linearCase(many, 20, 64, { elu: true }));
Deno.test("linear: several chunks", () => linearCase(chunks, 64, 32, { inputElu: true }));
Deno.test("linear: no bias", () => linearCase(many, 9, 12, { bias: false }));
Deno.test("linear: weights beyond a uniform binding", () =>
  linearCase(few, 260, 72, { elu: true, inputElu: true }));
Deno.test("linear: the variants that the fixed table does not choose", () => {
  const of = (kind: AdapterKind, forward: MatmulVariant, input: MatmulVariant): KernelShapes => ({
    kind,
    matmul: { "forward 8x8": forward, "input 8x8": input, "weight 8x8": "rows" },
  });
  const shapes = [
    of("cpu", "panel 64", "panel 256"),
    of("cpu", "panel 256", "panel 64"),
    of("gpu", "panel 128", "rows"),
    of("gpu", "rows", "panel 128"),
  ];
  return linearCase(many, 5, 7, { elu: true, inputElu: true, shapes });
});
for (const [name, b] of Object.entries({ one, few, many, noClicks })) {
  for (const gather of ["distinct items", "fed items"] as const) {
    Deno.test(`linear: gathers ${gather}, ${name}`, () => {
      const { items } = b.log;
      const width = widthOf(b);
      return checkOp({
        ...b,
        leaves: [{ name: "x", rows: items.count, columns: width, trainable: false }],
        parameters: [{ name: "w", rows: width, columns: 20, groups: 4 }],
        build: (tape, t) => linear(tape, "y", { input: t("x"), weights: t("w") }, { gather }),
        tolerance: 4 * U * 300,
      });
    });
  }
}

for (const [name, b] of Object.entries(mixed)) {
  for (const rows of ["items", "events"] as const) {
    const sizes = [[1, 1], [5, 1], [17, 1], [20, 4], [64, 1]] as const;
    for (const [N, groups] of name === "many" ? sizes : sizes.slice(3, 4)) {
      Deno.test(`mixed_product: ${rows}, ${N} columns in ${groups}, ${name}`, () => {
        const F = widthOf(b);
        return checkOp({
          ...b,
          leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
          parameters: [
            { name: "t", rows: tokensOf(b), columns: N, groups, table: true },
            ...(F > 0 ? [{ name: "w", rows: F, columns: N, groups }] : []),
          ],
          build: (tape, t) => {
            const dense = F > 0 ? { features: t("f"), weights: t("w") } : undefined;
            return mixedProduct(tape, "y", { table: t("t"), dense }, rows);
          },
          tolerance: 4 * U * 300,
        });
      });
    }
  }
}

for (const rows of ["items", "events"] as const) {
  Deno.test(`mixed_product: ${rows}, touched rows`, () =>
    checkOp({
      ...rareTokens,
      leaves: [],
      parameters: [{ name: "t", rows: 500, columns: 17, table: true }],
      build: (tape, t) => mixedProduct(tape, "y", { table: t("t") }, rows),
      touchedOnly: true,
      tolerance: 4 * U * 300,
    }));
}

for (const [name, b] of Object.entries({ one, few, many, chunks, noClicks })) {
  for (const N of [1, 5, 16, 17]) {
    Deno.test(`first_layer: ${N} columns, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "item", rows: "items", columns: N }, { name: "state", rows: "events", columns: N }],
        parameters: [],
        build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }),
        tolerance: 4 * U * 64,
      }));
  }
}
for (const dropout of [0.2, 0.9]) {
  Deno.test(`first_layer: rows hide their items, ${dropout}`, () =>
    checkOp({
      ...chunks,
      leaves: [{ name: "item", rows: "items", columns: 5 }, { name: "state", rows: "events", columns: 5 }],
      parameters: [],
      build: (tape, t) =>
        firstLayer(tape, "h", { item: t("item"), state: t("state") }, { itemDropout: dropout }),
      tolerance: 4 * U * 64,
    }));
}
for (const touchedOnly of [false, true]) {
  for (const N of [3, 64]) {
    Deno.test(`first_layer: one-hot table, ${N} columns${touchedOnly ? ", touched rows" : ""}`, () =>
      checkOp({
        ...(touchedOnly ? rareItems : oneHot),
        leaves: [{ name: "state", rows: "events", columns: N }],
        parameters: [{ name: "item", rows: touchedOnly ? 300 : 70, columns: N, table: true }],
        build: (tape, t) => firstLayer(tape, "h", { item: t("item"), state: t("state") }),
        touchedOnly,
        tolerance: 4 * U * 64,
      }));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  for (const K of [1, 3, 17, 32, 64]) {
    Deno.test(`row_dot: ${K} columns, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "x", rows: "rows", columns: K, activation: K % 2 ? undefined : "elu" }],
        parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
        build: (tape, t) => rowDot(tape, "u", { input: t("x"), weights: t("w"), bias: t("b") }),
        tolerance: 4 * U * 400,
      }));
  }
}

// The layer makes the products on the way, but for whoever asks second.
for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  for (const [K, N] of [[5, 3], [20, 20], [64, 64], [12, 84]] as const) {
    Deno.test(`row_dot: made by a layer of ${K} x ${N}, ${name}`, () => {
      const layers = new WeakMap<Tape, Tensor>();
      const layer = (tape: Tape, t: (name: string) => Tensor) => {
        const made = layers.get(tape) ??
          linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, { elu: true });
        layers.set(tape, made);
        return made;
      };
      return checkOp({
        ...b,
        leaves: [{ name: "x", rows: "rows", columns: K }],
        parameters: [
          { name: "k", rows: K, columns: N },
          { name: "c", rows: 1, columns: N },
          { name: "w", rows: 1, columns: N },
          { name: "b", rows: 1, columns: 1 },
        ],
        build: (tape, t) => rowDot(tape, "u", { input: layer(tape, t), weights: t("w"), bias: t("b") }),
        tolerance: 4 * U * 400,
      }, [
        fixedShapes("cpu"),
        { kind: "cpu", matmul: { [`forward ${4 * Math.ceil(K / 4)}x${4 * Math.ceil(N / 4)}`]: "rows" } },
        fixedShapes("gpu"),
      ]);
    });
  }
}

for (const [name, b] of Object.entries({ one, few, many, given, noClicks })) {
  // 32 are the most of a panel kernel.
  for (const H of [1, 3, 5, 17, 20, 32, 33]) {
    Deno.test(`lstm: ${H} units, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "f", rows: b.log.items.count, columns: widthOf(b), trainable: false }],
        parameters: [
          { name: "x", rows: widthOf(b), columns: 4 * H, groups: 4 },
          { name: "w", rows: H, columns: 4 * H, groups: 4 },
          { name: "b", rows: 1, columns: 4 * H, groups: 4 },
        ],
        build: (tape, t) =>
          lstm(tape, "s", { features: t("f"), inputWeights: t("x"), weights: t("w"), bias: t("b") }),
        scale: 0.5,
        tolerance: 4 * U * 300,
      }));
  }
}
for (const [name, b] of Object.entries(mixed)) {
  for (const H of name === "many" ? [1, 5, 20] : [5]) {
    Deno.test(`lstm: mixed features, ${H} units, ${name}`, () => {
      const F = widthOf(b);
      return checkOp({
        ...b,
        leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
        parameters: [
          ...(F > 0 ? [{ name: "x", rows: F, columns: 4 * H, groups: 4 }] : []),
          { name: "t", rows: tokensOf(b), columns: 4 * H, groups: 4, table: true },
          { name: "w", rows: H, columns: 4 * H, groups: 4 },
          { name: "b", rows: 1, columns: 4 * H, groups: 4 },
        ],
        build: (tape, t) =>
          lstm(tape, "s", {
            ...(F > 0 ? { features: t("f"), inputWeights: t("x") } : {}),
            tokenTable: t("t"),
            weights: t("w"),
            bias: t("b"),
          }),
        scale: 0.5,
        tolerance: 4 * U * 300,
      });
    });
  }
}
for (const touchedOnly of [false, true]) {
  Deno.test(`lstm: one-hot table${touchedOnly ? ", touched rows" : ""}`, () =>
    checkOp({
      ...(touchedOnly ? rareItems : oneHot),
      leaves: [],
      parameters: [
        { name: "x", rows: touchedOnly ? 300 : 70, columns: 24, groups: 4, table: true },
        { name: "w", rows: 6, columns: 24, groups: 4 },
        { name: "b", rows: 1, columns: 24, groups: 4 },
      ],
      build: (tape, t) => lstm(tape, "s", { inputWeights: t("x"), weights: t("w"), bias: t("b") }),
      scale: 0.5,
      touchedOnly,
      tolerance: 4 * U * 300,
    }));
}

for (const [name, b] of Object.entries({ one, few, many, given, noClicks })) {
  for (const [K, N] of [[5, 20], [64, 84]] as const) {
    Deno.test(`choice_nll: of a fused last layer of ${K} x ${N}, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "x", rows: "rows", columns: K }],
        parameters: [
          { name: "k", rows: K, columns: N },
          { name: "c", rows: 1, columns: N },
          { name: "w", rows: 1, columns: N },
          { name: "b", rows: 1, columns: 1 },
        ],
        build: (tape, t) => {
          const ring = tape.options.arena.allocate("ring", 16);
          const hidden = linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, { elu: true });
          const last = { input: hidden, weights: t("w"), bias: t("b") };
          const u = rowDot(tape, "u", last, { fused: true });
          return choiceNll(tape, "loss", u, ring, { train: true, eta: 1, last });
        },
        scale: 0.5,
        loss: (output) => meanOf(output, 0, b),
        tolerance: 4 * U * 400,
      }, [
        fixedShapes("cpu"),
        { kind: "cpu", matmul: { [`forward ${4 * Math.ceil(K / 4)}x${N}`]: "rows" } },
        fixedShapes("gpu"),
      ]));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks, given, noClicks })) {
  for (const [scale, eta] of [[1, 1], [40, 1], [1, 3]] as const) {
    Deno.test(`choice_nll: utilities of ${scale}, eta ${eta}, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "u", rows: "rows", columns: 1, packed: true }],
        parameters: [],
        build: (tape, t) => {
          const ring = tape.options.arena.allocate("ring", 16);
          return choiceNll(tape, "loss", t("u"), ring, { train: true, eta });
        },
        scale,
        loss: (output) => meanOf(output, 0, b),
        tolerance: 4 * U * 64,
      }));
  }
}
