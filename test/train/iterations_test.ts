import assert from "node:assert/strict";
import { listUsers } from "../../src/data/click_log.ts";
import { toLogSource } from "../../src/data/log_source.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { firstLayer } from "../../src/ops/first_layer.ts";
import { scheduleLearningRate } from "../../src/train/training_config.ts";
import { GENERATOR_PREFIX } from "../../src/train/networks.ts";
import { computeStepNoise } from "../../src/train/click_steps.ts";
import { createOpBench } from "../../src/selftest/ops/op_bench.ts";
import { chunks } from "../../src/selftest/ops/op_batches.ts";
import { withGpu } from "../op_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { type TestTraining, trainGame, trainShannon } from "./trainings.ts";

const log = createSmallLog(41, { users: 120, items: 20, width: WIDTH, noClick: 0.1 });
const model = { ...smallLstm, dims: [6] };
/** Learning rate that is too small to change results. */
const STILL = 1e-12;

interface AnyTrainer {
  drawBatch(t: number): Uint32Array;
  step(users?: ArrayLike<number>): Promise<{ readonly nll: number }>;
  run(to: number, callbacks: { onStep(result: { readonly nll: number }): void }): Promise<void>;
  destroy(): void;
}
const stages: Record<
  string,
  (gpu: Gpu, seed: number, itemDropout: number) => Promise<TestTraining<AnyTrainer>>
> = {
  Shannon: (gpu, seed, itemDropout) =>
    trainShannon(gpu, log, model, { seed, batchSize: 15, learningRate: STILL, itemDropout }, {
      ...{ seed: 1, validate: false },
    }),
  adversarial: (gpu, seed, itemDropout) => {
    const rates = { generatorLearningRate: STILL, rewardLearningRate: STILL, generatorWarmup: 0 };
    return trainGame(gpu, log, model, { ...rates, batchSize: 15, itemDropout }, { seed, validate: false });
  },
};

for (const [name, make] of Object.entries(stages)) {
  const withTrainer = (
    { seed = 8, itemDropout = 0 }: { seed?: number; itemDropout?: number },
    use: (trainer: AnyTrainer) => Promise<void> | void,
  ) =>
    withGpu(undefined, async (gpu) => {
      using own = await make(gpu, seed, itemDropout);
      await use(own.trainer);
    });

  Deno.test(`batches: seed and number of an iteration determine its batch: ${name}`, () =>
    withTrainer({}, (trainer) => {
      const users = listUsers(toLogSource(log), "train");
      const seen = new Set<string>();
      const drawn = new Set<number>();
      for (let t = 1; t <= 40; t++) {
        const batch = trainer.drawBatch(t);
        const places = createRandomStream(8, "batch", t).sampleWithoutReplacement(users.length, 15);
        assert.deepEqual(batch, places.map((place) => users[place] ?? 0));
        assert.equal(new Set(batch).size, 15);
        seen.add(batch.join());
        for (const user of batch) drawn.add(user);
      }
      assert.equal(seen.size, 40);
      assert.deepEqual([...drawn].sort((a, b) => a - b), Array.from(users), "every train user must be drawn");
    }));

  Deno.test(`batches: a run trains on the batch of each iteration in order: ${name}`, () =>
    withTrainer({}, async (trainer) => {
      const found: number[] = [];
      await trainer.run(6, { onStep: ({ nll }) => found.push(nll) });
      const expected: number[] = [];
      for (let t = 1; t <= 6; t++) expected.push((await trainer.step(trainer.drawBatch(t))).nll);
      assert.deepEqual(found, expected);
      assert.equal(new Set(found).size, 6);
    }));

  Deno.test(`item dropout: the mask differs per step and per seed: ${name}`, async () => {
    const users = listUsers(toLogSource(log), "train").subarray(0, 15);
    const losses = async (seed: number, itemDropout: number) => {
      const found: number[] = [];
      await withTrainer({ seed, itemDropout }, async (trainer) => {
        for (let t = 0; t < 5; t++) found.push((await trainer.step(users)).nll);
      });
      return found;
    };
    assert.equal(new Set(await losses(8, 0)).size, 1, "without dropout the same users have the same loss");
    const first = await losses(8, 0.5);
    assert.equal(new Set(first).size, 5);
    assert.deepEqual(await losses(8, 0.5), first, "the same seed");
    const others = await losses(9, 0.5);
    assert.equal(new Set([...first, ...others]).size, 10, "another seed");
  });
}

Deno.test("item dropout: noise depends on seed and iteration only", () => {
  const noises = [1, 2].flatMap((seed) =>
    Array.from({ length: 500 }, (_, k) => computeStepNoise(seed, k + 1))
  );
  assert.equal(new Set(noises).size, 1000);
  assert.equal(computeStepNoise(3, 7), createRandomStream(3, "noise", 7).integer(2 ** 32));
});

