/** The kernels of a simulated page, as the self-test checks them, on pages of more sizes; and what no twin on the host has. */

import assert from "node:assert/strict";
import { floats } from "../../src/selftest/harness.ts";
import { CheckedPage } from "../../src/selftest/pages/page_bench.ts";
import { pageCases, slateCasesIn } from "../../src/selftest/pages/page_cases.ts";
import { choose, logViews } from "../../src/simulate/choose.ts";
import { plain } from "../../src/simulate/users.ts";
import { checkTest, withGpu } from "../op_check.ts";

for (const { name, check } of pageCases) checkTest(name, undefined, check);

/** One of each; less than a panel; many, in long slates. */
const rooms = [[1, 1, 1], [5, 31, 4], [11, 500, 10]] as const;
for (const [users, items, slate] of rooms) {
  for (const { name, check } of slateCasesIn({ users, items, slate })) {
    checkTest(`${name}, ${users} users, ${slate} of ${items} items`, undefined, check);
  }
}

Deno.test("choose: utilities that are no numbers are passed on, and nothing is clicked", () =>
  withGpu(undefined, async (gpu) => {
    const checked = new CheckedPage(gpu, { users: 3, slate: 2 });
    const { page } = checked;
    checked.write(page.slates, Uint32Array.of(1, 2, 1, 2, 1, 2));
    const log = logViews(page);
    const set = () => checked.write(page.alive, Uint32Array.of(1, 1, 1));
    const view = checked.arena.upload("utilities", Float32Array.of(NaN, 9, 9, 9, Infinity, 9));
    const utilities = plain("utilities", "rows", 1, 1, view);
    const rules = { reward: "click", leave: 0, patience: 0 } as const;
    const dispatch = choose(page, { eta: 1, placeEffects: undefined }, utilities, log, rules);
    const [words] = await checked.run([dispatch], [log.outcomes], { set });
    const outcomes = floats(words);
    assert.ok(Number.isNaN(outcomes[2]) && outcomes[0] === 2);
    assert.ok((outcomes[6] ?? 0) > 0.99 && (outcomes[4] ?? 9) < 2);
    assert.ok(outcomes[10] === Infinity && outcomes[8] === 2);
    checked.destroy();
  }));
