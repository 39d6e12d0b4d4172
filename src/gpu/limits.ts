/** The limits that the kernels ask of an adapter: WebGPU's defaults, and more room where an adapter has it. */

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
/** A limit that a device is asked for. */
export type LimitName = typeof NAMES[number];

/** WebGPU's defaults, which every adapter of its core has. With less than any of these some model does not train. */
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
 * Up to where more is asked for, where an adapter has it:
 *
 * - the size of a buffer. A model over many items needs arenas of more than the default 256 MiB.
 * - the size of a binding, which is what a kernel sees of a buffer. A table of items or tokens must fit into one; its default is
 *   128 MiB, and many cards bind 2 GiB or more. An arena of several tables may be larger: kernels see it through windows.
 * - workgroup memory. A panel of 256 inputs takes 16,512 bytes. Where there is less, another kernel does the product (see
 *   kernel_shapes.ts).
 */
const MOST: Readonly<Partial<Record<LimitName, number>>> = {
  maxBufferSize: Infinity,
  maxStorageBufferBindingSize: Infinity,
  maxComputeWorkgroupStorageSize: 32768,
};

/**
 * What to ask of an adapter.
 * @param limits of the adapter. @param most lower bounds of what is asked for, for tests. @param adapter its name, for errors.
 * @throws UserError for an adapter that has less of something than the kernels need; it names the limit.
 */
export function computeRequiredLimits(
  limits: Readonly<Record<LimitName, number>>,
  adapter: string,
  most: Readonly<Partial<Record<LimitName, number>>> = {},
): Record<string, number> {
  const short = NAMES.filter((name) => limits[name] < LEAST[name]);
  if (short.length > 0) {
    const list = short.map((name) =>
      `${name} of at least ${formatThousands(LEAST[name])}, found ${formatThousands(limits[name])}`
    );
    throw new UserError(
      `Expected an adapter with WebGPU's default limits, got ${adapter}, which has less: ` +
        `${list.join("; ")}. Use another adapter or a newer driver; a browser may have the limits of its ` +
        "compatibility mode, which has less.",
    );
  }
  return Object.fromEntries(
    NAMES.map((name) => [name, Math.min(limits[name], most[name] ?? MOST[name] ?? LEAST[name])]),
  );
}
