import assert from "node:assert/strict";
import { kinds } from "../../bench/logs.ts";
import { chooseUsers } from "../../bench/simulate.ts";
import { drawReplayPages, findSimulationDisagreement } from "../../bench/simulate/peer.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";
import { runBench, WITH_CACHE } from "../command_check.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { readViews } from "../../src/gpu/readback.ts";
import {
  type Clock,
  createQueueClock,
  findClockStep,
  getSampleLimits,
  isFine,
  timeHost,
  timeRepeated,
} from "../../src/profile/measure.ts";
import type { Recording, Workload } from "../../src/profile/workloads.ts";
import { benchModels, createBenchLog, selectModels } from "../../src/profile/workloads.ts";
import { classifyBindings, dispatchProfile, listWrittenRanges } from "../../src/profile/step_profile.ts";
import { estimateMedianError, summarizeTimes } from "../../src/profile/timing.ts";
import { findKernel, getKernelName, listKernelFiles, listKernelNames, readKernel } from "../kernel_files.ts";
import { withGpu } from "../op_check.ts";
import { probeKernels } from "../../src/profile/adapter_ceilings.ts";
import type { BenchReport } from "../../src/profile/bench_report.ts";
import { loadCommand, runBenchCommand, studies } from "../../bench/main.ts";
import { formatRecordsJson, readBench, writeRecords } from "../../bench/study.ts";
import { compare, listSlopeCells } from "../../bench/tables.ts";
import { fitLine, type GrowthAxis, measureGrowth } from "../../bench/growth.ts";
import { listCases, listParts, measureKernels } from "../../bench/kernel_cases.ts";
import { computeRooflinePosition } from "../../src/profile/roofline.ts";

const tiny: Workload = { name: "tiny", users: 6, events: 2, page: 3, items: 40, width: 8 };

/**
 * Kernels that `deno task bench` does not time. The benches of simulated users and of slates time some; the
 * others run only for policies, on request, or if a batch or a table exceeds the device's limits.
 */
