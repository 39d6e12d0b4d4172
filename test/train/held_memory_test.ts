import v8 from "node:v8";
import vm from "node:vm";
import assert from "node:assert/strict";
import type { Gpu } from "../../src/gpu/device.ts";
import { openGpu } from "../open_alone.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { openDataset } from "../../src/data/sets/dataset.ts";
import { readDriverVersion } from "../../src/gpu/host/driver.ts";
import type { RunConfig } from "../../src/run/run_config.ts";
import { adversarialStage, shannonStage, type TrainingStage } from "../../src/run/stages.ts";
import { runStage } from "../../src/run/training_run.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import type { ClickTrainer } from "../../src/train/click_trainer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { ChoiceMetrics } from "../../src/data/ranking.ts";
import { makeRunConfig } from "../run/folder_check.ts";
import { withSmallLog } from "../command_check.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { smallLstm } from "../small_models.ts";

async function collectGarbage(): Promise<void> {
  v8.setFlagsFromString("--expose-gc");
  const gc: unknown = vm.runInNewContext("gc");
  if (typeof gc !== "function") throw new Error("V8 has no gc");
  // Objects used by the running JavaScript job live until it ends; finalisers run in separate jobs.
  for (let k = 0; k < 2; k++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    gc();
  }
}

type Flock = WeakRef<object>[];
const add = (flock: Flock, member: object) => void flock.push(new WeakRef(member));
const aliveIn = (flock: Flock) => flock.filter((member) => member.deref() !== undefined).length;

type Maker = readonly [prototype: object, method: string];

const STANDING: readonly Maker[] = [
  [GPUDevice.prototype, "createBuffer"],
  [GPUDevice.prototype, "createTexture"],
  [GPUDevice.prototype, "createBindGroup"],
  [GPUDevice.prototype, "createComputePipeline"],
];
const PASSING: readonly Maker[] = [
  [GPUDevice.prototype, "createCommandEncoder"],
  [GPUCommandEncoder.prototype, "beginComputePass"],
  [GPUCommandEncoder.prototype, "finish"],
  [GPUBuffer.prototype, "getMappedRange"],
];

interface Made {
  /** Long-lived objects: buffers, textures, bind groups and pipelines. */
  readonly standing: Flock;
  /** Short-lived objects of each submission: encoders, passes, command buffers and mapped ranges. */
  readonly passing: Flock;
  readonly listeners: number;
}

async function watched(work: () => Promise<void>): Promise<Made> {
  const [standing, passing]: [Flock, Flock] = [[], []];
  const restore = [
    ...STANDING.map((maker) => intercept(maker, (made) => add(standing, made))),
    ...PASSING.map((maker) => intercept(maker, (made) => add(passing, made))),
  ];
  let listeners = 0;
  restore.push(intercept([EventTarget.prototype, "addEventListener"], () => listeners++));
  restore.push(intercept([EventTarget.prototype, "removeEventListener"], () => listeners--));
  try {
    await work();
  } finally {
    for (const back of restore.reverse()) back();
  }
  return { standing, passing, listeners };
}

/** Makes a method report each object that it returns. @returns a function that restores the method */
function intercept([prototype, method]: Maker, tell: (made: object) => void): () => void {
  const own = Object.getOwnPropertyDescriptor(prototype, method);
  const original: unknown = own?.value;
  if (!own || typeof original !== "function") throw new Error(`expected a method ${method}`);
  const value = function (this: unknown, ...args: unknown[]): unknown {
    const made: unknown = Reflect.apply(original, this, args);
    tell(typeof made === "object" && made !== null ? made : {});
    return made;
  };
  Object.defineProperty(prototype, method, { ...own, value });
  return () => Object.defineProperty(prototype, method, own);
}

const SHORT = { batchSize: 12, validateEvery: 10 };
const TRAINING = { ...defaultTraining, ...SHORT };
const GAME = { ...defaultAdversarial, ...SHORT, behaviourDims: [8] };
const STEPS = 30;
/** Number of objects that may survive a garbage collection, as the stack has references; a leak has more. */
const FEW = 2;

