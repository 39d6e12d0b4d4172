import assert from "node:assert/strict";
import { toLogSource } from "../../src/data/log_source.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/model_config.ts";
import { expectAgreement, expectAsMany, expectTrainable } from "../../src/commands/train/train_ranks.ts";
import { gatherTexts, MpiRanks, rankPlace, trainCommand } from "../../src/run/ranks/mpi.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import type { ClickTrainer } from "../../src/train/click_trainer.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import { type ProcessGroup, selectRankShare } from "../../src/train/process_group.ts";
import type { DistributedContext } from "../../src/train/distributed_context.ts";
import { broadcastState, createDistributedContext } from "../../src/train/distributed_context.ts";
import type { TrainingStepResult, ValidationResult } from "../../src/train/training_results.ts";
import type { TrainerState } from "../../src/train/networks.ts";
import { UserError } from "../../src/user_error.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { withGpu } from "../op_check.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";
import { assertNear, logs, SIZE, type TestTraining, trainGame, trainShannon } from "./trainings.ts";
import { isUserError } from "../run/folder_check.ts";

type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Creates one process group per rank, in memory. A collective call returns when all ranks have called it. */
function createRanksInMemory(size: number): ProcessGroup[] {
  const begin = () => ({ given: new Map<number, Words>(), ...Promise.withResolvers<Words[]>() });
  let meeting = begin();
  const meet = async <T extends Words>(rank: number, values: T): Promise<T[]> => {
    const { given, promise, resolve } = meeting;
    assert.ok(!given.has(rank), "a rank makes one call at a time");
    given.set(rank, values.slice());
    if (given.size === size) {
      meeting = begin();
      resolve([...given].sort(([a], [b]) => a - b).map(([, values]) => values));
    }
    const all = await promise as T[];
    assert.ok(all.every(({ length }) => length === values.length), "ranks give equally many");
    return all;
  };
  return Array.from({ length: size }, (_, rank): ProcessGroup => ({
    rank,
    size,
    gather: (values) => meet(rank, values),
    async sum(values) {
      const all = await meet(rank, values);
      return values.map((_, k) => all.reduce((sum, of) => Math.fround(sum + (of[k] ?? NaN)), 0));
    },
  }));
}

type Any = TestTraining<ClickTrainer<ChoiceMetrics>>;
type Make = (gpu: Gpu, distributed?: DistributedContext) => Promise<Any>;

/** @param stopAt iteration after which the training is asked to stop */
async function trainTo({ trainer }: Any, to: number, stopAt?: number) {
  const stop = new AbortController();
  const steps: TrainingStepResult<ChoiceMetrics>[] = [];
  const validations: ValidationResult<ChoiceMetrics>[] = [];
  await trainer.run(to, {
    onStep: (step) => {
      steps.push(step);
      if (step.iteration === stopAt) stop.abort();
    },
    onValidation: (validation) => void validations.push(validation),
  }, stop.signal);
  // Only rank 0 saves the best snapshots.
  return { steps, validations, state: { ...await trainer.state(), snapshots: {} } };
}

async function withRanks<T>(
  gpu: Gpu,
  make: Make,
  [size, syncEvery = 1]: [size: number, syncEvery?: number],
  use: (trainings: Any[]) => Promise<T>,
): Promise<T> {
  const trainings = await Promise.all(
    createRanksInMemory(size).map((ranks) => make(gpu, createDistributedContext(ranks, syncEvery))),
  );
  try {
    return await use(trainings);
  } finally {
    for (const training of trainings) training[Symbol.dispose]();
  }
}

const small: ModelConfig = { ...smallLstm, dims: [6] };
const every = { validateEvery: 4 };
const sparse = { ...every, adam: "row-sparse" } as const;
const tokens = createSmallLog(5, { ...SIZE, width: WIDTH, tokens: 7 });
const given = createSmallLog(24, { ...SIZE, width: 0, given: 0.4 });
const oneHot = logs["one-hot"];
/** Log for which a rank's share of a batch has more rows than one chunk of partial sums. */
const long = createSmallLog(21, { ...SIZE, maxEvents: 12, maxPage: 14, width: WIDTH });

/** Makes a small training, for tests of how ranks share weights, stops and pauses. */
const makeOneHot: Make = (gpu, distributed) => trainShannon(gpu, oneHot, small, every, { distributed });