const NOT_TIMED = [
  ...listKernelFiles("shipped").filter((path) => /^(simulate|slates)\//.test(path)).map(getKernelName),
  ...[
    "gradient_add",
    "gradient_rows_add",
    "gradient_clip",
    "gradient_norm",
    "matmul_input_gradient_tiled",
    "outcome_sum_subgroups",
  ],
];

Deno.test("the bench times every kernel of a step, with the variants of both kinds of adapter", async () => {
  const timed = new Set<string>();
  for (const variants of ["cpu", "gpu"] as const) {
    await withGpu(variants, async (gpu) => {
      const mixed = { ...tiny, categories: { fields: 2, each: 5 } };
      // The kernels for tables are the same on both kinds of adapter.
      for (const workload of variants === "gpu" ? [tiny] : [tiny, { ...tiny, width: 0 }, mixed]) {
        const { log, users } = createBenchLog(workload);
        for (const model of selectModels(log)) {
          using recording = await model.record(gpu, log, users);
          const { parts, steps } = await listParts(recording);
          const cases = listCases(parts, steps);
          for (const { spec } of cases) timed.add(spec.kernel.name);
          assert.equal(new Set(cases.map(({ label }) => label)).size, cases.length, "labels differ");
        }
      }
    });
  }
  assert.deepEqual([...timed, ...NOT_TIMED].sort(), listKernelNames("shipped"));
  assert.deepEqual(probeKernels.map(({ name }) => name).sort(), listKernelNames("probe"));
});

Deno.test("quartiles, errors, a fitted line, and the position under the roofline are correct", () => {
  const five = { median: 3, min: 1, lower: 2, upper: 4, samples: 5 };
  assert.deepEqual(summarizeTimes([5, 1, 3, 2, 4]), five);
  const errors = [{}, { error: 3 }, { error: 0.5 }].map((own) => estimateMedianError({ ...five, ...own }));
  assert.deepEqual(errors, [1, 3, 1]);
  assert.throws(() => summarizeTimes([]), /expected samples/);
  const line = fitLine([10, 20, 40].map((x) => ({ x, y: 3 + 2 * x })));
  assert.ok(Math.abs(line.slope - 2) < 1e-9 && Math.abs(line.constant - 3) < 1e-9 && line.error < 1e-9);
  assert.throws(() => fitLine([{ x: 1, y: 2 }]), /two values of x/);
  const ceilings = { flops: 100, bandwidth: 10, floor: 30, busy: 128 };
  // 10 MFLOP and 10 MB: 1 FLOP per byte, so at most 10 GFLOP/s, in 1,000 us.
  const memory = computeRooflinePosition({ flops: 1e7, bytes: 1e7 }, 2000, ceilings);
  assert.deepEqual(memory, { gflops: 5, gbs: 5, intensity: 1, share: 0.5, bound: "memory" });
  assert.equal(computeRooflinePosition({ flops: 1e9, bytes: 1e6 }, 2e4, ceilings).bound, "arithmetic");
  assert.equal(computeRooflinePosition({ flops: 1e9, bytes: 1e6 }, 2e4, ceilings).share, 0.5);
  assert.equal(computeRooflinePosition({ flops: 0, bytes: 0 }, 50, ceilings).bound, "launch");
  assert.equal(computeRooflinePosition({ flops: 0, bytes: 0 }, 50, ceilings).share, undefined);
  const bound = (invocations: number, microseconds: number) =>
    computeRooflinePosition({ flops: 1e7, bytes: 1e7 }, microseconds, ceilings, invocations).bound;
  // Few invocations leave the adapter partly idle, unless the kernel is near the roofline.
  assert.deepEqual([bound(127, 1e5), bound(128, 1e5), bound(127, 2000)], ["latency", "memory", "memory"]);
  assert.equal(bound(1, 50), "launch");
});

const timing = (median: number, spread: number) => ({
  median,
  min: median - spread,
  lower: median - spread / 2,
  upper: median + spread / 2,
  samples: 9,
});
const makeKernel = (id: string, median: number, spread: number) => ({
  id,
  kernel: "adam",
  workload: "W0",
  invocations: [64, 1] as const,
  dispatches: 2,
  compileMs: 12.5,
  flops: 1000,
  bytes: 2000,
  ...timing(median, spread),
});
const report: BenchReport = {
  format: "clickgan-bench",
  date: "2026-01-02T03:04:05.678Z",
  version: "0.1.0",
  adapter: { kind: "cpu", description: "llvmpipe", vendor: "", architecture: "", runtime: "Deno/2.9.6" },
  machine: { cores: 2, timestamps: true, shaderCache: false },
  probes: [{
    name: "multiply-add",
    unit: "GFLOP/s",
    median: 100,
    lower: 95,
    upper: 105,
    best: 110,
    samples: 9,
  }],
  kernels: [makeKernel("W0 LSTM: adam", 100, 10), makeKernel("W0 LSTM: batch rank", 50, 2)],
  steps: [{
    workload: "W0",
    model: "LSTM",
    users: 50,
    events: 100,
    rows: 500,
    items: 480,
    dispatches: [{ label: "adam", kernel: "adam", flops: 1, bytes: 2, ...timing(100, 10) }],
    wall: timing(3000, 100),
    group: 27,
    host: { draw: 1, put: 2, upload: 3, encode: 4, submit: 5 },
    gpuBytes: 1000,
  }],
  growth: [
    { axis: "users per batch", value: 32, x: 1600, time: timing(9000, 100), gpuBytes: 5000 },
    { axis: "items, one-hot", value: 1e6, x: 1e6, refusal: { limit: "maxBufferSize", message: "too large" } },
  ],
  ladders: [{
    ladder: "choice",
    size: [40, 4],
    steps: [
      {
        number: 1,
        kernel: "choice_nll_1_naive",
        idea: "one row per invocation",
        changes: 1,
        time: { ...timing(50, 2), error: 4 },
      },
      {
        number: 2,
        kernel: "choice_nll_2_workgroup",
        idea: "one workgroup per event",
        changes: 1,
        refusal: "too many",
      },
    ],
  }],
  selftest: [{
    kind: "gpu",
    cases: 80,
    differing: [{ name: "lstm", message: "gates[3, 4]: expected 1, got 2" }],
  }, { kind: "cpu", cases: 70, differing: [] }],
};

Deno.test("measurements are read back unchanged; other files are refused", () =>
  withEmptyFolder(async (folder) => {
    const file = `${folder}/deep/bench.json`;
    await writeRecords(file, report);
    assert.deepEqual(await readBench(file), report);
    await assert.rejects(
      readBench(`${folder}/none.json`),
      isUserError(/earlier bench .* found none at .*none\.json/),
    );
    await Deno.writeTextFile(file, JSON.stringify({ ...report, kernels: [{ id: 3 }] }));
    await assert.rejects(readBench(file), isUserError(/bench\.json is damaged[^]*kernels/));
  }));

Deno.test("a change within the spreads is noise, a larger one is better or worse; higher rates are better", () => {
  const verdicts = (after: Partial<BenchReport>) =>
    Object.fromEntries(compare(report, { ...report, ...after }).map(({ id, verdict }) => [id, verdict]));
  const same = compare(report, report);
  assert.ok(same.length >= 5 && same.every(({ verdict, change }) => verdict === "noise" && change === 0));
  const [probe] = report.probes;
  const naive = report.ladders?.[0]?.steps[0];
  assert.ok(probe && naive);
  const changed = verdicts({
    kernels: [
      makeKernel("W0 LSTM: adam", 119, 10), // a change of 19 is below the sum of both spreads, 20
      makeKernel("W0 PW: adam", 70, 1),
    ],
    probes: [{ ...probe, median: 80, lower: 79, upper: 81 }], // a change of 20, above the spreads, 12
    growth: [{ axis: "users per batch", value: 32, x: 1600, time: timing(8000, 100), gpuBytes: 5000 }],
    // 11 less: the spreads are 4, but a coarse clock adds an error of 4 to each median.
    ladders: [{
      ladder: "choice",
      size: [40, 4],
      steps: [{ ...naive, time: { ...timing(39, 2), error: 4 } }],
    }],
  });
  assert.deepEqual(changed, {
    "adapter: multiply-add": "worse",
    "W0 LSTM: adam": "noise",
    "W0 PW: adam": "new",
    "step of W0 LSTM": "noise",
    "growth: users per batch 32": "better",
    "ladder choice 40 x 4, step 1: choice_nll_1_naive": "noise",
    "W0 LSTM: batch rank": "gone",
  });
  assert.equal(verdicts({ kernels: [makeKernel("W0 LSTM: adam", 121, 10)] })["W0 LSTM: adam"], "worse");
  assert.equal(verdicts({ kernels: [] })["W0 LSTM: adam"], undefined, "unmeasured parts remain");
});

Deno.test("without timestamps the wall clock is used", () =>
  withGpu(undefined, async (gpu) => {
    using recording = await (benchModels[0] ?? assert.fail()).record(
      gpu,
      createBenchLog(tiny).log,
      tiny.users,
    );
    const [part] = recording.step();
    assert.ok(part);
    const encode = (pass: GPUComputePassEncoder) => part.program.encodeOne(pass, 1, part.sizes, part.offset);
    const wall = await timeRepeated(gpu, encode, { seconds: 0, clock: await createQueueClock(gpu) });
    assert.ok(wall.samples >= 5 && wall.min > 0 && wall.min <= wall.lower && wall.lower <= wall.upper);
  }));

Deno.test("an interrupted bench keeps the kernels that it has timed, and its share of the work only grows", () =>
  withGpu(undefined, async (gpu) => {
    const stop = new AbortController();
    const shares: number[] = [];
    const models = benchModels.filter(({ name }) => ["LSTM", "PW"].includes(name));
    const measure = (last: string) =>
      measureKernels(gpu, createBenchLog(tiny), models, {
        ...{ seconds: 0, only: /^batch_/, compiled: new Map(), signal: stop.signal },
        onProgress(text, share) {
          shares.push(share);
          if (text.includes(last)) stop.abort();
        },
      });
    const all = await measure("no kernel");
    assert.deepEqual(shares, shares.toSorted((a, b) => a - b));
    assert.ok(all.size > 2 && shares[0] === 0 && (shares.at(-1) ?? 1) < 1);
    const [first, second] = [...all.values()];
    const found = [...(await measure(second?.id.split(": ")[1] ?? assert.fail())).values()];
    assert.deepEqual(found.map(({ id }) => id), [first?.id, second?.id]);
  }));

Deno.test("growth: a refusal by the adapter is a point with the limit's name, and memory is recorded", () =>
  withGpu(undefined, async (gpu) => {
    const axis: GrowthAxis = {
      name: "items, one-hot",
      unit: "item",
      values: [30, 60, 1_000_000],
      workload: (items) => ({ ...tiny, width: 0, items }),
      dims: () => [4, 4],
      x: (value) => value,
    };
    const points = await measureGrowth(gpu, [axis], 0.01);
    assert.deepEqual(points.map(({ value, refusal }) => [value, refusal?.limit]), [
      [30, undefined],
      [60, undefined],
      [1_000_000, "maxStorageBufferBindingSize"],
    ]);
    const [small, large, refused] = points;
    assert.ok((small?.time?.samples ?? 0) >= 6);
    assert.ok((large?.gpuBytes ?? 0) > (small?.gpuBytes ?? Infinity));
    assert.equal(refused?.time, undefined);
    assert.match(refused?.refusal?.message ?? "", /encoder\/lstm\/input_kernel/);
    assert.equal(listSlopeCells(points).rows.length, 1);
  }));

Deno.test("the command prints tables and changes, and writes results, page and a table between markers", () =>
  withEmptyFolder(async (folder) => {
    const readme = `${folder}/README.md`;
    await Deno.writeTextFile(readme, "before\n<!-- bench -->\nold\n<!-- end of bench -->\nafter\n");
    const [json, earlier] = [`${folder}/bench.json`, `${folder}/earlier.json`];
    await writeRecords(json, report); // the results of an earlier bench are replaced
    await writeRecords(earlier, { ...report, kernels: [makeKernel("W0 PW: batch rank", 50, 2)] });
    const args = ["kernels", "steps", "--workload", "W0", "--model", "^PW$", "--only", "^batch_"];
    const files = ["--json", json, "--compare", earlier, "--readme", readme];
    const { code, stdout, stderr } = await runBench([...args, "--seconds", "0.01", ...files]);
    assert.equal(code, 0, stderr);
    for (const text of [/multiply-add .*GFLOP\/s/, /W0 PW: batch rank +batch_rank/, /adam +adam/]) {
      assert.match(stdout, text);
    }
    assert.match(stdout, /a step in a run: [\d.]+ ms/);
    assert.match(stdout, /Changes since[^]*W0 PW: batch rank .*(noise|better|worse)/);
    assert.match(stderr, /W0 PW/);
    const { probes, kernels, steps, growth } = await readBench(json);
    assert.equal(probes.length, 2 + 2 + 6 + 4);
    assert.ok(
      steps[0]?.dispatches.every(({ kernel, invocations = 0 }) => kernel === "copy" || invocations > 0),
    );
    for (const { name, median, lower, upper, best } of probes) {
      assert.ok([median, lower, upper, best].every((value) => value > 0 && Number.isFinite(value)), name);
      assert.ok(lower <= median && median <= upper, name);
    }
    // Training builds many batches at once, an evaluation only one.
    const layout = ["batch_expand", "batch_rank", "batch_group"];
    assert.deepEqual(kernels.map(({ kernel }) => kernel), [...layout, ...layout]);
    assert.ok(kernels.every(({ median, compileMs }) => median > 0 && compileMs > 0));
    assert.deepEqual(steps.map(({ model, rows, dispatches }) => [model, rows, dispatches.length > 15]), [
      ["PW", 500, true],
    ]);
    assert.deepEqual(growth, []);
    const page = await Deno.readTextFile(`${folder}/bench.html`);
    assert.match(page, /W0 PW: batch rank/);
    assert.match(page, /Changes/);
    assert.doesNotMatch(page.split("<script")[0] ?? "", /NaN|undefined/);
    assert.match(
      await Deno.readTextFile(readme),
      /^before\n<!-- bench -->\n\n[^]*\| W0 \| PW \| 500 \|[^]*\nafter\n$/,
    );
  }));

Deno.test("unknown parts, workloads, patterns, files, sizes and numbers are refused", async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [["kernles"], /Allowed choices are adapter, kernels, steps, growth/],
    [["--workload", "W9"], /Expected one of W0, .*got "W9"/],
    [["--only", "("], /Expected a regular expression, got "\("/],
    [["--seconds", "0"], /above 0/],
    [["kernels", "--only", "nosuch"], /Expected --only to match .*kernels\/, .*got nosuch/],
    [
      ["kernels", "--only", "^pw_", "--workload", "W0", "--model", "^LSTM$"],
      /Expected .* of the chosen models/,
    ],
    [["steps", "--model", "nosuch"], /Expected --model to match a model \(LSTM; .*got nosuch/],
    [["--compare", "none.json"], /found none at none\.json/],
    [["--data", "none.tsv"], /none\.tsv/],
    [["ladder", "forward", "--size", "12x8"], /Expected 3 sizes from 1 to 1048576.*12800x64x64, got "12x8"/],
    [["ladder", "--choice-size", "0x3"], /Expected 2 sizes/],
    [["ladder", "stairs"], /Allowed choices are forward, input, weight, lstm, lstm_backward, choice/],
    [["ladder", "--rounds", "0"], /of at least 1|in 1\.\.1000/],
    [["compiled", "--gpu", "rtx4090"], /Expected names of navi31, .*got "rtx4090"/],
    [["peers", "--workloads", "W0,W9"], /Expected names of W0, W4, W1, W2, W5, got "W9"/],
    [["peers", "--peers", "torch,mxnet"], /Expected names of clickgan, .*, torch, .*, got "mxnet"/],
    [["peers", "--rounds", "0"], /Expected a whole number/],
    [["peers", "--python", "none", "--python", "python3"], /Expected a Python with torch as --python/],
  ];
  for (const [name, value] of Object.entries(WITH_CACHE)) Deno.env.set(name, value);
  for (const [args, message] of wrong) {
    await assert.rejects(runBenchCommand(args), isUserError(message), args.join(" "));
  }
  const { code, stdout, stderr } = await runBench(["kernles"]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error: .*Allowed choices are/);
  assert.equal(stdout, "");
});

