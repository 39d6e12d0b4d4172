/** The steps to the gradient of a matmul's weights. */

import weightNaive from "../../../../kernels/matmul/matmul_weight_gradient_1_naive.wgsl" with {
  type: "text",
};
import weightChunks from "../../../../kernels/matmul/matmul_weight_gradient_2_chunks.wgsl" with {
  type: "text",
};
import weightOuter from "../../../../kernels/matmul/matmul_weight_gradient_4_outer.wgsl" with {
  type: "text",
};
import weightWide from "../../../../kernels/matmul/matmul_weight_gradient_5_wide.wgsl" with { type: "text" };
import { clickDimensions } from "../../../batch/click_sizes.ts";
import { kernel } from "../../../gpu/kernel.ts";
import { type MatmulKernel, matmulKernels, weightGradientInvocations } from "../../../ops/matmul_kernels.ts";
import type { Step } from "../check.ts";
import { inFours, type Invocations } from "./matmul.ts";

export function weightSteps(): Step[] {
  const blocks = (k4: number, n4: number): Invocations => (size) => {
    const [, K4, N4] = inFours(size);
    return [Math.ceil(K4 / k4) * Math.ceil(N4 / n4), clickDimensions.inChunks()];
  };
  const shipped = (own: MatmulKernel) => {
    const invocations: Invocations = (size) => {
      const [, K4, N4] = inFours(size);
      return weightGradientInvocations(own, K4, N4, clickDimensions);
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
