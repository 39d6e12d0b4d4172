/** The end of a step: partial gradients are summed, and Adam moves every parameter. */

import adamText from "../../kernels/adam.wgsl" with { type: "text" };
import sumText from "../../kernels/gradient_sum.wgsl" with { type: "text" };
import { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec, View } from "../gpu/program.ts";
import { partialChunks } from "../gpu/step.ts";
import { type ParameterArena, windows } from "../tape/parameters.ts";

const sumKernel = kernel("gradient_sum", sumText);
const adamKernel = kernel("adam", adamText);

const adamConstants = { BETA1: 0.9, BETA2: 0.999, EPSILON: 1e-8 } as const;

/** Adam's two moments of every parameter, laid out like the weights. */
export class AdamState {
  readonly #arena: Arena;
  readonly m: View;
  readonly v: View;

  constructor(readonly parameters: ParameterArena) {
    this.#arena = new Arena(parameters.gpu, "Adam");
    this.m = this.#arena.allocateUnbound("m", 4 * parameters.length);
    this.v = this.#arena.allocateUnbound("v", 4 * parameters.length);
  }

  dispatches(): DispatchSpec[] {
    const { gpu, weights, gradient, partials, length, summed } = this.parameters;
    const sum: DispatchSpec = {
      kernel: sumKernel,
      label: "gradient sum",
      constants: { P4: summed / 4 },
      views: { partials, gradient: { ...gradient, size: 4 * summed } },
      invocations: () => [summed / 4],
      cost: (s) => ({ flops: summed * partialChunks(s), bytes: 4 * summed * (partialChunks(s) + 1) }),
    };
    const steps = windows(length, gpu.device.limits.maxStorageBufferBindingSize).map((
      window,
    ): DispatchSpec => ({
      kernel: adamKernel,
      label: "adam",
      constants: adamConstants,
      views: {
        gradient: { buffer: gradient.buffer, ...window },
        weights: { buffer: weights.buffer, ...window },
        m: { buffer: this.m.buffer, ...window },
        v: { buffer: this.v.buffer, ...window },
      },
      invocations: () => [window.size / 16],
      cost: () => ({ flops: 2.5 * window.size, bytes: 7 * window.size }),
    }));
    return [sum, ...steps];
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

/** The rate of iteration t = 1, 2, ...: lr sqrt(1 - b2^t) / (1 - b1^t), as TensorFlow folds the bias correction in. */
export function adamRate(learningRate: number, t: number): number {
  const { BETA1, BETA2 } = adamConstants;
  return learningRate * Math.sqrt(1 - BETA2 ** t) / (1 - BETA1 ** t);
}
