/** What the page may ask of the device itself. */

import type { LabWorker } from "../lab_worker.ts";

export function adapterService(worker: LabWorker) {
  return {
    /** Opens the device, if it is not open: the worker tells what it is. @throws UserError without an adapter. */
    async open(): Promise<void> {
      await worker.gpu();
    },
    /** Loses the device as a driver does that crashes, to try what happens then. */
    async lose(): Promise<void> {
      const gpu = await worker.gpu();
      gpu.device.destroy();
    },
  };
}
