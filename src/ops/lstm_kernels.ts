/** Which LSTM kernel runs: by direction, units, the kernel shapes and the adapter's workgroup memory. */

import backwardGroupText from "../../kernels/lstm/lstm_backward_group.wgsl" with { type: "text" };
import backwardPanelText from "../../kernels/lstm/lstm_backward_panel.wgsl" with { type: "text" };
import backwardText from "../../kernels/lstm/lstm_backward.wgsl" with { type: "text" };
import forwardGroupText from "../../kernels/lstm/lstm_forward_group.wgsl" with { type: "text" };
import forwardPanelText from "../../kernels/lstm/lstm_forward_panel.wgsl" with { type: "text" };
import forwardText from "../../kernels/lstm/lstm_forward.wgsl" with { type: "text" };
import { type Constants, type Kernel, kernel } from "../gpu/kernel.ts";
import {
  type AdapterShapes,
  inTextures,
  keptBytes,
  type KernelVariant,
  type LstmDirection,
  lstmKey,
  lstmVariantOf,
  lstmVariants,
  lstmVariantsFor,
  type ShapeChoice,
  usersOf,
} from "../gpu/kernel_shapes.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { Sizes } from "../gpu/sizes.ts";

export const lstmKernels = {
  forward: {
    loop: kernel("lstm_forward", forwardText),
    panel: kernel("lstm_forward_panel", forwardPanelText),
    group: kernel("lstm_forward_group", forwardGroupText),
  },
  backward: {
    loop: kernel("lstm_backward", backwardText),
    panel: kernel("lstm_backward_panel", backwardPanelText),
    group: kernel("lstm_backward_group", backwardGroupText),
  },
} as const;

/** The texts of all LSTM kernels: timings of other texts do not hold for these. */
export function lstmTexts(): string {
  return Object.values(lstmKernels).flatMap((all) => Object.values(all).map(({ source }) => source)).join("");
}

/**
 * The most units that the panel kernels' products are written out for, on llvmpipe. SwiftShader takes some thirty times as
 * long to compile them as the loop, and runs them little faster (bench/ladder.md, "SwiftShader").
 */
const PANEL_UNITS = 32;
/** Users of an invocation of the loop on a CPU adapter: weights that were read serve all of them. */
const LOOP_USERS = 4;

/** A kernel, and how it wants to be called. */
export interface LstmShape {
  readonly kernel: Kernel;
  readonly constants: Constants;
  /** So many, for so many users each. */
  readonly invocations: { readonly times: number; readonly per: number };
}

/** Where a group has its weights: each invocation its unit's, all in the workgroup's memory, or nowhere but in the cache. */
export type WeightsIn = "registers" | "workgroup" | "cache";

/**
 * The units whose weights an invocation holds, at most: RADV writes out loops of up to 32 turns, and what is indexed in a loop
 * that stays one is no register.
 */
const HELD_UNITS = 32;

/** @param units padded. */
export function weightsOf(
  direction: LstmDirection,
  units: number,
  users: number,
  workgroupBytes: number,
): WeightsIn {
  if (units <= HELD_UNITS) return "registers";
  return keptBytes(direction, units, users) <= workgroupBytes ? "workgroup" : "cache";
}

/** @param h4 units / 4. @param users of a workgroup. */
export function groupShape(
  direction: LstmDirection,
  h4: number,
  users: number,
  weights: WeightsIn,
): LstmShape {
  const units = 4 * h4;
  const where = { HELD: weights === "registers", KEPT: weights === "workgroup" ? units ** 2 : 1 };
  return {
    kernel: lstmKernels[direction].group,
    constants: { WORKGROUP: users * units, H4: h4, USERS: users, ...where },
    invocations: { times: users * units, per: users },
  };
}

/** An invocation for each `users` users. */
function loopShape(direction: LstmDirection, h4: number, users: number): LstmShape {
  return {
    kernel: lstmKernels[direction].loop,
    constants: { H4: h4, USERS: users },
    invocations: { times: 1, per: users },
  };
}

/** @throws Error for a variant that is none of an LSTM. */
function shapeOf(direction: LstmDirection, h4: number, variant: KernelVariant, bytes: number): LstmShape {
  const known = lstmVariants.find((one) => one === variant);
  if (!known) throw new Error(`there is no ${variant} kernel of an LSTM`);
  const users = usersOf(known, h4);
  if (users === undefined) return loopShape(direction, h4, 1);
  return groupShape(direction, h4, users, weightsOf(direction, 4 * h4, users, bytes));
}

/** The kernel on a CPU adapter, which nothing else can replace. @param units not padded. */
function cpuShape(
  shapes: AdapterShapes,
  direction: LstmDirection,
  h4: number,
  units: number,
): LstmShape {
  if (units > PANEL_UNITS || !inTextures(shapes)) return loopShape(direction, h4, LOOP_USERS);
  return {
    kernel: lstmKernels[direction].panel,
    constants: { H4: h4 },
    invocations: { times: 1, per: 1 },
  };
}

/**
 * An LSTM's dispatch by the kernel that the shapes choose and, on a GPU, the kernels that could do it, too.
 * @param make it.
 * @throws UserError for recorded shapes that cannot do it.
 */
export function lstmDispatch<S extends Sizes>(
  direction: LstmDirection,
  { h4, units }: { readonly h4: number; readonly units: number },
  choice: ShapeChoice,
  make: (shape: LstmShape) => DispatchSpec<S>,
): DispatchSpec<S> {
  if (choice.shapes.kind === "cpu") return make(cpuShape(choice.shapes, direction, h4, units));
  const by = (variant: KernelVariant) => make(shapeOf(direction, h4, variant, choice.workgroupBytes));
  return {
    ...by(lstmVariantOf(choice, direction, h4)),
    choices: [{ key: lstmKey(direction, h4), variants: lstmVariantsFor(h4), serial: true, by }],
  };
}
