/** The steps to the matmul, with its bias and activation. */

import forwardPanelLoop from "../../../kernels/study/matmul_forward_11_panel_loop.wgsl" with { type: "text" };
import forwardPanelGuarded from "../../../kernels/study/matmul_forward_12_panel_guarded.wgsl" with {
  type: "text",
};
import forwardPanelIndexed from "../../../kernels/study/matmul_forward_14_panel_indexed.wgsl" with {
  type: "text",
};
import forwardPanelInterleaved from "../../../kernels/study/matmul_forward_13_panel_interleaved.wgsl" with {
  type: "text",
};
import forwardNaive from "../../../kernels/study/matmul_forward_1_naive.wgsl" with { type: "text" };
import forwardTile from "../../../kernels/study/matmul_forward_2_tile.wgsl" with { type: "text" };
import forwardRegisters from "../../../kernels/study/matmul_forward_4_registers.wgsl" with { type: "text" };
import forwardLanes from "../../../kernels/study/matmul_forward_5_lanes_over_rows.wgsl" with { type: "text" };
import forwardMatrices from "../../../kernels/study/matmul_forward_7_matrices.wgsl" with { type: "text" };
import forwardWide from "../../../kernels/study/matmul_forward_8_wide.wgsl" with { type: "text" };
import { kernel } from "../../gpu/kernel.ts";
import { panelBytes } from "../../gpu/kernel_shapes.ts";
import { matmulInvocations, type MatmulKernel, matmulKernels } from "../../ops/matmul_kernels.ts";
import type { Step } from "../check.ts";
import { inFours, type Invocations, PANEL, panelRefuses, weightsUniform } from "./matmul.ts";

export function forwardSteps(): Step[] {
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
