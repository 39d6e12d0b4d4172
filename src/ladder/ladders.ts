/**
 * The ladders: from the kernel as one would write it down to the shipped one, one idea a step. Steps that are a file of
 * kernels/study have its number; the others are shipped kernels, or the same file with an input that stands elsewhere.
 */

import choiceText from "../../kernels/choice_nll.wgsl" with { type: "text" };
import choiceNaive from "../../kernels/study/choice_nll_1_naive.wgsl" with { type: "text" };
import choiceWorkgroup from "../../kernels/study/choice_nll_2_workgroup.wgsl" with { type: "text" };
import choiceOnline from "../../kernels/study/choice_nll_3_online.wgsl" with { type: "text" };
import lstmBackNaive from "../../kernels/study/lstm_backward_1_naive.wgsl" with { type: "text" };
import lstmBackWorkgroup from "../../kernels/study/lstm_backward_2_workgroup.wgsl" with { type: "text" };
import lstmBackVectors from "../../kernels/study/lstm_backward_3_vectors.wgsl" with { type: "text" };
import lstmNaive from "../../kernels/study/lstm_forward_1_naive.wgsl" with { type: "text" };
import lstmWorkgroup from "../../kernels/study/lstm_forward_2_workgroup.wgsl" with { type: "text" };
import lstmVectors from "../../kernels/study/lstm_forward_3_vectors.wgsl" with { type: "text" };
import forwardPanelLoop from "../../kernels/study/matmul_forward_11_panel_loop.wgsl" with { type: "text" };
import forwardPanelGuarded from "../../kernels/study/matmul_forward_12_panel_guarded.wgsl" with {
  type: "text",
};
import forwardPanelIndexed from "../../kernels/study/matmul_forward_14_panel_indexed.wgsl" with {
  type: "text",
};
import forwardPanelInterleaved from "../../kernels/study/matmul_forward_13_panel_interleaved.wgsl" with {
  type: "text",
};
import forwardNaive from "../../kernels/study/matmul_forward_1_naive.wgsl" with { type: "text" };
import forwardTile from "../../kernels/study/matmul_forward_2_tile.wgsl" with { type: "text" };
import forwardRegisters from "../../kernels/study/matmul_forward_4_registers.wgsl" with { type: "text" };
import forwardLanes from "../../kernels/study/matmul_forward_5_lanes_over_rows.wgsl" with { type: "text" };
import forwardMatrices from "../../kernels/study/matmul_forward_7_matrices.wgsl" with { type: "text" };
import forwardWide from "../../kernels/study/matmul_forward_8_wide.wgsl" with { type: "text" };
import inputNaive from "../../kernels/study/matmul_input_gradient_1_naive.wgsl" with { type: "text" };
import inputVectors from "../../kernels/study/matmul_input_gradient_2_vectors.wgsl" with { type: "text" };
import inputTransposed from "../../kernels/study/matmul_input_gradient_4_transposed.wgsl" with {
  type: "text",
};
import weightNaive from "../../kernels/study/matmul_weight_gradient_1_naive.wgsl" with { type: "text" };
import weightChunks from "../../kernels/study/matmul_weight_gradient_2_chunks.wgsl" with { type: "text" };
import weightOuter from "../../kernels/study/matmul_weight_gradient_4_outer.wgsl" with { type: "text" };
import weightWide from "../../kernels/study/matmul_weight_gradient_5_wide.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import { keptBytes, panelBytes } from "../gpu/kernel_shapes.ts";
import { clickDimensions } from "../batch/click_sizes.ts";
import {
  matmulInvocations,
  type MatmulKernel,
  matmulKernels,
  weightGradientInvocations,
} from "../ops/matmul_kernels.ts";
import { groupShape, lstmKernels } from "../ops/lstm_kernels.ts";
import { padded } from "../tape/tensor.ts";
import { choiceProblem, lstmBackwardProblem, lstmProblem, matmulProblem, type Size } from "./problems.ts";
import type { Ladder, Step } from "./check.ts";

type Invocations = Step["invocations"];

/** [M, K4, N4] of a matmul's size. */
function inFours([M = 1, K = 1, N = 1]: Size): [M: number, K4: number, N4: number] {
  return [M, padded(K) / 4, padded(N) / 4];
}

/** What a panel kernel sums over is written out in its text. */
const PANEL = { study: 64, shipped: 256 };
const panelRefuses = (place: 1 | 2, most: number) => (size: Size) =>
  (size[place] ?? 1) <= most ? undefined : `sums over more than ${most}`;
const uniformRefuses = (size: Size) => {
  const [, K4, N4] = inFours(size);
  return 64 * K4 * N4 <= 65536 ? undefined : "weights of more than 64 KiB are no uniform";
};
const weightsUniform = { where: { weights: "uniform" }, refuses: uniformRefuses } as const;