Deno.test("every study has a command with its name", async () => {
  for (const name of Object.keys(studies)) {
    assert.match((await loadCommand(name)).helpInformation(), new RegExp(`^Usage: deno task bench ${name}`));
  }
});

Deno.test("JSON records of measurements are on separate lines", () => {
  const value = { a: 1, b: undefined, c: [], d: [1, 2], e: [{ x: [{ z: 2 }] }, { x: 3 }] };
  const text = formatRecordsJson(value);
  assert.equal(text, '{\n "a": 1,\n "c": [],\n "d": [1,2],\n "e": [\n  {"x":[{"z":2}]},\n  {"x":3}\n ]\n}');
  assert.deepEqual(JSON.parse(text), { a: value.a, c: value.c, d: value.d, e: value.e });
  assert.equal(formatRecordsJson([{ x: 1 }, { x: 2 }]), '[\n {"x":1},\n {"x":2}\n]');
});

Deno.test("the step of a clock is the common divisor of its times; a sample lasts 50 steps", () => {
  assert.equal(findClockStep([300, 500, 400]), 100);
  assert.equal(findClockStep([0.032, 1.6, 2.048]), 0.032);
  assert.equal(findClockStep([12.345, 7.001]), 0.001);
  assert.equal(findClockStep([]), undefined);
  assert.equal(findClockStep([0, 0]), undefined);
  // With a fine clock a sample lasts at most a millisecond.
  const clock = (kind: Clock["kind"], step: number): Clock => ({ kind, step, latency: 0 });
  assert.deepEqual(getSampleLimits(clock("timestamps", 0.001)), { sample: 1000, most: 256 });
  assert.deepEqual(getSampleLimits(clock("timestamps", 100)), { sample: 5000, most: 2 ** 14 });
  assert.equal(getSampleLimits(clock("queue", 100)).sample, 20_000);
  assert.equal(getSampleLimits(clock("queue", 1000)).sample, 50_000);
  assert.equal(getSampleLimits(clock("queue", 10_000)).sample, 200_000);
  assert.deepEqual([0.001, 1, 65.536].map((step) => isFine(clock("timestamps", step))), [true, true, false]);
  assert.ok(!isFine(clock("queue", 0.001)));
});

