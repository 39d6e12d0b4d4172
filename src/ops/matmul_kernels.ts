/** Which matmul kernel runs: a pure function of direction, shape and kind of adapter. */

import forwardRowsText from "../../kernels/matmul_forward_rows.wgsl" with { type: "text" };
import forwardRowsStorageText from "../../kernels/matmul_forward_rows_storage.wgsl" with { type: "text" };
import forwardTiledText from "../../kernels/matmul_forward_tiled.wgsl" with { type: "text" };
import inputRowsText from "../../kernels/matmul_input_gradient_rows.wgsl" with { type: "text" };
import inputRowsStorageText from "../../kernels/matmul_input_gradient_rows_storage.wgsl" with {
  type: "text",
};
import inputTiledText from "../../kernels/matmul_input_gradient_tiled.wgsl" with { type: "text" };
import weightRowsText from "../../kernels/matmul_weight_gradient_rows.wgsl" with { type: "text" };
import weightTiledText from "../../kernels/matmul_weight_gradient_tiled.wgsl" with { type: "text" };
import type { AdapterKind } from "../gpu/device.ts";
import { type Kernel, kernel } from "../gpu/kernel.ts";

/** forward: act(input W + b); input: output_gradient W^T; weight: input^T output_gradient. */
export type MatmulDirection = "forward" | "input" | "weight";

const kernels = {
  forwardRows: kernel("matmul_forward_rows", forwardRowsText),
  forwardRowsStorage: kernel("matmul_forward_rows_storage", forwardRowsStorageText),
  forwardTiled: kernel("matmul_forward_tiled", forwardTiledText),
  inputRows: kernel("matmul_input_gradient_rows", inputRowsText),
  inputRowsStorage: kernel("matmul_input_gradient_rows_storage", inputRowsStorageText),
  inputTiled: kernel("matmul_input_gradient_tiled", inputTiledText),
  weightRows: kernel("matmul_weight_gradient_rows", weightRowsText),
  weightTiled: kernel("matmul_weight_gradient_tiled", weightTiledText),
};

/** Bytes that a uniform binding may have on every adapter. */
const UNIFORM_BYTES = 65536;

/** @param k4 columns of the input / 4. @param n4 columns of the output / 4. */
export function matmulKernel(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  shapes: AdapterKind,
): Kernel {
  const uniform = 4 * k4 * 4 * n4 * 4 <= UNIFORM_BYTES;
  switch (direction) {
    case "forward":
      if (shapes === "gpu") return kernels.forwardTiled;
      return uniform ? kernels.forwardRows : kernels.forwardRowsStorage;
    case "input":
      if (shapes === "gpu") return kernels.inputTiled;
      return uniform ? kernels.inputRows : kernels.inputRowsStorage;
    case "weight":
      return shapes === "gpu" ? kernels.weightTiled : kernels.weightRows;
  }
}

/** Invocations that a matmul kernel wants, from the rows of the batch and the width of what it writes (in fours). */
export function matmulInvocations(kernel: Kernel, rows: number, columns4: number): [number, number] {
  return kernel.name.endsWith("_tiled")
    ? [16 * Math.ceil(columns4 / 16), Math.ceil(rows / 4)]
    : [Math.ceil(rows / 8), Math.ceil(columns4 / 4)];
}

/** The same for the weight gradient, which is split into blocks of weights and chunks of rows. */
export function weightGradientInvocations(
  kernel: Kernel,
  k4: number,
  n4: number,
  chunks: number,
): [number, number] {
  return kernel.name.endsWith("_tiled")
    ? [16 * Math.ceil(k4 / 16) * Math.ceil(n4 / 16), 16 * chunks]
    : [Math.ceil(k4 / 2) * Math.ceil(n4 / 4), chunks];
}
