/** The game of generator and reward: both players' kernels, the exact generator, and what is known of them exactly. */

import assert from "node:assert/strict";
import { referenceBatch } from "../../src/batch/reference_batch.ts";
import { isPredicted, NONE } from "../../src/data/click_log.ts";
import { randomStream } from "../../src/data/random.ts";
import { fixedShapes } from "../../src/gpu/kernel_shapes.ts";
import { type GameOptions, gameReference, sparsemax } from "../../src/ops/minimax.ts";
import { at, type Matrix, matrix } from "../../src/tape/reference.ts";
import { checkOp, countedOf, meanOf, type OpCase, withGpu } from "../op_check.ts";
import { batchOf, few, further, noClicks, one, U } from "../../src/selftest/ops/op_batches.ts";
import { exactMinimaxOf, minimaxOf, minimaxOfLayer } from "../../src/selftest/ops/loss_recipes.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { game } from "../train/trainings.ts";

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

for (const [name, batch] of Object.entries(batches)) {
  for (const [k, game] of games.entries()) {
    for (const player of ["generator", "reward"] as const) {
      const own = minimaxOf(player, game)(batch);
      // Of many whole numbers some are equal.
      const leaves = own.leaves.map((leaf) => ({ ...leaf, whole: name === "many" }));
      Deno.test(`minimax: ${player}, game ${k}, ${name}`, () =>
        checkOp({
          ...{ ...own, leaves },
          loss: (output, [u]) =>
            player === "generator"
              ? -meanOf(output, 7, batch)
              : meanOf(output, 4, batch) + penaltyOf(u ?? assert.fail(), batch, game),
        }));
    }
    Deno.test(`exact_minimax: game ${k}, ${name}`, () => {
      const loss: OpCase["loss"] = (output, [u]) =>
        meanOf(output, 4, batch) + penaltyOf(u ?? assert.fail(), batch, game);
      return checkOp({ ...exactMinimaxOf(game)(batch), loss }, [fixedShapes("cpu"), fixedShapes("gpu")]);
    });
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

Deno.test("for a fixed reward, gradient steps of the generator end at sparsemax(u)", () => {
  const random = randomStream(9, "fixed reward");
  for (
    const page of [
      [0.4, 0.1, -0.2],
      [0, 0],
      [1.2, 0.7, 0.9, -3],
      Array.from({ length: 6 }, () => random.normal()),
    ]
  ) {
    const log = pageOf(page.length);
    const u = matrix(page.length, 1, (r) => page[r] ?? NaN);
    const logits = page.map(() => 0);
    const game = gameReference("generator", plain);
    for (let t = 0; t < 60000; t++) {
      const z = matrix(page.length, 1, (r) => logits[r] ?? NaN);
      const [, slope] = game([u, z], log).backward(matrix(1, 8));
      logits.forEach((x, k) => logits[k] = x - 2 * at(slope ?? assert.fail(), k, 0));
    }
    const most = Math.max(...logits);
    const weights = logits.map((x) => Math.exp(x - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    const target = sparsemax(page);
    weights.forEach((w, k) =>
      assert.ok(
        Math.abs(w / sum - (target[k] ?? NaN)) < 3e-3,
        `${page}: ${weights.map((x) => x / sum)}, ${target}`,
      )
    );
  }
});

Deno.test("with the Shannon regulariser the inner maximum is the log-sum-exp", () => {
  const random = randomStream(4, "shannon");
  for (let trial = 0; trial < 50; trial++) {
    // The null action has utility 0; V(pi) = sum pi u + H(pi).
    const u = [0, ...Array.from({ length: 1 + random.integer(6) }, () => random.normal())];
    const lse = Math.log(u.reduce((sum, x) => sum + Math.exp(x), 0));
    const value = (pi: readonly number[]) =>
      pi.reduce((sum, p, k) => sum + p * (u[k] ?? NaN) - (p > 0 ? p * Math.log(p) : 0), 0);
    assert.ok(Math.abs(value(u.map((x) => Math.exp(x - lse))) - lse) < 1e-12);
    const raw = u.map(() => -Math.log(1 - random.uniform()));
    const total = raw.reduce((a, b) => a + b, 0);
    assert.ok(value(raw.map((x) => x / total)) <= lse + 1e-12);
  }
});

Deno.test("a generator step raises the objective, a reward step lowers it", () =>
  withGpu(undefined, async (gpu) => {
    const log = smallLog(8, { users: 40, items: 12, width: WIDTH, maxPage: 7 });
    for (const moves of ["generator", "reward"] as const) {
      // A rate of 1e-9 leaves the other player where it is.
      using own = await game(gpu, log, smallLstm, {
        ...{ batchSize: 12, behaviourSd: 0.3, generatorWarmup: 0 },
        utilityPenalty: 0,
        generatorLearningRate: moves === "generator" ? 1e-3 : 1e-9,
        rewardLearningRate: moves === "reward" ? 1e-3 : 1e-9,
      }, { seed: 3, validate: false });
      const { trainer } = own;
      const users = trainer.batchOf(1);
      const first = await trainer.step(users);
      const second = await trainer.step(users);
      if (moves === "generator") {
        assert.ok(second.lossMax > first.lossMax, `${first.lossMax} ${second.lossMax}`);
      } else assert.ok(second.lossMin < first.lossMin, `${first.lossMin} ${second.lossMin}`);
    }
  }));

/** A batch of one event whose first item was clicked. */
function pageOf(items: number) {
  return {
    userFirst: [0, 1],
    events: [{ first: 0, end: items, click: 0, fed: NONE }],
    history: [{ clicks: 0, end: 1 }],
    rows: Array.from({ length: items }, (_, item) => ({ event: 0, logRow: item, item, fedEvent: NONE })),
    rowSlot: Array.from({ length: items }, (_, k) => k),
    slotItem: Array.from({ length: items }, (_, k) => k),
    own: new Uint32Array(items),
    noise: 0,
  };
}
