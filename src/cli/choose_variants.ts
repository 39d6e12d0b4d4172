/** Chooses a new run's kernel variants: the fastest variants according to timing, or default variants. */

import type { LogSource } from "../data/log_source.ts";
import type { Gpu } from "../gpu/device.ts";
import { type KernelVariants, reuseVariants } from "../gpu/kernel_variants.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { defineFlagOption } from "../option.ts";
import { getCacheFolder } from "./arguments.ts";

/** Options --autotune and --no-autotune. By default, kernels are autotuned on a GPU, but not on a CPU. */
export const autotune = defineFlagOption(
  "--autotune",
  "time the kernel variants on this adapter (once, under 3 s), and use the fastest (default on a GPU)",
  "use the standard kernels (default if the adapter computes on the CPU)",
);

/**
 * Chooses the kernel variants of a run.
 * @param wanted - true for --autotune, false for --no-autotune; undefined if the user typed neither option
 * @param sizes - model and number of users per batch. @param say - prints a line about the choice.
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