Deno.test("host calls are timed one by one, and on a rounded clock in samples of many", () => {
  let time = 0;
  const rounded = (step: number) => () => {
    time += 1e-4; // reading the clock takes some time
    return step * Math.floor(time / step);
  };
  const call = () => void (time += 0.01);
  const fine = timeHost(7, call, rounded(0.001));
  assert.equal(fine.length, 7);
  const coarse = timeHost(7, call, rounded(0.1));
  assert.equal(coarse.length, 11);
  for (const each of [...fine, ...coarse]) assert.ok(Math.abs(each - 10) < 1.2, `${each} us`);
});

Deno.test("kernels that read what they write are found by their texts", () => {
  const listUpdated = (name: string, text: string) =>
    [...classifyBindings(parseKernel(name, text), text)].flatMap(([name, access]) =>
      access === "reads and writes" ? [name] : []
    );
  const found = (name: string, set: readonly string[] = []) => {
    const file = readKernel(findKernel(name));
    const text = set.reduce(
      (all, flag) => all.replace(`const ${flag} = false;`, `const ${flag} = true;`),
      file,
    );
    return listUpdated(name, text);
  };
  assert.deepEqual(found("batch_rank"), ["bits"]);
  assert.deepEqual(found("batch_expand"), ["bits"]);
  assert.deepEqual(found("adam"), ["gradient", "weights", "m", "v"]);
  assert.deepEqual(found("batch_group"), []);
  assert.deepEqual(found("row_dot_backward"), []);
  assert.deepEqual(found("row_dot_backward", ["ACCUMULATE"]), ["input_gradient"]);
  assert.deepEqual(found("lstm_forward_panel"), []);
  assert.deepEqual(found("choice_nll"), ["outcome"]);
  const text = `
@group(0) @binding(0) var<storage, read_write> a: array<u32>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> c: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;
fn main() {
  a[b[3].x] = 1u; // c[0] is only in a comment
  b[0].y += 1u;
  c[a.length] = 2u;
}`;
  assert.deepEqual(listUpdated("made", text), ["b"]);
  const choice = readKernel(findKernel("choice_nll")); // writes u only if PANELS > 0
  assert.equal(classifyBindings(parseKernel("choice_nll", choice), choice).get("u"), "reads");
});

