/** Opens the device on Deno. Browsers call `openDevice` instead. */

import { type Gpu, type GpuOptions, openDevice } from "../device.ts";
import { setDriverThreads } from "./driver.ts";
import { watchKernels } from "./watchdog.ts";

/** Options of {@link openGpu}. */
export interface OpenGpuOptions extends GpuOptions {
  /** FLOPs of a training step, if known: they determine the number of threads of a software driver. */
  readonly stepFlops?: number;
  /** Seconds to wait for results before the process ends with an error. If absent, an endless kernel blocks the process. */
  readonly kernelSeconds?: number;
}

const INSTALL = "Run `deno task -q setup`: it installs a software Vulkan driver or says what to install.";

/**
 * Opens the default adapter; see `openDevice`. Sets the number of threads of a software driver if no adapter was requested
 * before. @throws UserError if there is no adapter, or if its limits are too low.
 */
export async function openGpu({ stepFlops, kernelSeconds, ...options }: OpenGpuOptions = {}): Promise<Gpu> {
  using _threads = setDriverThreads(stepFlops);
  const gpu = await openDevice({ noAdapterHint: INSTALL, ...options });
  if (kernelSeconds !== undefined) watchKernels(gpu, kernelSeconds);
  return gpu;
}