function forwardSteps(): Step[] {
  const oneEach: Invocations = (size) => [4 * inFours(size)[2], size[0]];
  const blocks = (rows: number, n4: number): Invocations => (size) => {
    const [M, , N4] = inFours(size);
    return [Math.ceil(M / rows), Math.ceil(N4 / n4)];
  };
  const shipped = (own: MatmulKernel) => {
    const invocations: Invocations = (size) => matmulInvocations(own, size[0] ?? 1, inFours(size)[2]);
    return { kernel: own, invocations };
  };
  const lanes = {
    kernel: kernel("matmul_forward_5_lanes_over_rows", forwardLanes),
    invocations: blocks(4, 1),
  };
  const rows = shipped(matmulKernels.forward.rows);
  const panel = shipped(matmulKernels.forward.panel);
  /** Those before the shipped one: an invocation a row, by two axes. */
  const panelRows: Invocations = (size) => {
    const [M, , N4] = inFours(size);
    return [Math.ceil(N4 / 4), M];
  };
  const panelBound = { where: { input: "texture" }, refuses: panelRefuses(1, PANEL.study) } as const;
  const panelShipped: Pick<Step, "kernel" | "invocations" | "refuses"> = {
    ...panel,
    refuses: (size, workgroupBytes) => {
      const [, K4, N4] = inFours(size);
      const needed = panelBytes("forward", K4, N4);
      return panelRefuses(1, PANEL.shipped)(size) ??
        (needed <= workgroupBytes ? undefined : `needs ${needed} bytes of workgroup memory`);
    },
  };
  return [
    {
      kernel: kernel("matmul_forward_1_naive", forwardNaive),
      idea: "one output an invocation",
      invocations: oneEach,
    },
    {
      kernel: kernel("matmul_forward_2_tile", forwardTile),
      idea: "16 x 16 tiles in workgroup memory",
      invocations: oneEach,
    },
    {
      ...shipped(matmulKernels.forward.tiled),
      idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)",
    },
    {
      kernel: kernel("matmul_forward_4_registers", forwardRegisters),
      idea: "4 x 4 in registers, no tile",
      changes: 1,
      invocations: (size) => {
        const [M, , N4] = inFours(size);
        return [N4, Math.ceil(M / 4)];
      },
    },
    { ...lanes, idea: "lanes over rows" },
    { ...lanes, idea: "weights in a uniform buffer", ...weightsUniform },
    {
      kernel: kernel("matmul_forward_7_matrices", forwardMatrices),
      idea: "four k at a time, mat4x4f",
      invocations: blocks(4, 1),
      ...weightsUniform,
    },
    {
      kernel: kernel("matmul_forward_8_wide", forwardWide),
      idea: "4 x 16 in registers",
      invocations: blocks(4, 4),
      ...weightsUniform,
    },
    { ...rows, idea: "8 x 16 in registers", where: { weights: "uniform" } },
    { ...rows, idea: "input in a texture", where: { weights: "uniform", input: "texture" } },
    {
      kernel: kernel("matmul_forward_11_panel_loop", forwardPanelLoop),
      idea: "a panel of weights in workgroup memory",
      invocations: panelRows,
      ...panelBound,
    },
    {
      kernel: kernel("matmul_forward_12_panel_guarded", forwardPanelGuarded),
      idea: "k written out",
      invocations: panelRows,
      ...panelBound,
    },
    {
      kernel: kernel("matmul_forward_13_panel_interleaved", forwardPanelInterleaved),
      idea: "no branch before the store",
      invocations: panelRows,
      ...panelBound,
    },
    {
      kernel: kernel("matmul_forward_14_panel_indexed", forwardPanelIndexed),
      idea: "the row read before the first sum",
      invocations: panelRows,
      ...panelBound,
    },
    { ...panelShipped, idea: "one axis of 256 invocations", where: { input: "texture" } },
    { ...panelShipped, idea: "the input in panels (shipped)", where: { input: "panels" } },
  ];
}

