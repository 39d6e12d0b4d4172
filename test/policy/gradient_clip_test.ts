/** The bound on the length of a gradient, against f64. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { Commands } from "../../src/gpu/commands.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { Dimensions } from "../../src/gpu/sizes.ts";
import { StepHeaders } from "../../src/gpu/step.ts";
import { gradientClip } from "../../src/ops/gradient_clip.ts";
import { ParameterArena, type ParameterSpec } from "../../src/tape/parameters.ts";
import { checked } from "../../src/selftest/harness.ts";
import { CanaryArena, withGpu } from "../op_check.ts";

const dimensions = new Dimensions<Record<"rows", number>>(["rows"], "rows");
const MOST = 10;

const specs: ParameterSpec[] = [
  { name: "kernel", rows: 150, columns: 33, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 61, columns: 5, table: true },
];

for (const rows of [1, 700]) {
  const chunks = dimensions.chunks({ rows });
  for (const scale of [1e-3, 2]) {
    Deno.test(`gradient_clip: a gradient ${scale > 1 ? "longer" : "shorter"} than the bound, ${chunks} chunks`, () =>
      withGpu(undefined, async (gpu) => {
        const parameters = new ParameterArena(gpu, specs);
        const arena = new CanaryArena(gpu, "clip");
        const { summed, length, partials, gradient } = parameters;
        const random = randomStream(3, "clip", rows);
        const draw = (count: number) => Float32Array.from({ length: count }, () => scale * random.normal());
        const given = { partials: draw(summed * chunks), gradient: draw(length) };
        const total = Float64Array.from(given.gradient);
        for (let i = 0; i < summed; i++) {
          total[i] = 0;
          for (let c = 0; c < chunks; c++) total[i] = (total[i] ?? 0) + (given.partials[c * summed + i] ?? 0);
        }
        const norm = Math.sqrt(total.reduce((sum, g) => sum + g * g, 0));
        assert.equal(norm > MOST, scale > 1);
        const headers = new StepHeaders(arena, dimensions, 1);
        const batch = { sizes: { rows }, counted: rows, first: 0 };
        headers.put(0, batch, { slot: 0, learningRate: 0, iteration: 0 });
        headers.upload(0, 1);
        const specsOf = gradientClip(parameters, dimensions, MOST, arena);
        const program = await Program.record(gpu, "clip", headers.buffer, specsOf);
        const run = async () => {
          gpu.queue.writeBuffer(partials.buffer, 0, given.partials);
          gpu.queue.writeBuffer(gradient.buffer, 0, given.gradient);
          const commands = new Commands(gpu, "clip");
          program.encode(commands, batch.sizes, 0);
          gpu.queue.submit([commands.finish()]);
          return [
            (await readFloats(gpu, partials)).subarray(0, summed * chunks),
            (await readFloats(gpu, { ...gradient, size: 4 * length })).subarray(0, length),
          ] as const;
        };
        const [sums, direct] = await run();
        assert.deepEqual(await run(), [sums, direct], "two runs");
        const share = norm > MOST ? MOST / norm : 1;
        const tolerance = norm > MOST ? 2e-6 * scale : 0;
        const close = (got: number | undefined, wanted: number | undefined, what: string) =>
          assert.ok(
            Math.abs((got ?? NaN) - share * (wanted ?? NaN)) <= tolerance,
            `${what}: ${got} of ${wanted}`,
          );
        sums.forEach((g, i) => close(g, given.partials[i], `partial sum ${i}`));
        for (let i = summed; i < length; i++) close(direct[i], given.gradient[i], `gradient ${i}`);
        assert.deepEqual(direct.subarray(0, summed), given.gradient.subarray(0, summed), "not its to write");
        await checked(undefined, (checks) => arena.check(checks, []));
        arena.destroy();
        parameters.destroy();
      }));
  }
}
