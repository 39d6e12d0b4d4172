/**
 * The kernels of a simulated page, each against the same on the host, draw by draw. The laws of what is drawn are the host's:
 * host_simulator_test.ts.
 */

import assert from "node:assert/strict";
import { demo, restless } from "../../src/data/shops.ts";
import { floats, range } from "../../src/selftest/harness.ts";
import { checkShop } from "../../src/selftest/pages/move_cases.ts";
import { type Check, CheckedPage, onPage } from "../../src/selftest/pages/page_bench.ts";
import {
  checkChoose,
  checkDrawn,
  checkMask,
  checkRandom,
  checkTop,
} from "../../src/selftest/pages/page_cases.ts";
import { choose, logViews, type Rules } from "../../src/simulate/choose.ts";
import { plain } from "../../src/simulate/users.ts";
import { checkTest, withGpu } from "../op_check.ts";

/** A check of the self-test on a page of another size. */
function pageTest(name: string, room: Parameters<typeof onPage>[0], check: Check): void {
  checkTest(`${name}: ${room.users} users, ${room.items} items`, undefined, onPage(room, check));
}

const rooms = [
  { users: 1, items: 1, slate: 1 },
  { users: 5, items: 31, slate: 4 },
  { users: 70, items: 33, slate: 3 },
  { users: 9, items: 500, slate: 10 },
] as const;
for (const room of rooms) {
  const list = range(room.items).filter((item) => item % 3 !== 1);
  for (const repeats of [false, true]) {
    pageTest(`page_mask: all, repeats ${repeats}`, room, checkMask("all", repeats));
    pageTest(`page_mask: a list, repeats ${repeats}`, room, checkMask({ items: list }, repeats));
    if (room.items > 10) {
      pageTest(`page_mask: a random pool, repeats ${repeats}`, room, checkMask({ random: 5 }, repeats));
    }
  }
  pageTest("top_slate and popular_slate", room, checkTop(true));
  for (const temperature of [0.02, 1, 50]) {
    pageTest(`plackett_luce: at ${temperature}`, room, checkDrawn(0.6, temperature, temperature === 50));
  }
  pageTest("choose", { ...room, pages: 6 }, checkChoose({ reward: "utility", leave: 0.3, patience: 3 }));
  for (const share of [0, 0.5, 0.97]) {
    pageTest(`random_slate: ${100 * share} % masked`, room, checkRandom(share));
  }
}
for (const epsilon of [0, 0.3, 1]) {
  pageTest(`explore, epsilon ${epsilon}`, { users: 300, items: 40, slate: 2 }, checkRandom(0.6, epsilon));
}
for (const shop of [demo, restless]) {
  pageTest(`the ${shop.name} shop`, { users: 45, items: 61, slate: 3 }, checkShop(shop, 1e-5));
}
for (const [leave, patience] of [[0.3, 0], [0, 2], [1, 0], [0, 0]] as const) {
  for (const reward of ["click", "utility"] as const) {
    const rules = { reward, leave, patience };
    pageTest(
      `choose: ${JSON.stringify(rules)}`,
      { users: 300, pages: 12, slate: 2, items: 40 },
      checkChoose(rules),
    );
  }
}

/** Of a page, on the device. */
const utilitiesOf = ({ arena }: CheckedPage, values: Float32Array<ArrayBuffer>) =>
  plain("utilities", "rows", 1, 1, arena.upload("utilities", values));

const rules: Rules = { reward: "click", leave: 0, patience: 0 };

Deno.test("choose: utilities that are no numbers are passed on, and nothing is clicked", () =>
  withGpu(undefined, async (gpu) => {
    using checked = new CheckedPage(gpu, { users: 3, slate: 2 });
    const { page } = checked;
    checked.write(page.slates, Uint32Array.of(1, 2, 1, 2, 1, 2));
    const log = logViews(page);
    const set = () => checked.write(page.alive, Uint32Array.of(1, 1, 1));
    const utilities = utilitiesOf(checked, Float32Array.of(NaN, 9, 9, 9, Infinity, 9));
    const dispatch = choose(page, { eta: 1, placeEffects: undefined }, utilities, log, rules);
    const [words] = await checked.run([dispatch], [log.outcomes], { set });
    const outcomes = floats(words);
    assert.ok(Number.isNaN(outcomes[2]) && outcomes[0] === 2);
    assert.ok((outcomes[6] ?? 0) > 0.99 && (outcomes[4] ?? 9) < 2);
    assert.ok(outcomes[10] === Infinity && outcomes[8] === 2);
  }));
