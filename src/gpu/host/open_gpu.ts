/** Opens the device on Deno. Browsers call `openDevice` instead. */

import { type Gpu, type GpuOptions, openDevice } from "../device.ts";
import { setDriverThreads } from "./driver.ts";
import { watchKernels } from "./watchdog.ts";

/** Options of {@link openGpu}. */
export interface OpenGpuOptions extends GpuOptions {
  /** FLOPs of a training step, if known; used to choose the number of threads of a software driver. */
  readonly stepFlops?: number;
  /** Seconds to wait for results before the process ends with an error; by default, no limit. */
  readonly kernelSeconds?: number;
}

const INSTALL = "Run `deno task -q setup`: it installs a software Vulkan driver or prints what to install.";

/**
 * Opens the default adapter; see `openDevice`. Sets the number of threads of a software driver, if this is
 * the first adapter that the process requests. @throws UserError if there is no adapter, or if its limits are
 * too low.
 */
export async function openGpu({ stepFlops, kernelSeconds, ...options }: OpenGpuOptions = {}): Promise<Gpu> {
  using _threads = setDriverThreads(stepFlops);
  const gpu = await openDevice({ noAdapterHint: INSTALL, ...options });
  if (kernelSeconds !== undefined) watchKernels(gpu, kernelSeconds);
  return gpu;
}