const cases: Record<string, Make> = {
  "dense features, several chunks": (gpu, distributed) =>
    trainShannon(gpu, long, small, every, { distributed }),
  "PW, weight decay": (gpu, distributed) =>
    trainShannon(gpu, oneHot, { ...smallPw, dims: [6] }, { ...every, weightDecay: 1 }, { distributed }),
  "row-sparse": (gpu, distributed) => trainShannon(gpu, oneHot, small, sparse, { distributed }),
  "row-sparse tokens": (gpu, distributed) => trainShannon(gpu, tokens, small, sparse, { distributed }),
  "no history, events given": (gpu, distributed) =>
    trainShannon(gpu, given, noHistory, every, { distributed }),
  "both players, row-sparse": (gpu, distributed) =>
    trainGame(gpu, oneHot, small, { ...sparse, generatorWarmup: 3 }, { distributed }),
  "two steps of each player": (gpu, distributed) =>
    trainGame(gpu, logs.dense, small, { ...every, generatorSteps: 2, rewardSteps: 2 }, { distributed }),
  "the exact generator": (gpu, distributed) =>
    trainGame(gpu, logs.dense, small, { ...every, generator: "exact" }, { distributed }),
};

for (const [name, make] of Object.entries(cases)) {
  Deno.test(`ranks: ${name}: equal to one process with the joined batch, with the same bits on all`, () =>
    withGpu(undefined, async (gpu) => {
      using alone = await make(gpu);
      const one = await trainTo(alone, 8);
      const all = await withRanks(gpu, make, [3], (of) => Promise.all(of.map((one) => trainTo(one, 8))));
      for (const { steps, validations, state } of all) {
        assert.deepEqual({ steps, validations, state }, all[0]);
        for (const [found, expected] of [[steps, one.steps], [validations, one.validations]] as const) {
          assert.deepEqual(found.map(({ iteration }) => iteration), expected.map((of) => of.iteration));
          found.forEach(({ nll }, k) => assert.ok(Math.abs(nll - (expected[k]?.nll ?? NaN)) < 1e-5, name));
        }
        assert.deepEqual(validations.map((of) => of.counted), one.validations.map((of) => of.counted));
        const free = name.includes("player") ? "utility/output/bias" : "";
        assertNear("3 ranks", state.weights, one.state.weights, 2e-3, { least: 1e-2, free });
      }
    }));
}

/** Returns the mean of two states (weights and moments of Adam) in f32. */
function computeMean([a, b]: readonly TrainerState[]): TrainerState {
  if (!a || !b) return assert.fail("two states");
  const mean = (of: "weights" | "m" | "v") =>
    new Map([...a[of]].map(([name, x]) => {
      const y = b[of].get(name);
      return [name, x.map((value, k) => Math.fround(value + (y?.[k] ?? NaN)) / 2)];
    }));
  return { ...a, weights: mean("weights"), m: mean("m"), v: mean("v") };
}

