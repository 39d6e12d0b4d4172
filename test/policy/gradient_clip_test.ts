/** The bound on the length of a gradient, against f64. */

import { checkClip } from "../../src/selftest/optimiser_cases.ts";
import { dimensions } from "../../src/selftest/optimiser_bench.ts";
import { checkTest } from "../op_check.ts";

const specs = [
  { name: "kernel", rows: 150, columns: 33, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 61, columns: 5, table: true },
];

for (const rows of [1, 700]) {
  const chunks = dimensions.chunks({ rows, events: 1, items: 1 });
  for (const scale of [1e-3, 2]) {
    checkTest(
      `gradient_clip: a gradient ${scale > 1 ? "longer" : "shorter"} than the bound, ${chunks} chunks`,
      undefined,
      (gpu, checks) => checkClip(gpu, checks, { specs, rows, scale, most: 10 }),
    );
  }
}
