/** LinUCB against the ridge estimate that it is, solved at once. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { choleskyOf } from "../../src/policy/comparison/support.ts";
import { LinUcb } from "../../src/policy/adaptation/lin_ucb.ts";
import { LinUcbPolicy } from "../../src/policy/adaptation/lin_ucb_play.ts";

const near = (a: number, b: number, tolerance = 1e-9) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

/** The solution of A x = b by elimination, with all columns of B at once: [n, m]. */
function solved(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const m = b.length / n;
  const [left, right] = [a.slice(), b.slice()];
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = left[i * n + k]! / left[k * n + k]!;
      for (let j = 0; j < n; j++) left[i * n + j]! -= factor * left[k * n + j]!;
      for (let j = 0; j < m; j++) right[i * m + j]! -= factor * right[k * m + j]!;
    }
  }
  return right.map((value, at) => value / left[Math.floor(at / m) * (n + 1)]!);
}

/** Random rewards of shown items. */
function story(items: number, width: number, count: number) {
  const random = randomStream(3, "lin ucb", items);
  const vectors = Float32Array.from({ length: items * width }, () => random.uniform() * 2 - 1);
  const shown = Array.from({ length: count }, () => ({
    mean: Float64Array.from({ length: width }, () => random.uniform() * 2 - 1),
    item: random.integer(items - 1), // the last one is never shown
    reward: random.uniform() < 0.3 ? 1 : 0,
  }));
  return { vectors, shown };
}

Deno.test("LinUCB: beta, theta and the standard errors are those of one ridge regression", () => {
  const [items, width, count] = [5, 3, 60];
  const { vectors, shown } = story(items, width, count);
  const bandit = new LinUcb(vectors, width, 1);
  for (const { mean, item, reward } of shown) bandit.learn(mean, item, reward);
  // All weights in one vector: beta, then theta of each item.
  const [d, p] = [1 + width, 2 * width];
  const n = p + items * d;
  const rowOf = (mean: Float64Array, item: number) => {
    const row = new Float64Array(n);
    for (let k = 0; k < width; k++) {
      const f = vectors[item * width + k]!;
      row[k] = f * mean[k]!;
      row[width + k] = f;
      row[p + item * d + 1 + k] = mean[k]!;
    }
    row[p + item * d] = 1;
    return row;
  };
  const a = new Float64Array(n * n);
  const b = new Float64Array(n);
  for (let k = 0; k < n; k++) a[k * n + k] = 1;
  for (const { mean, item, reward } of shown) {
    const row = rowOf(mean, item);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) a[i * n + j]! += row[i]! * row[j]!;
      b[i]! += reward * row[i]!;
    }
  }
  const identity = Float64Array.from({ length: n * n }, (_, k) => k % (n + 1) === 0 ? 1 : 0);
  const inverse = solved(a, identity, n);
  const weights = solved(a, b, n);
  bandit.beta.forEach((value, k) => near(value, weights[k]!));
  for (let item = 0; item < items; item++) {
    bandit.theta(item).forEach((value, k) => near(value, weights[p + item * d + k]!));
    const { mean } = shown[item]!;
    const row = rowOf(mean, item);
    const along = (i: number) => row.reduce((sum, value, k) => sum + value * inverse[i * n + k]!, 0);
    near(bandit.expected(mean, item), row.reduce((sum, value, k) => sum + value * weights[k]!, 0));
    near(bandit.error(mean, item), Math.sqrt(row.reduce((sum, value, k) => sum + value * along(k), 0)));
  }
  assert.ok(bandit.theta(items - 1).every((value) => value === 0));
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < i; j++) near(bandit.inverse[i * p + j]!, bandit.inverse[j * p + i]!);
  }
  choleskyOf(bandit.inverse, p); // positive definite
});

Deno.test("LinUCB: one item, one reward, by hand; what is unknown is tried first", () => {
  // Without clicks x = [1, 0], z = [0, f]: after reward 1 of f = 1, ridge with features z2 and x1 gives 1/3 each.
  const bandit = new LinUcb(Float32Array.of(1, 1, 0), 1, 2);
  assert.deepEqual([...bandit.slate([0], 2, () => true)], [0, 1], "equal scores: the smaller number");
  bandit.learn([0], 0, 1);
  near(bandit.beta[1]!, 1 / 3);
  near(bandit.theta(0)[0]!, 1 / 3);
  near(bandit.expected([0], 0), 2 / 3);
  near(bandit.error([0], 0), Math.sqrt(2 / 3));
  near(bandit.expected([0], 1), 1 / 3);
  near(bandit.error([0], 1), Math.sqrt(2 / 3 + 1));
  assert.deepEqual([...bandit.slate([0], 3, () => true)], [1, 0, 2]);
  assert.deepEqual([...bandit.slate([0], 1, (item) => item !== 1)], [0]);
  assert.deepEqual([...new LinUcb(Float32Array.of(1, 1), 1, 0).slate([0], 2, () => true)], [0, 1]);
  assert.throws(() => bandit.slate([0], 3, (item) => item > 0), /expected 3 items that may be shown, got 2/);
  assert.throws(() => new LinUcb(Float32Array.of(1), 1, -1), /alpha of at least 0/);
});