async function readWritten(recording: Recording): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { program } of recording.step()) {
    for (const { spec } of program.dispatches) {
      const ranges = listWrittenRanges(spec);
      const words = await readViews(program.gpu, ranges);
      words.forEach((own, k) => found.set(`${ranges[k]?.buffer.label} at ${ranges[k]?.offset}`, own.join()));
    }
  }
  return found;
}

Deno.test("dispatches repeated on a coarse clock leave the bits of one step", () =>
  withGpu(undefined, async (gpu) => {
    const model = benchModels.find(({ name }) => name === "LSTM") ?? assert.fail();
    const { log } = createBenchLog(tiny);
    const record = () => model.record(gpu, log, tiny.users);
    using plain = await record();
    using profiled = await record();
    CommandRecorder.submit(gpu, "a step", (commands) => {
      for (const { program, sizes, offset, slice } of plain.step()) {
        program.encode(commands, sizes, offset, slice);
      }
    });
    const coarse: Clock = { kind: "timestamps", step: 2, latency: 0 };
    const profile = await dispatchProfile(gpu, profiled, coarse);
    await profile.round();
    const told: string[] = [];
    const results = await profile.results((text) => told.push(text));
    assert.equal(told.length, results.length);
    for (const { label, median, error = NaN, samples } of results) {
      assert.ok(median > 0 && error > 0 && error <= 2 && samples >= 5, label);
    }
    const [expected, found] = [await readWritten(plain), await readWritten(profiled)];
    assert.ok(expected.size > 20);
    const differing = [...expected].filter(([name, bits]) => found.get(name) !== bits).map(([name]) => name);
    assert.deepEqual(differing, []);
  }));

