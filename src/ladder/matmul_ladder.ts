/** Ladders (kernel versions) of a dense layer [M, K] x [K, N], and of the gradients of input and weights. */

import panelLoop from "../../kernels/matmul/matmul_forward_11_panel_loop.wgsl" with { type: "text" };
import panelGuarded from "../../kernels/matmul/matmul_forward_12_panel_guarded.wgsl" with { type: "text" };
import panelIndexed from "../../kernels/matmul/matmul_forward_13_panel_indexed.wgsl" with { type: "text" };
import forwardNaive from "../../kernels/matmul/matmul_forward_1_naive.wgsl" with { type: "text" };
import forwardTile from "../../kernels/matmul/matmul_forward_2_tile.wgsl" with { type: "text" };
import forwardRegisters from "../../kernels/matmul/matmul_forward_4_registers.wgsl" with { type: "text" };
import forwardLanes from "../../kernels/matmul/matmul_forward_5_lanes_over_rows.wgsl" with { type: "text" };
import forwardMatrices from "../../kernels/matmul/matmul_forward_7_matrices.wgsl" with { type: "text" };
import forwardWide from "../../kernels/matmul/matmul_forward_8_wide.wgsl" with { type: "text" };
import inputNaive from "../../kernels/matmul/matmul_input_gradient_1_naive.wgsl" with { type: "text" };
import inputVectors from "../../kernels/matmul/matmul_input_gradient_2_vectors.wgsl" with { type: "text" };
import turned from "../../kernels/matmul/matmul_input_gradient_4_transposed.wgsl" with { type: "text" };
import weightNaive from "../../kernels/matmul/matmul_weight_gradient_1_naive.wgsl" with { type: "text" };
import weightChunks from "../../kernels/matmul/matmul_weight_gradient_2_chunks.wgsl" with { type: "text" };
import weightOuter from "../../kernels/matmul/matmul_weight_gradient_4_outer.wgsl" with { type: "text" };
import weightWide from "../../kernels/matmul/matmul_weight_gradient_5_wide.wgsl" with { type: "text" };
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import type { Gpu } from "../gpu/device.ts";
import { computePanelBytes, formatMatmulKey, getDefaultVariants } from "../gpu/kernel_variants.ts";
import { padColumns, unpadRows } from "../tape/tensor.ts";
import { type KernelTrial, listWriters, toFloats } from "../selftest/harness.ts";
import { makeLinear } from "../selftest/ops/layer_recipes.ts";
import type { OpCase } from "../selftest/ops/op_bench.ts";
import { U } from "../selftest/ops/op_batches.ts";
import { createOpTrial, forGpu, sumPartials } from "../selftest/ops/op_run.ts";
import { createRowsBatch } from "../selftest/small_logs.ts";
import type { LadderSize, LadderStep } from "./check_ladder.ts";
import { parseKernel } from "../gpu/kernel.ts";
import {
  computeMatmulInvocations,
  computeWeightGradientInvocations,
  type MatmulKernel,
  matmulKernels,
} from "../ops/kernel_selection.ts";

/** Creates a test case that computes ELU(X W + b). @param scale - factor of the input X */
export function createForwardTrial(
  gpu: Gpu,
  [M = 1, K = 1, N = 1]: LadderSize,
  scale = 1,
): KernelTrial<ClickSizes> {
  const x = Float32Array.from({ length: M * K }, (_, k) => scale * Math.sin(k * k + 1));
  const c = makeLinear(K, N, { input: "none" })(createRowsBatch(M));
  return createOpTrial(gpu, { ...c, values: new Map([["x", x]]), scale: 0.5, forwardOnly: true }, forGpu);
}

/** Creates a test case that computes only the input's gradient, multiplied by ELU' of the previous layer. */
export function createInputTrial(gpu: Gpu, [M = 1, K = 1, N = 1]: LadderSize) {
  const variants = getDefaultVariants("gpu");
  const matmul = { [formatMatmulKey("weight", padColumns(K) / 4, padColumns(N) / 4)]: "rows" } as const;
  return createOpTrial(gpu, createGradientCase(M, K, N), { variants: { ...variants, matmul } });
}

