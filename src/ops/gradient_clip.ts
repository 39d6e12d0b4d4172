/** Clips gradients by their global norm before Adam's update, in two dispatches. */

import clipText from "../../kernels/adam/gradient_clip.wgsl" with { type: "text" };
import normText from "../../kernels/adam/gradient_norm.wgsl" with { type: "text" };
import type { Arena } from "../gpu/arena.ts";
import { getConstant, parseKernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { ParameterArena } from "../tape/parameters.ts";

const normKernel = parseKernel("gradient_norm", normText);
const clipKernel = parseKernel("gradient_clip", clipText);

const PARTS = 16;

/** Scales the gradient to norm `most` if its norm is larger. @throws UserError for too large parameters */
export function gradientClip(parameters: ParameterArena, most: number, arena: Arena): DispatchSpec[] {
  const { partials, gradient, length, summed } = parameters;
  parameters.gpu.requireBindable(4 * length, "a gradient that is clipped");
  const squares = arena.allocate("squares of the gradient", 4 * PARTS);
  const all = { buffer: gradient.buffer, offset: 0, size: 4 * length };
  const constants = { P4: summed / 4, ALL4: length / 4 };
  return [
    {
      kernel: normKernel,
      label: "norm of the gradient",
      constants: { ...constants, PARTS },
      views: { partials, gradient: all, squares },
      invocations: [PARTS * getConstant(normKernel, "WORKGROUP")],
    },
    {
      kernel: clipKernel,
      label: "clip the gradient",
      constants: { ...constants, PARTS, MOST: most },
      views: { squares, partials, gradient: all },
      invocations: [length / 4],
    },
  ];
}
