/** Which matmul kernel runs: a pure function of direction, shape and kind of adapter. */

import forwardPanelText from "../../kernels/matmul_forward_panel.wgsl" with { type: "text" };
import forwardRowsText from "../../kernels/matmul_forward_rows.wgsl" with { type: "text" };
import forwardTiledText from "../../kernels/matmul_forward_tiled.wgsl" with { type: "text" };
import inputPanelText from "../../kernels/matmul_input_gradient_panel.wgsl" with { type: "text" };
import inputRowsText from "../../kernels/matmul_input_gradient_rows.wgsl" with { type: "text" };
import inputTiledText from "../../kernels/matmul_input_gradient_tiled.wgsl" with { type: "text" };
import weightRowsText from "../../kernels/matmul_weight_gradient_rows.wgsl" with { type: "text" };
import weightTiledText from "../../kernels/matmul_weight_gradient_tiled.wgsl" with { type: "text" };
import type { AdapterKind } from "../gpu/device.ts";
import { type Kernel, kernel } from "../gpu/kernel.ts";
import { uniformIfSmall, type View } from "../gpu/memory.ts";

/** forward: act(input W + b); input: output_gradient W^T; weight: input^T output_gradient. */
export type MatmulDirection = "forward" | "input" | "weight";

const kernels = {
  forwardPanel: kernel("matmul_forward_panel", forwardPanelText),
  forwardRows: kernel("matmul_forward_rows", forwardRowsText),
  forwardTiled: kernel("matmul_forward_tiled", forwardTiledText),
  inputPanel: kernel("matmul_input_gradient_panel", inputPanelText),
  inputRows: kernel("matmul_input_gradient_rows", inputRowsText),
  inputTiled: kernel("matmul_input_gradient_tiled", inputTiledText),
  weightRows: kernel("matmul_weight_gradient_rows", weightRowsText),
  weightTiled: kernel("matmul_weight_gradient_tiled", weightTiledText),
};

/** What a panel kernel sums over is written out in its text, up to so many vectors. */
const PANEL_K4 = 16;

/** @param k4 columns of the input / 4. @param n4 columns of the output / 4. */
export function matmulKernel(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  shapes: AdapterKind,
): Kernel {
  switch (direction) {
    case "forward":
      if (shapes === "gpu") return kernels.forwardTiled;
      return k4 <= PANEL_K4 ? kernels.forwardPanel : kernels.forwardRows;
    case "input":
      if (shapes === "gpu") return kernels.inputTiled;
      return n4 <= PANEL_K4 ? kernels.inputPanel : kernels.inputRows;
    case "weight":
      return shapes === "gpu" ? kernels.weightTiled : kernels.weightRows;
  }
}

/** Invocations that a matmul kernel wants, from the rows of the batch and the width of what it writes (in fours). */
export function matmulInvocations(kernel: Kernel, rows: number, columns4: number): [number, number] {
  // Panels of the same rows follow one another: the rows are in cache.
  if (kernel.name.endsWith("_panel")) return [Math.ceil(columns4 / 4), rows];
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

/** How a matmul kernel of a CPU adapter that walks along k wants the weights; panels copy them. */
export function matmulWeights(kernel: Kernel, weights: View): View {
  return kernel.name.endsWith("_rows") ? uniformIfSmall(weights) : weights;
}