Deno.test("ranks: --sync-every 4 is four steps on each share, then the mean of weights and moments", () =>
  withGpu(undefined, async (gpu) => {
    const make: Make = (gpu, distributed) =>
      trainShannon(gpu, oneHot, small, sparse, { distributed, validate: distributed !== undefined });
    const [first, second] = await withRanks(
      gpu,
      make,
      [2, 4],
      (of) => Promise.all(of.map((one) => trainTo(one, 8))),
    );
    assert.deepEqual(first?.state.weights, second?.state.weights);
    assert.deepEqual(first?.steps, second?.steps);
    assert.deepEqual(first?.steps.map(({ iteration }) => iteration), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(first?.validations.map(({ iteration }) => iteration), [0, 4, 8]);
    const each = await Promise.all([0, 1].map(() => make(gpu)));
    for (const [rank, { trainer }] of each.entries()) {
      const joined = trainer.drawBatch.bind(trainer);
      const draws = new Map(Array.from({ length: 8 }, (_, t) => [t + 1, Uint32Array.from(joined(t + 1))]));
      trainer.takeBatches((t) => selectRankShare({ rank, size: 2 }, draws.get(t) ?? assert.fail(`${t}`)));
    }
    for (const to of [4, 8]) {
      for (const { trainer } of each) await trainer.run(to);
      const mean = computeMean(await Promise.all(each.map(({ trainer }) => trainer.state())));
      for (const { trainer } of each) trainer.restore(mean);
    }
    const expected = await each[0]?.trainer.state();
    for (const what of ["weights", "m", "v"] as const) {
      assert.deepEqual(first?.state[what], expected?.[what], what);
    }
    for (const training of each) training[Symbol.dispose]();
  }));

Deno.test("ranks: all start with rank 0's weights, and all stop if one rank is stopped", () =>
  withGpu(undefined, async (gpu) => {
    using before = await makeOneHot(gpu);
    const begun = (await trainTo(before, 4)).state;
    const whole = await withRanks(gpu, makeOneHot, [2], (of) => {
      of[0]?.trainer.restore(begun);
      return Promise.all(of.map((one) => trainTo(one, 40)));
    });
    assert.deepEqual(whole.map(({ steps: [first] }) => first?.iteration), [5, 5]);
    const stopped = await withRanks(gpu, makeOneHot, [2], (of) => {
      of[0]?.trainer.restore(begun);
      return Promise.all(of.map((one, rank) => trainTo(one, 1000, rank === 1 ? 8 : undefined)));
    });
    const ends = stopped.map(({ state }) => state.iteration);
    assert.equal(ends[0], ends[1]);
    assert.ok((ends[0] ?? 0) >= 8 && (ends[0] ?? 1000) < 1000, ends.join());
    assert.deepEqual(stopped[0]?.state.weights, stopped[1]?.state.weights);
  }));

Deno.test("ranks: the state is that of rank 0, with its best validations", async () => {
  const getState = (rank: number): TrainerState => {
    const at = (k: number) => ({ value: 10 * rank + k / 8, iteration: 100 * rank + k });
    const values = () => new Map([["w", Float32Array.of(rank + 1, rank - 2)]]);
    return {
      ...{ iteration: 7 + rank, weights: values(), m: values(), v: values() },
      ...{ best: { loss: at(1), prec1: at(2), prec2: at(3) }, snapshots: {} },
    };
  };
  const states = await Promise.all(
    createRanksInMemory(3).map((ranks) => broadcastState(ranks, getState(ranks.rank))),
  );
  for (const state of states) assert.deepEqual(state, getState(0));
});

Deno.test("ranks: all pause if one rank requests a pause", () =>
  withGpu(undefined, async (gpu) => {
    /** Requests pauses only from the first rank. @returns the iterations at which the training paused */
    const listPauses = async (wanted: number) => {
      const pauses: number[] = [];
      let steps = 0;
      await withRanks(gpu, makeOneHot, [2], async ([first, second]) => {
        await Promise.all([
          first?.trainer.run(6, {
            onStep: ({ iteration }) => void (steps = iteration),
            wantsPause: () => steps === wanted,
            onPause: (iteration) => void pauses.push(iteration),
          }),
          second?.trainer.run(6),
        ]);
      });
      return pauses;
    };
    assert.deepEqual(await listPauses(100), []);
    assert.deepEqual(await listPauses(3), [4]);
  }));

Deno.test("ranks: all detect that one rank has different weights", () =>
  withGpu(undefined, async (gpu) => {
    const results = await withRanks(gpu, makeOneHot, [2], async ([first, second]) => {
      const bias = "utility/output/bias";
      return await Promise.allSettled([
        first?.trainer.run(120),
        second?.trainer.run(120, {
          onStep: ({ iteration }) => {
            if (iteration === 60) second.trainer.setWeights(new Map([[bias, Float32Array.of(0.125)]]));
          },
        }),
      ]);
    });
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.ok(result.status === "rejected" && result.reason instanceof UserError);
      assert.match(result.reason.message, /after iteration 100, but rank 1 has/);
    }
  }));

Deno.test("ranks: shares take each user once; more ranks than users, or micro-batches, are refused", () =>
  withGpu(undefined, async (gpu) => {
    const all = Uint32Array.from({ length: 11 }, (_, k) => 3 * k);
    for (const size of [1, 2, 3, 11]) {
      const shares = Array.from({ length: size }, (_, rank) => selectRankShare({ rank, size }, all));
      assert.deepEqual(shares.flatMap((share) => [...share]), [...all]);
      const sizes = shares.map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }
    const refused = async (size: number, more: object, message: RegExp) => {
      const joint = createDistributedContext(createRanksInMemory(size)[0] ?? assert.fail(), 1);
      await assert.rejects(
        trainShannon(gpu, oneHot, small, { ...every, ...more }, { distributed: joint }),
        isUserError(message),
      );
    };
    await refused(14, {}, /no more ranks than users in a batch/);
    await refused(2, { microBatchRows: 5 }, /share of a batch to fit in one micro-batch/);
  }));

