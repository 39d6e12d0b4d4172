/** Allocates memory, uploads data and runs kernels for checks of slates. */

import { createRandomStream } from "../../data/random.ts";
import type { Gpu } from "../../gpu/device.ts";
import { usesTextures } from "../../gpu/kernel_variants.ts";
import { type Memory, writeMemory } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { readViews } from "../../gpu/readback.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import type { StepSettings } from "../../gpu/step.ts";
import type { SlateRows } from "../../policy/network/slate_rows.ts";
import type { CheckCollector } from "../finding.ts";
import { CanaryArena, createStepHeader, recordStep, runChecked, runTwice } from "../harness.ts";

/** Sizes of a batch. `users`, `rows` and `slots` are always equal here. */
export type TestSizes = Readonly<Record<"users" | "rows" | "slots" | "items", number>>;
const testDimensions = new Dimensions<TestSizes>(["users", "rows", "slots", "items"], "rows");

export type SlateBench = ReturnType<typeof createSlateBench>;

/** Creates a test bench. @param checks - collects failed checks; if undefined, a failed check throws */
export function createSlateBench(
  gpu: Gpu,
  { rows: count, items, most = count }: { rows: number; items: number; most?: number },
  checks?: CheckCollector,
) {
  const arena = new CanaryArena(gpu, "slates");
  const sizes = { users: count, rows: count, slots: count, items };
  const capacity = { ...sizes, rows: most };
  const rows: SlateRows<TestSizes> = {
    ...{ arena, dimensions: testDimensions, rows: "rows", items: "items", capacity },
  };
  return {
    gpu,
    arena,
    rows,
    upload: arena.upload.bind(arena),
    /** Uploads an input of a matrix product, to a texture if the adapter's variants use textures. */
    textured: (name: string, data: Float32Array<ArrayBuffer>): Memory => {
      const memory = usesTextures(gpu.variants)
        ? arena.allocateTexture(name, data.byteLength)
        : arena.allocate(name, data.byteLength);
      writeMemory(gpu.queue, memory, data);
      return memory;
    },
    step: (purpose?: Partial<StepSettings>) =>
      createStepHeader(arena, testDimensions, { sizes, counted: count }, purpose),
    /** Runs dispatches twice from `reset`. The results must be equal. @returns words of `views` */
    run: async (
      specs: readonly DispatchSpec<TestSizes>[],
      views: readonly Memory[],
      { reset, purpose }: { reset?: () => void; purpose?: Partial<StepSettings> } = {},
    ): Promise<readonly Uint32Array<ArrayBuffer>[]> => {
      const encode = await recordStep(arena, testDimensions, specs, { sizes, counted: count }, purpose);
      return await runChecked(
        checks,
        (own) => runTwice(arena, own, specs, { start: reset, encode, read: () => readViews(gpu, views) }),
      );
    },
    [Symbol.dispose]: () => arena.destroy(),
  };
}

export function drawSlateNormals(length: number, ...seed: (string | number)[]): Float32Array<ArrayBuffer> {
  const random = createRandomStream(3, "slates", ...seed.map(String));
  return Float32Array.from({ length }, () => random.normal());
}
