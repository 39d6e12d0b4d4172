/** A dense layer [M, K] x [K, N] and its two gradients: what ladders record. */

import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import type { Gpu } from "../../gpu/device.ts";
import { fixedShapes, matmulKey } from "../../gpu/kernel_shapes.ts";
import { padded, unpadRows } from "../../tape/tensor.ts";
import { floats, type Trial, writersOf } from "../harness.ts";
import { linearOf } from "../ops/layer_recipes.ts";
import type { OpCase } from "../ops/op_bench.ts";
import { U } from "../ops/op_batches.ts";
import { forGpu, opTrial, summedPartials } from "../ops/op_run.ts";
import { rowsBatch } from "../small_logs.ts";
import type { Size } from "./check.ts";

/** ELU(input weights + bias). @param scale of the input. */
export function forwardTrial(gpu: Gpu, [M = 1, K = 1, N = 1]: Size, scale = 1): Trial<ClickSizes> {
  const x = Float32Array.from({ length: M * K }, (_, k) => scale * Math.sin(k * k + 1));
  const c = linearOf(K, N, { input: "none" })(rowsBatch(M));
  return opTrial(gpu, { ...c, values: new Map([["x", x]]), scale: 0.5, forwardOnly: true }, forGpu);
}

/** The gradient of the input, times the slope of the layer below; that of the weights in a dispatch of its own. */
export function inputTrial(gpu: Gpu, [M = 1, K = 1, N = 1]: Size) {
  const shapes = fixedShapes("gpu");
  const matmul = { [matmulKey("weight", padded(K) / 4, padded(N) / 4)]: "rows" } as const;
  return opTrial(gpu, gradientsOf(M, K, N), { shapes: { ...shapes, matmul } });
}

function gradientsOf(M: number, K: number, N: number): OpCase {
  const c = linearOf(K, N, { output: "none", bias: false })(rowsBatch(M));
  // A step may add up all rows one after another.
  return { ...c, tolerance: 4 * U * (M + N + 300) };
}

/** The gradient of the weights alone, in partial sums that stand one after another as texts expect it: not among others. */
export function weightTrial(gpu: Gpu, size: Size): Trial<ClickSizes> {
  const [M = 1, K = 1, N = 1] = size;
  const c = gradientsOf(M, K, N);
  const leaves = c.leaves.map((leaf) => ({ ...leaf, trainable: false }));
  const trial = opTrial(gpu, { ...c, leaves }, forGpu);
  const { arena, sizes, reference: { gradients: [, expected] } } = trial;
  const length = padded(K) * padded(N);
  const chunks = clickDimensions.chunks(sizes);
  const partials = arena.allocate("partials of weights", 4 * chunks * length);
  const views = { partials, places: arena.upload("place", Uint32Array.of(length, 0, 0, 0)) };
  return {
    ...trial,
    specs: trial.specs.map((spec) =>
      spec.kernel.name.startsWith("matmul_weight") ? withViews(spec, views) : spec
    ),
    views: [partials],
    named: new Map([[partials, "gradient of weights"]]),
    compare(words, specs, checks) {
      const by = { kernels: writersOf(specs, partials), what: "gradient of weights" };
      const found = summedPartials(floats(words(partials)), { from: 0, length, stride: length, chunks });
      const most = expected?.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3) ?? NaN;
      checks.numbers(unpadRows(found, K, N, 1), expected?.data ?? [], {
        ...{ ...by, columns: N, tolerance: 4 * U * (M + 8) * most, named: () => ` of [${K}, ${N}]` },
      });
      const pads = (k: number) => Math.floor(k / padded(N)) >= K || k % padded(N) >= N;
      const at = found.findIndex((x, k) => pads(k) && x !== 0 && !Number.isNaN(x));
      if (at >= 0) checks.holds(false, by.kernels, by.what, `padding is not zero: ${found[at]} at ${at}`);
    },
  };
}

/** A dispatch with some of its bindings elsewhere, of those that its kernel has. */
function withViews<D extends Trial<ClickSizes>["specs"][number]>(spec: D, views: D["views"]): D {
  const own = Object.entries(views).filter(([name]) => name in spec.views);
  return { ...spec, views: { ...spec.views, ...Object.fromEntries(own) } };
}