async function withGpu(use: (gpu: Gpu) => Promise<void>): Promise<void> {
  using gpu = await openGpu({ stepFlops: 1e6 });
  await use(gpu);
  gpu.check();
  assert.deepEqual(gpu.liveBufferLabels, []);
}

/** Asserts that a training of `steps` steps holds no more objects than a training of a few steps. */
async function checkLength<F extends ChoiceMetrics>(gpu: Gpu, trainer: ClickTrainer<F>): Promise<void> {
  await trainer.run(STEPS); // the first groups of steps are smaller, because the time per step is unknown
  const { signal } = new AbortController();
  const train = async (steps: number) => {
    const results: Flock = [];
    const end = trainer.iteration + steps;
    const see = (result: object) => add(results, result);
    const made = await watched(() => trainer.run(end, { onStep: see, onValidation: see }, signal));
    assert.equal(trainer.iteration, end);
    assert.equal(results.length, steps + steps / SHORT.validateEvery);
    await collectGarbage();
    const alive = aliveIn(made.passing) + aliveIn(results);
    assert.ok(alive <= FEW, `after ${steps} steps ${alive} objects of theirs are held`);
    assert.ok(made.passing.length > 0);
    assert.equal(made.listeners, 0);
    return { standing: made.standing.length, buffers: gpu.liveBuffers, bytes: gpu.liveBytes };
  };
  assert.deepEqual(await train(4 * STEPS), await train(STEPS));
}

Deno.test("a four times longer training creates no more buffers, and holds no objects of its steps", () =>
  withGpu(async (gpu) => {
    const log = createSmallLog(31, { users: 90, items: 30, width: 0 });
    using model = new UserModel(gpu, log.items, smallLstm, { seed: 1 });
    const shannon = await Trainer.create(model, log, TRAINING);
    await checkLength(gpu, shannon);
    shannon.destroy();
    using game = await AdversarialTrainer.create(model, log, GAME, { seed: 1, evaluationShards: 0 });
    await checkLength(gpu, game);
  }));

Deno.test("a stopped and resumed run leaves no buffer, open file or listener behind", () =>
  withSmallLog((folder, file) =>
    withGpu(async (gpu) => {
      const data = await openDataset(file, 1, false);
      const about = { data: data.config, model: smallLstm, training: TRAINING };
      const stopAndGoOn = async (stage: TrainingStage, config: RunConfig) => {
        const path = `${folder}/${stage.name}`;
        await Deno.mkdir(path);
        const session = async (resumes: boolean) => {
          const stop = new AbortController();
          let steps = 0;
          const onStep = () => {
            if (++steps === 5) stop.abort();
          };
          const run = { gpu, data, init: undefined, signal: stop.signal, path, config };
          const { listeners } = await watched(async () => {
            const result = await runStage(stage, run, { onStep });
            assert.equal(result.resumed, resumes);
            assert.equal(result.test, undefined, "it was not stopped");
          });
          assert.equal(listeners, 0);
          assert.deepEqual(gpu.liveBufferLabels, []);
          assert.deepEqual(await openFilesIn(folder), []);
        };
        await session(false);
        for (let k = 0; k < 2; k++) await session(true);
      };
      await stopAndGoOn(shannonStage, makeRunConfig(about));
      await stopAndGoOn(adversarialStage, makeRunConfig({ ...about, adversarial: GAME, pretrain: false }));
    })
  ));

Deno.test("a driver's name does not keep its file open", async () => {
  const heap = async () => {
    await collectGarbage();
    return Deno.memoryUsage().heapUsed / 2 ** 20;
  };
  const before = await heap();
  const version = await readDriverVersion("llvmpipe"); // reads a file of 20 MB
  assert.match("x", /x/); // replaces the last match, whose text V8 holds
  const held = await heap() - before;
  assert.ok(held < 2, `${held} MiB are held by "${version}"`);
});

/**
 * Returns the files in a folder that this process has open; [] if the system cannot list them. The program
 * `ls` lists them, because Deno may not. Other open files are ignored: concurrent tests open some.
 */
async function openFilesIn(folder: string): Promise<string[]> {
  if (Deno.build.os !== "linux") return [];
  const { stdout } = await new Deno.Command("ls", { args: ["-l", `/proc/${Deno.pid}/fd`] }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(folder));
}
