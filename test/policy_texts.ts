/** Every text of the kernels that choose slates, compiled: for test/shader_texts_test.ts. */

import { Arena } from "../src/gpu/arena.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { type DispatchSpec, Program } from "../src/gpu/program.ts";
import { StepHeaders } from "../src/gpu/step.ts";
import { slatePick } from "../src/policy/slate_pick.ts";
import type { SlateRows } from "../src/policy/slate_rows.ts";
import { slateScore } from "../src/policy/slate_score.ts";
import { testDimensions, type TestSizes } from "./policy_check.ts";

/** Hidden units: all that the score kernels' sums are written out for. */
const units = Array.from({ length: 16 }, (_, k) => 4 * (k + 1));

export async function compileSlateKernels(gpu: Gpu): Promise<void> {
  const arena = new Arena(gpu, "slates");
  const capacity = { users: 64, rows: 64, slots: 64, items: 70 };
  const rows: SlateRows<TestSizes> = {
    arena,
    dimensions: testDimensions,
    rows: "rows",
    items: "items",
    capacity,
  };
  const headers = new StepHeaders(arena, testDimensions, 1);
  const view = (name: string) => arena.allocate(name, 4096);
  const textured = gpu.shapes.kind === "cpu" ? arena.allocateTexture("base", 4096, () => 4096) : view("base");
  const [table, weights, place, best, masked] = ["table", "weights", "place", "best", "masked"].map(view);
  if (!table || !weights || !place || !best || !masked) throw new Error("expected buffers");
  const read = { table, weights, place };
  const specs = units.flatMap((units): DispatchSpec<TestSizes>[] => {
    const score = { label: "score", items: 70, units, views: { base: textured, ...read } };
    return [
      slateScore(rows, { ...score, to: { best, masked } }),
      slateScore(rows, { ...score, to: { scores: view("scores") } }),
      slatePick(rows, {
        ...{ label: "pick", units, panels: 3, later4: 2 },
        views: {
          ...{ ...read, best, masked, bases: view("bases"), slates: view("slates"), q: view("q") },
          current: textured,
        },
      }),
    ];
  });
  await Program.record(gpu, "slates", headers.buffer, specs);
  arena.destroy();
}
