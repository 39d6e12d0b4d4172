import assert from "node:assert/strict";
import type { Gpu } from "../../src/gpu/device.ts";
import { CheckCollector, expectAll } from "../../src/selftest/finding.ts";
import type { MovedArenas, OptimiserRun } from "../../src/selftest/optimiser_bench.ts";
import { compareMoves, runMoves } from "../../src/selftest/optimiser_bench.ts";
import { ParameterArena, type ParameterSpec } from "../../src/tape/parameters.ts";
import { withGpu } from "../op_check.ts";

/** Parameters, some with padding in or after their rows. The arena sorts them into another order. */
const specs: ParameterSpec[] = [
  { name: "table", rows: 90, columns: 5, table: true },
  { name: "kernel", rows: 9, columns: 17, decays: true },
  { name: "running", rows: 1, columns: 7, statistic: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "decaying table", rows: 70, columns: 3, table: true, decays: true },
  { name: "gates", rows: 3, columns: 12, groups: 4, decays: true },
];
const names = specs.map((spec) => spec.name);
const STEPS = 4;

async function run(
  gpu: Gpu,
  moves: Omit<OptimiserRun, "specs" | "steps"> & Partial<OptimiserRun>,
): Promise<MovedArenas> {
  const checks = new CheckCollector();
  const found = await runMoves(gpu, checks, { specs, steps: STEPS, ...moves });
  expectAll(checks);
  return found;
}

function same(found: MovedArenas, expected: MovedArenas): void {
  for (const part of ["weights", "gradient", "m", "v"] as const) {
    assert.deepEqual(found[part], expected[part]);
  }
}

Deno.test("adam: parameters keep the arena's order and their weight decay", () =>
  withGpu(undefined, (gpu) => {
    using parameters = new ParameterArena(gpu, specs);
    const at = (name: string) => parameters.get(name).parameter?.offset;
    const order = ["kernel", "gates", "bias", "running", "decaying table", "table"];
    const offsets = order.map((name) => at(name) ?? NaN);
    assert.deepEqual(offsets, [0, 256, 320, 448, 512, 832]);
    assert.equal(parameters.summed, 448);
    assert.deepEqual(parameters.decaying, [{ start: 0, end: 320 }, { start: 512, end: 832 }]);
    assert.deepEqual(parameters.names(), names);
    assert.equal(parameters.get("running").trainable, false);
    for (const wrong of [{ table: true }, { decays: true }]) {
      assert.throws(
        () => new ParameterArena(gpu, [{ name: "s", rows: 1, columns: 1, statistic: true, ...wrong }]),
        /parameter s: a running average cannot be a table or have weight decay/,
      );
    }
  }));

for (const decay of [0, 0.003]) {
  Deno.test(`adam: ${STEPS} steps follow f64, weight decay ${decay}`, () =>
    withGpu(undefined, async (gpu) => {
      const moves = { specs, steps: STEPS, decay };
      const checks = new CheckCollector();
      compareMoves(await run(gpu, moves), moves, () => ["adam"], checks, { tolerance: 2e-6, exact: true });
      expectAll(checks);
    }));
}

Deno.test("adam: windows that split parameters and ranges give the same bits", () =>
  withGpu(undefined, async (gpu) => {
    const whole = await run(gpu, {});
    assert.equal(whole.dispatches, 1);
    for (const most of [256, 768, 1024]) {
      const cut = await run(gpu, { most });
      assert.equal(cut.dispatches, Math.ceil(4 * whole.raw.length / most));
      same(cut, whole);
    }
  }));

Deno.test("adam: a GPU adds up many chunks in blocks, in the order of the chunks", () =>
  withGpu("gpu", async (gpu) => {
    for (const rows of [8, 50, 62, 63, 500]) {
      const moves = { specs, steps: 2, chunks: { rows, most: 125 } };
      const checks = new CheckCollector();
      const found = await runMoves(gpu, checks, moves);
      compareMoves(found, moves, () => ["adam"], checks, { tolerance: 2e-6, exact: true });
      expectAll(checks);
    }
  }));

Deno.test("adam: tables have no partial sums", () =>
  withGpu(undefined, async (gpu) => {
    const tables = specs.filter((spec) => spec.table);
    using parameters = new ParameterArena(gpu, tables);
    assert.equal(parameters.summed, 0);
    await run(gpu, { specs: tables });
  }));
