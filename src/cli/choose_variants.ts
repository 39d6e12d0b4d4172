/** Which kernels a run that begins takes: those of the fixed table, or on a GPU those that are fastest there. */

import type { LogSource } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import { type KernelVariants, reuseVariants } from "../gpu/kernel_variants.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { defineFlagOption } from "../option.ts";
import { getCacheFolder } from "./arguments.ts";

/** Where neither form is given, a GPU is calibrated, a CPU is not. */
export const autotune = defineFlagOption(
  "--autotune",
  "time the kernels on this adapter, once and in under 3 s, and take the fastest (the default on a GPU)",
  "take the standard kernels (the default where the adapter computes on the CPU)",
);

/**
 * @param wanted what the option says; undefined where it is not given.
 * @param sizes the model, and the users of a batch. @param say is told, in a line, what was chosen.
 */
export async function chooseVariants(
  wanted: boolean | undefined,
  gpu: Gpu,
  source: LogSource,
  sizes: { readonly model: ModelConfig; readonly users: number },
  say: (text: string) => void,
): Promise<KernelVariants> {
  if (!(wanted ?? gpu.adapter.kind === "gpu")) return reuseVariants(undefined, gpu.variants);
  const { fitShapes } = await import("../autotune/variant_cache.ts");
  return await fitShapes(gpu, source, sizes, getCacheFolder(), say);
}
