/** Limits that are requested from an adapter: WebGPU's defaults, or higher limits where an adapter supports them. */

import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";

const NAMES = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageTexturesPerShaderStage",
  "maxUniformBufferBindingSize",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxTextureDimension2D",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];
export type LimitName = typeof NAMES[number];

/** WebGPU's default limits, which every core adapter has. On an adapter with a lower limit, some models cannot be trained. */
export const LEAST: Readonly<Record<LimitName, number>> = {
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
};

/**
 * Upper bounds of the limits that are requested where an adapter supports more than the default:
 *
 * - the size of a buffer. A model of many items needs arenas beyond the default 256 MiB.
 * - the size of a binding. A table of items or tokens must fit into one binding. The default is 128 MiB; many cards allow 2
 * GiB or more. An arena of several tables may be larger, because kernels access arenas in windows.
 * - workgroup memory. A panel of 256 inputs takes 16,512 bytes. With less memory, another kernel computes the product (see
 * kernel_variants.ts).
 */
const MOST: Readonly<Partial<Record<LimitName, number>>> = {
  maxBufferSize: Infinity,
  maxStorageBufferBindingSize: Infinity,
  maxComputeWorkgroupStorageSize: 32768,
};

/**
 * Returns the limits to request from an adapter. @param adapter - name of the adapter, for errors. @param most - upper bounds of
 * the limits, for tests. @throws UserError for an adapter below a default limit; the message names the limit.
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