function inputSteps(): Step[] {
  const oneEach: Invocations = (size) => [4 * inFours(size)[1], size[0]];
  const shipped = (own: MatmulKernel) => {
    const invocations: Invocations = (size) => matmulInvocations(own, size[0] ?? 1, inFours(size)[1]);
    return { kernel: own, invocations };
  };
  const transposed = {
    kernel: kernel("matmul_input_gradient_4_transposed", inputTransposed),
    invocations: (size: Size) => {
      const [M, K4] = inFours(size);
      return [Math.ceil(M / 4), Math.ceil(K4 / 4)] as const;
    },
  };
  const rows = shipped(matmulKernels.input.rows);
  const panel = {
    ...shipped(matmulKernels.input.panel),
    refuses: panelRefuses(2, PANEL.shipped),
  };
  const texture = { output_gradient: "texture", input: "texture" } as const;
  return [
    {
      kernel: kernel("matmul_input_gradient_1_naive", inputNaive),
      idea: "one output an invocation",
      invocations: oneEach,
    },
    {
      kernel: kernel("matmul_input_gradient_2_vectors", inputVectors),
      idea: "four products at a time, dot",
      invocations: oneEach,
    },
    {
      ...shipped(matmulKernels.input.tiled),
      idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)",
    },
    { ...transposed, idea: "4 x 16 in registers, W transposed", changes: 2 },
    { ...transposed, idea: "weights in a uniform buffer", ...weightsUniform },
    { ...rows, idea: "8 x 16 in registers", where: { weights: "uniform" } },
    { ...rows, idea: "what is read in textures", where: { weights: "uniform", ...texture } },
    { ...panel, idea: "a transposed panel, n written out", where: texture },
    { ...panel, idea: "the input in panels (shipped)", where: { ...texture, input: "panels" } },
  ];
}

function weightSteps(): Step[] {
  const chunksOf = ([rows = 1]: Size) => clickDimensions.chunks({ users: 1, events: 1, rows, items: 1 });
  const blocks = (k4: number, n4: number): Invocations => (size) => {
    const [, K4, N4] = inFours(size);
    return [Math.ceil(K4 / k4) * Math.ceil(N4 / n4), chunksOf(size)];
  };
  const shipped = (own: MatmulKernel) => {
    const invocations: Invocations = (size) => {
      const [, K4, N4] = inFours(size);
      return weightGradientInvocations(own, K4, N4, chunksOf(size));
    };
    return { kernel: own, invocations };
  };
  const wide = { kernel: kernel("matmul_weight_gradient_5_wide", weightWide), invocations: blocks(2, 4) };
  const four = shipped(matmulKernels.weight.rows);
  const textures = { where: { input: "texture", output_gradient: "texture" } } as const;
  return [
    {
      kernel: kernel("matmul_weight_gradient_1_naive", weightNaive),
      idea: "one weight an invocation, over all rows",
      oneChunk: true,
      invocations: (size) => {
        const [, K4, N4] = inFours(size);
        return [4 * N4, 4 * K4];
      },
    },
    {
      kernel: kernel("matmul_weight_gradient_2_chunks", weightChunks),
      idea: "rows in chunks",
      invocations: blocks(1 / 4, 1 / 4),
    },
    {
      ...shipped(matmulKernels.weight.tiled),
      idea: "64 x 64 tiles, 4 x 4 in registers (shipped for GPUs)",
    },
    {
      kernel: kernel("matmul_weight_gradient_4_outer", weightOuter),
      idea: "4 x 4 in registers, outer products",
      changes: 2,
      invocations: blocks(1, 1),
    },
    { ...wide, idea: "8 x 16 in registers" },
    { ...wide, idea: "what is read in textures", ...textures },
    { ...four, idea: "four rows at a time, mat4x4f", ...textures },
    { ...four, idea: "the input in panels (shipped)", where: { ...textures.where, input: "panels" } },
  ];
}

/** The same ideas on the way there and back. */
function lstmSteps(
  direction: "forward" | "backward",
  [naive, workgroup, vectors]: readonly [string, string, string],
  uniforms: readonly string[],
  matrices: string,
): Step[] {
  const { loop, panel } = lstmKernels[direction];
  const users = (each: number) => ({
    constants: () => ({ USERS: each }),
    invocations: ([users = 1]: Size) => [Math.ceil(users / each)] as const,
  });
  const oneEach: Invocations = ([users = 1]) => [users];
  const group = (size: Size) => 4 * padded(size[2] ?? 1);
  const name = `lstm_${direction}`;
  const fours = { kernel: kernel(`${name}_3_vectors`, vectors), invocations: oneEach };
  const where = Object.fromEntries(uniforms.map((input) => [input, "uniform" as const]));
  return [
    { kernel: kernel(`${name}_1_naive`, naive), idea: "one user an invocation", invocations: oneEach },
    {
      kernel: kernel(`${name}_2_workgroup`, workgroup),
      idea: "a workgroup a user",
      constants: (size) => ({ WORKGROUP: group(size) }),
      invocations: (size) => [(size[0] ?? 1) * group(size)],
      refuses: (size) => group(size) <= 256 ? undefined : TOO_MANY,
    },
    { ...fours, idea: "four units at a time", changes: 1 },
    { ...fours, idea: "weights in a uniform buffer", where },
    { kernel: loop, idea: matrices, where, ...users(1) },
    {
      kernel: loop,
      idea: "four users an invocation (shipped for many units)",
      where,
      ...users(4),
    },
    {
      kernel: panel,
      idea: "weights read once, before the loop (shipped)",
      invocations: oneEach,
      where: Object.fromEntries(
        uniforms.filter((input) => input !== "weights").map((input) => [input, "uniform"]),
      ),
      refuses: ([, , units = 1]) => units <= 32 ? undefined : "more than 32 units",
    },
    { ...groupStep(direction, 1, false), idea: "a unit an invocation, one barrier an event", changes: 2 },
    { ...groupStep(direction, 1, true), idea: "weights in workgroup memory (shipped for GPUs)" },
    { ...groupStep(direction, 4, true), idea: "four users a workgroup" },
  ];
}

