/** The device of this program where it runs on Deno. Browsers have none of this: they call `openDevice`. */

import { type Gpu, type GpuOptions, openDevice } from "../device.ts";
import { setDriverThreads } from "./driver.ts";
import { watchKernels } from "./watchdog.ts";

/** How a device is opened; nothing is needed outside of tests. */
export interface OpenGpuOptions extends GpuOptions {
  /** FLOPs of a training step, if they are known: they decide how many threads a software driver takes. */
  readonly stepFlops?: number;
  /**
   * How long the device may take until results can be read: then the process ends with an error. A kernel whose loop does not
   * end would block it otherwise, timers and signal handlers included.
   */
  readonly kernelSeconds?: number;
}

const INSTALL = "Run `deno task setup`: it installs a software Vulkan driver or says what to install.";

/**
 * Opens the default adapter; see `openDevice`. A software driver that was not asked for one before gets as many threads as
 * suit it.
 * @throws UserError when there is no adapter, or one whose limits are too low.
 */
export async function openGpu({ stepFlops, kernelSeconds, ...options }: OpenGpuOptions = {}): Promise<Gpu> {
  using _threads = setDriverThreads(stepFlops);
  const gpu = await openDevice({ withoutAdapter: INSTALL, ...options });
  if (kernelSeconds !== undefined) watchKernels(gpu, kernelSeconds);
  return gpu;
}
