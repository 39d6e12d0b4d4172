import type { AdapterKind, KernelVariants, MatmulVariant } from "../../src/gpu/kernel_variants.ts";
import { getDefaultVariants } from "../../src/gpu/kernel_variants.ts";
import { distinctItems, eventItems } from "../../src/ops/embedding.ts";
import { linear } from "../../src/ops/linear.ts";
import type { TestBatch } from "../../src/selftest/ops/op_batches.ts";
import { chunks, few, getDenseWidth, many, noClicks, one, U } from "../../src/selftest/ops/op_batches.ts";
import { type LinearRecipe, makeLinear } from "../../src/selftest/ops/layer_recipes.ts";
import { allSizes, checkOp } from "../op_check.ts";

function linearCase(
  b: TestBatch,
  K: number,
  N: number,
  { variants, once, ...recipe }: LinearRecipe & { once?: boolean; variants?: readonly KernelVariants[] } = {},
) {
  return checkOp({ ...makeLinear(K, N, recipe)(b), once }, variants);
}
const onCpu = [getDefaultVariants("cpu")];
/** Odd sizes of most tests, which thus share shaders. Both are below a tile (64); N exceeds a panel (16). */
const [K, N] = [5, 17];
Deno.test("linear: sizes of one match the reference", () => linearCase(few, 1, 1, { once: true }));
Deno.test("linear: a size above a tile and above a part of a panel is correct", () =>
  linearCase(few, 65, 67));
Deno.test("linear: the largest size of a panel, in four parts, is correct", () =>
  linearCase(few, 256, 255, { once: true, variants: onCpu }));
Deno.test("linear: a batch of one row is correct", () => linearCase(one, K, N, { once: true }));
Deno.test("linear: gradients over several chunks are correct", () => linearCase(chunks, K, N));
Deno.test("linear: many rows without bias and activation are correct", () =>
  linearCase(many, K, N, { input: "none", output: "none", bias: false }));
Deno.test("linear: weights above a panel and above a uniform binding are correct", () =>
  linearCase(few, 260, 72, { once: true, variants: onCpu }));
Deno.test("linear: ReLU matches the reference", () => {
  // Kernels by rows, for matrices too wide for a panel: more than 16 columns and more than 8 rows.
  const rows: KernelVariants = { kind: "cpu", matmul: { "forward 20x8": "rows", "input 20x8": "rows" } };
  const variants = [getDefaultVariants("cpu"), rows, getDefaultVariants("gpu")];
  return linearCase(noClicks, 18, 7, { input: "relu", output: "relu", once: true, variants });
});
Deno.test("linear: variants that only autotuning selects are correct", () => {
  const of = (
    kind: AdapterKind,
    forward: MatmulVariant,
    input: MatmulVariant,
    weight: MatmulVariant = "rows",
  ): KernelVariants => ({
    kind,
    matmul: { "forward 8x8": forward, "input 8x8": input, "weight 8x8": weight },
  });
  const variants = [
    of("cpu", "panel 64", "panel 256"),
    of("cpu", "panel 256", "panel 64"),
    of("gpu", "panel 128", "rows"),
    of("gpu", "rows", "panel 128"),
    // Kernels by tiles that compute only one of the two gradients.
    of("gpu", "tiled", "tiled"),
    of("gpu", "tiled", "rows", "tiled"),
    getDefaultVariants("cpu", "buffers"),
  ];
  return linearCase(many, 5, 7, { variants });
});
for (const [name, b] of Object.entries({ few, many, noClicks })) {
  const gathers = b === few || allSizes
    ? { "distinct items": distinctItems, "fed items": eventItems }
    : { "fed items": eventItems };
  for (const [rows, gather] of Object.entries(gathers)) {
    Deno.test(`linear: gathers ${rows}, ${name}`, () => {
      const { items } = b.log;
      const width = getDenseWidth(b);
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
