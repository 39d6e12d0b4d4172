import assert from "node:assert/strict";
import { UserError } from "../../src/user_error.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import { openGpu } from "../open_alone.ts";
import { buildKernelText, type Constants, getConstant, parseKernel } from "../../src/gpu/kernel.ts";
import { getDefaultVariants, type KernelVariants } from "../../src/gpu/kernel_variants.ts";
import { type DispatchSpec, Program } from "../../src/gpu/program.ts";
import { type Memory, type View, writeMemory } from "../../src/gpu/memory.ts";
import { listTimedWork, timePasses } from "../../src/gpu/profiler.ts";
import { ReadbackQueue, readFloats, readViews, StagingPool } from "../../src/gpu/readback.ts";
import { selectMatmulKernel } from "../../src/ops/kernel_selection.ts";
import { chooseDriverThreads, findVersionInFile } from "../../src/gpu/host/driver.ts";
import { toLogSource } from "../../src/data/log_source.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/training_config.ts";
import { estimateIterationFlops, type TrainingWorkload } from "../../src/train/iteration_flops.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import config from "../../deno.json" with { type: "json" };
import {
  runCommandWith,
  runProcess,
  splitArgs,
  TEST_SHADERS,
  USER_SHADERS,
  withSmallLog,
} from "../command_check.ts";
import { withGpu } from "../op_check.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

const doubleText = `
const WORKGROUP = 8;
const FACTOR = 2.0;
const COUNT = 4u;
const ON = true;
struct Step { size: vec4u, first_entry: u32, slot: u32, chunks: u32, learning_rate: f32, iteration: u32 }
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<uniform> step: Step;
@compute @workgroup_size(WORKGROUP)
fn double(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < COUNT && ON) { values[id.x] *= FACTOR; }
}`;
const double = parseKernel("double", doubleText);
const sizes = { users: 1, events: 1, rows: 1, items: 1 };

function spec(views: Record<string, View>, more: Partial<DispatchSpec> = {}): DispatchSpec {
  return {
    kernel: double,
    label: "double it",
    views,
    invocations: [8],
    cost: () => ({ flops: 4, bytes: 32 }),
    ...more,
  };
}

Deno.test("a kernel's interface and constants are read from its text", () => {
  assert.deepEqual(double.bindings, [
    { name: "values", index: 0, kind: "read_write" },
    { name: "step", index: 1, kind: "uniform" },
  ]);
  assert.equal(getConstant(double, "WORKGROUP"), 8);
  const buildText = (constants: Constants) => buildKernelText({ kernel: double, constants, views: {} });
  const text = buildText({ FACTOR: 3, COUNT: 7, ON: false });
  assert.match(text, /const FACTOR = 3\.0;\nconst COUNT = 7u;\nconst ON = false;/);
  assert.match(buildText({ FACTOR: 1e-8 }), /const FACTOR = 1e-8;/);
  assert.throws(() => buildText({ MISSING: 1 }), /kernel double has no constant MISSING/);
  assert.throws(() => parseKernel("none", "fn f() {}"), /the last named step or steps, got none/);
});

Deno.test("reads return the current values of all kinds and sizes, in sequence and at once", () =>
  withGpu(undefined, async (gpu) => {
    using arena = new Arena(gpu, "read");
    const sizes = [1, 3, 300_000, 70, 1000, 100_000, 5000, 64];
    const views = sizes.map((words, k) =>
      k === 3 || k === 7
        ? arena.allocateTexture(`view ${k}`, 16 * Math.ceil(words / 4))
        : arena.allocate(`view ${k}`, 4 * words)
    );
    const before = gpu.liveBuffers;
    const read = (which: readonly Memory[]) => readViews(gpu, which);
    for (let round = 0; round < 30; round++) {
      const wanted = views.map(({ size }, k) =>
        Uint32Array.from({ length: size / 4 }, (_, i) => (round + k + 1) * 1_000_003 + i)
      );
      wanted.forEach((words, k) => writeMemory(gpu.queue, views[k]!, words));
      const all = read(views);
      // Only the large view needs another buffer; small views share a buffer that is kept.
      if (round === 0) assert.equal(gpu.liveBuffers, before + 1);
      const [found, few] = await Promise.all([all, read(views.slice(0, 2))]);
      assert.deepEqual(found, wanted);
      assert.deepEqual(few, wanted.slice(0, 2));
      assert.equal(gpu.liveBuffers, before);
      const own = round % views.length;
      assert.deepEqual(await read([views[own]!]), [wanted[own]]);
    }
    assert.deepEqual(await read([]), []);
  }));

