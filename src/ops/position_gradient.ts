/** Computes gradients of position effects (a parameter per position on the page), or of a shared bias. */

import gradientText from "../../kernels/choice/position_gradient.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { ClickCall, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { Memory } from "../gpu/memory.ts";
import { add, getAt, makeMatrix, type Matrix } from "../tape/reference.ts";
import type { Tensor } from "../tape/tensor.ts";

const gradientKernel = parseKernel("position_gradient", gradientText);

/** @param effect - [1, P] @param source - gradient [rows, 1] @param skip - positions without effect */
export function positionGradient(
  { batch, dimensions }: ClickTape,
  call: ClickCall,
  effect: Tensor,
  source: Memory,
  skip = 0,
): ClickDispatch {
  const { view, stride, at, accumulate } = call.partials(effect);
  return {
    kernel: gradientKernel,
    label: `${call.label} gradient of ${effect.name}`,
    constants: {
      PLACES: effect.columns,
      SKIP: skip,
      PADDED: effect.stride,
      PARTIALS: stride,
      WEIGHTS_AT: at,
      ACCUMULATE: accumulate,
    },
    views: { source, event: batch.event, partials: view },
    invocations: [dimensions.scaleByChunks(effect.stride)],
    cost: (s) => ({ flops: s.rows, bytes: 4 * s.rows + 8 * s.events * effect.columns }),
  };
}

export function getPositionIndex(batch: ReferenceBatch, r: number, P: number, skip = 0): number | undefined {
  const event = batch.events[batch.rows[r]?.event ?? 0];
  const position = r - (event?.first ?? 0) - skip;
  return position < 0 ? undefined : Math.min(position, P - 1);
}

export function positionGradient64(batch: ReferenceBatch, source: Matrix, P: number, skip = 0): Matrix {
  const gradient = makeMatrix(1, P);
  for (let r = 0; r < source.rows; r++) {
    const effect = getPositionIndex(batch, r, P, skip);
    if (effect !== undefined) add(gradient, 0, effect, getAt(source, r, 0));
  }
  return gradient;
}
