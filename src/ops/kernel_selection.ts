/**
 * Which kernel runs a matrix product or an LSTM: a pure function of direction, sizes, the kernel variants and the adapter's
 * workgroup memory.
 */

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
  chooseLstmVariant,
  chooseMatmulVariant,
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
  usesTextures,
  type VariantContext,
} from "../gpu/kernel_variants.ts";
import { toUniformIfSmall, type View } from "../gpu/memory.ts";
import type { DispatchSpec, InvocationCounts } from "../gpu/program.ts";
import { type BatchSizes, type Dim, type Dimensions, resolveDimension } from "../gpu/sizes.ts";

/**
 * What a matmul kernel does: an invocation has a row of a panel of sixteen columns, a block of rows, or a part of a tile
 * that its workgroup shares.
 */
export type MatmulStructure = "panel" | "rows" | "tiled";

export interface MatmulKernel extends Kernel {
  readonly shape: MatmulStructure;
  /** Constants that make it the variant that it is. */
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

/** Both gradients of a dense layer that a GPU makes in tiles, in one dispatch. */
export const gradientsKernel = parseKernel("matmul_gradients_tiled", gradientsTiledText);

function matmul(shape: MatmulStructure, name: string, text: string): MatmulKernel {
  return { ...parseKernel(name, text), shape, own: {} };
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

/** The texts of all matmul kernels: timings of other texts do not hold for these. */
export function joinMatmulTexts(): string {
  return Object.values(matmulKernels).flatMap((all) => Object.values(all).map(({ source }) => source)).join(
    "",
  );
}

function getMatmulKernel(direction: MatmulDirection, variant: KernelVariant): MatmulKernel {
  const found = variants[direction][variant];
  if (!found) throw new Error(`there is no ${variant} kernel for the direction ${direction}`);
  return found;
}

/**
 * @param k4 columns of the input / 4. @param n4 columns of the output / 4. @param rows of the largest batch.
 * @throws UserError for recorded variants that cannot do the product.
 */
export function selectMatmulKernel(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
  choice: VariantContext,
): MatmulKernel {
  return getMatmulKernel(direction, chooseMatmulVariant(choice, direction, k4, n4, rows));
}

/** A product's dispatch by the kernel that the variants choose, and the kernels that could do it, too. @param make it. */
export function matmulDispatch<S extends BatchSizes>(
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
  choice: VariantContext,
  make: (kernel: MatmulKernel) => DispatchSpec<S>,
): DispatchSpec<S> {
  const by = (kernel: MatmulKernel): DispatchSpec<S> => {
    const spec = make(kernel);
    return { ...spec, constants: { ...kernel.own, ...spec.constants } };
  };
  return {
    ...by(selectMatmulKernel(direction, k4, n4, rows, choice)),
    choices: [{
      key: formatMatmulKey(direction, k4, n4),
      variants: listMatmulVariants(choice, direction, k4, n4, rows),
      buildDispatch: (variant) => by(getMatmulKernel(direction, variant)),
    }],
  };
}

/** How many panels of 16 columns a kernel splits its result into; 0 for kernels without. @param columns4 its width / 4. */
export function countPanels(kernel: MatmulKernel, columns4: number): number {
  return kernel.shape === "panel" ? Math.ceil(columns4 / 4) : 0;
}

/**
 * Into how many parts the product of a row with a vector falls that a kernel makes on its way: one for each panel, or one where
 * a tile has the whole row; 0 where it makes none.
 */
export function countDotParts(kernel: MatmulKernel, columns4: number): number {
  return kernel.shape === "tiled" && columns4 <= 16 ? 1 : countPanels(kernel, columns4);
}

/** Invocations that a matmul kernel wants, by the rows of the batch and the width of what it writes (in fours). */
export function computeMatmulInvocations<S extends BatchSizes>(
  kernel: MatmulKernel,
  rows: Dim<S>,
  columns4: number,
): InvocationCounts<S> {
  const panels = countPanels(kernel, columns4);
  if (panels > 0) {
    // Workgroups of the same rows follow one another, so they find the rows in cache.
    const owned = getConstant(kernel, "WORKGROUP", kernel.own);
    return [owned * panels, { of: rows, per: owned }];
  }
  return kernel.shape === "tiled"
    ? [16 * Math.ceil(columns4 / 16), { of: rows, per: 4 }]
    : [{ of: rows, per: 8 }, Math.ceil(columns4 / 4)];
}

/** The same for the weight gradient, which is split into blocks of weights and chunks of rows. */
export function computeWeightGradientInvocations<S extends BatchSizes>(
  kernel: MatmulKernel,
  k4: number,
  n4: number,
  dimensions: Dimensions<S>,
): InvocationCounts<S> {
  return kernel.shape === "tiled"
    ? [16 * Math.ceil(k4 / 16) * Math.ceil(n4 / 16), dimensions.scaleByChunks(16)]
    : [dimensions.scaleByChunks(Math.ceil(k4 / 2) * Math.ceil(n4 / 4))];
}

/** Of {@link gradientsKernel}: along y first the chunks of each block of columns, then the blocks of rows. */
export function computeGradientsInvocations<S extends BatchSizes>(
  rows: Dim<S>,
  k4: number,
  n4: number,
  dimensions: Dimensions<S>,
): InvocationCounts<S> {
  const groups = (s: S) =>
    Math.ceil(n4 / 16) * dimensions.countChunks(s) + Math.ceil(resolveDimension(rows, s) / 64);
  return [16 * Math.ceil(k4 / 16), { of: groups, times: 16 }];
}

/** Where a matmul kernel's weights stand: in a uniform for kernels of a CPU adapter that walk along k. Panels copy them. */
export function bindMatmulWeights(kernel: MatmulKernel, weights: View): View {
  return kernel.shape === "rows" ? toUniformIfSmall(weights) : weights;
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

/** The texts of all LSTM kernels: timings of other texts do not hold for these. */
export function joinLstmTexts(): string {
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
export interface LstmKernelUse {
  readonly kernel: Kernel;
  readonly constants: Constants;
  /** So many, for so many users each. */
  readonly invocations: { readonly times: number; readonly per: number };
}

/** Where a group has its weights: each invocation its unit's, all in the workgroup's memory, or nowhere but in the cache. */
export type LstmWeightStorage = "registers" | "workgroup" | "cache";

/**
 * The units whose weights an invocation holds, at most: RADV writes out loops of up to 32 turns, and what is indexed in a loop
 * that stays one is no register.
 */
const HELD_UNITS = 32;

/** @param units padded. */
export function chooseLstmWeightStorage(
  direction: LstmDirection,
  units: number,
  users: number,
  workgroupBytes: number,
): LstmWeightStorage {
  if (units <= HELD_UNITS) return "registers";
  return computeLstmBytes(direction, units, users) <= workgroupBytes ? "workgroup" : "cache";
}

/** @param h4 units / 4. @param users of a workgroup. */
export function groupShape(
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

/** An invocation for each `users` users. */
function loopShape(direction: LstmDirection, h4: number, users: number): LstmKernelUse {
  return {
    kernel: lstmKernels[direction].loop,
    constants: { H4: h4, USERS: users },
    invocations: { times: 1, per: users },
  };
}

/** @throws Error for a variant that is none of an LSTM. */
function buildLstmKernelUse(
  direction: LstmDirection,
  h4: number,
  variant: KernelVariant,
  bytes: number,
): LstmKernelUse {
  const known = lstmVariants.find((one) => one === variant);
  if (!known) throw new Error(`there is no ${variant} kernel of an LSTM`);
  const users = countGroupUsers(known, h4);
  if (users === undefined) return loopShape(direction, h4, 1);
  return groupShape(direction, h4, users, chooseLstmWeightStorage(direction, 4 * h4, users, bytes));
}

/** The kernel on a CPU adapter, which nothing else can replace. @param units not padded. */
function cpuShape(
  variants: AdapterTraits,
  direction: LstmDirection,
  h4: number,
  units: number,
): LstmKernelUse {
  if (units > PANEL_UNITS || !usesTextures(variants)) return loopShape(direction, h4, LOOP_USERS);
  return {
    kernel: lstmKernels[direction].panel,
    constants: { H4: h4 },
    invocations: { times: 1, per: 1 },
  };
}

/**
 * An LSTM's dispatch by the kernel that the variants choose and, on a GPU, the kernels that could do it, too.
 * @param make it.
 * @throws UserError for recorded variants that cannot do it.
 */
export function lstmDispatch<S extends BatchSizes>(
  direction: LstmDirection,
  { h4, units }: { readonly h4: number; readonly units: number },
  choice: VariantContext,
  make: (shape: LstmKernelUse) => DispatchSpec<S>,
): DispatchSpec<S> {
  if (choice.variants.kind === "cpu") return make(cpuShape(choice.variants, direction, h4, units));
  const by = (variant: KernelVariant) =>
    make(buildLstmKernelUse(direction, h4, variant, choice.workgroupBytes));
  return {
    ...by(chooseLstmVariant(choice, direction, h4)),
    choices: [{
      key: formatLstmKey(direction, h4),
      variants: listLstmVariants(h4),
      serial: true,
      buildDispatch: by,
    }],
  };
}
