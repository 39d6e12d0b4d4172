/** What the bits of a training depend on beside its settings and data, as its file has it. */

import type { Gpu } from "../../../gpu/device.ts";

/** @returns the same text where a training goes on bit for bit. */
export function computedOn({ adapter, shapes: { matrices } }: Pick<Gpu, "adapter" | "shapes">): string {
  return JSON.stringify({ ...adapter, matrices });
}
