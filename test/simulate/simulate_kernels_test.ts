/** The kernels of a simulated page, each against the same on the host; the laws of what is drawn. */

import assert from "node:assert/strict";
import { NONE } from "../../src/data/click_log.ts";
import { keyOf, philox, purposes, slotOf, uniform24 } from "../../src/data/philox.ts";
import { randomStream } from "../../src/data/random.ts";
import { demo, featuresOf, nextState, restless, type ShopState, shopUtility } from "../../src/data/shops.ts";
import { shopItems } from "../../src/data/demo_shop.ts";
import { bufferOf } from "../../src/gpu/memory.ts";
import { choose, logViews, type Rules } from "../../src/simulate/choose.ts";
import { fill, inRandomPool, pageMask, poolOf } from "../../src/simulate/pool.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { popularSlate, randomSlate, topSlate } from "../../src/simulate/slates.ts";
import { Starts } from "../../src/simulate/start.ts";
import type { Tensor } from "../../src/tape/tensor.ts";
import { withGpu } from "../op_check.ts";
import { bitOf, CheckedPage, chiSquare, chiSquareLimit, randomBits } from "./simulate_check.ts";

const key = keyOf(1);
const floats = (words: Uint32Array<ArrayBuffer> | undefined) =>
  new Float32Array(words?.buffer ?? new ArrayBuffer(0));
const range = (n: number) => Array.from({ length: n }, (_, k) => k);
const sizes = [{ users: 1, items: 1 }, { users: 5, items: 31 }, { users: 70, items: 33 }, {
  users: 3,
  items: 500,
}];

