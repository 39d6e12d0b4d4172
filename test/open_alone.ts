/** The device in tests: one file opens it at a time. */

import { openGpu as openOnHost, type OpenGpuOptions } from "../src/gpu/host/open_gpu.ts";
import type { Gpu } from "../src/gpu/device.ts";

/**
 * Files of tests run at once, in threads of one process. Where two open a device at the same moment, Vulkan's loader may
 * crash, and the process with it: 1.4.309 did in three of 28 runs of 80 files that only opened one. This file is the lock.
 */
export async function runAlone<T>(open: () => Promise<T>): Promise<T> {
  using file = await Deno.open(new URL(import.meta.url));
  await file.lock(true); // closing it unlocks it
  return await open();
}

/** As the host's, alone. */
export function openGpu(options?: OpenGpuOptions): Promise<Gpu> {
  return runAlone(() => openOnHost(options));
}