Deno.test("errors name the kernel: source line, missing and unknown views, invalid bindings", () =>
  withGpu(undefined, async (gpu) => {
    using arena = new Arena(gpu, "test");
    const steps = arena.allocate("steps", 256).buffer;
    const values = arena.allocate("values", 32);
    const record = (s: DispatchSpec) => Program.record(gpu, "test", steps, [s]);
    const broken = parseKernel("broken", doubleText.replace("*= FACTOR", "*= UNKNOWN"));
    await assert.rejects(
      record(spec({ values }, { kernel: broken })),
      /kernel broken does not compile[^]*broken[^]*UNKNOWN/,
    );
    await assert.rejects(record(spec({})), /double it \(kernel double\): expected a view for binding values/);
    await assert.rejects(
      record(spec({ values, more: values })),
      /expected a binding among values, step, got more/,
    );
    await assert.rejects(record(spec({ values: { ...values, offset: 4 } })), /double it \(kernel double\)/);
  }));

Deno.test("an uncaptured error fails the next check, and names the kernel", async () => {
  using gpu = await openGpu();
  using arena = new Arena(gpu, "test");
  const steps = arena.allocate("steps", 256).buffer;
  const program = await Program.record(gpu, "test", steps, [spec({ values: arena.allocate("values", 32) })]);
  CommandRecorder.submit(gpu, "test", (commands) => {
    program.encode(commands, sizes, 4096); // invalid: beyond the headers
  });
  await assert.rejects(readFloats(gpu, arena.allocate("other", 4)), /WebGPU reported[^]*double/);
  gpu.check();
  // Reads after the error get other staging buffers than the read that failed.
  assert.deepEqual(await readFloats(gpu, arena.upload("next", Float32Array.of(3))), Float32Array.of(3));
});

Deno.test("replay and profile are correct, and live buffers are counted", () =>
  withGpu(undefined, async (gpu) => {
    const arena = new Arena(gpu, "test");
    assert.equal(gpu.liveBuffers, 0);
    const steps = arena.allocate("steps", 256).buffer;
    const values = arena.upload("values", Float32Array.of(1, 2, 3, 4, 5));
    assert.deepEqual(gpu.liveBufferLabels, ["test: steps", "test: values"]);
    assert.equal(gpu.liveBytes, 256 + 20);
    const program = await Program.record(gpu, "test", steps, [spec({ values })]);
    CommandRecorder.submit(gpu, "test", (commands) => {
      for (let k = 0; k < 3; k++) program.encode(commands, sizes, 0);
    });
    assert.deepEqual(Array.from(await readFloats(gpu, values)), [8, 16, 24, 32, 5]);
    if (gpu.hasTimestamps) {
      const work = listTimedWork(program, sizes, 0);
      assert.deepEqual(work.map(({ kernel, label, flops }) => ({ kernel, label, flops })), [
        { kernel: "double", label: "double it", flops: 4 },
      ]);
      const [microseconds = NaN] = await timePasses(gpu, work.map(({ encode }) => encode));
      assert.ok(microseconds > 0 && microseconds < 1e6);
    }
    arena.destroy();
    assert.equal(gpu.liveBuffers, 0);
  }));

Deno.test("sizes above a limit are refused with the limit's name", () =>
  withGpu(undefined, (gpu) => {
    using arena = new Arena(gpu, "test");
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
    const refused = (name: string) => (error: unknown) =>
      error instanceof UserError && error.message.includes(name);
    assert.throws(
      () => arena.allocate("big", maxStorageBufferBindingSize + 4),
      refused("maxStorageBufferBindingSize"),
    );
    assert.throws(() => arena.allocateUnbound("huge", maxBufferSize + 4), refused("maxBufferSize"));
  }));