for (const { users, items } of sizes) {
  Deno.test(`page_mask: ${users} users, ${items} items: clicks, lists, random pools, as on the host`, () =>
    withGpu(undefined, async (gpu) => {
      const slate = Math.min(items, 3);
      const checked = new CheckedPage(gpu, { users, items, slate });
      const { page } = checked;
      const clicked = randomBits(page.panels * users, 0.2);
      const list = range(items).filter((item) => item % 3 !== 1);
      const pools = ["all", { items: list }, ...(items > 10 ? [{ random: 5 }] : [])] as const;
      for (const options of pools) {
        for (const repeats of [false, true]) {
          const pool = poolOf(options, items);
          checked.write(page.clicked, clicked);
          const at = { firstUser: 7, episode: 3 };
          const [masked = new Uint32Array()] = await checked.run([pageMask(page, pool, repeats)], [
            page.masked,
          ], at);
          let dropped = 0;
          for (let u = 0; u < users; u++) {
            const shown = (item: number) =>
              (repeats || !bitOf(clicked, users, u, item)) && (options !== pools[1] || list.includes(item));
            const pooled = (item: number) =>
              shown(item) && inRandomPool(pool, { user: 7 + u, episode: 3, page: 0, item }, key);
            const few = range(items).filter(pooled).length < slate;
            if (few) dropped++;
            for (let item = 0; item < 32 * page.panels; item++) {
              const free = item < items && (few ? shown(item) : pooled(item));
              assert.equal(bitOf(masked, users, u, item), !free, `user ${u}, item ${item}`);
            }
          }
          if (users > 50 && typeof options === "object" && "random" in options) {
            assert.ok(dropped < users, "no random pool counts");
          }
        }
      }
      checked.destroy();
    }));
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

/** A page of given utilities, on the device. */
function utilityTensor(checked: CheckedPage, values: Float32Array<ArrayBuffer>, columns = 1): Tensor {
  const view = checked.arena.upload("utilities", values);
  return { name: "utilities", rows: "rows", columns, groups: 1, stride: 1, view, trainable: false };
}

const rules: Rules = { reward: "click", leave: 0, patience: 0 };

/** What the user clicks, as the kernel has it but in f64; how far the draw is from the nearest bound. */
function chosen(z: readonly number[], uniform: number): { slot: number; any: number; margin: number } {
  const most = Math.max(0, ...z);
  const parts = [Math.exp(-most), ...z.map((x) => Math.exp(x - most))];
  const total = parts.reduce((a, b) => a + b);
  let [sum, cell, margin] = [0, parts.length - 1, 1];
  for (const [k, part] of parts.entries()) {
    sum += part / total;
    if (k < parts.length - 1) margin = Math.min(margin, Math.abs(sum - uniform));
    if (uniform < sum) cell = Math.min(cell, k);
  }
  return { slot: cell === 0 ? z.length : cell - 1, any: 1 - (parts[0] ?? 0) / total, margin };
}

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
      const utilities = utilityTensor(checked, u);
      const shown = Uint32Array.from(
        { length: users * slate },
        (_, r) => (Math.floor(r / slate) + 3 * (r % slate)) % 40,
      );
      checked.write(page.slates, shown);
      const log = logViews(page);
      const eta = slate === 1 ? 1 : 0.5;
      const set = () => {
        checked.write(page.alive, new Uint32Array(users).fill(1));
        checked.write(page.clicked, new Uint32Array(page.panels * users));
      };
      const dispatch = choose(page, { eta, placeEffects: undefined }, utilities, log, rules);
      const episode = { firstUser: 100, episode: 2, set };
      const views = [log.outcomes, page.event, page.clicked, log.slates, page.alive];
      const [words, event, clicked, slates, alive] = await checked.run([dispatch], views, episode);
      const outcomes = floats(words);
      const counts = pool.map(() => new Array<number>(slate + 1).fill(0));
      const wanted = new Uint32Array(page.panels * users);
      let near = 0;
      for (let t = 0; t < pages; t++) {
        for (let user = 0; user < users; user++) {
          const at = 4 * (t * users + user);
          const slot = outcomes[at] ?? NaN;
          const count = counts[user % vectors] ?? [];
          count[slot] = (count[slot] ?? 0) + 1;
          const item = shown[user * slate + slot] ?? 0;
          if (slot < slate) wanted[(item >>> 5) * users + user]! |= 1 << (item & 31);
          if (t % 16 > 0) continue; // the host takes longer than the device
          const z = Array.from(u.subarray(user * slate, (user + 1) * slate), (x) => eta * x);
          const draw = uniform24(philox([100 + user, 2, t, purposes.CHOICE], key)[0]);
          const host = chosen(z, draw);
          if (host.margin < 1e-6) near++;
          else assert.equal(slot, host.slot, `user ${user}, page ${t}`);
          assert.equal(outcomes[at + 1], slot < slate ? 1 : 0);
          const any = outcomes[at + 2] ?? NaN;
          assert.ok(Math.abs(any - host.any) < 1e-6, `P(any) ${any}, ${host.any}`);
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
      assert.deepEqual(clicked, wanted);
      assert.ok(
        slates?.every((item, k) => item === shown[k % shown.length]) &&
          slates.length === pages * shown.length,
      );
      const last = (pages - 1) * users;
      for (let user = 0; user < users; user++) {
        const slot = outcomes[4 * (last + user)] ?? NaN;
        const row = user * slate + slot;
        const click = slot < slate ? [row, shown[row]] : [NONE, NONE];
        assert.deepEqual(Array.from(event?.subarray(4 * user, 4 * user + 4) ?? []), [
          user * slate,
          user * slate + slate,
          ...click,
        ]);
        assert.equal(alive?.[user] === 1, slot < slate || pages === 0);
      }
      checked.destroy();
    }));
}

Deno.test("choose: users leave by chance or patience, and nothing happens to those who have left", () =>
  withGpu(undefined, async (gpu) => {
    const [users, pages, slate] = [300, 12, 2];
    for (
      const { leave, patience } of [{ leave: 0.3, patience: 0 }, { leave: 0, patience: 2 }, {
        leave: 1,
        patience: 0,
      }]
    ) {
      const checked = new CheckedPage(gpu, { users, pages, slate });
      const { page } = checked;
      checked.write(page.slates, Uint32Array.from({ length: users * slate }, (_, r) => r % 7 + 7 * (r % 2)));
      const u = Float32Array.from({ length: users * slate }, (_, r) => Math.sin(r));
      const place = { ...utilityTensor(checked, Float32Array.of(0.7), 1), rows: 1 };
      const log = logViews(page);
      const own: Rules = { reward: "utility", leave, patience };
      const set = () => checked.write(page.alive, new Uint32Array(users).fill(1));
      checked.write(page.clicked, new Uint32Array(page.panels * users));
      const dispatch = choose(page, { eta: 2, placeEffects: place }, utilityTensor(checked, u), log, own);
      const [words, alive] = await checked.run([dispatch], [log.outcomes, page.alive], { set });
      const outcomes = floats(words);
      for (let user = 0; user < users; user++) {
        let [state, near] = [1, false];
        for (let t = 0; t < pages && !near; t++) {
          const found = Array.from(outcomes.subarray(4 * (t * users + user), 4 * (t * users + user) + 4));
          if (state === 0) {
            assert.deepEqual(found, [0, 0, 0, 0]);
            continue;
          }
          const z = [2 * (u[2 * user] ?? 0), 2 * ((u[2 * user + 1] ?? 0) + 0.7)];
          const draw = (purpose: number) => uniform24(philox([user, 0, t, purpose], key)[0]);
          const { slot, margin } = chosen(z, draw(purposes.CHOICE));
          near = margin < 1e-6;
          if (near) continue;
          const reward = slot < slate ? u[2 * user + slot] : 0;
          assert.deepEqual([found[0], found[1], found[3]], [slot, reward, 1]);
          const leaves = slot === slate && (draw(purposes.LEAVE) < leave || state === patience);
          state = leaves ? 0 : slot === slate ? state + 1 : 1;
        }
        if (!near) assert.equal(alive?.[user], state);
      }
      assert.ok(alive?.subarray(0, users).some((state) => state === 0));
      checked.destroy();
    }
  }));

