/** Selects the kernel of a matrix product or an LSTM by direction, sizes, adapter and autotuning. */

import forwardPanelText from "../../kernels/matmul/matmul_forward_panel.wgsl" with { type: "text" };
import forwardRowsText from "../../kernels/matmul/matmul_forward_rows.wgsl" with { type: "text" };
import forwardTiledText from "../../kernels/matmul/matmul_forward_tiled.wgsl" with { type: "text" };
import inputPanelText from "../../kernels/matmul/matmul_input_gradient_panel.wgsl" with { type: "text" };
import inputRowsText from "../../kernels/matmul/matmul_input_gradient_rows.wgsl" with { type: "text" };
import inputTiledText from "../../kernels/matmul/matmul_input_gradient_tiled.wgsl" with { type: "text" };
import gradientsTiledText from "../../kernels/matmul/matmul_gradients_tiled.wgsl" with { type: "text" };
import weightRowsText from "../../kernels/matmul/matmul_weight_gradient_rows.wgsl" with { type: "text" };
import weightTiledText from "../../kernels/matmul/matmul_weight_gradient_tiled.wgsl" with { type: "text" };
import backwardGroupText from "../../kernels/lstm/lstm_backward_group.wgsl" with { type: "text" };
import backwardPanelText from "../../kernels/lstm/lstm_backward_panel.wgsl" with { type: "text" };
import backwardText from "../../kernels/lstm/lstm_backward.wgsl" with { type: "text" };
import forwardGroupText from "../../kernels/lstm/lstm_forward_group.wgsl" with { type: "text" };
import lstmForwardPanelText from "../../kernels/lstm/lstm_forward_panel.wgsl" with { type: "text" };
import forwardText from "../../kernels/lstm/lstm_forward.wgsl" with { type: "text" };
import { type Constants, getConstant, type Kernel, parseKernel } from "../gpu/kernel.ts";
import {
  type AdapterTraits,
  computeLstmBytes,
  countGroupUsers,
  formatLstmKey,
  formatMatmulKey,
  type KernelVariant,
  listLstmVariants,
  listMatmulVariants,
  type LstmDirection,
  lstmVariants,
  type MatmulDirection,
  type MatmulVariant,
  pickVariant,
  usesTextures,
  type VariantContext,
} from "../gpu/kernel_variants.ts";
import { toUniformIfSmall, type View } from "../gpu/memory.ts";
import { dispatchVariant } from "./op.ts";
import type { DispatchSpec, InvocationCounts } from "../gpu/program.ts";
import { type BatchSizes, type Dim, type Dimensions, getSize } from "../gpu/sizes.ts";

/** Result of an invocation: 16 columns of a row (panel), a block of rows, or a part of a workgroup's tile. */
export type MatmulStructure = "panel" | "rows" | "tiled";

export interface MatmulKernel extends Kernel {
  readonly structure: MatmulStructure;
  readonly own: Constants;
}

export const matmulKernels = {
  forward: {
    panel: matmul("panel", "matmul_forward_panel", forwardPanelText),
    rows: matmul("rows", "matmul_forward_rows", forwardRowsText),
    tiled: matmul("tiled", "matmul_forward_tiled", forwardTiledText),
  },
  input: {
    panel: matmul("panel", "matmul_input_gradient_panel", inputPanelText),
    rows: matmul("rows", "matmul_input_gradient_rows", inputRowsText),
    tiled: matmul("tiled", "matmul_input_gradient_tiled", inputTiledText),
  },
  weight: {
    rows: matmul("rows", "matmul_weight_gradient_rows", weightRowsText),
    tiled: matmul("tiled", "matmul_weight_gradient_tiled", weightTiledText),
  },
} as const;

/** Tiled kernel that computes the gradients of a dense layer's input and weights in one dispatch. */
export const gradientsKernel = parseKernel("matmul_gradients_tiled", gradientsTiledText);

function matmul(structure: MatmulStructure, name: string, text: string): MatmulKernel {
  return { ...parseKernel(name, text), structure, own: {} };
}

const variants: Readonly<Record<MatmulDirection, Partial<Record<KernelVariant, MatmulKernel>>>> = {
  forward: { ...matmulKernels.forward, ...panels(matmulKernels.forward.panel) },
  input: { ...matmulKernels.input, ...panels(matmulKernels.input.panel) },
  weight: matmulKernels.weight,
};

function panels(panel: MatmulKernel): Partial<Record<MatmulVariant, MatmulKernel>> {
  const of = (rows: number): MatmulKernel => ({ ...panel, own: { WORKGROUP: rows } });
  return { "panel 64": of(64), "panel 128": of(128), "panel 256": of(256) };
}

