/**
 * Compiles every shader with Tint (Chromium's compiler): shaders of all kinds of models with CPU and GPU
 * variants, of ladder steps and of probes. Tint refuses code that naga accepts, e.g. barriers in divergent
 * control flow. The models also train on the null backend of Dawn (Chromium's WebGPU), which checks every
 * call and grants exactly WebGPU's default limits. The backend needs no adapter and computes nothing: buffers
 * contain zeros. The self-test must cover every kernel, and must fail on this backend.
 */

import assert from "node:assert/strict";
import { createAnswerStep } from "../../src/exercise/exercise.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import { measureAdapter } from "../../src/profile/adapter_ceilings.ts";
import { BoundLadder } from "../../src/ladder/check_ladder.ts";
import { ladders } from "../../src/ladder/ladders.ts";
import { buildCountsConfig } from "../../src/counts/count_tables.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { restless } from "../../src/data/shops.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { type AdapterKind, getDefaultVariants } from "../../src/gpu/kernel_variants.ts";
import { Program } from "../../src/gpu/program.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { initializeFromCounts } from "../../src/model/model_counts.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { createGreedyPolicy, createPopularPolicy, randomPolicy } from "../../src/policy/named_policies.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { createExploringPolicy } from "../../src/simulate/exploring_policy.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { DivergedError } from "../../src/train/training_results.ts";
import type { AdversarialConfig, TrainingConfig } from "../../src/train/training_config.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { runProcess } from "../command_check.ts";
import { fillStarter } from "../../src/exercise/answers.ts";
import { listKernelNames } from "../kernel_files.ts";
import { type OpenSelftest, runSelftest } from "../../src/selftest/run.ts";
import { findBlamedKernels, type KindFinding } from "../../src/selftest/finding.ts";
import { openGpu } from "../open_alone.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { allSizes } from "../op_check.ts";

/** Environment variable with the name of the test that a process started by {@link test} runs. */
const CHILD = "DAWN_TEST";
const FILE = import.meta.url;

/**
 * Registers a test that runs in its own process with Dawn as `navigator.gpu`, so that a crash of Dawn ends
 * only this process. Without Dawn the test is skipped with a message. The test must close its devices before
 * it ends, otherwise the process crashes.
 */
function test(name: string, run: () => Promise<void>): void {
  const isChild = Deno.env.get(CHILD) === name;
  Deno.test(name, isChild ? () => runOnDawn(run) : () => runInChild(name));
}

async function runInChild(name: string): Promise<void> {
  const permissions = ["read", "write", "env", "run", "ffi"].map((one) => `--allow-${one}`);
  const filter = `/^${name.replaceAll(/[^\w ]/g, "\\$&")}$/`;
  const { code, stdout, stderr } = await runProcess(
    new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", ...DENO_FLAGS, "--no-prompt", ...permissions, "--filter", filter, FILE],
      env: { [CHILD]: name, NO_COLOR: "1" },
    }),
  );
  assert.ok(code === 0 && /\b1 passed/.test(stdout), `Dawn's process failed:\n${stdout}\n${stderr}`);
  for (const [line] of stdout.matchAll(/^(Skipped: |\d+ texts ).*/gm)) console.log(line);
}

async function runOnDawn(run: () => Promise<void>): Promise<void> {
  const missing = await useDawn();
  if (missing === undefined) return await run();
  console.log(`Skipped: shader texts through Tint, as npm's webgpu does not load here (${missing})`);
}