Deno.test("choose: utilities that are no numbers are passed on, and nothing is clicked", () =>
  withGpu(undefined, async (gpu) => {
    const checked = new CheckedPage(gpu, { users: 3, slate: 2 });
    const { page } = checked;
    checked.write(page.slates, Uint32Array.of(1, 2, 1, 2, 1, 2));
    const log = logViews(page);
    const set = () => checked.write(page.alive, Uint32Array.of(1, 1, 1));
    const utilities = utilityTensor(checked, Float32Array.of(NaN, 9, 9, 9, Infinity, 9));
    const dispatch = choose(page, { eta: 1, placeEffects: undefined }, utilities, log, rules);
    const [words] = await checked.run([dispatch], [log.outcomes], { set });
    const outcomes = floats(words);
    assert.ok(Number.isNaN(outcomes[2]) && outcomes[0] === 2);
    assert.ok((outcomes[6] ?? 0) > 0.99 && (outcomes[4] ?? 9) < 2);
    assert.ok(outcomes[10] === Infinity && outcomes[8] === 2);
    checked.destroy();
  }));

/** A random slate, as the kernel draws it. */
function randomSlateOf(free: number[], user: number, t: number, slate: number, items: number): number[] {
  const left = new Set(free);
  const mulhi = (word: number, n: number) => Number((BigInt(word) * BigInt(n)) >> 32n);
  return range(slate).map((j) => {
    const words = philox([user, 0, t, slotOf(purposes.SLATE, j)], key);
    const tried = words.slice(0, 3).map((word) => mulhi(word, items)).find((item) => left.has(item));
    const item = tried ?? [...left].sort((a, b) => a - b)[mulhi(words[3], left.size)] ?? NaN;
    left.delete(item);
    return item;
  });
}

for (
  const [users, items, slate, share] of [[3, 1, 1, 0], [6, 31, 5, 0.5], [40, 33, 3, 0.85], [
    9,
    500,
    10,
    0.97,
  ]] as const
) {
  Deno.test(`random_slate: ${slate} of ${items} items, ${100 * share} % masked, as on the host`, () =>
    withGpu(undefined, async (gpu) => {
      const checked = new CheckedPage(gpu, { users, items, slate });
      const { page } = checked;
      const bits = randomBits(page.panels * users, share);
      for (let u = 0; u < users; u++) {
        for (let item = items; item < 32 * page.panels; item++) {
          bits[(item >>> 5) * users + u]! |= 1 << (item & 31);
        }
        for (let item = 0; item < slate; item++) bits[u]! &= ~(1 << item); // enough are free
      }
      const set = () => checked.write(page.masked, bits);
      const [slates, masked = new Uint32Array()] = await checked.run([randomSlate(page)], [
        page.slates,
        page.masked,
      ], { set });
      for (let u = 0; u < users; u++) {
        const free = range(items).filter((item) => !bitOf(bits, users, u, item));
        const wanted = randomSlateOf(free, u, 0, slate, items);
        assert.deepEqual(Array.from(slates?.subarray(u * slate, (u + 1) * slate) ?? []), wanted);
        for (let item = 0; item < 32 * page.panels; item++) {
          assert.equal(bitOf(masked, users, u, item), bitOf(bits, users, u, item) || wanted.includes(item));
        }
      }
      checked.destroy();
    }));
}

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

