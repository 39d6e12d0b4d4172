/** Dense layers through {@link checkOp}: sizes 1, 3, 5, 17, the tiles' and panels' edges, and other kernels than usual. */

import {
  type AdapterKind,
  fixedShapes,
  type KernelShapes,
  type MatmulVariant,
} from "../../src/gpu/kernel_shapes.ts";
import { distinctItems, fedItems } from "../../src/ops/click_gather.ts";
import { linear } from "../../src/ops/linear.ts";
import {
  type Batch,
  chunks,
  few,
  many,
  noClicks,
  one,
  U,
  widthOf,
} from "../../src/selftest/ops/op_batches.ts";
import { linearOf, type LinearRecipe } from "../../src/selftest/ops/layer_recipes.ts";
import { checkOp } from "../op_check.ts";

/** @param once not recorded twice */
function linearCase(
  b: Batch,
  K: number,
  N: number,
  { shapes, once, ...recipe }: LinearRecipe & { once?: boolean; shapes?: readonly KernelShapes[] } = {},
) {
  return checkOp({ ...linearOf(K, N, recipe)(b), once }, shapes);
}
const onCpu = [fixedShapes("cpu")];
const linearSizes = [
  [1, 1],
  [3, 5],
  [5, 17],
  [17, 3],
  [16, 16],
  [20, 80],
  [31, 33],
  [64, 64],
  // Panels in two, three and four parts; more than a panel holds.
  [65, 63],
  [132, 190],
  [256, 33],
  [36, 255],
  [300, 20],
] as const;
/**
 * Inputs of those that the kernels for a GPU are tried on, too. They walk a loop over tiles of 64 x 64 and 16, and have no
 * text of their own for each size: less than a tile, sides that are no multiple of one, more than one.
 */
const tiled: readonly number[] = [1, 31, 65];
/** Inputs of those that are recorded twice: less than a tile, more than one, panels in parts. */
const addedUp: readonly number[] = [3, 20, 65];
for (const [K, N] of linearSizes) {
  Deno.test(`linear ${K} -> ${N}`, () =>
    linearCase(few, K, N, {
      once: !addedUp.includes(K),
      shapes: tiled.includes(K) ? undefined : onCpu,
    }));
}
Deno.test("linear: a batch of one row", () => linearCase(one, 5, 7));
Deno.test("linear: many rows", () => linearCase(many, 20, 32, { input: "none" }));
Deno.test("linear: several chunks", () => linearCase(chunks, 31, 33));
Deno.test("linear: no bias", () =>
  linearCase(many, 9, 12, { input: "none", output: "none", bias: false, shapes: onCpu }));
Deno.test("linear: weights beyond a uniform binding", () =>
  linearCase(few, 260, 72, { once: true, shapes: onCpu }));
Deno.test("linear: ReLU", () => {
  // As of matrices too wide for a panel: sixteen columns and some more, eight rows at a time and one more.
  const rows: KernelShapes = { kind: "cpu", matmul: { "forward 20x8": "rows", "input 20x8": "rows" } };
  const shapes = [fixedShapes("cpu"), rows, fixedShapes("gpu")];
  return linearCase(noClicks, 18, 7, { input: "relu", output: "relu", once: true, shapes });
});
Deno.test("linear: the variants that the fixed table does not choose", () => {
  const of = (
    kind: AdapterKind,
    forward: MatmulVariant,
    input: MatmulVariant,
    weight: MatmulVariant = "rows",
  ): KernelShapes => ({ kind, matmul: { "forward 8x8": forward, "input 8x8": input, "weight 8x8": weight } });
  const shapes = [
    of("cpu", "panel 64", "panel 256"),
    of("cpu", "panel 256", "panel 64"),
    of("gpu", "panel 128", "rows"),
    of("gpu", "rows", "panel 128"),
    // Each of the two gradients in tiles, without the other.
    of("gpu", "tiled", "tiled"),
    of("gpu", "tiled", "rows", "tiled"),
    fixedShapes("cpu", "buffers"),
  ];
  return linearCase(many, 5, 7, { shapes });
});
for (const [name, b] of Object.entries({ one, few, many, noClicks })) {
  for (const [rows, gather] of Object.entries({ "distinct items": distinctItems, "fed items": fedItems })) {
    Deno.test(`linear: gathers ${rows}, ${name}`, () => {
      const { items } = b.log;
      const width = widthOf(b);
      return checkOp({
        ...b,
        leaves: [{ name: "x", rows: items.count, columns: width, trainable: false }],
        parameters: [{ name: "w", rows: width, columns: 20, groups: 4 }],
        build: (tape, t) =>
          linear(tape, "y", { input: t("x"), weights: t("w") }, { gather: gather(tape.batch) }),
        tolerance: 4 * U * 300,
        once: b !== few,
      }, b === few || b === many ? undefined : onCpu);
    });
  }
}
