/** The steps to the matmul, with its bias and activation. */

import forwardPanelLoop from "../../../../kernels/matmul/matmul_forward_11_panel_loop.wgsl" with {
  type: "text",
};
import forwardPanelGuarded from "../../../../kernels/matmul/matmul_forward_12_panel_guarded.wgsl" with {
  type: "text",
};
import forwardPanelIndexed from "../../../../kernels/matmul/matmul_forward_14_panel_indexed.wgsl" with {
  type: "text",
};
import forwardPanelInterleaved from "../../../../kernels/matmul/matmul_forward_13_panel_interleaved.wgsl" with {
  type: "text",
};
import forwardNaive from "../../../../kernels/matmul/matmul_forward_1_naive.wgsl" with { type: "text" };
import forwardTile from "../../../../kernels/matmul/matmul_forward_2_tile.wgsl" with { type: "text" };
import forwardRegisters from "../../../../kernels/matmul/matmul_forward_4_registers.wgsl" with {
  type: "text",
};
import forwardLanes from "../../../../kernels/matmul/matmul_forward_5_lanes_over_rows.wgsl" with {
  type: "text",
};
import forwardMatrices from "../../../../kernels/matmul/matmul_forward_7_matrices.wgsl" with { type: "text" };
import forwardWide from "../../../../kernels/matmul/matmul_forward_8_wide.wgsl" with { type: "text" };
import { kernel } from "../../../gpu/kernel.ts";
import { panelBytes } from "../../../gpu/kernel_shapes.ts";
import { matmulInvocations, type MatmulKernel, matmulKernels } from "../../../ops/matmul_kernels.ts";
import type { Step } from "../check.ts";
import type { Size } from "../problem.ts";
import { inFours, type Invocations, PANEL, panelRefuses, weightsUniform } from "./matmul.ts";

export function forwardSteps(): Step[] {
  return [...tileSteps(), ...registerSteps(), ...panelSteps()];
}

const oneEach: Invocations = (size) => [4 * inFours(size)[2], size[0]];

/** An invocation owns a block of rows x 4 n4 columns; neighbours in x own neighbouring rows. */
function blocks(rows: number, n4: number): Invocations {
  return (size) => {
    const [M, , N4] = inFours(size);
    return [Math.ceil(M / rows), Math.ceil(N4 / n4)];
  };
}

function shipped(own: MatmulKernel): Pick<Step, "kernel" | "invocations"> {
  return { kernel: own, invocations: (size) => matmulInvocations(own, size[0] ?? 1, inFours(size)[2]) };
}

function tileSteps(): Step[] {
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
  ];
}

/** No workgroup memory: what an invocation reads serves a block in its registers. */
function registerSteps(): Step[] {
  const lanes = {
    kernel: kernel("matmul_forward_5_lanes_over_rows", forwardLanes),
    invocations: blocks(4, 1),
  };
  const rows = shipped(matmulKernels.forward.rows);
  return [
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
  ];
}

/** A panel of the weights, sixteen columns, in workgroup memory; an invocation owns a row. */
function panelSteps(): Step[] {
  const inTexture = {
    /** Of those before the shipped one: by two axes. */
    invocations: (size: Size) => {
      const [M, , N4] = inFours(size);
      return [Math.ceil(N4 / 4), M] as const;
    },
    where: { input: "texture" },
    refuses: panelRefuses(1, PANEL.study),
  } as const;
  const panel = { ...shipped(matmulKernels.forward.panel), refuses: shippedPanelRefuses };
  return [
    {
      kernel: kernel("matmul_forward_11_panel_loop", forwardPanelLoop),
      idea: "a panel of weights in workgroup memory",
      ...inTexture,
    },
    {
      kernel: kernel("matmul_forward_12_panel_guarded", forwardPanelGuarded),
      idea: "k written out",
      ...inTexture,
    },
    {
      kernel: kernel("matmul_forward_13_panel_interleaved", forwardPanelInterleaved),
      idea: "no branch before the store",
      ...inTexture,
    },
    {
      kernel: kernel("matmul_forward_14_panel_indexed", forwardPanelIndexed),
      idea: "the row read before the first sum",
      ...inTexture,
    },
    { ...panel, idea: "one axis of 256 invocations", where: { input: "texture" } },
    { ...panel, idea: "the input in panels (shipped)", where: { input: "panels" } },
  ];
}

function shippedPanelRefuses(size: Size, workgroupBytes: number): string | undefined {
  const [, K4, N4] = inFours(size);
  const needed = panelBytes("forward", K4, N4);
  return panelRefuses(1, PANEL.shipped)(size) ??
    (needed <= workgroupBytes ? undefined : `needs ${needed} bytes of workgroup memory`);
}