Deno.test("explore: nobody at 0, all at 1, their share between; what the policy chose is free again", () =>
  withGpu(undefined, async (gpu) => {
    const [users, items, slate] = [3000, 40, 2];
    const checked = new CheckedPage(gpu, { users, items, slate });
    const { page } = checked;
    const own = Uint32Array.from({ length: users * slate }, (_, r) => (r % 2 === 0 ? 5 : 36));
    const bits = Uint32Array.from(
      { length: page.panels * users },
      (_, w) => (w < users ? 0xffffffc0 | 1 << 5 : 0xffffff10),
    );
    for (const epsilon of [0, 0.3, 1]) {
      const set = () => {
        checked.write(page.slates, own);
        checked.write(page.masked, bits);
      };
      const views = [page.slates, page.masked];
      const [slates, masked] = await checked.run([randomSlate(page, true)], views, { set, epsilon });
      let explored = 0;
      for (let u = 0; u < users; u++) {
        const explores = uniform24(philox([u, 0, 0, purposes.EXPLORE], key)[0]) < epsilon;
        const found = Array.from(slates?.subarray(u * slate, (u + 1) * slate) ?? []);
        if (explores) explored++;
        // Free are 0..4, 32..35, 37..39, and what the policy had chosen, 5 and 36.
        const free = [0, 1, 2, 3, 4, 5, 32, 33, 34, 35, 36, 37, 38, 39];
        assert.deepEqual(found, explores ? randomSlateOf(free, u, 0, slate, items) : [5, 36]);
        for (const item of [...free, ...found]) {
          assert.equal(
            bitOf(masked ?? bits, users, u, item),
            found.includes(item),
            `user ${u}, item ${item}`,
          );
        }
      }
      const se = Math.sqrt(epsilon * (1 - epsilon) / users);
      assert.ok(Math.abs(explored / users - epsilon) <= 4 * se, `${explored} of ${users} explore`);
    }
    checked.destroy();
  }));

for (const [users, items, slate] of [[1, 1, 1], [5, 31, 4], [70, 33, 3], [11, 500, 10]] as const) {
  Deno.test(`top_slate and popular_slate: the best ${slate} of ${items} that are free, ties to the lowest`, () =>
    withGpu(undefined, async (gpu) => {
      const checked = new CheckedPage(gpu, { users, items, slate });
      const { page } = checked;
      const bits = randomBits(page.panels * users, 0.6, 3);
      for (let u = 0; u < users; u++) {
        // All but k items are masked for the last user; enough are free for the others.
        if (u > 0 && u === users - 1) {
          for (let p = 0; p < page.panels; p++) bits[p * users + u] = 0xffffffff;
        }
        for (let j = 0; j < slate; j++) {
          bits[(u + 7 * j) % items >>> 5 === 0 ? u : ((u + 7 * j) % items >>> 5) * users + u]! &=
            ~(1 << ((u + 7 * j) % items & 31));
        }
      }
      const random = randomStream(2, "scores");
      const scores = Float32Array.from({ length: users * items }, (_, k) => {
        const kind = k % 41;
        return kind === 7 ? NaN : kind === 9 ? Infinity : Math.round(6 * random.normal());
      });
      const chunk = Math.max(1, Math.min(4, users - 1));
      const finite = (x: number) => (Number.isFinite(x) ? x : -3.4e38);
      const best = (u: number, score: (item: number) => number) =>
        range(items).filter((item) => !bitOf(bits, users, u, item))
          .sort((a, b) => score(b) - score(a) || a - b).slice(0, slate);
      const set = () => checked.write(page.masked, bits);
      // In chunks: the scores of each stand where those of the first do, so users of later chunks read them, too.
      const view = checked.arena.upload("scores", scores.slice(0, chunk * items));
      const top = { chunk, rows: items, dispatches: [topSlate(page, view)] };
      const order = range(items).sort((a, b) => finite(scores[b] ?? 0) - finite(scores[a] ?? 0) || a - b);
      const popular = popularSlate(page, checked.arena.upload("order", Uint32Array.from(order)));
      const cases = [
        {
          dispatch: top,
          score: (u: number) => (item: number) => finite(scores[(u % chunk) * items + item] ?? NaN),
        },
        { dispatch: popular, score: () => (item: number) => finite(scores[item] ?? NaN) },
      ];
      for (const { dispatch, score } of cases) {
        const [slates, masked = bits] = await checked.run([dispatch], [page.slates, page.masked], { set });
        for (let u = 0; u < users; u++) {
          const wanted = best(u, score(u));
          assert.equal(wanted.length, slate);
          assert.deepEqual(
            Array.from(slates?.subarray(u * slate, (u + 1) * slate) ?? []),
            wanted,
            `user ${u}`,
          );
          for (let item = 0; item < 32 * page.panels; item++) {
            assert.equal(bitOf(masked, users, u, item), bitOf(bits, users, u, item) || wanted.includes(item));
          }
        }
      }
      checked.destroy();
    }));
}