Deno.test("ranks are detected by the environment of Open MPI and Slurm", () => {
  const of = (variables: Record<string, string>) => rankPlace((name) => variables[name]);
  assert.deepEqual(of({ OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "4" }), { rank: 1, size: 4 });
  assert.deepEqual(of({ PMIX_RANK: "0", SLURM_NTASKS: "2" }), { rank: 0, size: 2 });
  assert.equal(of({ SLURM_NTASKS: "2" }), undefined);
  assert.equal(of({ PMIX_RANK: "0", SLURM_NTASKS: "1" }), undefined);
  const junk: Record<string, string>[] = [
    { PMIX_RANK: "x", SLURM_NTASKS: "2" },
    { OMPI_COMM_WORLD_RANK: "2", OMPI_COMM_WORLD_SIZE: "2" },
    { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "-1" },
    { OMPI_COMM_WORLD_RANK: "0" },
  ];
  for (const variables of junk) {
    assert.throws(() => of(variables), isUserError(/to be a rank below/));
  }
  assert.match(trainCommand({ size: 3 }), /^mpirun -n 3 deno task -q train$/);
});

Deno.test("without MPI's library a message names what to install", async () => {
  await assert.rejects(
    MpiRanks.join({ rank: 0, size: 2 }, "libnone.so.40"),
    isUserError(/libnone\.so\.40[^]*apt-get install openmpi-bin/),
  );
});

Deno.test("differences between ranks are reported with the rank", async () => {
  const [first, second] = createRanksInMemory(2);
  if (!first || !second) return assert.fail();
  for (const texts of await Promise.all([gatherTexts(first, "a"), gatherTexts(second, "größer")])) {
    assert.deepEqual(texts, ["a", "größer"]);
  }
  const own = { clickgan: "1", data: { sha256: "aa" } };
  const agree = (theirs: object) => {
    const both = [
      expectAgreement(first, "left", own),
      expectAgreement(second, "right", { ...own, ...theirs }),
    ];
    return Promise.allSettled(both);
  };
  for (const { status } of await agree({})) assert.equal(status, "fulfilled");
  for (const theirs of [{ data: { sha256: "bb" } }, { clickgan: "2" }, { more: 1 }]) {
    for (const result of await agree(theirs)) {
      assert.ok(result.status === "rejected");
      assert.match(result.reason.message, /on rank 0 \(left\).* on rank 1 \(right\)/);
    }
  }
});

Deno.test("unsupported trainings of ranks are refused before they start", () => {
  const source = toLogSource(createSmallLog(31, { users: 90, items: 30, width: 0 }));
  const training = { ...defaultTraining, batchSize: 12 };
  const config = { model: defaultModel, training, pretrain: true, adversarial: null };
  const check = (size: number, syncEvery: number, more: object = {}) =>
    expectTrainable({ size, syncEvery }, { ...config, ...more }, source);
  check(2, 1);
  check(12, 10);
  const adversarial = { ...defaultAdversarial, batchSize: 1 };
  const refused: [() => void, RegExp][] = [
    [() => check(13, 1), /users in a batch \(--batch-size\)/],
    [() => check(2, 4), /--validate-every to be a multiple of --sync-every 4.*nearest multiple is 12/],
    [() => check(2, 1, { model: { ...defaultModel, batchNorm: true } }), /--batch-norm/],
    [() => check(2, 1, { adversarial }), /--adversarial-batch-size/],
    [
      () => expectAsMany({ size: 2, syncEvery: 1 }, undefined, "run"),
      /mpirun -n 2 deno task -q train --resume/,
    ],
    [() => expectAsMany(undefined, { size: 2 }, "run"), /as at the start of the run in run, got 2/],
  ];
  for (const [attempt, message] of refused) assert.throws(attempt, isUserError(message));
  expectAsMany({ size: 2, syncEvery: 1 }, { size: 2 }, "run");
});
