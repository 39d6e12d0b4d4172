/** What kernels are told of an activation. */

import type { Constants } from "../gpu/kernel.ts";
import type { Activation } from "../tape/tensor.ts";

/** For a kernel that applies it to its output. */
export function activationConstants(activation: Activation | undefined): Constants {
  return { ELU: activation === "elu", ...(activation === "relu" && { RELU: true }) };
}

/** For a kernel that multiplies a gradient by its slope. */
export function slopeConstants({ activation }: { readonly activation: Activation | undefined }): Constants {
  return { ELU: activation !== undefined, ...(activation === "relu" && { RELU: true }) };
}
