/** The warning of an adversarial stage that makes the reward worse. */

import assert from "node:assert/strict";
import { RewardWatch } from "../../src/train/reward_watch.ts";

const after = (counted: number) => (prec1: number, k: number) => ({ iteration: 100 * k, prec1, counted });

Deno.test("a reward that falls is told once on the way and once at the end; a small fall and few events are not", () => {
  const told = (counted: number, ...figures: number[]) => {
    const watch = new RewardWatch();
    const texts = figures.map(after(counted)).flatMap((v) => watch.take(v) ?? []);
    return { texts, verdict: watch.verdict() };
  };
  const fallen = told(4000, 0.213, 0.209, 0.19, 0.136);
  assert.equal(fallen.texts.length, 1);
  assert.match(fallen.texts[0] ?? "", /was 0\.213 before its first step and is 0\.190 after iteration 200/);
  assert.match(fallen.verdict ?? "", /0\.136 after iteration 300.*--generator exact/);
  // It came back.
  const back = told(4000, 0.5, 0.4, 0.5);
  assert.deepEqual([back.texts.length, back.verdict], [1, undefined]);
  for (const quiet of [told(4000, 0.528, 0.511), told(60, 0.5, 0.44), told(9, NaN, NaN), told(9)]) {
    assert.deepEqual(quiet, { texts: [], verdict: undefined });
  }
});