Deno.test("bench simulate: a peer with different results is detected", () => {
  const right = { probability: 1e-7, slates: 0, loss: 1e-5, q: 1e-5 };
  assert.equal(findSimulationDisagreement(right), undefined);
  assert.equal(findSimulationDisagreement({ probability: 1e-7, slates: 0 }), undefined, "many items");
  const wrong = { probability: 1e-3, slates: 0.02, loss: 3e-4, q: null };
  for (const [name, value] of Object.entries(wrong)) {
    assert.match(
      findSimulationDisagreement({ ...right, [name]: value }) ?? "",
      new RegExp(`^${name} differs by `),
    );
  }
});

Deno.test("bench simulate: updates use pages of both episodes equally often", () => {
  const [rows, users, pages] = [2560, 4, 3];
  const drawn = drawReplayPages(rows, { users, pages }, 1);
  assert.equal(drawn.length, 3 * rows);
  const counts = new Map<string, number>();
  for (let row = 0; row < rows; row++) {
    const page = drawn.subarray(3 * row, 3 * row + 3).join();
    counts.set(page, (counts.get(page) ?? 0) + 1);
  }
  const all = [0, 1, 2, 3].flatMap((user) => [...[0, 1, 2].map((page) => [0, page, user]), [1, 0, user]]);
  assert.deepEqual([...counts.keys()].sort(), all.map((page) => page.join()).sort());
  // 160 pages are expected for each count, with a standard deviation of 12.
  for (const [page, count] of counts) assert.ok(Math.abs(count - 160) < 48, `${count} of ${page}`);
});