Deno.test("matmul kernels are chosen by shape and kind of adapter", () => {
  const chosen = (k4: number, n4: number, kind: "cpu" | "gpu", workgroupBytes = 32768) =>
    (["forward", "input", "weight"] as const).map((direction) =>
      selectMatmulKernel(direction, k4, n4, 5000, {
        variants: getDefaultVariants(kind),
        workgroupBytes,
        subgroups: false,
      }).name
    );
  const rows = ["matmul_forward_rows", "matmul_input_gradient_rows", "matmul_weight_gradient_rows"];
  const panel = ["matmul_forward_panel", "matmul_input_gradient_panel", "matmul_weight_gradient_rows"];
  assert.deepEqual(chosen(16, 16, "cpu"), panel);
  // The code of a panel kernel has at most 256 values of the summation index.
  assert.deepEqual(chosen(65, 64, "cpu"), [rows[0], panel[1], rows[2]]);
  assert.deepEqual(chosen(64, 65, "cpu"), [panel[0], rows[1], rows[2]]);
  assert.deepEqual(chosen(65, 16, "gpu"), rows.map((name) => name.replace("_rows", "_tiled")));
  // The panel and the bias must fit into the adapter's workgroup memory.
  assert.deepEqual(chosen(64, 64, "cpu"), panel);
  assert.deepEqual(chosen(64, 64, "cpu", 16511), [rows[0], panel[1], rows[2]]);
  assert.deepEqual(chosen(63, 64, "cpu", 16384), panel);

  const variants: KernelVariants = {
    kind: "cpu",
    matmul: { "forward 64x8": "panel 64", "input 64x8": "rows", "forward 260x8": "panel 64" },
  };
  const choice = { variants, workgroupBytes: 32768, subgroups: false };
  const panelRows = (k4: number, rows: number) =>
    selectMatmulKernel("forward", k4, 2, rows, choice).own.WORKGROUP;
  assert.equal(panelRows(16, 5000), 64);
  // Few rows are not worth a large workgroup.
  assert.deepEqual([5000, 500, 212, 100, 58, 1].map((rows) => panelRows(15, rows)), [
    256,
    256,
    256,
    128,
    64,
    64,
  ]);
  assert.equal(selectMatmulKernel("input", 16, 2, 5000, choice).name, rows[1]);
  assert.throws(
    () => selectMatmulKernel("forward", 65, 2, 5000, choice),
    /Expected the kernel variant of forward 260x8 to be one of rows, got panel 64/,
  );
});

