/** Limits that are requested from an adapter: WebGPU's defaults or, if supported, higher limits. */

import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";

/** WebGPU's default limits. Adapters with lower limits are refused, as some models would need more. */
export const LEAST = {
  maxStorageBuffersPerShaderStage: 8,
  maxStorageTexturesPerShaderStage: 4,
  maxUniformBufferBindingSize: 65536,
  maxStorageBufferBindingSize: 128 * 2 ** 20,
  maxBufferSize: 256 * 2 ** 20,
  maxTextureDimension2D: 8192,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65535,
} as const satisfies Readonly<Partial<Record<keyof GPUSupportedLimits, number>>>;
export type LimitName = keyof typeof LEAST;
const NAMES = Object.keys(LEAST) as LimitName[];

/**
 * Limits that are requested above WebGPU's defaults, with the largest values to request. Reasons:
 * - Buffer: all parameters of a model with many items may need more than the default of 256 MiB.
 * - Binding: a table with a row per item or token must fit into one binding. WebGPU's default is 128 MiB;
 *   many cards allow 2 GiB or more.
 * - Workgroup memory: a panel kernel with 256 inputs needs 16,512 bytes. On an adapter with less
 *   memory, matrix products use another kernel (see kernel_variants.ts).
 */
const MOST: Readonly<Partial<Record<LimitName, number>>> = {
  maxBufferSize: Infinity,
  maxStorageBufferBindingSize: Infinity,
  maxComputeWorkgroupStorageSize: 32768,
};

/**
 * Returns the limits to request from an adapter. @param adapter - name of the adapter, for errors
 * @param most - upper bounds of the limits, for tests
 * @throws UserError if one of the adapter's limits is below WebGPU's default
 */
export function computeRequiredLimits(
  limits: Readonly<Record<LimitName, number>>,
  adapter: string,
  most: Readonly<Partial<Record<LimitName, number>>> = {},
): Record<string, number> {
  const short = NAMES.filter((name) => limits[name] < LEAST[name]);
  if (short.length > 0) {
    const list = short.map((name) =>
      `${name} is ${formatThousands(limits[name])}, expected at least ${formatThousands(LEAST[name])}`
    );
    throw new UserError(
      `Expected an adapter with WebGPU's default limits, got ${adapter}: ${list.join("; ")}. ` +
        "Use another adapter or a newer driver, and turn off a browser's compatibility mode.",
    );
  }
  return Object.fromEntries(
    NAMES.map((name) => [name, Math.min(limits[name], most[name] ?? MOST[name] ?? LEAST[name])]),
  );
}
