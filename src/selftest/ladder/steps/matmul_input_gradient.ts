/** The steps to the gradient of a matmul's input. */

import inputNaive from "../../../../kernels/matmul/matmul_input_gradient_1_naive.wgsl" with { type: "text" };
import inputVectors from "../../../../kernels/matmul/matmul_input_gradient_2_vectors.wgsl" with {
  type: "text",
};
import inputTransposed from "../../../../kernels/matmul/matmul_input_gradient_4_transposed.wgsl" with {
  type: "text",
};
import { kernel } from "../../../gpu/kernel.ts";
import { matmulInvocations, type MatmulKernel, matmulKernels } from "../../../ops/matmul_kernels.ts";
import type { Step } from "../check.ts";
import type { Size } from "../problem.ts";
import { inFours, type Invocations, PANEL, panelRefuses, weightsUniform } from "./matmul.ts";

export function inputSteps(): Step[] {
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
