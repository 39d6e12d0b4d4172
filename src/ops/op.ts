/** What ops have in common: checks of shapes, and what kernels are told of activations and partial sums. */

import type { Constants } from "../gpu/kernel.ts";
import type { AdapterTraits } from "../gpu/kernel_variants.ts";
import type { View } from "../gpu/memory.ts";
import type { BatchSizes, Dim, Dimensions, DimName, SizeExpression } from "../gpu/sizes.ts";
import type { ListLength, PartialTarget } from "../tape/node.ts";
import { type Activation, formatShape, type Tensor } from "../tape/tensor.ts";

/** The dimension that counts the rows of an op's input. @throws Error for a fixed number of rows. */
export function getRowDimension<S extends BatchSizes>(
  op: string,
  { dimensions }: { readonly dimensions: Dimensions<S> },
  input: Tensor,
): DimName<S> {
  if (typeof input.rows === "string") return dimensions.resolveName(input.rows);
  throw new Error(
    `${op}: expected ${input.name} to have a row for each part of the batch, got ${formatShape(input)}`,
  );
}

/** @throws Error that names the op, what it expected and what it got. */
export function expectShape(op: string, tensor: Tensor, rows: Dim, columns: number): void {
  if (tensor.rows !== rows || tensor.columns !== columns) {
    throw new Error(
      `${op}: expected ${tensor.name} to be [${rows}, ${columns}], but got ${formatShape(tensor)}`,
    );
  }
}

/** For a kernel that applies it to its output. */
export function activationConstants(activation: Activation | undefined): Constants {
  return { ELU: activation === "elu", ...(activation === "relu" && { RELU: true }) };
}

/** For a kernel that multiplies a gradient by its slope. */
export function slopeConstants({ activation }: { readonly activation: Activation | undefined }): Constants {
  return { ELU: activation !== undefined, ...(activation === "relu" && { RELU: true }) };
}

/**
 * What a kernel that writes partial sums binds. The places are data, not constants of the kernel: layers of one size then share
 * a shader, wherever their weights stand.
 */
export function partialViews(
  call: { upload(name: string, data: Uint32Array<ArrayBuffer>): View },
  weights: PartialTarget,
  { second, bias }: { readonly second?: PartialTarget; readonly bias?: PartialTarget } = {},
): { partials: View; places: View } {
  const places = Uint32Array.of(weights.stride, weights.at, second?.at ?? 0, bias?.at ?? 0);
  return { partials: weights.view, places: call.upload("places of partial sums", places) };
}

/** Vectors of four columns that an invocation owns. A GPU wants neighbours to read neighbours, llvmpipe few that walk. */
export function getVectorConstants({ kind }: AdapterTraits): { readonly VECTORS: number } {
  return { VECTORS: kind === "gpu" ? 1 : 4 };
}

/** So many for each place. */
export function scaleListLength<S extends BatchSizes>(
  times: number,
  places: ListLength<S>,
): SizeExpression<S> {
  return { of: typeof places === "object" ? places.of : places, times };
}