for (const rate of [0.1, 0.5, 0.9]) {
  Deno.test(`item dropout: hides ${rate} of the rows, changes each step, and scales the rest`, () =>
    withGpu(undefined, async (gpu) => {
      const masks: boolean[][] = [];
      for (let t = 1; t <= 4; t++) masks.push(await readMask(gpu, rate, computeStepNoise(9, t)));
      const rows = masks[0]?.length ?? 0;
      assert.ok(rows > 1000);
      const share = (of: (row: number) => boolean) =>
        Array.from({ length: rows }, (_, r) => of(r)).filter(Boolean).length / rows;
      const near = (found: number, p: number) =>
        assert.ok(Math.abs(found - p) < 4.5 * Math.sqrt(p * (1 - p) / rows), `${found}, expected ${p}`);
      masks.forEach((mask, t) => {
        near(share((r) => mask[r] ?? false), rate);
        const next = masks[(t + 1) % masks.length] ?? [];
        near(share((r) => mask[r] === next[r]), rate ** 2 + (1 - rate) ** 2);
        // Neighbouring rows are hidden independently.
        near(share((r) => mask[r] === mask[(r + 1) % rows]), rate ** 2 + (1 - rate) ** 2);
      });
    }));
}

/** Returns true for each row whose item dropout hides: with items of 1 and a state of 0, the output is 0. */
async function readMask(gpu: Gpu, itemDropout: number, noise: number): Promise<boolean[]> {
  using stack = new DisposableStack();
  const { arena, plan, batch, tape, sizes } = createOpBench(gpu, { ...chunks, parameters: [] }, stack);
  plan.put(0, chunks.users, { slot: 0, learningRate: 0, iteration: 0, noise });
  plan.upload(0, 1);
  const of = (name: "items" | "events", value: number) =>
    tape.tensor(name, name, 1, { view: arena.upload(name, new Float32Array(4 * sizes[name]).fill(value)) });
  const output = firstLayer(tape, "h", { item: of("items", 1), state: of("events", 0) }, { itemDropout });
  tape.place();
  const program = await Program.record(gpu, "mask", plan.steps, [...batch.layout(), ...tape.forward()]);
  CommandRecorder.submit(gpu, "mask", (commands) => program.encode(commands, sizes, plan.offset(0)));
  const values = await readFloats(gpu, output.view);
  const kept = Math.fround(1 / (1 - itemDropout));
  return Array.from({ length: sizes.rows }, (_, r) => {
    const value = values[4 * r] ?? NaN;
    assert.ok(value === 0 || Math.abs(value - kept) < 1e-6 * kept, `row ${r}: ${value}, kept ${kept}`);
    return value === 0;
  });
}

Deno.test("learning rate: the rate is multiplied by 0.96 every 100,000 iterations", () => {
  for (
    const [t, steps] of [[1, 0], [2, 0], [1001, 0], [100_000, 0], [100_001, 1], [200_000, 1], [200_001, 2]]
  ) {
    assert.equal(scheduleLearningRate(0.5, t ?? NaN), 0.5 * 0.96 ** (steps ?? NaN), `${t}`);
  }
});

Deno.test("learning rate: the rates of both stages fall at the same iteration", () =>
  withGpu(undefined, async (gpu) => {
    // With zero moments, a weight's first step is 0.1 / sqrt(0.001) times the rate, for any gradient.
    const lengths = async (before: number) => {
      const rates = { generatorLearningRate: 2e-3, rewardLearningRate: 5e-4, generatorWarmup: 0 };
      const found: number[] = [];
      for (const kind of ["Shannon", "adversarial"] as const) {
        using own = kind === "Shannon"
          ? await trainShannon(gpu, log, model, { batchSize: 15, learningRate: 1e-3 }, { validate: false })
          : await trainGame(gpu, log, model, { ...rates, batchSize: 15, behaviourSd: 0.3 }, {
            validate: false,
          });
        const { trainer } = own;
        const state = await trainer.state();
        trainer.restore({ ...state, iteration: before });
        await trainer.step(trainer.drawBatch(1));
        const after = await trainer.weights();
        for (const prefix of kind === "Shannon" ? [""] : ["", GENERATOR_PREFIX]) {
          const name = `${prefix}utility/layer1/item_kernel`;
          const [a, b] = [state.weights.get(name), after.get(name)];
          found.push(Math.max(...Array.from(a ?? [], (x, k) => Math.abs(x - (b?.[k] ?? NaN)))));
        }
      }
      return found;
    };
    const length = 0.1 / Math.sqrt(0.001);
    const rates = [1e-3, 5e-4, 2e-3];
    for (const [before, steps] of [[99_999, 0], [100_000, 1], [199_999, 1], [200_000, 2]] as const) {
      (await lengths(before)).forEach((found, k) => {
        const expected = length * (rates[k] ?? NaN) * 0.96 ** steps;
        assert.ok(Math.abs(found / expected - 1) < 2e-3, `after ${before}: ${found}, expected ${expected}`);
      });
    }
  }));