/** Replaces `navigator.gpu` by that of Dawn. @returns the reason if Dawn does not run on this machine */
async function useDawn(): Promise<string | undefined> {
  try {
    const { create, globals } = await import("webgpu");
    const dawn = create(["backend=null"]);
    if (!await dawn.requestAdapter()) return "Dawn has no null backend here";
    Object.assign(globalThis, globals);
    Object.defineProperty(navigator, "gpu", { value: dawn });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface ShaderFault {
  readonly kernel: string;
  readonly constants: string;
  readonly message: string;
}

class ShaderTexts {
  readonly #faults = new Map<string, ShaderFault | undefined>();
  readonly #kernels = new Set<string>();

  get kernels(): string[] {
    return [...this.#kernels].sort();
  }
  get count(): number {
    return this.#faults.size;
  }
  /** Faults of kernels, without repetitions of the same fault of a kernel. */
  get faults(): ShaderFault[] {
    const byMessage = new Map<string, ShaderFault>();
    for (const fault of this.#faults.values()) {
      const key = `${fault?.kernel} ${fault?.message.replace(/\d+/g, "")}`;
      if (fault && !byMessage.has(key)) byMessage.set(key, fault);
    }
    return [...byMessage.values()];
  }

  /**
   * Records all shaders that a device compiles. Errors are recorded, not thrown, so that one run finds all of
   * them. @param workgroupBytes allowed workgroup memory, if it is more than Dawn grants
   */
  watch(gpu: Gpu, workgroupBytes = 0): void {
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = async (kernel, source, layout) => {
      this.#kernels.add(kernel);
      try {
        const pipeline = await compile(kernel, source, layout);
        this.#faults.set(source, undefined);
        return pipeline;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // Tint found no fault before this check.
        const asked = Number(
          message.match(/total use of workgroup storage \((\d+) bytes\)/)?.[1] ?? Infinity,
        );
        const constants = [...source.matchAll(/^const (\w+ = [^;]+);/gm)].map(([, text]) => text).join(", ");
        this.#faults.set(source, asked <= workgroupBytes ? undefined : { kernel, constants, message });
        return standIn(gpu.device);
      }
    };
  }
}

function standIn(device: GPUDevice): GPUComputePipeline {
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn nothing() {}" });
  return device.createComputePipeline({ layout: "auto", compute: { module } });
}

const size = { users: 30, items: 41, maxEvents: 5, maxPage: 6 };
const logs = {
  dense: createSmallLog(1, { ...size, width: 9, given: 0.3 }),
  oneHot: createSmallLog(4, { ...size, width: 0 }),
  mixed: createSmallLog(5, { ...size, width: 5, tokens: 12 }),
};
const ofRows = [{ width: 256 }, { width: 1 }, { width: 0, tokens: 12 }];
const others = allSizes ? ofRows.map((own, k) => createSmallLog(k, { ...size, ...own })) : [];
const lstm = { ...defaultModel, dims: [8, 8] };
const { lstmUnits: _, ...noHistory } = lstm;
const pw = { ...defaultPwModel, dims: [8, 8] };
const none: ModelConfig = { ...noHistory, encoder: "none", dims: [], wide: 3, positions: 4 };
const pwTanh: ModelConfig = { ...pw, pwNonlinearity: "tanh", pwLags: 3, pwWeightings: 16 };

interface Case {
  readonly log: ClickLog;
  readonly model: ModelConfig;
  readonly training?: Partial<TrainingConfig>;
  readonly game?: Partial<AdversarialConfig> | undefined;
}

/** Numbers of vectors that panel kernels sum: numbers below, at and above those where the code changes. */
const vectors = allSizes
  ? [...Array.from({ length: 17 }, (_, k) => k + 1), 31, 32, 33, 47, 48, 49, 63, 64, 65, 66]
  : [1, 3, 16, 17, 49, 65];
const widths = [...vectors.map((k4) => 4 * k4), ...(allSizes ? [1, 3, 255, 257, 18] : []), 5];
const layers = Array.from({ length: Math.ceil(widths.length / 8) }, (_, k) => widths.slice(8 * k, 8 * k + 8));

const ends = [layers[0] ?? [], layers.at(-1) ?? []];

/** Models that are compiled for CPU adapters, whose kernels have generated code for each width. */
const cpuCases: Case[] = layers.map((dims) => ({ log: logs.dense, model: { ...lstm, dims } }));

const cases: Case[] = [
  ...ends.map((dims): Case => ({ log: logs.dense, model: { ...pw, dims, batchNorm: true } })),
  { log: logs.dense, model: { ...lstm, dims: [256, 256] } },
  { log: logs.dense, model: { ...lstm, dims: [512, 8] } },
  ...(allSizes ? [4, 8, 12, 16, 20, 24, 28, 32, 1, 33, 64, 250] : [4, 32, 33, 250]).map((
    lstmUnits,
  ): Case => ({ log: logs.dense, model: { ...lstm, lstmUnits } })),
  ...[...Object.values(logs), ...others].flatMap((log) => {
    const tokens = log.items.kind === "mixed";
    return [lstm, ...(tokens && !allSizes ? [] : [pw]), ...(tokens ? [] : [pwTanh])].flatMap((
      model,
    ): Case[] => [
      { log, model },
      { log, model: { ...model, batchNorm: true }, training: { itemDropout: 0.2, weightDecay: 0.1 } },
      { log, model, training: { adam: "row-sparse", evaluationShards: 2 } },
      { log, model, game: { behaviourDims: [256, 8] } },
    ]);
  }),
  // Micro-batches.
  { log: logs.dense, model: lstm, training: { microBatchRows: 12 } },
  { log: logs.oneHot, model: lstm, training: { microBatchRows: 12, adam: "row-sparse" } },
  ...[logs.dense, logs.oneHot, logs.mixed].flatMap((log): Case[] => [
    { log, model: none, training: { itemDropout: 0.2 } },
    { log, model: { ...none, wide: 0 }, training: { adam: "row-sparse" } },
    { log, model: { ...pw, wide: 3, loss: "logistic" } },
  ]),
  ...[logs.dense, logs.oneHot, logs.mixed].flatMap((log) =>
    (allSizes ? [lstm, pw] : [log === logs.oneHot ? pw : lstm]).flatMap((model): Case[] => [
      { log, model, game: { generator: "exact", rewardSteps: 2, itemDropout: 0.2, skipNoClick: false } },
      {
        log,
        model: { ...model, batchNorm: true },
        game: { behaviourDims: [7, 5, 3], generatorSteps: 2, rewardSteps: 0, adam: "row-sparse" },
      },
    ])
  ),
];

async function train(gpu: Gpu, { log, model: config, training, game }: Case, steps: number): Promise<void> {
  using model = new UserModel(gpu, log.items, config, { seed: 1 });
  const schedule = { batchSize: 5, validateEvery: 2 };
  const shannon = () => Trainer.create(model, log, { ...defaultTraining, ...schedule, ...training });
  const adversarial = () =>
    AdversarialTrainer.create(
      model,
      log,
      { ...defaultAdversarial, ...schedule, ...game },
      { seed: 1, evaluationShards: 0 },
    );
  const trainer = game ? await adversarial() : await shannon();
  for (
    const { spec: { choices = [] } } of trainer.stepPrograms.flatMap(({ program }) => program.dispatches)
  ) {
    const specs = choices.flatMap(({ variants, buildDispatch: by }) => variants.map(by));
    await Program.record(gpu, "variants", trainer.plan.steps, specs);
  }
  // Some metrics are NaN if all results are zero.
  await trainer.run(steps).catch((error) => assert.ok(error instanceof DivergedError, String(error)));
  trainer.destroy();
  if (steps > 0) await model.score({ history: [1, 2], page: [0, 3] });
}

async function climb(gpu: Gpu): Promise<void> {
  for (const ladder of ladders) {
    const few = ladder.size.map((n, k) => (k === 0 ? 3 : n));
    for (const own of [few, ...ladder.oddSizes]) {
      using bound = await BoundLadder.open(gpu, ladder, own);
      for (const { encode } of bound.steps) CommandRecorder.submit(gpu, "a step", ({ pass }) => encode(pass));
    }
  }
}

const smallPolicy = {
  ...{ ...defaultPolicyTraining, users: 64, pages: 2, slate: 3, rows: 64, hidden: 8, trunk: 8 },
  replay: 256,
};

async function simulate(gpu: Gpu): Promise<void> {
  const shop = new ShopSource(restless, drawShopItems(1, 40));
  const counts = buildCountsConfig(new MemoryLog(logs.mixed), []);
  const counted: ModelConfig = { ...lstm, wide: 2, positions: 3, counts };
  const start = initializeFromCounts(new MemoryLog(logs.mixed), counted, 1);
  const models: readonly UserModel[] = [
    new UserModel(gpu, logs.oneHot.items, { ...pw, pwNonlinearity: "tanh", pwWeightings: 3 }, { seed: 1 }),
    new UserModel(gpu, logs.mixed.items, counted, { seed: 1, start }),
  ];
  const room = { users: 5, slate: 3, pages: 2, start: [[1, 2], []], pool: { random: 20 } };
  for (const source of [shop, ...models.map((model) => new LearnedSource(model))]) {
    const simulator = await Simulator.create(gpu, source, room);
    const drawn = createExploringPolicy(createGreedyPolicy(), { temperature: 1 });
    const popular = createPopularPolicy(new Float64Array(source.itemCount));
    for (const policy of [randomPolicy, popular, createGreedyPolicy(), drawn]) await simulator.run(policy);
    simulator.destroy();
    (await PolicyTrainer.create(gpu, source, { ...smallPolicy, algorithm: "slateq" })).destroy();
  }
  for (const model of models) model.destroy();
}

/** Numbers of hidden units for which CPU adapters have score kernels with generated sums. */
const units = allSizes ? Array.from({ length: 16 }, (_, k) => 4 * (k + 1)) : [4, 64];

async function learnFromUsers(gpu: Gpu, kind: AdapterKind): Promise<void> {
  const source = new ShopSource(restless, drawShopItems(1, 40));
  const all = [
    ...(["cdqn", "gdqn", "slateq"] as const).map((algorithm) => ({ algorithm, hidden: 8 })),
    ...(kind === "cpu" ? units.map((hidden) => ({ algorithm: "cdqn" as const, hidden })) : []),
  ];
  for (const { algorithm, hidden } of all) {
    (await PolicyTrainer.create(gpu, source, { ...smallPolicy, hidden, algorithm })).destroy();
  }
}

/** Runs `work` with a fast clock, without which benches would repeat these no-op commands too often. */
async function onLongTicks(gpu: Gpu, work: () => Promise<unknown>): Promise<void> {
  const { now } = performance;
  let [time, tick] = [0, 1];
  Object.defineProperty(gpu, "hasTimestamps", { value: false });
  performance.now = () => time += tick *= 1.1;
  try {
    await work();
  } finally {
    performance.now = now;
  }
}

/**
 * Opens a device for one test, because watchers and changed limits must not be shared. Closes the device
 * after the test; `withGpu` would close it at the end of the file, which crashes the process of all tests.
 */
async function withDawn(kind: AdapterKind, run: (gpu: Gpu) => Promise<void>): Promise<void> {
  using gpu = await openGpu({ variants: getDefaultVariants(kind) });
  await run(gpu);
  gpu.check();
  assert.equal(gpu.liveBuffers, 0, `buffers left alive: ${gpu.liveBufferLabels.join(", ")}`);
}

test("every shader text passes Tint, and every call Dawn, within the limits of WebGPU", async () => {
  const texts = new ShaderTexts();
  for (const kind of ["cpu", "gpu"] as const) {
    await withDawn(kind, async (gpu) => {
      assert.equal(gpu.device.limits.maxComputeWorkgroupStorageSize, 16384);
      texts.watch(gpu);
      for (const one of kind === "cpu" ? [...cpuCases, ...cases] : cases) {
        await train(gpu, one, 3);
        gpu.check();
      }
      await learnFromUsers(gpu, kind);
      if (kind === "gpu") {
        gpu.setVariants({ ...gpu.variants, sum: { outcome_sum: "subgroups" } });
        for (const game of [undefined, {}]) await train(gpu, { log: logs.dense, model: lstm, game }, 3);
      }
      if (kind === "cpu") {
        await climb(gpu);
        await onLongTicks(gpu, () => measureAdapter(gpu, 0));
        await simulate(gpu);
      }
    });
  }
  let larger = 0;
  await withDawn("cpu", async (gpu) => {
    const { limits } = gpu.device;
    const more = new Proxy(limits, {
      get: (_, name) => name === "maxComputeWorkgroupStorageSize" ? 32768 : Reflect.get(limits, name, limits),
    });
    Object.defineProperty(gpu.device, "limits", { value: more });
    texts.watch(gpu, 32768);
    const before = texts.count;
    await train(gpu, { log: logs.dense, model: { ...lstm, dims: [256, 256] } }, 0);
    larger = texts.count - before;
  });
  console.log(`${texts.count} texts of ${texts.kernels.length} kernels`);
  const faults = texts.faults.map(({ kernel, constants, message }) => `${kernel} (${constants}): ${message}`);
  assert.equal(faults.length, 0, `${faults.length} kernels at fault:\n\n${faults.join("\n\n")}`);
  assert.ok(larger > 0, "no kernel depends on the memory, so the test is weak");
  assert.deepEqual(texts.kernels, listKernelNames("shipped", "steps", "probe"));
});

test("the exercises' starters and answers pass Tint", () =>
  withDawn("cpu", async (gpu) => {
    const texts = new ShaderTexts();
    texts.watch(gpu);
    for (const exercise of exercises) {
      const { ladder, name, starter } = exercise;
      for (const text of [starter, fillStarter(exercise)]) {
        const steps = [createAnswerStep(exercise, `${name}.wgsl`, text)];
        const bound = await BoundLadder.open(gpu, { ...ladder, steps }, ladder.oddSizes[0] ?? ladder.size);
        bound[Symbol.dispose]();
      }
    }
    assert.deepEqual(texts.faults, []);
    assert.equal(texts.count, 2 * exercises.length);
  }));

test("a barrier in divergent control flow is reported with kernel, constants and line", () =>
  withDawn("cpu", async (gpu) => {
    const texts = new ShaderTexts();
    texts.watch(gpu);
    const diverging = parseKernel(
      "diverging",
      `const WORKGROUP = 64;
@group(0) @binding(0) var<uniform> step: vec4u;
@compute @workgroup_size(WORKGROUP)
fn diverging(@builtin(local_invocation_index) i: u32) {
  if (i < step.x) { workgroupBarrier(); }
}`,
    );
    const arena = new Arena(gpu, "test");
    await Program.record(gpu, "test", arena.allocate("steps", 256).buffer, [{
      kernel: diverging,
      label: "diverging",
      views: {},
      invocations: [64],
      cost: () => ({ flops: 0, bytes: 0 }),
    }]);
    arena.destroy();
    const [fault] = texts.faults;
    assert.equal(fault?.constants, "WORKGROUP = 64");
    assert.match(fault.message, /diverging\.wgsl:5:21 'workgroupBarrier' must only be called from uniform/);
  }));

test("self-test: every kernel is compared, and fails without computation", async () => {
  const { findings, texts } = await runCases();
  assert.deepEqual(texts.faults, []);
  const expected = listKernelNames("shipped");
  assert.deepEqual(texts.kernels, expected, "kernels that are compiled");
  assert.deepEqual(
    findings.flatMap(({ name, error }) => error === undefined ? [] : [`${name}: ${error}`]),
    [],
  );

  const behind = (some: (check: KindFinding["checks"][number]) => boolean) =>
    [...new Set(findings.flatMap(({ checks }) => checks.filter(some).flatMap(({ kernels }) => kernels)))]
      .sort();
  const compared = behind(({ worst, values }) => worst !== undefined && values > 1);
  assert.deepEqual(compared, expected, "kernels whose numbers are compared");
  assert.deepEqual(
    behind(({ differs, worst }) => differs && worst !== undefined),
    expected,
    "kernels that are missed",
  );
  // A case that passes without computation tests nothing.
  const weak = findings.filter((finding) => findBlamedKernels(finding).length === 0).map(({ name, kind }) =>
    `${name}, ${kind}`
  );
  assert.deepEqual(weak, []);
  console.log(`${texts.count} texts of ${texts.kernels.length} kernels, ${findings.length} cases`);
});

/** Runs the self-test on Dawn, and records the code of its kernels. */
async function runCases() {
  const texts = new ShaderTexts();
  const open: OpenSelftest = async ({ variantsFor }) => {
    const gpu = await openGpu({
      variantsFor,
      variants: variantsFor === "cpu" ? getDefaultVariants("cpu") : undefined,
    });
    texts.watch(gpu);
    return gpu;
  };
  return { ...await runSelftest(open, { kinds: ["cpu", "gpu"] }), texts };
}