Deno.test("bench simulate: with more items there are fewer users", () => {
  assert.deepEqual([500, 5000, 2 ** 22].map((items) => chooseUsers(4096, items, "cdqn")), [4096, 1024, 1]);
  assert.equal(chooseUsers(64, 5000, "greedy"), 64);
  assert.equal(chooseUsers(4096, 5000, "random"), 4096);
});

Deno.test("bench simulate: the command measures all kinds, and writes its table", () =>
  withEmptyFolder(async (folder) => {
    const page = `${folder}/page.md`;
    await Deno.writeTextFile(
      page,
      "before\n<!-- bench simulate -->\n<!-- end of bench simulate -->\nafter\n",
    );
    const size = ["--items", "64", "--users", "64", "--seconds", "0.01", "--no-peers"];
    const { code, stderr } = await runBench(["simulate", ...size, "--readme", page]);
    assert.equal(code, 0, stderr);
    const text = await Deno.readTextFile(page);
    assert.match(text, /^before\n<!-- bench simulate -->\n\n[^]*after\n$/);
    const rows = text.split("\n").filter((line) => /^\| \w+ /.test(line)).map((line) =>
      line.split(/ *\| */).slice(1, -1)
    );
    assert.deepEqual(rows.map(([kind, items, users]) => [kind, items, users]), [
      ["random slates", "64", "64"],
      ["greedy slates", "64", "64"],
      ["acting by CDQN", "64", "64"],
      ["learning by CDQN", "64", "128"],
    ]);
    assert.ok(rows.every(([, , , ms]) => Number(ms) > 0), text);
  }));

Deno.test("bench logs: a synthetic log is prepared completely", () =>
  withEmptyFolder(async (folder) => {
    // One log with all causes of clicks, and one with several clicks per page.
    const only = /^(all|several)$/;
    const args = ["logs", "made", "--users", "100", "--only", only.source];
    const { code, stdout, stderr } = await runBench(args, { cwd: folder });
    assert.equal(code, 0, stderr);
    for (const { name, goesOn, columns } of kinds.filter(({ name }) => only.test(name))) {
      const manifest = JSON.parse(await Deno.readTextFile(`${folder}/made/${name}/manifest.json`));
      const { counts: { users, pages, clicks }, features, pageOrder } = manifest;
      assert.deepEqual([users.train + users.validation + users.test, pageOrder], [100, "shown"], name);
      const [, made = "", noClick = NaN] = stdout.match(new RegExp(`^${name} .* (\\S+) +(\\S+) %$`, "m")) ??
        [];
      assert.equal(Number(made.replace(",", "")), pages, name);
      assert.ok(Number(noClick) > 5 && Number(noClick) < 60, stdout);
      assert.equal(clicks > pages * (1 - Number(noClick) / 100) + 1, goesOn > 0, name);
      const fields = [...features.dense, ...features.tokens].map((field: { name: string }) => field.name);
      for (const column of columns) assert.ok(fields.includes(column), `${name}: ${fields}`);
    }
  }));
