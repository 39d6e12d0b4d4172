/**
 * Rungs of the panel kernels. What they sum over is written out, each vector behind a condition of its own, by one line for
 * all of them (kernel_headers_test.ts). The ops' tests have the rungs 1, 2, 4, 5, 8, 9, 16, 17, 33 and 64; here are others in
 * between, and the borders of parts. Only the kernel itself is compiled, by the ladders' harness, which has it as its last step
 * but for those of GPUs.
 */

import assert from "node:assert/strict";
import { faultsAt } from "../../src/selftest/ladder/check.ts";
import { ladders } from "../../src/selftest/ladder/ladders.ts";
import type { Size } from "../../src/selftest/ladder/problem.ts";
import { withGpu } from "../op_check.ts";

/** Of a part, which is written once, and both sides of the borders between parts. */
const vectors = [3, 7, 15, 32, 48, 49];
/** Of up to 32, in fours. lstm_test.ts has 1, 2 and 5; each takes a software driver seconds to compile. */
const units = [3, 4, 8];
/** So many columns are so many vectors, padded but for every fourth. */
const columns = (vectors: number) => 4 * vectors - vectors % 4;

const rungs: Record<string, Size[]> = {
  forward: vectors.map((k4) => [3, columns(k4), 5]),
  input: vectors.map((n4) => [3, 5, columns(n4)]),
  lstm: units.map((h4) => [3, 3, columns(h4)]),
  "lstm-backward": units.map((h4) => [3, 3, columns(h4)]),
};

for (const [name, sizes] of Object.entries(rungs)) {
  Deno.test(`rungs of the panel kernel of ladder ${name}`, () =>
    withGpu("cpu", async (gpu) => {
      const ladder = ladders.find((ladder) => ladder.name === name) ?? assert.fail(`no ladder ${name}`);
      const steps = ladder.steps.filter(({ kernel }) => kernel.name.endsWith("_panel")).slice(-1);
      assert.equal(steps.length, 1);
      for (const size of sizes) {
        const faults = await faultsAt(gpu, { ...ladder, steps }, size);
        assert.deepEqual([...faults.values()], [undefined]);
      }
    }));
}
