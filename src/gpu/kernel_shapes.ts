/**
 * Which kernel does a matrix product, of those that can. A fixed table names one for each kind of adapter. A calibration
 * (see src/calibration) may choose another, for the sizes that it timed.
 */

import * as z from "../schema.ts";
import { UserError } from "../user_error.ts";

/** What a kernel's shape is chosen by: a CPU that poses as a GPU (llvmpipe, SwiftShader), or a real GPU. */
export type AdapterKind = "cpu" | "gpu";

/** forward: act(input W + b); input: output_gradient W^T; weight: input^T output_gradient. */
export type MatmulDirection = "forward" | "input" | "weight";

/** How a matrix product is computed. The number of a panel is its workgroup's rows. */
export type MatmulVariant = "panel 64" | "panel 128" | "panel 256" | "rows" | "tiled";
export const matmulVariants = [
  "panel 64",
  "panel 128",
  "panel 256",
  "rows",
  "tiled",
] as const satisfies readonly MatmulVariant[];

/** What {@link KernelShapes} must be. */
export const kernelShapesSchema = z.strictObject({
  kind: z.enum(["cpu", "gpu"]),
  matmul: z.record(z.string(), z.enum(matmulVariants)),
});
/** Another variant may sum in another order: with other shapes, results may differ in their last bits. */
export interface KernelShapes {
  /** It also decides what stands in storage textures and uniforms. */
  readonly kind: AdapterKind;
  /** What differs from the fixed table, by {@link matmulKey}. */
  readonly matmul: Record<string, MatmulVariant>;
}

/** The fixed table for a kind of adapter. */
export function fixedShapes(kind: AdapterKind): KernelShapes {
  return { kind, matmul: {} };
}

/** Shapes that were recorded, on an adapter of their kind; the fixed table on another, and where there are none. */
export function recordedShapes(recorded: KernelShapes | undefined, kind: AdapterKind): KernelShapes {
  return recorded?.kind === kind ? recorded : fixedShapes(kind);
}

/** E.g. "forward 64x32", padded sizes [K, N] of the weights. @param k4 K / 4. @param n4 N / 4. */
export function matmulKey(direction: MatmulDirection, k4: number, n4: number): string {
  return `${direction} ${4 * k4}x${4 * n4}`;
}

/** A panel kernel's sum is written out in its text, up to so many vectors; fewer for a GPU, to spare its compiler. */
const PANEL_K4: Readonly<Record<AdapterKind, number>> = { cpu: 64, gpu: 16 };

/** What a kernel is chosen by. */
export interface ShapeChoice {
  readonly shapes: KernelShapes;
  /** Of workgroup memory that the adapter grants; at least 16,384. */
  readonly workgroupBytes: number;
}

/**
 * Bytes of workgroup memory that a panel takes: sixteen columns of the weights, and in the forward kernel the bias and the
 * dot product's weights. 256 inputs take 16,512 bytes there, and WebGPU promises 16,384.
 */
export function panelBytes(direction: "forward" | "input", k4: number, n4: number): number {
  return 16 * (direction === "forward" ? 16 * k4 + 8 : 16 * n4);
}

/** The time to copy a panel, counted in rows of its product. */
const PANEL_COPY = 19;

/** The panels, the fastest for so many rows first. A workgroup computes all of its rows, also those past the batch's end. */
function panelsBy(rows: number): MatmulVariant[] {
  const time = (own: number) => Math.ceil(rows / own) * (own + PANEL_COPY);
  return ([256, 128, 64] as const).toSorted((a, b) => time(a) - time(b)).map((own) =>
    `panel ${own}` as const
  );
}

/**
 * The variants that can do a product. The first is that of the fixed table; of the others, the most promising come first.
 * The tiled kernels read only buffers, so a CPU adapter, which has textures, cannot use them.
 * @param rows of the largest batch.
 */
export function variantsFor(
  { shapes: { kind }, workgroupBytes }: ShapeChoice,
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
): readonly MatmulVariant[] {
  if (direction === "weight") return kind === "cpu" ? ["rows"] : ["tiled", "rows"];
  const panel = (direction === "forward" ? k4 : n4) <= PANEL_K4[kind] &&
    panelBytes(direction, k4, n4) <= workgroupBytes;
  if (kind === "gpu") return panel ? ["tiled", "rows", "panel 128"] : ["tiled", "rows"];
  return panel ? [...panelsBy(rows), "rows"] : ["rows"];
}

/** @throws UserError for recorded shapes that cannot do the product. */
export function variantOf(
  choice: ShapeChoice,
  direction: MatmulDirection,
  k4: number,
  n4: number,
  rows: number,
): MatmulVariant {
  const [fixed, ...others] = variantsFor(choice, direction, k4, n4, rows);
  if (!fixed) throw new Error("expected a variant for every product");
  const key = matmulKey(direction, k4, n4);
  const chosen = choice.shapes.matmul[key] ?? fixed;
  if (chosen === fixed || others.includes(chosen)) return chosen;
  throw new UserError(
    `Expected one of ${
      [fixed, ...others].join(", ")
    } for the product ${key}, found ${chosen} in the kernel shapes. ` +
      "Take it out of the run's config.json.",
  );
}
