import type { Constants } from "../gpu/kernel.ts";
import { type AdapterTraits, type KernelVariant, pickVariant } from "../gpu/kernel_variants.ts";
import type { View } from "../gpu/memory.ts";
import type { DispatchSpec, KernelChoice } from "../gpu/program.ts";
import type { BatchSizes, Dim, Dimensions, DimName, SizeExpression } from "../gpu/sizes.ts";
import type { ListLength } from "../tape/node.ts";
import { type Activation, formatShape, type PartialTarget, type Tensor } from "../tape/tensor.ts";

/** Returns an input's row dimension, such as "events". @throws Error for a fixed number of rows. */
export function getRowDimension<S extends BatchSizes>(
  op: string,
  { dimensions }: { readonly dimensions: Dimensions<S> },
  input: Tensor,
): DimName<S> {
  if (typeof input.rows === "string") return dimensions.resolveName(input.rows);
  throw new Error(
    `${op}: expected the number of rows of ${input.name} to depend on the batch, got ${formatShape(input)}`,
  );
}

/** Checks a tensor's shape. @throws Error with the op, the expected shape and the actual shape. */
export function expectShape(op: string, tensor: Tensor, rows: Dim, columns: number): void {
  if (tensor.rows !== rows || tensor.columns !== columns) {
    throw new Error(
      `${op}: expected ${tensor.name} to be [${rows}, ${columns}], but got ${formatShape(tensor)}`,
    );
  }
}

/** Returns the constants of a kernel that applies an activation to its output. */
export function activationConstants(activation: Activation | undefined): Constants {
  return { ELU: activation === "elu", ...(activation === "relu" && { RELU: true }) };
}

/** Returns the constants of a kernel that multiplies a gradient by the slope of an activation. */
export function slopeConstants({ activation }: { readonly activation: Activation | undefined }): Constants {
  return { ELU: activation !== undefined, ...(activation === "relu" && { RELU: true }) };
}

type OtherPartials = {
  readonly [name in "second" | "bias" | "secondBias" | "dot" | "dotBias"]?: PartialTarget | undefined;
};

/**
 * Returns the buffers of a kernel that writes partial sums. The offsets of its outputs are in a buffer, not
 * in the shader, so that layers of equal size share a shader.
 */
export function partialViews(
  call: { upload(name: string, data: Uint32Array<ArrayBuffer>): View },
  weights: PartialTarget,
  others: OtherPartials = {},
): { partials: View; places: View } {
  const names = ["second", "bias", "secondBias", "dot", "dotBias"] as const;
  const offsets = [weights.stride, weights.at, ...names.map((name) => others[name]?.at ?? 0), 0];
  return {
    partials: weights.view,
    places: call.upload("offsets of partial sums", Uint32Array.from(offsets)),
  };
}

/** Returns how many partial sums a kernel loads at once: 8 on a GPU, to hide latency; 1 on a CPU adapter. */
export function getSumConstants({ kind }: AdapterTraits): { readonly AT_ONCE: number } {
  return { AT_ONCE: kind === "gpu" ? 8 : 1 };
}

/**
 * Returns the number of vectors of four columns per invocation. The number is 1 on a GPU, so that
 * neighbouring invocations read neighbouring memory. On a CPU it is 4: llvmpipe is faster with fewer, longer
 * invocations.
 */
export function getVectorConstants({ kind }: AdapterTraits): { readonly VECTORS: number } {
  return { VECTORS: kind === "gpu" ? 1 : 4 };
}

/** Returns the dispatch of the recorded variant (default: the first). @throws UserError if it is unknown */
export function dispatchVariant<S extends BatchSizes>(
  recorded: Readonly<Record<string, KernelVariant>> | undefined,
  choice: KernelChoice<S>,
): DispatchSpec<S> {
  const variant = pickVariant(choice.key, recorded, choice.variants);
  return { ...choice.buildDispatch(variant), choices: [choice] };
}

export function scaleLength<S extends BatchSizes>(times: number, length: ListLength<S>): SizeExpression<S> {
  return { of: typeof length === "object" ? length.of : length, times };
}
