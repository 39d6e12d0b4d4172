import { openGpu as openOnHost, type OpenGpuOptions } from "../src/gpu/host/open_gpu.ts";
import type { Gpu } from "../src/gpu/device.ts";

/**
 * Runs `open` while no other test file opens a device. Test files run in threads of one process, and Vulkan's
 * loader may crash if two threads open a device at once. In a trial version 1.4.309 crashed in 3 of 28 runs
 * of 80 files, each of which only opened a device.
 */
export async function runAlone<T>(open: () => Promise<T>): Promise<T> {
  using file = await Deno.open(new URL(import.meta.url));
  await file.lock(true); // closing it unlocks it
  return await open();
}

export function openGpu(options?: OpenGpuOptions): Promise<Gpu> {
  return runAlone(() => openOnHost(options));
}
