/** The other ops through {@link checkOp}: a line a case. Sizes 1, 3, 5, 17 and the tiles' edges. */

import { fixedShapes } from "../src/gpu/kernel_shapes.ts";
import { linear } from "../src/ops/linear.ts";
import { firstLayer } from "../src/ops/first_layer.ts";
import { rowDot } from "../src/ops/row_dot.ts";
import { mixedProduct } from "../src/ops/mixed_product.ts";
import { choiceNll } from "../src/ops/choice_nll.ts";
import { itemTerm } from "../src/ops/item_term.ts";
import type { ClickTape } from "../src/batch/click_tape.ts";
import type { Tensor } from "../src/tape/tensor.ts";
import {
  chunks,
  few,
  given,
  many,
  manyTokens,
  mixed,
  noClicks,
  one,
  oneHot,
  rareItems,
  rareTokens,
  tokensOf,
  U,
  widthOf,
} from "./op_batches.ts";
import { checkOp, meanOf } from "./op_check.ts";

for (const [name, b] of Object.entries({ ...mixed, "many tokens": manyTokens })) {
  for (const rows of ["items", "events"] as const) {
    const sizes = b === manyTokens ? [[1, 1], [5, 1], [17, 1], [64, 1]] as const : [[20, 4]] as const;
    for (const [N, groups] of sizes) {
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
          once: b !== mixed.few,
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
for (
  const [name, b, rows, touchedOnly] of [
    ["", oneHot, 70, false],
    [", items that are not shown", rareItems, 300, false],
    [", touched rows", rareItems, 300, true],
  ] as const
) {
  for (const N of [3, 64]) {
    Deno.test(`first_layer: one-hot table, ${N} columns${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "state", rows: "events", columns: N }],
        parameters: [{ name: "item", rows, columns: N, table: true }],
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
        leaves: [{
          name: "x",
          rows: "rows",
          columns: K,
          activation: K % 2 ? undefined : K === 32 ? "relu" : "elu",
        }],
        parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
        build: (tape, t) => rowDot(tape, "u", { input: t("x"), weights: t("w"), bias: t("b") }),
        tolerance: 4 * U * 400,
      }));
  }
}

// The layer makes the products on the way, but for whoever asks second.
for (const [name, b] of Object.entries({ one, few, many, chunks })) {
  const sizes = [[5, 3], [64, 64], [12, 84]] as const;
  // How many rows a batch has decides how large a panel is: sizes are tried on few, one of them on the others.
  for (const [K, N] of b === few ? sizes : b === chunks ? sizes.slice(1, 2) : sizes.slice(0, 1)) {
    Deno.test(`row_dot: made by a layer of ${K} x ${N}, ${name}`, () => {
      const layers = new WeakMap<ClickTape, Tensor>();
      const layer = (tape: ClickTape, t: (name: string) => Tensor) => {
        const made = layers.get(tape) ??
          linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, { activation: "elu" });
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
        ...(K === 5 ? [fixedShapes("gpu")] : []),
      ]);
    });
  }
}

for (const [name, b] of Object.entries({ one, few, many, given, noClicks })) {
  for (const [K, N] of b === few ? [[5, 20], [64, 84]] as const : [[5, 20]] as const) {
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
          const hidden = linear(tape, "h", { input: t("x"), weights: t("k"), bias: t("c") }, {
            activation: "elu",
          });
          const last = { input: hidden, weights: t("w"), bias: t("b") };
          const u = rowDot(tape, "u", last, "adds dots");
          return choiceNll(tape, "loss", u, ring, { train: true, eta: 1 });
        },
        scale: 0.5,
        loss: (output) => meanOf(output, 0, b),
        tolerance: 4 * U * 400,
      }, [
        fixedShapes("cpu"),
        { kind: "cpu", matmul: { [`forward ${4 * Math.ceil(K / 4)}x${N}`]: "rows" } },
        ...(K === 5 ? [fixedShapes("gpu")] : []),
      ]));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks, given, noClicks })) {
  // At 100 whole pages lie so far below no click, or above it, that one of the exponentials would overflow.
  for (const [scale, eta] of [[1, 1], [40, 1], [100, 1], [1, 3]] as const) {
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

for (const [name, b] of Object.entries({ few, many, given })) {
  Deno.test(`choice_nll: utilities that are equal, ${name}`, () =>
    checkOp({
      ...b,
      leaves: [{ name: "u", rows: "rows", columns: 1, packed: true, whole: true }],
      parameters: [],
      build: (tape, t) => {
        const ring = tape.options.arena.allocate("ring", 16);
        return choiceNll(tape, "loss", t("u"), ring, { train: true, eta: 1 });
      },
      loss: (output) => meanOf(output, 0, b),
      tolerance: 4 * U * 64,
    }));
}

// Effects of places two to four: pages of one item have none, and long pages share the last.
for (const [name, b] of Object.entries({ one, few, many, chunks, given, noClicks })) {
  Deno.test(`choice_nll: places, ${name}`, () =>
    checkOp({
      ...b,
      leaves: [{ name: "u", rows: "rows", columns: 1, packed: true }],
      parameters: [{ name: "place", rows: 1, columns: 3 }],
      build: (tape, t) => {
        const ring = tape.options.arena.allocate("ring", 16);
        return choiceNll(tape, "loss", t("u"), ring, { train: true, eta: 2, place: t("place") });
      },
      loss: (output) => meanOf(output, 0, b),
      tolerance: 4 * U * 400,
    }));
}

for (const [name, b] of Object.entries({ one, few, many, given, noClicks })) {
  for (const [scale, eta] of [[1, 2], [100, 1]] as const) {
    Deno.test(`choice_nll: logistic, utilities of ${scale}, eta ${eta}, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [{ name: "u", rows: "rows", columns: 1, packed: true }],
        parameters: [],
        build: (tape, t) => {
          const ring = tape.options.arena.allocate("ring", 16);
          return choiceNll(tape, "loss", t("u"), ring, { train: true, eta, loss: "logistic" });
        },
        scale,
        loss: (output) => meanOf(output, 0, b),
        tolerance: 4 * U * 64,
      }));
  }
}

for (const [name, b] of Object.entries({ one, few, many, chunks, noClicks })) {
  for (const N of name === "many" ? [1, 5, 8, 17] : [5]) {
    Deno.test(`item_term: ${N} columns, ${name}`, () =>
      checkOp({
        ...b,
        leaves: [
          { name: "item", rows: "items", columns: N },
          { name: "state", rows: "events", columns: N },
          { name: "base", rows: "rows", columns: 1, packed: true },
        ],
        parameters: [],
        build: (tape, t) => itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("base") }),
        tolerance: 4 * U * 64,
      }));
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
  Deno.test(`item_term: rows hide their items, ${dropout}`, () =>
    checkOp({
      ...chunks,
      leaves: [
        { name: "item", rows: "items", columns: 5 },
        { name: "state", rows: "events", columns: 5 },
        { name: "base", rows: "rows", columns: 1, packed: true },
      ],
      parameters: [],
      build: (tape, t) =>
        itemTerm(tape, "u", { item: t("item"), state: t("state"), base: t("base") }, dropout),
      tolerance: 4 * U * 64,
    }));
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
