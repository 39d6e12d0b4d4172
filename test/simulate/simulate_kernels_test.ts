/** The kernels of a simulated page, each against the same on the host; the laws of what is drawn. */

import assert from "node:assert/strict";
import { philox, purposes, uniform24 } from "../../src/data/philox.ts";
import { randomStream } from "../../src/data/random.ts";
import { demo, restless } from "../../src/data/shops.ts";
import { bitOf, floats, range } from "../../src/selftest/harness.ts";
import { checkShop } from "../../src/selftest/pages/move_cases.ts";
import { type Check, CheckedPage, key, onPage } from "../../src/selftest/pages/page_bench.ts";
import {
  checkChoose,
  checkDrawn,
  checkMask,
  checkRandom,
  checkTop,
} from "../../src/selftest/pages/page_cases.ts";
import { choose, logViews, type Rules } from "../../src/simulate/choose.ts";
import { choose as chooseOnHost, slateLogits } from "../../src/simulate/host/dynamics.ts";
import { fill, pageMask, poolOf } from "../../src/simulate/pool.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { plackettLuce } from "../../src/simulate/explore.ts";
import { randomSlate } from "../../src/simulate/slates.ts";
import { plain } from "../../src/simulate/users.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { chiSquare, chiSquareLimit } from "./simulate_check.ts";

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

Deno.test("page_mask: a random pool has n of I items, each as often as another", () =>
  withGpu(undefined, async (gpu) => {
    const [users, items, n] = [4000, 40, 13];
    const checked = new CheckedPage(gpu, { users, items });
    const [masked = new Uint32Array()] = await checked.run(
      [fill("none", checked.page.clicked, 2), pageMask(checked.page, poolOf({ random: n }, items), false)],
      [checked.page.masked],
    );
    const counts = range(items).map((item) =>
      range(users).filter((u) => !bitOf(masked, users, u, item)).length
    );
    const expected = users * n / items;
    const x = counts.reduce((sum, count) => sum + (count - expected) ** 2 / (expected * (1 - n / items)), 0);
    assert.ok(x < chiSquareLimit(items), `chi-square ${x} of ${items}`);
    checked.destroy();
  }));

/** Of a page, on the device. */
const utilitiesOf = ({ arena }: CheckedPage, values: Float32Array<ArrayBuffer>) =>
  plain("utilities", "rows", 1, 1, arena.upload("utilities", values));

const rules: Rules = { reward: "click", leave: 0, patience: 0 };

for (const slate of [1, 4]) {
  Deno.test(`choose: slates of ${slate}: a million draws of 20 vectors follow the choice model, and the host`, () =>
    withGpu(undefined, async (gpu) => {
      const [users, pages, vectors] = [5000, slate === 1 ? 40 : 160, 20];
      const checked = new CheckedPage(gpu, { users, pages, slate, items: 40 });
      const { page } = checked;
      const random = randomStream(5, "choose", slate);
      const special = [[0, 0, 0, 0], [80, -80, 80, 79], [-120, -120, -120, -120], [3, 3, 3, 3], [
        -20,
        20,
        0,
        1,
      ]];
      const pool = range(vectors).map((k) => special[k] ?? range(4).map(() => 3 * random.normal() - 1));
      const u = Float32Array.from(
        range(users).flatMap((user) => pool[user % vectors]?.slice(0, slate) ?? []),
      );
      const utilities = utilitiesOf(checked, u);
      const shown = Uint32Array.from(
        { length: users * slate },
        (_, r) => (Math.floor(r / slate) + 3 * (r % slate)) % 40,
      );
      checked.write(page.slates, shown);
      const log = logViews(page);
      const eta = slate === 1 ? 1 : 0.5;
      const set = () => checked.write(page.alive, new Uint32Array(users).fill(1));
      const dispatch = choose(page, { eta, placeEffects: undefined }, utilities, log, rules);
      const [words] = await checked.run([dispatch], [log.outcomes], { firstUser: 100, episode: 2, set });
      const outcomes = floats(words);
      const counts = pool.map(() => new Array<number>(slate + 1).fill(0));
      let near = 0;
      for (let t = 0; t < pages; t++) {
        for (let user = 0; user < users; user++) {
          const at = 4 * (t * users + user);
          const slot = outcomes[at] ?? NaN;
          const count = counts[user % vectors] ?? [];
          count[slot] = (count[slot] ?? 0) + 1;
          if (t % 16 > 0) continue; // the host takes longer than the device
          const z = slateLogits(u.subarray(user * slate, (user + 1) * slate), eta);
          const host = chooseOnHost(z, uniform24(philox([100 + user, 2, t, purposes.CHOICE], key)[0]));
          if (host.margin < 1e-6) near++;
          else assert.equal(slot, host.slot, `user ${user}, page ${t}`);
          assert.equal(outcomes[at + 1], slot < slate ? 1 : 0);
          const any = outcomes[at + 2] ?? NaN;
          assert.ok(Math.abs(any - host.clickChance) < 1e-6, `P(any) ${any}, ${host.clickChance}`);
        }
      }
      assert.ok(near < 5 + users * pages / 16 * 1e-4, `${near} draws near a bound`);
      // Each vector's cells, those that are expected at all together.
      for (const [k, count] of counts.entries()) {
        const z = (pool[k] ?? []).slice(0, slate).map((x) => eta * x);
        const most = Math.max(0, ...z);
        const parts = [...z.map((x) => Math.exp(x - most)), Math.exp(-most)];
        const total = parts.reduce((a, b) => a + b);
        const n = count.reduce((a, b) => a + b);
        const likely = parts.map((part) => n * part / total);
        const cells = range(slate + 1).filter((cell) => (likely[cell] ?? 0) >= 5);
        const rare = range(slate + 1).filter((cell) => !cells.includes(cell));
        const rarely = rare.reduce((sum, cell) => sum + (count[cell] ?? 0), 0);
        assert.ok(rarely <= 25, `vector ${k}: ${rarely} in cells that expect under 5`);
        const { x, degrees } = chiSquare(cells.map((c) => count[c] ?? 0), cells.map((c) => likely[c] ?? 0));
        if (degrees > 0) {
          assert.ok(x < chiSquareLimit(degrees) + rarely, `vector ${k}: chi-square ${x} of ${degrees}`);
        }
      }
      checked.destroy();
    }));
}

