/** Timing on coarse clocks, and that repeating a dispatch leaves what a step leaves. */

import assert from "node:assert/strict";
import { Commands } from "../../src/gpu/commands.ts";
import { kernel } from "../../src/gpu/kernel.ts";
import { readViews } from "../../src/gpu/readback.ts";
import { type Clock, isFine, sampleOf, stepOf, timeHost } from "../../src/selftest/profile/measure.ts";
import { benchModels, type Recording } from "../../src/selftest/profile/recordings.ts";
import { dispatchProfile, readsWhatItWrites, writtenBy } from "../../src/selftest/profile/step_profile.ts";
import { sureness, timingOf } from "../../src/selftest/profile/timing.ts";
import { benchLog, type Workload } from "../../src/selftest/profile/workloads.ts";
import { kernelFile, kernelPath } from "../kernel_files.ts";
import { withGpu } from "../op_check.ts";

/** As in bench_test.ts: their shaders are shared. */
const tiny: Workload = { name: "tiny", users: 6, events: 2, page: 3, items: 40, width: 8 };

Deno.test("the step of a clock is what all its times are multiples of", () => {
  assert.equal(stepOf([300, 500, 400]), 100);
  assert.equal(stepOf([0.032, 1.6, 2.048]), 0.032);
  assert.equal(stepOf([12.345, 7.001]), 0.001);
  assert.equal(stepOf([]), undefined);
  assert.equal(stepOf([0, 0]), undefined);
});

Deno.test("a sample lasts fifty steps of its clock, and a fine clock asks for no more than a millisecond", () => {
  const clock = (kind: Clock["kind"], step: number): Clock => ({ kind, step, latency: 0 });
  assert.deepEqual(sampleOf(clock("timestamps", 0.001)), { sample: 1000, most: 256 });
  assert.deepEqual(sampleOf(clock("timestamps", 100)), { sample: 5000, most: 2 ** 14 });
  assert.equal(sampleOf(clock("queue", 100)).sample, 20_000);
  assert.equal(sampleOf(clock("queue", 1000)).sample, 50_000);
  assert.equal(sampleOf(clock("queue", 10_000)).sample, 200_000);
  assert.deepEqual([0.001, 1, 65.536].map((step) => isFine(clock("timestamps", step))), [true, true, false]);
  assert.ok(!isFine(clock("queue", 0.001)));
});

Deno.test("how sure a time is: by its quartiles, or by its clock", () => {
  const timing = timingOf([10, 12, 14, 16, 18]);
  assert.equal(sureness(timing), 2);
  assert.equal(sureness({ ...timing, error: 3 }), 3);
  assert.equal(sureness({ ...timing, error: 1 }), 2);
});

Deno.test("calls on the host are timed one by one, and on a rounded clock in samples of many", () => {
  let time = 0;
  const rounded = (step: number) => () => {
    time += 1e-4; // a look at the clock takes a little
    return step * Math.floor(time / step);
  };
  const call = () => void (time += 0.01);
  const fine = timeHost(7, call, rounded(0.001));
  assert.equal(fine.length, 7);
  const coarse = timeHost(7, call, rounded(0.1));
  assert.equal(coarse.length, 11);
  for (const each of [...fine, ...coarse]) assert.ok(Math.abs(each - 10) < 1.2, `${each} us`);
});

Deno.test("which kernels read what they write is found in their texts", () => {
  const found = (name: string, set: readonly string[] = []) => {
    const file = kernelFile(kernelPath(name));
    const text = set.reduce(
      (all, flag) => all.replace(`const ${flag} = false;`, `const ${flag} = true;`),
      file,
    );
    return readsWhatItWrites(kernel(name, text), text);
  };
  assert.deepEqual(found("batch_rank"), ["bits"]);
  assert.deepEqual(found("batch_expand"), ["bits"]);
  assert.deepEqual(found("adam"), ["gradient", "weights", "m", "v"]);
  assert.deepEqual(found("batch_group"), []);
  assert.deepEqual(found("row_dot_backward"), []);
  assert.deepEqual(found("row_dot_backward", ["ACCUMULATE"]), ["input_gradient"]);
  assert.deepEqual(found("lstm_forward_panel"), []);
  const text = `
@group(0) @binding(0) var<storage, read_write> a: array<u32>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> c: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;
fn main() {
  a[b[3].x] = 1u; // c[0] is only named here
  c[a.length] = 2u;
}`;
  assert.deepEqual(readsWhatItWrites(kernel("made", text), text), ["b"]);
});

/** All that the dispatches of a step may write, as bits. */
async function written(recording: Recording): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { program } of recording.step()) {
    for (const { spec } of program.dispatches) {
      const ranges = writtenBy(spec);
      const words = await readViews(program.gpu, ranges);
      words.forEach((own, k) => found.set(`${ranges[k]?.buffer.label} at ${ranges[k]?.offset}`, own.join()));
    }
  }
  return found;
}

Deno.test("dispatches that are repeated on a coarse clock leave the bits of one step", () =>
  withGpu(undefined, async (gpu) => {
    const model = benchModels.find(({ name }) => name === "LSTM") ?? assert.fail();
    const { log } = benchLog(tiny);
    const record = () => model.record(gpu, log, tiny.users);
    using plain = await record();
    using profiled = await record();
    Commands.submit(gpu, "a step", (commands) => {
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
    const [expected, found] = [await written(plain), await written(profiled)];
    assert.ok(expected.size > 20);
    const differing = [...expected].filter(([name, bits]) => found.get(name) !== bits).map(([name]) => name);
    assert.deepEqual(differing, []);
  }));