const TOO_MANY = "needs more than 256 invocations a workgroup";

/** The LSTM with an invocation a unit. @param keep the weights in workgroup memory. */
function groupStep(direction: "forward" | "backward", users: number, keep: boolean): Omit<Step, "idea"> {
  const units = (size: Size) => padded(size[2] ?? 1);
  const shape = (size: Size) => groupShape(direction, units(size) / 4, users, Infinity, keep);
  return {
    kernel: lstmKernels[direction].group,
    constants: (size) => shape(size).constants,
    invocations: (size) => shape(size).invocations(size[0] ?? 1),
    refuses: (size, workgroupBytes) => {
      if (users * units(size) > 256) return TOO_MANY;
      const needed = keptBytes(direction, units(size), users);
      return !keep || needed <= workgroupBytes ? undefined : `needs ${needed} bytes of workgroup memory`;
    },
  };
}

function choiceSteps(): Step[] {
  const oneEach: Invocations = ([events = 1]) => [events];
  return [
    {
      kernel: kernel("choice_nll_1_naive", choiceNaive),
      idea: "one row an invocation",
      // A page has at most one row more than it has on average.
      invocations: ([events = 1, page = 1]) => [page + 1, events],
    },
    {
      kernel: kernel("choice_nll_2_workgroup", choiceWorkgroup),
      idea: "a workgroup an event, sums by halves",
      invocations: ([events = 1]) => [32 * events],
    },
    {
      kernel: kernel("choice_nll_3_online", choiceOnline),
      idea: "one event an invocation, online sum",
      changes: 1,
      invocations: oneEach,
    },
    { kernel: kernel("choice_nll", choiceText), idea: "maximum first (shipped)", invocations: oneEach },
  ];
}

const lstmForGpus = [1, 2, 8, 9, 10];

/** The first two differ in rows and padding alone: one compilation serves both. */
const oddMatmuls: readonly Size[] = [[1, 17, 22], [37, 19, 21], [301, 64, 68]];

export const ladders: readonly Ladder[] = [
  {
    name: "forward",
    title: "matmul forward, ELU(X W + b), [M, K] x [K, N]",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls,
    problem: (size) => matmulProblem("forward", size),
    steps: forwardSteps(),
    forGpus: [1, 2, 3, 4],
  },
  {
    name: "input",
    title: "matmul, gradient of the input, [M, N] x [K, N]^T",
    size: [12_800, 64, 64],
    oddSizes: oddMatmuls.map(([M = 1, K = 1, N = 1]) => [M, N, K]),
    problem: (size) => matmulProblem("input", size),
    steps: inputSteps(),
    forGpus: [1, 2, 3],
  },
  {
    name: "weight",
    title: "matmul, gradient of the weights, [M, K]^T x [M, N]",
    size: [12_800, 64, 64],
    oddSizes: [...oddMatmuls, [1027, 12, 9]],
    problem: (size) => matmulProblem("weight", size),
    steps: weightSteps(),
    forGpus: [1, 2, 3, 4],
  },
  {
    name: "lstm",
    title: "LSTM forward, B users x T events, H units",
    size: [128, 20, 20],
    oddSizes: [[1, 1, 7], [11, 5, 6], [3, 9, 21]],
    problem: (size) => lstmProblem(size),
    steps: lstmSteps(
      "forward",
      [lstmNaive, lstmWorkgroup, lstmVectors],
      ["weights", "bias"],
      "four k at a time, mat4x4f",
    ),
    forGpus: lstmForGpus,
  },
  {
    name: "lstm-backward",
    title: "LSTM backward, B users x T events, H units",
    size: [128, 20, 20],
    oddSizes: [[1, 1, 7], [11, 5, 6], [3, 9, 21]],
    problem: (size) => lstmBackwardProblem(size),
    steps: lstmSteps(
      "backward",
      [lstmBackNaive, lstmBackWorkgroup, lstmBackVectors],
      ["weights"],
      "four units of the sum at a time, mat4x4f",
    ),
    forGpus: lstmForGpus,
  },
  {
    name: "choice",
    title: "choice softmax, loss and gradient, E events x K rows",
    size: [2560, 10],
    oddSizes: [[1, 1], [13, 3], [67, 41]],
    problem: (size) => choiceProblem(size),
    steps: choiceSteps(),
  },
];