function createGradientCase(M: number, K: number, N: number): OpCase {
  const c = makeLinear(K, N, { output: "none", bias: false })(createRowsBatch(M));
  // The tolerance allows a step to add up all rows one after another.
  return { ...c, tolerance: 4 * U * (M + N + 300) };
}

/** Creates a test case that computes only the weights' gradient, as a partial sum per block of rows. */
export function createWeightTrial(gpu: Gpu, size: LadderSize): KernelTrial<ClickSizes> {
  const [M = 1, K = 1, N = 1] = size;
  const c = createGradientCase(M, K, N);
  const leaves = c.leaves.map((leaf) => ({ ...leaf, trainable: false }));
  const trial = createOpTrial(gpu, { ...c, leaves }, forGpu);
  const { arena, sizes, reference: { gradients: [, expected] } } = trial;
  const length = padColumns(K) * padColumns(N);
  const chunks = clickDimensions.countChunks(sizes);
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
      const by = { kernels: listWriters(specs, partials), what: "gradient of weights" };
      const found = sumPartials(toFloats(words(partials)), { from: 0, length, stride: length, chunks });
      const most = expected?.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3) ?? NaN;
      checks.numbers(unpadRows(found, K, N, 1), expected?.data ?? [], {
        ...{ ...by, columns: N, tolerance: 4 * U * (M + 8) * most, named: () => ` of [${K}, ${N}]` },
      });
      const pads = (k: number) => Math.floor(k / padColumns(N)) >= K || k % padColumns(N) >= N;
      const at = found.findIndex((x, k) => pads(k) && x !== 0 && !Number.isNaN(x));
      if (at >= 0) checks.holds(false, by.kernels, by.what, `padding is not zero: ${found[at]} at ${at}`);
    },
  };
}

/** Replaces a dispatch's buffers by `views`, by binding name; ignores names that the dispatch lacks. */
function withViews<D extends KernelTrial<ClickSizes>["specs"][number]>(spec: D, views: D["views"]): D {
  const own = Object.entries(views).filter(([name]) => name in spec.views);
  return { ...spec, views: { ...spec.views, ...Object.fromEntries(own) } };
}

export type StepInvocations = NonNullable<LadderStep["invocations"]>;

/** Converts a matmul's size [M, K, N] to [M, K4, N4]: K4 = ceil(K / 4) vec4f, N4 = ceil(N / 4) vec4f. */
function toVectorSizes([M = 1, K = 1, N = 1]: LadderSize): [M: number, K4: number, N4: number] {
  return [M, padColumns(K) / 4, padColumns(N) / 4];
}

/** Largest number of terms per dot product in panel kernels: `study` for kernels that only ladders use. */
export const PANEL = { study: 64, shipped: 256 };
/** Returns a function that refuses a matmul [M, K, N] whose K (`axis` 1) or N (`axis` 2) exceeds `most`. */
export const makePanelCheck = (axis: 1 | 2, most: number) => (size: LadderSize) =>
  (size[axis] ?? 1) <= most ? undefined : `sums over more than ${most}`;
const checkUniformWeights = (size: LadderSize) => {
  const [, K4, N4] = toVectorSizes(size);
  return 64 * K4 * N4 <= 65536 ? undefined : "weights of more than 64 KiB do not fit a uniform buffer";
};
/** Options of a step with weights in a uniform buffer. Weights that exceed the buffer are refused. */
const weightsUniform = { where: { weights: "uniform" }, refuses: checkUniformWeights } as const;

export function listForwardSteps(): LadderStep[] {
  return [...tileSteps(), ...registerSteps(), ...panelSteps()];
}

const oneEach: StepInvocations = (size) => [4 * toVectorSizes(size)[2], size[0]];

