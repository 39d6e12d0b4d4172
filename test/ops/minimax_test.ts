/** The game of generator and reward: both players' kernels, the exact generator, and what is known of them exactly. */

import assert from "node:assert/strict";
import { referenceBatch } from "../../src/batch/reference_batch.ts";
import { isPredicted, NONE } from "../../src/data/click_log.ts";
import { randomStream } from "../../src/data/random.ts";
import { type GameOptions, sparsemax } from "../../src/ops/minimax.ts";
import { at, type Matrix } from "../../src/tape/reference.ts";
import { checkOp, countedOf, meanOf, type OpCase } from "../op_check.ts";
import { batchOf, few, further, noClicks, one, U } from "../../src/selftest/ops/op_batches.ts";
import { exactMinimaxOf, minimaxOf, minimaxOfLayer } from "../../src/selftest/ops/loss_recipes.ts";

const batches = {
  one,
  few,
  many: batchOf(3, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 17 }),
  given: batchOf(7, { users: 67, items: 33, width: 17, maxEvents: 7, maxPage: 17, given: 0.4 }),
  further,
  noClicks,
};
const plain: GameOptions = {
  eta: 1,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
  skipNoClick: false,
};
const games: GameOptions[] = [
  plain,
  { eta: 3, generatorEta: 1.6, etaByPage: true, utilityPenalty: 0.8, skipNoClick: true },
];

/** utilityPenalty / 2 times the mean over the page of (u - mean u)^2, a mean over events. */
function penaltyOf(u: Matrix, { log, users }: Pick<OpCase, "log" | "users">, game: GameOptions): number {
  const { events } = referenceBatch(log, users);
  let sum = 0;
  for (const { first, end, click } of events) {
    if (!isPredicted(click) || (game.skipNoClick && click === NONE)) continue;
    const page = Array.from({ length: end - first }, (_, k) => at(u, first + k, 0));
    const mean = page.reduce((s, x) => s + x, 0) / page.length;
    sum += page.reduce((s, x) => s + (x - mean) ** 2, 0) / page.length;
  }
  return game.utilityPenalty / 2 * sum / countedOf(log, users);
}

for (const [k, game] of games.entries()) {
  // The plain game is the other one without what is particular to it.
  for (const [name, batch] of Object.entries(k === 0 ? { few } : batches)) {
    const ofReward: OpCase["loss"] = (output, [u]) =>
      meanOf(output, 4, batch) + penaltyOf(u ?? assert.fail(), batch, game);
    // Of many whole numbers some are equal.
    const whole = name === "many";
    for (const player of ["generator", "reward"] as const) {
      const own = minimaxOf(player, game)(batch);
      const loss: OpCase["loss"] = player === "reward" ? ofReward : (output) => -meanOf(output, 7, batch);
      Deno.test(`minimax: ${player}, game ${k}, ${name}`, () =>
        checkOp({ ...own, leaves: own.leaves.map((leaf) => ({ ...leaf, whole })), loss }));
    }
    Deno.test(`exact_minimax: game ${k}, ${name}`, () =>
      checkOp({ ...exactMinimaxOf(game)(batch), loss: ofReward }));
  }
}

Deno.test("minimax: of a generator whose last layer it multiplies itself", () =>
  checkOp({ ...minimaxOfLayer(5)(batches.few), loss: (output) => -meanOf(output, 7, batches.few) }));

for (const player of ["generator", "reward"] as const) {
  Deno.test(`minimax: ${player}, utilities and logits of 100 and more, which no exponential may meet`, () =>
    checkOp({ ...minimaxOf(player, plain)(few), scale: 100, tolerance: 4 * U * 100 * 50, once: true }));
}

Deno.test("sparsemax is the projection on the simplex: on a table of logits, and against random points", () => {
  const table: [number[], number[]][] = [
    [[0], [1]],
    [[-7], [1]],
    [[0, 0], [0.5, 0.5]],
    [[1, 0], [1, 0]],
    [[0.5, 0], [0.75, 0.25]],
    [[3, 2.5, -4], [0.75, 0.25, 0]],
    [[0.1, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3]],
    [[100, 99.9, 99.8], [0.4333333333, 0.3333333333, 0.2333333333]],
  ];
  for (const [z, expected] of table) {
    sparsemax(z).forEach((p, k) =>
      assert.ok(Math.abs(p - (expected[k] ?? NaN)) < 1e-9, `${z}: ${sparsemax(z)}`)
    );
  }
  const random = randomStream(5, "sparsemax");
  for (let trial = 0; trial < 200; trial++) {
    const z = Array.from({ length: 1 + random.integer(9) }, () => 2 * random.normal());
    const p = sparsemax(z);
    const distance = (q: readonly number[]) => q.reduce((sum, x, k) => sum + (x - (z[k] ?? NaN)) ** 2, 0);
    const raw = z.map(() => -Math.log(1 - random.uniform()));
    const total = raw.reduce((a, b) => a + b, 0);
    assert.ok(distance(p) <= distance(raw.map((x) => x / total)) + 1e-12);
    assert.ok(Math.abs(p.reduce((a, b) => a + b, 0) - 1) < 1e-12 && p.every((x) => x >= 0));
    // At the maximum no direction within the simplex goes up: u - pi is the same over the support, less elsewhere.
    const slope = z.map((x, k) => x - (p[k] ?? NaN));
    const top = Math.max(...slope);
    p.forEach((x, k) => assert.ok(x === 0 || Math.abs((slope[k] ?? NaN) - top) < 1e-9));
  }
});