function getMatmulKernel(direction: MatmulDirection, variant: KernelVariant): MatmulKernel {
  const found = variants[direction][variant];
  if (!found) throw new Error(`there is no ${variant} kernel for the direction ${direction}`);
  return found;
}

/** Selects the kernel for weights [4 k4, 4 n4]. @throws UserError for an unknown variant */
export function selectMatmulKernel(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
  choice: VariantContext,
): MatmulKernel {
  const known = listMatmulVariants(choice, direction, k4, n4, rows);
  const variant = pickVariant(formatMatmulKey(direction, k4, n4), choice.variants.matmul, known);
  return getMatmulKernel(direction, variant);
}

export function matmulDispatch<S extends BatchSizes>(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
  choice: VariantContext,
  make: (kernel: MatmulKernel) => DispatchSpec<S>,
): DispatchSpec<S> {
  return dispatchVariant(choice.variants.matmul, {
    key: formatMatmulKey(direction, k4, n4),
    variants: listMatmulVariants(choice, direction, k4, n4, rows),
    buildDispatch(variant) {
      const kernel = getMatmulKernel(direction, variant);
      const spec = make(kernel);
      return { ...spec, constants: { ...kernel.own, ...spec.constants } };
    },
  });
}

/**
 * Returns the number of 16-column panels of a panel kernel's result; else 0. @param columns4 - columns / 4
 */
function countPanels(kernel: MatmulKernel, columns4: number): number {
  return kernel.structure === "panel" ? Math.ceil(columns4 / 4) : 0;
}

/** Returns the number of partial dot products that the kernel can compute per output row; 0 for none. */
export function countDotParts(kernel: MatmulKernel, columns4: number): number {
  return kernel.structure === "tiled" && columns4 <= 16 ? 1 : countPanels(kernel, columns4);
}

/** Returns a matmul kernel's invocations along x and y. @param columns4 - number of output columns / 4 */
export function computeMatmulInvocations<S extends BatchSizes>(
  kernel: MatmulKernel,
  rows: Dim<S>,
  columns4: number,
): InvocationCounts<S> {
  const panels = countPanels(kernel, columns4);
  if (panels > 0) {
    // Workgroups that read the same rows are consecutive, so that these rows stay in the cache.
    const owned = getConstant(kernel, "WORKGROUP", kernel.own);
    return [owned * panels, { of: rows, per: owned }];
  }
  return kernel.structure === "tiled"
    ? [16 * Math.ceil(columns4 / 16), { of: rows, per: 4 }]
    : [{ of: rows, per: 8 }, Math.ceil(columns4 / 4)];
}

/** Counts a weight-gradient kernel's invocations. @param more - further workgroups, which sum a loss */
export function computeWeightGradientInvocations<S extends BatchSizes>(
  kernel: MatmulKernel,
  k4: number,
  n4: number,
  dimensions: Dimensions<S>,
  more = 0,
): InvocationCounts<S> {
  const groups = (s: S) => dimensions.countChunks(s) + more;
  return kernel.structure === "tiled"
    ? [16 * Math.ceil(k4 / 16) * Math.ceil(n4 / 16), { of: groups, times: 16 }]
    : [dimensions.scaleByChunks(Math.ceil(k4 / 2) * Math.ceil(n4 / 4))];
}

/** @param sumBlocks - workgroups per chunk of rows for the gradients of row_dot; 0 without row_dot */
export function computeGradientsInvocations<S extends BatchSizes>(
  rows: Dim<S>,
  k4: number,
  n4: number,
  dimensions: Dimensions<S>,
  sumBlocks: number,
): InvocationCounts<S> {
  const k16 = Math.ceil(k4 / 16);
  const groups = (s: S) => {
    const chunks = dimensions.countChunks(s);
    return Math.ceil(n4 / 16) * chunks + Math.ceil(getSize(rows, s) / 64) +
      Math.ceil(sumBlocks * chunks / k16);
  };
  return [16 * k16, { of: groups, times: 16 }];
}

/** Binds small weights of a `rows` kernel as a uniform buffer, and all other weights as a storage buffer. */
export function bindMatmulWeights(kernel: MatmulKernel, weights: View): View {
  return kernel.structure === "rows" ? toUniformIfSmall(weights) : weights;
}

export const lstmKernels = {
  forward: {
    loop: parseKernel("lstm_forward", forwardText),
    panel: parseKernel("lstm_forward_panel", lstmForwardPanelText),
    group: parseKernel("lstm_forward_group", forwardGroupText),
  },
  backward: {
    loop: parseKernel("lstm_backward", backwardText),
    panel: parseKernel("lstm_backward_panel", backwardPanelText),
    group: parseKernel("lstm_backward_group", backwardGroupText),
  },
} as const;