Deno.test("LinUCB learns which of two kinds of items is clicked, and by whom", () => {
  // Users who clicked +1 like +1, others -1: only z can tell.
  const vectors = Float32Array.from({ length: 20 }, (_, item) => item % 2 === 0 ? 1 : -1);
  const bandit = new LinUcb(vectors, 1, 0.5);
  const random = randomStream(1, "bandit");
  let late = 0;
  for (let page = 0; page < 600; page++) {
    const taste = page % 2 === 0 ? 1 : -1;
    const [item = 0] = bandit.slate([taste], 1, () => true);
    const reward = random.uniform() < (vectors[item] === taste ? 0.8 : 0.1) ? 1 : 0;
    if (page >= 300) late += reward;
    bandit.learn([taste], item, reward);
  }
  assert.ok(late / 300 > 0.7, `click rate ${late / 300}`);
});

Deno.test("LinUCB with users: each has a mean of its own clicks, which are not shown again; the absent teach nothing", () => {
  const vectors = Float32Array.of(1, 2, 4, 8);
  const agent = new LinUcbPolicy(new LinUcb(vectors, 1, 0), { values: vectors, width: 1 }, false, true);
  agent.newUsers(3, 2);
  assert.deepEqual([...agent.slates()], [0, 1, 0, 1, 0, 1]);
  agent.tell([0, 1, 2, 3, 2, 3], [1, 2, 0], (user) => user < 2);
  const alone = new LinUcb(vectors, 1, 0);
  for (const [item, reward] of [[0, 0], [1, 1], [2, 0], [3, 0]] as const) alone.learn([0], item, reward);
  agent.bandit.beta.forEach((value, k) => near(value, alone.beta[k]!));
  const allowed = (item: number) => item !== 1;
  assert.deepEqual([...agent.slates()], [
    ...alone.slate([2], 2, allowed),
    ...alone.slate([0], 2, () => true),
    ...alone.slate([0], 2, () => true),
  ]);
  agent.tell(agent.slates(), [0, 0, 0], (user) => user === 0); // the mean of two clicks
  const [second = 0] = alone.slate([2], 2, allowed);
  for (const [j, item] of [...alone.slate([2], 2, allowed)].entries()) {
    alone.learn([2], item, j === 0 ? 1 : 0);
  }
  const mean = (2 + vectors[second]!) / 2;
  assert.deepEqual(
    [...agent.slates().subarray(0, 2)],
    [...alone.slate([mean], 2, (item) => item !== 1 && item !== second)],
  );
  agent.newUsers(3, 2);
  assert.deepEqual([...agent.slates().subarray(0, 2)], [...alone.slate([0], 2, () => true)]);
});

Deno.test("LinUCB: with bounds of before the slate is that of all scores of now", () => {
  const [items, width, alpha] = [40, 3, 0.7];
  const random = randomStream(5, "bounds");
  const vectors = Float32Array.from({ length: items * width }, () => 2 * random.uniform() - 1);
  const [bandit, other] = [new LinUcb(vectors, width, alpha), new LinUcb(vectors, width, alpha)];
  for (let round = 0; round < 60; round++) {
    const mean = Float64Array.from({ length: width }, () => 2 * random.uniform() - 1);
    const slate = bandit.slate(mean, 3, (item) => item % 7 !== round % 7);
    const score = (item: number) => other.expected(mean, item) + alpha * other.error(mean, item);
    const all = Array.from({ length: items }, (_, item) => item).filter((item) => item % 7 !== round % 7);
    assert.deepEqual([...slate], all.sort((a, b) => score(b) - score(a)).slice(0, 3), `round ${round}`);
    for (const item of slate) {
      const reward = random.uniform() < 0.3 ? 1 : 0;
      for (const one of [bandit, other]) one.learn(mean, item, reward);
    }
  }
});
