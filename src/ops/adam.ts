/** The end of a step: partial gradients are summed and Adam moves every parameter, in one dispatch. */

import adamText from "../../kernels/adam.wgsl" with { type: "text" };
import { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import { partialChunks } from "../gpu/step.ts";
import { type ParameterArena, windows } from "../tape/parameters.ts";

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

  /** One for each window of the arena. @param most bytes of a window; as many as can be bound, but for tests. */
  dispatches(
    most: number = this.parameters.gpu.device.limits.maxStorageBufferBindingSize,
  ): DispatchSpec[] {
    const { weights, gradient, partials, length, summed, decaying } = this.parameters;
    return windows(length, most).map((window): DispatchSpec => {
      const first = window.offset / 4;
      /** A place in the arena as one of the window, in vectors of four. */
      const inWindow = (float: number) => Math.min(Math.max(float - first, 0), window.size / 4) / 4;
      const [decay1, decay2] = decaying;
      const sums = 4 * inWindow(summed);
      return {
        kernel: adamKernel,
        label: "adam",
        constants: {
          ...adamConstants,
          P4: summed / 4,
          FIRST4: first / 4,
          SUMMED4: inWindow(summed),
          DECAY1: inWindow(decay1.start),
          DECAY1_END: inWindow(decay1.end),
          DECAY2: inWindow(decay2.start),
          DECAY2_END: inWindow(decay2.end),
        },
        views: {
          partials,
          gradient: { buffer: gradient.buffer, ...window },
          weights: { buffer: weights.buffer, ...window },
          m: { buffer: this.m.buffer, ...window },
          v: { buffer: this.v.buffer, ...window },
        },
        invocations: () => [window.size / 16],
        cost: (s) => ({
          flops: 2.5 * window.size + sums * partialChunks(s),
          bytes: 7 * window.size + 4 * sums * partialChunks(s),
        }),
      };
    });
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
