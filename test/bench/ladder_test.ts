import assert from "node:assert/strict";
import { explainLadderCells, getJsonPath, listLadderCells, readLadders } from "../../bench/ladder.ts";
import type { Ladder, LadderSize } from "../../src/ladder/check_ladder.ts";
import { findFaultsAtSize, selectGpuSteps } from "../../src/ladder/check_ladder.ts";
import { findLadder, ladders, runLadder } from "../../src/ladder/ladders.ts";
import { createLstmTrial } from "../../src/ladder/lstm_ladder.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { findKernel, listKernelNames, readKernel } from "../kernel_files.ts";
import { allSizes, withGpu } from "../op_check.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { runBench } from "../command_check.ts";

Deno.test("every numbered kernel is a ladder step with the number and name of its file", () => {
  const used = new Set<string>();
  for (const { name, steps } of ladders) {
    for (const [k, { kernel }] of steps.entries()) {
      const own = kernel.name.match(/_(\d+)_/);
      if (!own) continue;
      assert.match(kernel.source, new RegExp(`^// ${kernel.name}\\.wgsl - [^]*fn ${kernel.name}\\(`), name);
      if (!used.has(kernel.name)) assert.equal(Number(own[1]), k + 1, kernel.name);
      used.add(kernel.name);
    }
    const ends = steps.filter(({ idea }) => /\(shipped( for GPUs)?\)$/.test(idea));
    assert.ok(ends.some(({ idea }) => idea.endsWith("(shipped)")), name);
    for (const { kernel: { name, source } } of ends) {
      assert.equal(source, readKernel(findKernel(name)), "is shipped");
    }
  }
  assert.deepEqual([...used].sort(), listKernelNames("steps"));
});

function expectRight(faults: ReadonlyMap<number, string | undefined>): void {
  assert.ok(faults.size > 0);
  for (const [number, fault] of faults) assert.equal(fault, undefined, `step ${number}`);
}

for (const name of ["lstm", "lstm_backward"]) {
  Deno.test(`ladder ${name}, one unit per invocation: gates of up to 100, and users without events`, () =>
    withGpu(undefined, async (gpu) => {
      const ladder = selectGpuSteps(findLadder(name));
      const steps = ladder.steps.filter(({ kernel }) => kernel.name.endsWith("_group"));
      assert.equal(steps.length, 4);
      // Steps with the shader texts of the odd size below, so that no further shader is compiled.
      const rare: Ladder = { ...ladder, steps, open: (gpu, size) => createLstmTrial(gpu, size, true) };
      expectRight(await findFaultsAtSize(gpu, rare, [11, 5, 6]));
    }));
}

/** Slow kernels that this test skips, because lstm_test.ts and a test below check these kernels. */
const ELSEWHERE = ["lstm_forward", "lstm_backward", "lstm_forward_panel", "lstm_backward_panel"];

for (const ladder of ladders) {
  Deno.test(`every step of ladder ${ladder.name} matches the reference at odd sizes`, () =>
    withGpu(undefined, async (gpu) => {
      const steps = ladder.steps.filter(({ kernel, idea }) =>
        allSizes || !(ELSEWHERE.includes(kernel.name) || /\(shipped[^)]*\)$/.test(idea))
      );
      for (const size of ladder.oddSizes.slice(0, 2)) {
        expectRight(await findFaultsAtSize(gpu, { ...ladder, steps }, size));
      }
    }));
}