Deno.test("the driver's version is found anywhere in the driver's file", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/driver.so`;
    for (
      const [before, after] of [[0, 0], [5, 300_000], [(1 << 18) - 7, 0], [(1 << 19) - 60, 1], [700_000, 70]]
    ) {
      const filling = (length = 0) => "Mesa x ".repeat(length / 7 + 1).slice(0, length);
      await Deno.writeTextFile(
        path,
        `${filling(before)}Mesa 25.0.7-2+deb13u1${after ? `\0${filling(after)}` : ""}`,
      );
      assert.equal(findVersionInFile(path), "Mesa 25.0.7-2+deb13u1", `${before} bytes before it`);
    }
    await Deno.writeTextFile(path, "Mesa x");
    assert.equal(findVersionInFile(path), undefined);
  }));

Deno.test("queued reads return the values after each submission, and reads let timers and signals run", () =>
  withGpu("cpu", async (gpu) => {
    using arena = new Arena(gpu, "reads");
    const view = arena.allocate("value", 4);
    const reads = new ReadbackQueue(gpu, view);
    const empty = () => gpu.device.createCommandEncoder().finish();
    for (let first = 0; first < 20; first += 2) {
      for (const value of [first, first + 1]) {
        writeMemory(gpu.queue, view, Float32Array.of(value));
        await reads.submit(empty());
      }
      assert.deepEqual([await reads.take(), await reads.take()].map(([value]) => value), [first, first + 1]);
    }
    await reads.submit(empty());
    await reads.destroy();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const end = performance.now() + 600;
    while (turns < 3 && performance.now() < end) await readFloats(gpu, view);
    clearInterval(timer);
    assert.ok(turns >= 3, `${turns} turns`);
    assert.equal(StagingPool.of(gpu).mapsAtOnce, true, "in this Deno, a buffer is mapped at once");
  }));

Deno.test("the driver gets two threads per core, none for small steps or one core, or the user's number", () => {
  assert.equal(chooseDriverThreads(2), "4");
  assert.equal(chooseDriverThreads(64), "32");
  assert.equal(chooseDriverThreads(1), "0");
  assert.equal(chooseDriverThreads(2, undefined, 1e6), "0");
  assert.equal(chooseDriverThreads(2, undefined, 1e9), "4");
  assert.equal(chooseDriverThreads(2, "3"), "3");
  assert.equal(chooseDriverThreads(2, "3", 1e6), "3");
});

Deno.test("variables for the driver are removed once it has read them; the user's stay", async () => {
  // In a separate process, because other tests of this process read the environment.
  const script = `
    import { setDriverThreads } from "${import.meta.resolve("../../src/gpu/host/driver.ts")}";
    const found = () => Deno.env.get("LP_NUM_THREADS");
    const seen = [];
    Deno.env.delete("LP_NUM_THREADS");
    Deno.env.set("CLICKGAN_CORES", "3");
    for (const own of [undefined, "5"]) {
      if (own) Deno.env.set("LP_NUM_THREADS", own);
      { using threads = setDriverThreads(1e12); seen.push(found()); }
      seen.push(found());
    }
    console.log(seen.join());`;
  const args = ["eval", "--no-check", script];
  const { stdout, stderr } = await runProcess(new Deno.Command(Deno.execPath(), { args }));
  assert.equal(stdout, "6,,5,5\n", stderr);
});

Deno.test("the bits of a training depend neither on the driver's threads nor on its compiler settings", () =>
  withSmallLog(async (folder, data) => {
    // Tests run without threads, and with unoptimised shaders on vectors of four numbers.
    const args = splitArgs(
      "--dims 8 --lstm-units 4 --counts none --batch-size 30 --iterations 6 --validate-every 3 --no-report --data",
      data,
    );
    const files = ["train.csv", "validation.csv", "last.safetensors"];
    const results = [];
    const drivers: Record<string, string>[] = [
      { LP_NUM_THREADS: "0", ...TEST_SHADERS },
      { LP_NUM_THREADS: "8", ...USER_SHADERS },
    ];
    for (const [k, driver] of drivers.entries()) {
      const run = `${folder}/driver-${k}`;
      const { code, stderr } = await runCommandWith(driver, "train", "--save-dir", run, ...args);
      assert.equal(code, 0, stderr);
      results.push(files.map((name) => Deno.readFileSync(`${run}/${name}`)));
    }
    assert.deepEqual(results[0], results[1]);
  }));

Deno.test("every task of tests uses the same compiler settings", () => {
  const commands = Object.values(config.tasks).map(({ command }) => command);
  const tests = commands.filter((command) => / deno test /.test(command)).map((command) =>
    command.split(" ")
  );
  assert.equal(tests.length, 1);
  for (const [name, value] of Object.entries(TEST_SHADERS)) {
    assert.ok(tests[0]?.includes(`${name}=${value}`));
  }
});

Deno.test("the estimated work of a step includes rows, layers, validation and generator", () => {
  const log = createSmallLog(1, { users: 40, items: 20, width: 3, maxEvents: 3, maxPage: 4 });
  const training = { ...defaultTraining, batchSize: 10, validationUsers: 0 };
  const model = { ...defaultModel, dims: [64, 64] };
  const flops = (more: Partial<TrainingWorkload> = {}) =>
    estimateIterationFlops(toLogSource(log), { model, training, ...more });
  const rows = 10 * log.rowItem.length / 40;
  near(flops(), rows * (60 * 64 + 6 * 64 * 64));
  near(flops({ training: { ...training, batchSize: 20 } }), 2 * flops());
  near(flops({ model: { ...model, dims: [8] } }), rows * 60 * 8);
  near(flops({ training: { ...training, validateEvery: 2, validationUsers: 6 } }), 1.1 * flops());
  const adversarial = {
    ...defaultAdversarial,
    batchSize: 10,
    validateEvery: 1e12,
    behaviourDims: [256, 128],
  };
  near(flops({ adversarial }), flops() + rows * (60 * 256 + 6 * 256 * 128));
  near(flops({ adversarial: { ...adversarial, generator: "exact" } }), flops());
});

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found / expected - 1) < 1e-9, `expected ${expected}, got ${found}`);
}
