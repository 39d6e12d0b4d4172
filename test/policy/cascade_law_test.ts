/**
 * Why a cascade may choose item by item: with values that are the best of all completions its slate is the best of all slates,
 * and chained targets lead to these values whatever was shown; the common target does not.
 */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";

const [states, items, k] = [4, 6, 3];

/** All ordered beginnings of slates, of one item up to k. */
function beginnings(): readonly number[][] {
  const all: number[][] = [];
  const grow = (slate: number[]) => {
    for (let item = 0; item < items; item++) {
      if (slate.includes(item)) continue;
      const longer = [...slate, item];
      all.push(longer);
      if (longer.length < k) grow(longer);
    }
  };
  grow([]);
  return all;
}
const all = beginnings();
const whole = all.filter((slate) => slate.length === k);
const others = (slate: readonly number[]) => [0, 1, 2, 3, 4, 5].filter((item) => !slate.includes(item));

type Values = Map<string, number>;
const of = (values: Values, slate: readonly number[]) =>
  values.get(slate.join()) ?? assert.fail(slate.join());

/** The cascade's slate, item by item, and how many values it looked at. */
function cascade(values: Values): { slate: number[]; looked: number } {
  let looked = 0;
  const slate: number[] = [];
  while (slate.length < k) {
    const next = others(slate);
    looked += next.length;
    slate.push(
      next.reduce((best, item) => of(values, [...slate, item]) > of(values, [...slate, best]) ? item : best),
    );
  }
  return { slate, looked };
}

/** For every beginning of a slate the best value of a whole slate that begins so. */
function bestCompletions(q: Values): Values {
  const values: Values = new Map(whole.map((slate) => [slate.join(), of(q, slate)]));
  for (const slate of all.toSorted((a, b) => b.length - a.length)) {
    if (slate.length === k) continue;
    values.set(slate.join(), Math.max(...others(slate).map((item) => of(values, [...slate, item]))));
  }
  return values;
}

Deno.test("cascade: the best first item, then the best second one, ... are the best slate of all", () => {
  const random = randomStream(1, "cascade");
  for (let draw = 0; draw < 1000; draw++) {
    const q: Values = new Map(whole.map((slate) => [slate.join(), random.normal()]));
    const { slate, looked } = cascade(bestCompletions(q));
    assert.equal(of(q, slate), Math.max(...q.values()));
    assert.equal(looked, k * items - k * (k - 1) / 2);
  }
});

Deno.test("cascade: chained targets reach the best values under random slates, the common target does not", () => {
  const random = randomStream(2, "cascade");
  const gamma = 0.8;
  const rewards = Array.from(
    { length: states },
    () => new Map(whole.map((s) => [s.join(), random.normal()])),
  );
  const next = Array.from(
    { length: states },
    () => new Map(whole.map((s) => [s.join(), random.integer(states)])),
  );
  const bestOf = (values: Values) => of(values, cascade(values).slate);

  // What is best, by value iteration over whole slates.
  let worth = new Array<number>(states).fill(0);
  const q = (state: number, slate: readonly number[]) =>
    of(rewards[state] ?? assert.fail(), slate) +
    gamma * (worth[of(next[state] ?? assert.fail(), slate)] ?? NaN);
  for (let round = 0; round < 100; round++) {
    worth = worth.map((_, state) => Math.max(...whole.map((slate) => q(state, slate))));
  }
  const wanted = worth.map((_, state) => bestCompletions(new Map(whole.map((s) => [s.join(), q(state, s)]))));

  // Tables that learn: every slate is shown equally often, so a table's entry is the mean of its targets.
  const learn = (chained: boolean) => {
    let tables = wanted.map((): Values => new Map(all.map((slate) => [slate.join(), 0])));
    for (let round = 0; round < 100; round++) {
      const older = tables;
      tables = older.map((own, state): Values => {
        const target = (slate: readonly number[]) =>
          of(rewards[state] ?? assert.fail(), slate) +
          gamma * bestOf(older[of(next[state] ?? assert.fail(), slate)] ?? assert.fail());
        const sums = new Map<string, { sum: number; count: number }>();
        for (const slate of whole) {
          for (let j = 1; j <= k; j++) {
            const begun = slate.slice(0, j);
            const y = chained && j < k
              ? Math.max(...others(begun).map((item) => of(own, [...begun, item])))
              : target(slate);
            const { sum, count } = sums.get(begun.join()) ?? { sum: 0, count: 0 };
            sums.set(begun.join(), { sum: sum + y, count: count + 1 });
          }
        }
        return new Map([...sums].map(([slate, { sum, count }]) => [slate, sum / count]));
      });
    }
    return tables;
  };
  const off = (tables: readonly Values[]) =>
    Math.max(
      ...tables.flatMap((table, state) =>
        all.map((s) => Math.abs(of(table, s) - of(wanted[state] ?? assert.fail(), s)))
      ),
    );
  const [chained, common] = [learn(true), learn(false)];
  assert.ok(off(chained) < 1e-3, `chained targets are off by ${off(chained)}`);
  assert.ok(off(common) > 0.5, `the common target is off by no more than ${off(common)}`);
  const lost = common.filter((table, state) => q(state, cascade(table).slate) < (worth[state] ?? NaN) - 0.1);
  assert.ok(lost.length > 0, "the common target chooses the best slates all the same");
});