Deno.test("a wrong step is not timed, and all other steps run", () =>
  withGpu(undefined, async (gpu) => {
    const ladder = findLadder("choice");
    const [naive] = ladder.steps;
    assert.ok(naive);
    const size = [13, 3];
    const { source } = naive.kernel;
    const changed = (from: string, to: string) => {
      assert.ok(source.includes(from));
      return { ...naive, kernel: parseKernel(naive.kernel.name, source.replace(from, to)) };
    };
    const steps = [
      naive,
      changed("var sum = exp(-most);", "var sum = 0.0;"), // the sum lacks no click
      changed("if (e >= step.size.y)", "if (e + 1u >= step.size.y)"), // the last event is not written
      { ...naive, changes: 2 },
    ];
    const results = await runLadder(gpu, { ...ladder, oddSizes: [[5, 2]], steps }, { size, rounds: 5 });
    const [right, wrong, short, last] = results;
    assert.match(
      wrong?.refusal ?? "",
      /^wrong results, not timed: outcome \[\d+, 0\] of \[13, 4\] \(page .*\): expected [\d.]+, got/,
    );
    assert.match(short?.refusal ?? "", /outcome \[12, 0\].*got NaN/);
    assert.deepEqual(results.map(({ isWrong, checkedSizes }) => [isWrong, checkedSizes]), [
      [undefined, 2],
      [true, 2],
      [true, 2],
      [undefined, 2],
    ]);
    for (const timed of [right, last]) {
      assert.ok(timed?.time && timed.time.min > 0 && timed.time.median >= timed.time.min);
    }
    assert.deepEqual([wrong?.time, short?.time, last?.gain], [undefined, undefined, undefined]);
    assert.equal(right?.gainOnFirst, 1);
    assert.equal(last?.gainOnFirst, (right?.time?.median ?? NaN) / (last?.time?.median ?? NaN));
    const { head, rows } = listLadderCells(results);
    assert.ok(rows.every((row) => row.length === head.length));
    // On a CPU adapter, steps for a GPU are compared by memory reads. Times come last, without speedups.
    const cells = listLadderCells(results, { cpuTimes: true });
    assert.match(explainLadderCells(true), /^A CPU driver's times do not show gains on a GPU: /);
    assert.deepEqual(cells.head.slice(3), [
      ...["reads", "read sectors", "write sectors", "conflicts", "us on this CPU"],
    ]);
    assert.deepEqual(cells.rows.map((row) => row.at(-1)), rows.map((row) => row[3]));
  }));

Deno.test("a step that does not support a size is skipped", () =>
  withGpu(undefined, async (gpu) => {
    const ladder = findLadder("input");
    const steps = ladder.steps.slice(-1);
    const [result] = await runLadder(gpu, { ...ladder, oddSizes: [], steps }, {
      size: [3, 4, 260],
      rounds: 1,
    });
    assert.equal(result?.refusal, "sums over more than 256");
    assert.equal(result.time, undefined);
    assert.match(listLadderCells([result]).rows[0]?.join(" ") ?? "", /sums over more than 256 - -/);
  }));

Deno.test("the command prints one row per step", () =>
  withEmptyFolder(async (folder) => {
    const page = `${folder}/page.md`;
    await Deno.writeTextFile(page, "<!-- ladder choice -->\nold\n<!-- end of ladder choice -->\n");
    const args = ["ladder", "choice", "--choice-size", "40x4", "--rounds", "1", "--readme", page];
    const { code, stdout, stderr } = await runBench(args);
    assert.equal(code, 0, stderr);
    const written = await Deno.readTextFile(page);
    const [shipped, ...others] = await readLadders(getJsonPath(page));
    assert.deepEqual([shipped?.ladder, shipped?.size, others], ["choice", [40, 4], []]);
    assert.ok(shipped?.steps.every(({ time }) => time && time.min > 0 && time.median >= time.min));
    assert.match(
      written,
      /^<!-- ladder choice -->\n\n40 x 4; [^]*\| 1 \| [^]*choice_nll[^]*<!-- end of ladder choice -->\n$/,
    );
    assert.match(stdout, /choice softmax.*: 40 x 4\n/);
    const { steps } = findLadder("choice");
    const rows = stdout.split("\n").filter((line) => /^ *\d+ /.test(line));
    assert.equal(rows.length, steps.length, stdout);
    for (const [k, { idea, kernel }] of steps.entries()) {
      assert.match(rows[k] ?? "", /\d(\.\d+)?x/);
      assert.ok(rows[k]?.includes(idea) && rows[k]?.includes(kernel.name), stdout);
    }
  }));

/**
 * Numbers of vectors (of four columns) at which the code of panel kernels changes, besides 1, 2, 4, 5, 8, 9,
 * 16, 17, 33 and 64, which the tests of ops use. Few suffice, because one line generates the code of all
 * vectors (kernel_headers_test.ts). Only the last panel kernel of each ladder is compiled.
 */
const vectors = allSizes ? [32, 48, 49] : [49];
/** Numbers of LSTM units: multiples of 4 up to 32. lstm_test.ts tests 1, 2 and 5. */
const units = allSizes ? [8] : [];
/** Returns a number of columns that fills `vectors` vectors of four, with padding if vectors % 4 > 0. */
const columns = (vectors: number) => 4 * vectors - vectors % 4;

const rungs: Record<string, LadderSize[]> = {
  forward: vectors.map((k4) => [3, columns(k4), 5]),
  input: vectors.map((n4) => [3, 5, columns(n4)]),
  lstm: units.map((h4) => [3, 3, columns(h4)]),
  "lstm_backward": units.map((h4) => [3, 3, columns(h4)]),
};

for (const [name, sizes] of Object.entries(rungs)) {
  Deno.test(`rungs of the panel kernel of ladder ${name}`, () =>
    withGpu("cpu", async (gpu) => {
      const ladder = findLadder(name);
      const steps = ladder.steps.filter(({ kernel }) => kernel.name.endsWith("_panel")).slice(-1);
      assert.equal(steps.length, 1);
      for (const size of sizes) expectRight(await findFaultsAtSize(gpu, { ...ladder, steps }, size));
    }));
}