/** Returns a grid in which each invocation computes `rows` rows (axis x) of `n4` vec4f (axis y). */
function blocks(rows: number, n4: number): StepInvocations {
  return (size) => {
    const [M, , N4] = toVectorSizes(size);
    return [Math.ceil(M / rows), Math.ceil(N4 / n4)];
  };
}

/** Returns a shipped kernel and its grid. @param columns - 1 for an output of K columns, 2 for N */
function shipped(own: MatmulKernel, columns: 1 | 2): Pick<LadderStep, "kernel" | "invocations"> {
  return {
    kernel: own,
    invocations: (size) => computeMatmulInvocations(own, size[0] ?? 1, toVectorSizes(size)[columns]),
  };
}

function tileSteps(): LadderStep[] {
  return [
    {
      kernel: parseKernel("matmul_forward_1_naive", forwardNaive),
      idea: "one output per invocation",
      invocations: oneEach,
    },
    {
      kernel: parseKernel("matmul_forward_2_tile", forwardTile),
      idea: "16 x 16 tiles in workgroup memory",
      invocations: oneEach,
    },
    {
      ...shipped(matmulKernels.forward.tiled, 2),
      idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)",
    },
  ];
}

/** Returns the steps without workgroup memory, which use each loaded value in several sums. */
function registerSteps(): LadderStep[] {
  const lanes = {
    kernel: parseKernel("matmul_forward_5_lanes_over_rows", forwardLanes),
    invocations: blocks(4, 1),
  };
  const rows = shipped(matmulKernels.forward.rows, 2);
  return [
    {
      kernel: parseKernel("matmul_forward_4_registers", forwardRegisters),
      idea: "4 x 4 in registers, no tile",
      changes: 1,
      invocations: (size) => {
        const [M, , N4] = toVectorSizes(size);
        return [N4, Math.ceil(M / 4)];
      },
    },
    { ...lanes, idea: "lanes over rows" },
    { ...lanes, idea: "weights in a uniform buffer", ...weightsUniform },
    {
      kernel: parseKernel("matmul_forward_7_matrices", forwardMatrices),
      idea: "four k at a time, mat4x4f",
      invocations: blocks(4, 1),
      ...weightsUniform,
    },
    {
      kernel: parseKernel("matmul_forward_8_wide", forwardWide),
      idea: "4 x 16 in registers",
      invocations: blocks(4, 4),
      ...weightsUniform,
    },
    { ...rows, idea: "8 x 16 in registers", where: { weights: "uniform" } },
    { ...rows, idea: "input in a texture", where: { weights: "uniform", input: "texture" } },
  ];
}

/** Returns the steps with a panel (16 columns) of weights in workgroup memory and a row per invocation. */
function panelSteps(): LadderStep[] {
  const inTexture = {
    /** Returns a grid with an invocation per 16 columns (axis x) and row (axis y). */
    invocations: (size: LadderSize) => {
      const [M, , N4] = toVectorSizes(size);
      return [Math.ceil(N4 / 4), M] as const;
    },
    where: { input: "texture" },
    refuses: makePanelCheck(1, PANEL.study),
  } as const;
  const panel = { ...shipped(matmulKernels.forward.panel, 2), refuses: checkShippedPanel };
  return [
    {
      kernel: parseKernel("matmul_forward_11_panel_loop", panelLoop),
      idea: "a panel of weights in workgroup memory",
      ...inTexture,
    },
    {
      kernel: parseKernel("matmul_forward_12_panel_guarded", panelGuarded),
      idea: "k written out",
      ...inTexture,
    },
    {
      kernel: parseKernel("matmul_forward_13_panel_indexed", panelIndexed),
      idea: "no branch before the store, the row read before the first sum",
      ...inTexture,
    },
    { ...panel, idea: "one axis of 256 invocations", where: { input: "texture" } },
    { ...panel, idea: "the input in panels (shipped)", where: { input: "panels" } },
  ];
}