for (const shop of [demo, restless]) {
  Deno.test(`shop_utility, shop_step: the ${shop.name} shop as on the host, for slates and for all items`, () =>
    withGpu(undefined, async (gpu) => {
      const [users, items, slate] = [45, 61, 3];
      const values = shopItems(3, items);
      const checked = new CheckedPage(gpu, { users, items, slate });
      const { page } = checked;
      const environment = new ShopSource(shop, values).users(page);
      const random = randomStream(4, "shop");
      const states = range(users).map((): ShopState => ({
        m1: 2 * random.normal(),
        m2: random.normal(),
        p: random.uniform(),
      }));
      const clicks = range(users).map((u) => (u % 4 === 0 ? NONE : random.integer(items)));
      checked.write(page.slates, Uint32Array.from({ length: users * slate }, () => random.integer(items)));
      checked.write(page.event, Uint32Array.from(clicks.flatMap((item) => [0, 0, 0, item])));
      const state = bufferOf(environment.state.view);
      const set = () =>
        checked.write(state, Float32Array.from(states.flatMap(({ m1, m2, p }) => [m1, m2, p, 0])));
      const { dispatches, utilities } = environment.utilities();
      const views = [page.slates, bufferOf(utilities.view), state];
      const [slates, u, moved] = await checked.run([...dispatches, ...environment.step()], views, { set });
      const truth = (user: number, item: number) =>
        shopUtility(shop, states[user] ?? assert.fail(), featuresOf(values, item));
      for (let r = 0; r < users * slate; r++) {
        const wanted = truth(Math.floor(r / slate), slates?.[r] ?? 0);
        assert.ok(Math.abs((floats(u)[r] ?? NaN) - wanted) < 1e-5, `row ${r}: ${floats(u)[r]}, ${wanted}`);
      }
      for (const [user, before] of states.entries()) {
        const item = clicks[user] ?? NONE;
        const { m1, m2, p } = item === NONE ? before : nextState(before, featuresOf(values, item));
        [m1, m2, p, 0].forEach((x, k) =>
          assert.ok(Math.abs((floats(moved)[4 * user + k] ?? NaN) - x) < 1e-6)
        );
      }
      // All items, in chunks of users: what stands there at the end is of the last chunk.
      const all = environment.catalogue();
      assert.equal(all.users, users);
      const chunk = { chunk: 20, rows: items, dispatches: all.dispatches };
      const [whole] = await checked.run([chunk], [all.utilities], { set });
      for (let e = 0; e < 5; e++) {
        for (let item = 0; item < items; item++) {
          assert.ok(Math.abs((floats(whole)[e * items + item] ?? NaN) - truth(40 + e, item)) < 1e-5);
        }
      }
      const dirty = () => checked.write(state, new Float32Array(4 * users).fill(7));
      const [reset] = await checked.run(environment.reset(), [state], { set: dirty });
      assert.ok(floats(reset).every((x) => x === 0));
      checked.destroy();
    }));
}

Deno.test("feed_click: users click what they start with, place by place", () =>
  withGpu(undefined, async (gpu) => {
    const users = 37;
    const checked = new CheckedPage(gpu, { users, items: 40, pages: 2, startClicks: 2 });
    const { page } = checked;
    const histories = [[], [3], [33, 39]];
    const starts = new Starts(page, histories);
    starts.put(users, 5, 1, key);
    const set = () => checked.write(page.clicked, new Uint32Array(page.panels * users));
    const [event, clicked = new Uint32Array()] = await checked.run([starts.feed()], [
      page.event,
      page.clicked,
    ], { set });
    const seen = new Set<number>();
    for (let u = 0; u < users; u++) {
      const draw = philox([5 + u, 1, 0, purposes.START], key)[0];
      const own = histories[Math.floor(draw / 2 ** 32 * 3)] ?? [];
      seen.add(own.length);
      assert.deepEqual(Array.from(event?.subarray(4 * u, 4 * u + 4) ?? []), [u, u + 1, NONE, own[1] ?? NONE]);
      for (let item = 0; item < 64; item++) assert.equal(bitOf(clicked, users, u, item), own.includes(item));
    }
    assert.equal(seen.size, 3);
    checked.destroy();
  }));