Deno.test("choose: utilities that are no numbers are passed on, and nothing is clicked", () =>
  withGpu(undefined, async (gpu) => {
    const checked = new CheckedPage(gpu, { users: 3, slate: 2 });
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
    checked.destroy();
  }));

Deno.test("random_slate: every free item in every slot equally often, with few masked and with most", () =>
  withGpu(undefined, async (gpu) => {
    const [users, items, slate, pages] = [4000, 40, 3, 1];
    for (const free of [range(38), [3, 8, 9, 31, 32, 38]]) {
      const checked = new CheckedPage(gpu, { users, items, slate, pages });
      const { page } = checked;
      const bits = new Uint32Array(page.panels * users).fill(0xffffffff);
      for (const item of free) {
        for (let u = 0; u < users; u++) bits[(item >>> 5) * users + u]! &= ~(1 << (item & 31));
      }
      const set = () => checked.write(page.masked, bits);
      const [slates] = await checked.run([randomSlate(page)], [page.slates], { set });
      for (let j = 0; j < slate; j++) {
        const found = free.map((item) => range(users).filter((u) => slates?.[u * slate + j] === item).length);
        assert.equal(found.reduce((a, b) => a + b), users, "only free items");
        const { x, degrees } = chiSquare(found, found.map(() => users / free.length));
        assert.ok(x < chiSquareLimit(degrees), `slot ${j}: chi-square ${x} of ${degrees}`);
      }
      for (let u = 0; u < users; u++) {
        assert.equal(new Set(slates?.subarray(u * slate, (u + 1) * slate)).size, slate);
      }
      checked.destroy();
    }
  }));

Deno.test("plackett_luce: slates as often as their chances say; the chances of all slates of 3 of 8 items sum to 1", () =>
  withGpu(undefined, async (gpu) => {
    const [users, items, slate] = [40_000, 8, 3];
    const checked = new CheckedPage(gpu, { users, items, slate });
    const { page, arena } = checked;
    const scores = Float32Array.of(0.3, -1, 2, 0.1, -0.4, 1.1, 0, -2);
    const law = new PlackettLuce(scores, 0.8);
    const all = range(items).flatMap((a) => range(items).flatMap((b) => range(items).map((c) => [a, b, c])))
      .filter((own) => new Set(own).size === slate);
    const chanceOf = (own: readonly number[]) => Math.exp(law.chances(own).reduce((sum, log) => sum + log));
    assert.equal(all.length, 8 * 7 * 6);
    assert.ok(Math.abs(all.reduce((sum, own) => sum + chanceOf(own), 0) - 1) < 1e-12);
    const chances = arena.allocate("chances", 4 * users * slate);
    const by = { scores: arena.upload("scores", scores), stride: 0, temperature: 0.8, chances };
    const draw = { chunk: users, rows: items, dispatches: [plackettLuce(page, by)] };
    const set = () => checked.write(page.masked, new Uint32Array(users).fill(0xffffff00));
    const [slates = new Uint32Array(), logged] = await checked.run([draw], [page.slates, chances], { set });
    const counts = new Map<string, number>();
    const logs = floats(logged);
    for (let u = 0; u < users; u++) {
      const own = Array.from(slates.subarray(u * slate, (u + 1) * slate));
      counts.set(String(own), (counts.get(String(own)) ?? 0) + 1);
      const log = logs.subarray(u * slate, (u + 1) * slate).reduce((sum, x) => sum + x);
      assert.ok(Math.abs(Math.exp(log) / chanceOf(own) - 1) < 1e-5);
    }
    const likely = all.filter((own) => users * chanceOf(own) >= 5);
    const rare = all.filter((own) => !likely.includes(own));
    const cells = [
      ...likely.map((own) => [counts.get(String(own)) ?? 0, users * chanceOf(own)] as const),
      [
        rare.reduce((sum, own) => sum + (counts.get(String(own)) ?? 0), 0),
        rare.reduce((sum, own) => sum + users * chanceOf(own), 0),
      ] as const,
    ];
    const { x, degrees } = chiSquare(cells.map(([found]) => found), cells.map(([, expected]) => expected));
    assert.ok(x < chiSquareLimit(degrees), `chi-square ${x} of ${degrees}`);
    checked.destroy();
  }));