function checkShippedPanel(size: LadderSize, workgroupBytes: number): string | undefined {
  const [, K4, N4] = toVectorSizes(size);
  const needed = computePanelBytes("forward", K4, N4);
  return makePanelCheck(1, PANEL.shipped)(size) ??
    (needed <= workgroupBytes ? undefined : `needs ${needed} bytes of workgroup memory`);
}

export function listInputSteps(): LadderStep[] {
  const oneEach: StepInvocations = (size) => [4 * toVectorSizes(size)[1], size[0]];
  const transposed = {
    kernel: parseKernel("matmul_input_gradient_4_transposed", turned),
    invocations: (size: LadderSize) => {
      const [M, K4] = toVectorSizes(size);
      return [Math.ceil(M / 4), Math.ceil(K4 / 4)] as const;
    },
  };
  const rows = shipped(matmulKernels.input.rows, 1);
  const panel = { ...shipped(matmulKernels.input.panel, 1), refuses: makePanelCheck(2, PANEL.shipped) };
  const texture = { output_gradient: "texture", input: "texture" } as const;
  return [
    {
      kernel: parseKernel("matmul_input_gradient_1_naive", inputNaive),
      idea: "one output per invocation",
      invocations: oneEach,
    },
    {
      kernel: parseKernel("matmul_input_gradient_2_vectors", inputVectors),
      idea: "four products at a time, dot",
      invocations: oneEach,
    },
    {
      ...shipped(matmulKernels.input.tiled, 1),
      idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)",
    },
    { ...transposed, idea: "4 x 16 in registers, W transposed", changes: 2 },
    { ...transposed, idea: "weights in a uniform buffer", ...weightsUniform },
    { ...rows, idea: "8 x 16 in registers", where: { weights: "uniform" } },
    { ...rows, idea: "inputs in textures", where: { weights: "uniform", ...texture } },
    { ...panel, idea: "a transposed panel, n written out", where: texture },
    { ...panel, idea: "the input in panels (shipped)", where: { ...texture, input: "panels" } },
  ];
}

export function listWeightSteps(): LadderStep[] {
  const blocks = (k4: number, n4: number): StepInvocations => (size) => {
    const [, K4, N4] = toVectorSizes(size);
    return [Math.ceil(K4 / k4) * Math.ceil(N4 / n4), clickDimensions.scaleByChunks()];
  };
  const shipped = (own: MatmulKernel) => {
    const invocations: StepInvocations = (size) => {
      const [, K4, N4] = toVectorSizes(size);
      return computeWeightGradientInvocations(own, K4, N4, clickDimensions);
    };
    return { kernel: own, invocations };
  };
  const wide = {
    kernel: parseKernel("matmul_weight_gradient_5_wide", weightWide),
    invocations: blocks(2, 4),
  };
  const four = shipped(matmulKernels.weight.rows);
  const textures = { where: { input: "texture", output_gradient: "texture" } } as const;
  return [
    {
      kernel: parseKernel("matmul_weight_gradient_1_naive", weightNaive),
      idea: "one weight per invocation, over all rows",
      oneChunk: true,
      invocations: (size) => {
        const [, K4, N4] = toVectorSizes(size);
        return [4 * N4, 4 * K4];
      },
    },
    {
      kernel: parseKernel("matmul_weight_gradient_2_chunks", weightChunks),
      idea: "rows in chunks",
      invocations: blocks(1 / 4, 1 / 4),
    },
    { ...shipped(matmulKernels.weight.tiled), idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)" },
    {
      kernel: parseKernel("matmul_weight_gradient_4_outer", weightOuter),
      idea: "4 x 4 in registers, outer products",
      changes: 2,
      invocations: blocks(1, 1),
    },
    { ...wide, idea: "8 x 16 in registers" },
    { ...wide, idea: "inputs in textures", ...textures },
    { ...four, idea: "four rows at a time, mat4x4f", ...textures },
    { ...four, idea: "the input in panels (shipped)", where: { ...textures.where, input: "panels" } },
  ];
}
