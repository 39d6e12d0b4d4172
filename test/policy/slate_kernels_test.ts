/** The kernels that choose slates, as the self-test checks them, at more sizes and on harder rows. */

import { checkPick, checkScore } from "../../src/selftest/slates/slate_cases.ts";
import { checkRatio } from "../../src/selftest/slates/slate_ratio_check.ts";
import { slateBench } from "../../src/selftest/slates/slate_bench.ts";
import { bestSlate } from "../../src/policy/network/slate_ratio.ts";
import { checkTest } from "../op_check.ts";

for (const kind of ["cpu", "gpu"] as const) {
  for (const units of [64, 20]) {
    checkTest(
      `slate_score: the best of each panel is that of f64, ${units} units, kernels for a ${kind}`,
      kind,
      async (gpu, checks) => {
        for (const items of [1, 31, 32, 33, 500]) {
          await checkScore(gpu, checks, { rows: items === 500 ? 131 : 5, items, units, exact: true });
        }
      },
    );
  }
  checkTest(
    `slate_pick: the slot, its bit, its value, and what later positions get, kernels for a ${kind}`,
    kind,
    checkPick,
  );
}

for (const slate of [1, 2, 3, 4]) {
  for (const utility of slate === 2 ? [false, true] : [false]) {
    checkTest(
      `slate_ratio: the best of all slates of ${slate}${utility ? ", a click is worth its utility" : ""}`,
      undefined,
      (gpu, checks) =>
        checkRatio(gpu, checks, { rows: 500, slate, utility, hard: true, tolerance: 2 ** -20 }),
    );
  }
}

checkTest("slate_ratio: of equal items the lowest are chosen", undefined, async (gpu, checks) => {
  using bench = slateBench(gpu, { rows: 1, items: 4 }, checks);
  const { arena, rows, upload } = bench;
  const [slates, masked] = [arena.allocate("slates", 8), arena.allocate("masked", 4)];
  const spec = bestSlate(rows, {
    ...{ label: "ratio", slate: 2, eta: 1, worthOf: "utility", slates, worth: arena.allocate("worth", 4) },
    utilities: upload("u", Float32Array.of(1, 1, 1, 2)),
    masked: { view: masked, stride: 1 },
  });
  const reset = () => gpu.queue.writeBuffer(masked.buffer, masked.offset, Uint32Array.of(0xfffffff0));
  const [shown] = await bench.run([spec], [slates], { reset });
  checks.same(shown, [3, 0], { kernels: ["slate_ratio"], what: "the slate" });
});
