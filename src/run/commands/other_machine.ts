/** A run that goes on elsewhere than it began: it may, and says what differs. */

import type { Gpu } from "../../gpu/device.ts";
import { type AdapterShapes, areFor } from "../../gpu/kernel_shapes.ts";
import type { RunConfig } from "../run_config.ts";
import { version } from "../../version.ts";
import { machine, say } from "./run_stages.ts";

/** What a run was computed by. */
type ComputedBy = Pick<RunConfig, "clickgan" | "adapter" | "system" | "shapes">;

/** Says so where bits may differ from here on. Call it before the device takes the recorded kernel shapes. */
export async function compareMachine(gpu: Gpu, then: ComputedBy): Promise<void> {
  const changes = changesOf(then, { ...await machine(gpu), clickgan: version, shapes: gpu.shapes });
  if (changes.length === 0) return;
  say(
    "The run began elsewhere, or with other kernels. It goes on, but not with the same bits as it would have then. What " +
      "differs:",
  );
  for (const change of changes) say(`  ${change}`);
}

/** What differs, a line each. @param now with the adapter's own kernel shapes */
export function changesOf(then: ComputedBy, now: ComputedBy): string[] {
  const [was, is] = [partsOf(then), partsOf(now)];
  const changes = Object.entries(was).filter(([name, value]) => is[name] !== value)
    .map(([name, value]) => `${name}: ${is[name]} (was ${value})`);
  const { shapes } = then;
  // Of another kind: the kind above says it.
  if (!shapes || !now.shapes || shapes.kind !== now.shapes.kind || areFor(shapes, now.shapes)) return changes;
  return [...changes, `kernels: for ${memoryOf(now.shapes)} (was for ${memoryOf(shapes)})`];
}

function partsOf({ system, adapter, clickgan }: ComputedBy): Readonly<Record<string, string>> {
  return { system, ...adapter, clickgan };
}

function memoryOf({ matrices }: AdapterShapes): string {
  return `matrices in ${matrices ?? "textures"}`;
}
