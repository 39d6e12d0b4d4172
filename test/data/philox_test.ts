import assert from "node:assert/strict";
import type { PhiloxCounter } from "../../src/data/philox.ts";
import { computePhilox, getSlotPurpose, makeKey, purposes, toUniform24 } from "../../src/data/philox.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { Program } from "../../src/gpu/program.ts";
import { readViews } from "../../src/gpu/readback.ts";
import philoxText from "../../kernels/probe/philox.wgsl" with { type: "text" };
import { listKernelFiles, readKernel } from "../kernel_files.ts";
import { computeCountsProbability } from "../chi_square.ts";
import { withGpu } from "../op_check.ts";

/** Known answers of Random123, the reference implementation by Philox's authors. */
const known: readonly [counter: PhiloxCounter, key: [number, number], words: string][] = [
  [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  ],
];
const hex = (words: Iterable<number>) =>
  Array.from(words, (word) => word.toString(16).padStart(8, "0")).join(" ");

Deno.test("philox: words match the known answers", () => {
  for (const [counter, key, words] of known) assert.equal(hex(computePhilox(counter, key)), words);
});

Deno.test("philox: the key of a seed is the seed, in two words", () => {
  assert.deepEqual(makeKey(7), [7, 0]);
  assert.deepEqual(makeKey(3 * 2 ** 32 + 2 ** 31), [2 ** 31, 3]);
  for (const seed of [-1, 0.5, 2 ** 53]) assert.throws(() => makeKey(seed), /Expected a seed .* got/);
});

Deno.test("philox: slots of different purposes do not overlap", () => {
  const used = Object.values(purposes).flatMap((purpose) =>
    Array.from({ length: 100 }, (_, slot) => getSlotPurpose(purpose, slot))
  );
  assert.equal(new Set(used).size, used.length);
});

Deno.test("uniform24: numbers have 24 bits, are exact in f32, and are evenly spread", () => {
  assert.equal(toUniform24(0xffffffff), 1 - 2 ** -24);
  assert.equal(toUniform24(0xff), 0);
  assert.equal(toUniform24(0x100), 2 ** -24);
  const n = 100_000;
  const draws = Array.from(
    { length: n / 4 },
    (_, user) => computePhilox([user, 0, 3, purposes.CHOICE], makeKey(1)),
  )
    .flat().map(toUniform24);
  assert.ok(draws.every((u) => Math.fround(u) === u && u >= 0 && u < 1 && Number.isInteger(u * 2 ** 24)));
  assert.ok(new Set(draws.map((u) => u * 2 ** 24 % 2)).size === 2, "the last bit is used");
  const mean = draws.reduce((sum, u) => sum + u, 0) / n;
  assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / n), `mean ${mean}`);
  const cells = new Array<number>(64).fill(0);
  for (const u of draws) cells[Math.floor(64 * u)]!++;
  assert.ok(computeCountsProbability(cells, cells.map(() => n / 64)) > 1e-4);
});

Deno.test("philox: the device's words equal the host's, for 100,000 counters", () =>
  withGpu(undefined, async (gpu) => {
    const n = 100_000;
    const key = [0xa4093822, 0x299f31d0] as const;
    const counters = new Uint32Array(4 * n);
    const wanted = new Uint32Array(4 * n);
    for (let k = 0; k < n; k++) {
      // Consecutive users, wrapping episodes and pages, and many purposes, so that all bits are used.
      const counter: PhiloxCounter = k === 0
        ? [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]
        : [k, Math.imul(k, 0x9e3779b9) >>> 0, k % 50, getSlotPurpose(k % 7, k >>> 8)];
      counters.set(counter, 4 * k);
      wanted.set(computePhilox(counter, key), 4 * k);
    }
    using arena = new Arena(gpu, "philox");
    const words = arena.allocate("words", wanted.byteLength);
    const views = {
      counters: arena.upload("counters", counters),
      key: arena.upload("key", Uint32Array.from(key)),
      words,
    };
    const program = await Program.record(gpu, "philox", arena.allocate("steps", 256).buffer, [{
      kernel: parseKernel("philox", philoxText),
      label: "philox",
      views,
      invocations: [n],
      cost: () => ({ flops: 0, bytes: 32 * n }),
    }]);
    CommandRecorder.submit(gpu, "philox", (commands) => program.encode(commands, {}, 0));
    const [found] = await readViews(gpu, [words]);
    assert.deepEqual(found, wanted);
    assert.equal(hex(found?.subarray(0, 4) ?? []), known[2]?.[2]);
  }));

Deno.test("philox: every kernel that draws has the functions of probe/philox.wgsl", () => {
  const block = (text: string) =>
    text.match(/^\/\/ ---- Random words by counter[^]*^\/\/ ---- End of random words by counter\.$/m)?.[0];
  const canonical = block(philoxText);
  assert.ok(canonical?.includes("fn uniform24("));
  for (const path of listKernelFiles("shipped", "steps", "probe", "exercises")) {
    const text = readKernel(path);
    if (/\bfn (philox|mulhi|uniform24)\(/.test(text)) assert.equal(block(text), canonical, path);
  }
});
