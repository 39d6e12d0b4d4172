/** Reading results back: kept buffers give what was copied to them, read after read, whether or not a map has to be awaited. */

import assert from "node:assert/strict";
import { Arena } from "../../src/gpu/arena.ts";
import { writeMemory } from "../../src/gpu/memory.ts";
import { ReadbackQueue, readFloats, readViews } from "../../src/gpu/readback.ts";
import { Staging } from "../../src/gpu/staging.ts";
import { withGpu } from "../op_check.ts";

const SIZES = [1, 3, 1000, 5000, 300_000];

Deno.test("reads: each gives what stands there now, small and large, one after the other and at once", () =>
  withGpu("cpu", async (gpu) => {
    using arena = new Arena(gpu, "reads");
    const views = SIZES.map((length) => arena.allocate(`${length}`, 4 * length));
    for (let round = 0; round < 30; round++) {
      const values = SIZES.map((length, k) => new Float32Array(length).map((_, i) => round + k + i / 8));
      values.forEach((own, k) => writeMemory(gpu.queue, views[k]!, own));
      const alone = await readFloats(gpu, views[round % SIZES.length]!);
      assert.deepEqual(alone, values[round % SIZES.length]);
      const together = await Promise.all([readViews(gpu, views), readViews(gpu, views.slice(0, 3))]);
      together.flat().forEach((words, k) =>
        assert.deepEqual(new Float32Array(words.buffer), values[k % SIZES.length])
      );
    }
  }));

Deno.test("a queue of reads gives the view as it was after each work", () =>
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
  }));

Deno.test("reads that do not wait let timers and signals have their turn", () =>
  withGpu("cpu", async (gpu) => {
    const arena = new Arena(gpu, "reads");
    const view = arena.allocate("value", 4);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const end = performance.now() + 600;
    while (performance.now() < end) await readFloats(gpu, view);
    clearInterval(timer);
    arena.destroy();
    assert.ok(turns >= 3, `${turns} turns`);
  }));

Deno.test("of this Deno, a map is there when the call returns", () =>
  withGpu("cpu", (gpu) => {
    assert.equal(Staging.of(gpu).mapsAtOnce, true);
    return Promise.resolve();
  }));
