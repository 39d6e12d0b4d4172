import { openGpu as openOnHost, type OpenGpuOptions } from "../src/gpu/host/open_gpu.ts";
import type { Gpu } from "../src/gpu/device.ts";

/**
 * Runs `open` while no other test file opens a device. Test files run in threads of one process, and Vulkan's
 * loader may crash if two threads open a device at once. In a trial with 80 files that only open a device,
 * version 1.4.309 of the loader crashed in 3 of 28 runs.
 */
export async function runAlone<T>(open: () => Promise<T>): Promise<T> {
  using file = await Deno.open(new URL(import.meta.url));
  await file.lock(true); // unlocked when the file is closed
  return await open();
}

export function openGpu(options?: OpenGpuOptions): Promise<Gpu> {
  return runAlone(() => openOnHost(options));
}