/** Sources of the matmul and LSTM kernels. If a source changes, autotuning repeats its measurements. */
export const productTexts = [...Object.values(matmulKernels), ...Object.values(lstmKernels)]
  .flatMap((all): readonly Kernel[] => Object.values(all)).map(({ source }) => source).join("");

/**
 * Largest number of LSTM units for which llvmpipe runs the `panel` kernels, whose matrix products are
 * unrolled. SwiftShader always runs the `loop` kernels: they compile in about a thirtieth of the time, and
 * take little longer to run (bench/ladder.md, "SwiftShader").
 */
const PANEL_UNITS = 32;
/** Number of users per invocation of the loop kernel on a CPU adapter. A weight is read once for all. */
const LOOP_USERS = 4;

export interface LstmKernelUse {
  readonly kernel: Kernel;
  readonly constants: Constants;
  /** Number of invocations: `times` * ceil(users / `per`). */
  readonly invocations: { readonly times: number; readonly per: number };
}

/** Memory from which an LSTM kernel reads weights: registers, workgroup memory, or the weights' buffer. */
export type LstmWeightStorage = "registers" | "workgroup" | "cache";

/**
 * Largest number of LSTM units with weights in registers. RADV (AMD's Vulkan driver) unrolls loops of up to
 * 32 iterations, and keeps an array in registers only if it unrolls the loops over the array.
 */
const HELD_UNITS = 32;

/** Chooses where weights are kept. @param units - number of units, padded to a multiple of 4 */
function chooseLstmWeightStorage(
  direction: LstmDirection,
  units: number,
  users: number,
  workgroupBytes: number,
): LstmWeightStorage {
  if (units <= HELD_UNITS) return "registers";
  return computeLstmBytes(direction, units, users) <= workgroupBytes ? "workgroup" : "cache";
}

/** Returns the LSTM kernel with one workgroup per `users` users. @param h4 - number of units / 4 */
export function makeGroupUse(
  direction: LstmDirection,
  h4: number,
  users: number,
  weights: LstmWeightStorage,
): LstmKernelUse {
  const units = 4 * h4;
  const where = { HELD: weights === "registers", KEPT: weights === "workgroup" ? units ** 2 : 1 };
  return {
    kernel: lstmKernels[direction].group,
    constants: { WORKGROUP: users * units, H4: h4, USERS: users, ...where },
    invocations: { times: users * units, per: users },
  };
}

/** Returns the LSTM kernel that loops over units, with one invocation per `users` users. */
function makeLoopUse(direction: LstmDirection, h4: number, users: number): LstmKernelUse {
  return {
    kernel: lstmKernels[direction].loop,
    constants: { H4: h4, USERS: users },
    invocations: { times: 1, per: users },
  };
}

function buildLstmKernelUse(
  direction: LstmDirection,
  h4: number,
  variant: KernelVariant,
  bytes: number,
): LstmKernelUse {
  const known = lstmVariants.find((one) => one === variant);
  if (!known) throw new Error(`there is no ${variant} kernel of an LSTM`);
  const users = countGroupUsers(known, h4);
  if (users === undefined) return makeLoopUse(direction, h4, 1);
  return makeGroupUse(direction, h4, users, chooseLstmWeightStorage(direction, 4 * h4, users, bytes));
}

/** Selects the kernel for a CPU adapter. @param units - number of LSTM units, not rounded up */
function selectCpuUse(
  variants: AdapterTraits,
  direction: LstmDirection,
  h4: number,
  units: number,
): LstmKernelUse {
  if (units > PANEL_UNITS || !usesTextures(variants)) return makeLoopUse(direction, h4, LOOP_USERS);
  return { kernel: lstmKernels[direction].panel, constants: { H4: h4 }, invocations: { times: 1, per: 1 } };
}

/** Returns an LSTM's dispatch and, on GPUs, variants to autotune. @throws UserError for an unknown variant */
export function lstmDispatch<S extends BatchSizes>(
  direction: LstmDirection,
  { h4, units }: { readonly h4: number; readonly units: number },
  choice: VariantContext,
  make: (use: LstmKernelUse) => DispatchSpec<S>,
): DispatchSpec<S> {
  if (choice.variants.kind === "cpu") return make(selectCpuUse(choice.variants, direction, h4, units));
  return dispatchVariant(choice.variants.lstm, {
    key: formatLstmKey(direction, h4),
    variants: listLstmVariants(h4),
    serial: true,
    buildDispatch: (variant) => make(buildLstmKernelUse(direction, h4, variant, choice.workgroupBytes)),
  });
}
