/** The exercises: what is right passes, what is wrong is named, and the command writes a file to begin with. */

import assert from "node:assert/strict";
import { askTint } from "../../bench/ask_tint.ts";
import { evaluate, HOLE, stepOf } from "../../src/selftest/exercise/answer.ts";
import { checkAnswer } from "../../src/selftest/exercise/check.ts";
import { type Case, casesOf, type Exercise, solutionOf } from "../../src/selftest/exercise/exercise.ts";
import { exercises } from "../../src/selftest/exercise/exercises.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { UserError } from "../../src/user_error.ts";
import { filledStarter, nearlyRight } from "../exercise_answers.ts";
import { kernelFile, kernelPath } from "../kernel_files.ts";
import { withGpu } from "../op_check.ts";

function named(name: string): Exercise {
  return exercises.find((exercise) => exercise.name === name) ?? assert.fail(`no exercise ${name}`);
}

const kernelText = (name: string) => kernelFile(kernelPath(name));

type Which = (exercise: Exercise) => readonly Case[];

/** The first two odd sizes. */
const odd: Which = (exercise) => casesOf(exercise).slice(0, 2);
/** The hard cases alone. */
const hard: Which = (exercise) =>
  casesOf(exercise).slice(exercise.ladder.oddSizes.length).slice(0, exercise.hard.length);
const oddAndHard: Which = (exercise) => [...odd(exercise), ...hard(exercise)];

/** Checks a text as an answer. @param takes what its kernel is given: the starter's constants, where it is not said. */
async function check(
  gpu: Gpu,
  exercise: Exercise,
  text: string,
  which = odd,
  takes?: { readonly takes: undefined },
): Promise<void> {
  const step = { ...stepOf(exercise, "mine.wgsl", text), ...takes };
  for (const one of which(exercise)) await checkAnswer(gpu, exercise, step, one, "mine.wgsl");
}

async function fault(gpu: Gpu, exercise: Exercise, text: string, which?: Which): Promise<string> {
  const error = await check(gpu, exercise, text, which).then(() => undefined, (error) => error);
  assert.ok(error instanceof UserError, `${exercise.name}: ${error ?? "was taken for right"}`);
  return error.message;
}

function replaced(text: string, from: string, to: string): string {
  assert.ok(text.includes(from), from);
  return text.replace(from, to);
}

/** Further kernels of the repository that solve an exercise, each with its grid; they are given all of their constants. */
const others: readonly (readonly [exercise: string, kernel: string, grid: string])[] = [
  ["softmax", "choice_nll_1_naive", "K, E"],
  ["matmul", "matmul_forward_rows", "M / 8, N4 / 4\n// where: weights uniform, input texture"],
  ["lstm", "lstm_forward", "B / 4"],
  ["lstm", "lstm_forward_2_workgroup", "16 H4 B\n// workgroup: 16 H4"],
  ["lstm-backward", "lstm_backward", "B / 4"],
  ["slate-score", "slate_score_panel", "128 P, U / 128"],
  ["panel", "matmul_forward_11_panel_loop", "N4 / 4, M\n// where: input texture"],
];

Deno.test("exercises: the texts of the repository's kernels are right", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      await check(gpu, exercise, solutionOf(exercise).kernel.source, oddAndHard);
    }
    for (const [name, solution, grid] of others) {
      await check(gpu, named(name), `// grid: ${grid}\n${kernelText(solution)}`, oddAndHard, {
        takes: undefined,
      });
    }
  }));

Deno.test("exercises: every starter compiles, is wrong, and says where its hole is", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      const message = await fault(gpu, exercise, exercise.starter);
      const number = /\w+ \[\d+, \d+\] of .*: expected .*, got |best\[0 U \+ \d+\], of panel .* masked/;
      assert.match(message, new RegExp(`^mine\\.wgsl is wrong at .*: (${number.source})`));
      assert.match(message, new RegExp(`Line \\d+ still says ${HOLE}\\.`));
      assert.ok(exercise.starter.includes(`kernels/course/${exercise.chapter}`), exercise.name);
      assert.match(exercise.starter, /^\/\/ \w+\.wgsl - exercise: /);
      assert.ok(exercise.starter.split("\n").every((line) => line.length <= 130), exercise.name);
    }
  }));

Deno.test("exercises: every starter is right when its holes are filled", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      await check(gpu, exercise, filledStarter(exercise), oddAndHard);
    }
  }));

const filled = (name: string) => filledStarter(named(name));

Deno.test("exercises: what is right at odd sizes alone fails a hard case", () =>
  withGpu(undefined, async (gpu) => {
    for (const [name, what, where, ...changes] of nearlyRight) {
      const text = changes.reduce((text, [from, to]) => replaced(text, from, to), filled(name));
      await check(gpu, named(name), text);
      assert.match(await fault(gpu, named(name), text, hard), where, `${name} forgets ${what}`);
    }
    // A workgroup an event that deals out one row to each invocation.
    const workgroup = kernelText("choice_nll_2_workgroup").replace(
      "const WORKGROUP = 32;",
      "const WORKGROUP = 64;",
    );
    const once = `// grid: 64 E\n${workgroup.replaceAll("r += WORKGROUP", "r = end")}`;
    await check(gpu, named("softmax"), once);
    assert.match(await fault(gpu, named("softmax"), once, hard), /3 x 300, long pages/);
    await check(gpu, named("softmax"), `// grid: 64 E\n${workgroup}`, hard);
  }));

/** A choice for an answer. */
const choice = `// grid: E\n${kernelText("choice_nll_3_online")}`;

Deno.test("exercises: a wrong answer is told by its worst number", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    await check(gpu, softmax, choice);
    const forgotten = replaced(choice, "var sum = 1.0;", "var sum = 0.0;");
    assert.match(
      await fault(gpu, softmax, forgotten),
      /^mine\.wgsl is wrong at 13 x 3: outcome \[(\d+), 0\] of \[13, 4\] \(page \1, rows \d+ to \d+: u = [-\d.]+(, [-\d.]+)*; (no click|a click on row \d+)\): expected [\d.]+, got [\d.]+, off by [\d.]+ with .* allowed\. \d+ of the 52 numbers are wrong\.$/,
    );
    const last = replaced(choice, "if (e >= step.size.y)", "if (e + 1u >= step.size.y)");
    assert.match(await fault(gpu, softmax, last), /outcome \[0, 0\].*got NaN.*\nNothing was written to/);
    const sometimes = replaced(
      choice,
      "  let loss = ",
      "  if (e == 12u) { sum *= 2.0; }\n  let loss = ",
    );
    assert.match(await fault(gpu, softmax, sometimes), /outcome \[12, 0\] of \[13, 4\]/);
  }));

Deno.test("exercises: stray writes, a changed input and runs that differ are told", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const stray = replaced(
      choice,
      "if (e >= step.size.y) { return; }",
      "if (e >= step.size.y) {\n outcome[e] = vec4f(1.0);\n return; }",
    );
    assert.match(
      await fault(gpu, softmax, stray),
      /stray writes: behind the 4 words of outcome, in word 4\./,
    );
    // Changed behind all that was read of it.
    const open = replaced(choice, "var<storage, read> u:", "var<storage, read_write> u:");
    const changing = `${open.trimEnd().slice(0, -1)}  if (e == 0u) { u[first] += 1.0; }\n}\n`;
    assert.match(await fault(gpu, softmax, changing), /it writes the input u\.$/);
    // What a kernel reads and writes is set back before the second run.
    const adam = named("adam");
    const adamText = filled("adam");
    await check(gpu, adam, adamText, (one) => casesOf(one).slice(0, 3));
    const moment = replaced(
      replaced(adamText, "  v[i] = BETA2", "  let own = BETA2"),
      "(sqrt(v[i]) + EPSILON)",
      "(sqrt(own) + EPSILON)",
    );
    assert.match(await fault(gpu, adam, moment), /: v \[0, \d+\] of \[1, 4\]/);
  }));

Deno.test("exercises: what cannot be run is told with its place", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const { starter } = softmax;
    const line = starter.split("\n").findIndex((text) => text.includes("let most = 0.0;")) + 1;
    const broken: [string, RegExp][] = [
      [replaced(starter, "let most = 0.0;", "let most = 0.0 +;"), new RegExp(`mine\\.wgsl:${line}:`)],
      [replaced(starter, "let most = 0.0;", "let most = mosst;"), new RegExp(`mine\\.wgsl:${line}:`)],
      [replaced(starter, "// grid: E\n", ""), /expected a line .* "\/\/ grid: E"/],
      [replaced(starter, "// grid: E\n", "// grid: Q / 2\n"), /letters E, K .*: "Q" is none of them/],
      [replaced(starter, "// grid: E\n", "// grid: E, K, 2\n"), /one axis or two/],
      [
        replaced(starter, "> event:", "> events:"),
        /expected bindings of u, event, outcome, u_gradient, step, got "events"/,
      ],
      [replaced(starter, "read_write> outcome", "read> outcome"), /read_write> outcome/],
      [replaced(starter, "@binding(4)", "@binding(5)"), /binding step is @binding\(5\), expected 4/],
      [replaced(starter, "size(WORKGROUP)", "size(64)"), /expected @workgroup_size\(WORKGROUP\)/],
      [
        replaced(starter, "const WORKGROUP = 64;", "const WORKGROUP = 8 * 8;"),
        /expected a line "const WORKGROUP = 64;", with one number/,
      ],
    ];
    for (const [text, message] of broken) assert.match(await fault(gpu, softmax, text), message);
  }));

Deno.test("exercises: where inputs stand is the answer's to say, and what cannot be is told", () =>
  withGpu(undefined, async (gpu) => {
    const panel = named("panel");
    const text = filled("panel");
    const line = "// where: input texture";
    for (const where of ["input panels, weights uniform", "bias uniform,", ""]) {
      await check(gpu, panel, replaced(text, line, `// where: ${where}`));
    }
    await check(gpu, panel, replaced(text, `${line}\n`, ""));
    // Written out, as the header asks for it.
    const loop = text.slice(text.indexOf("  for (var k = 0u; k < K4"), text.indexOf("  put(m, column, s0);"));
    const [, body = ""] = loop.match(/\{\n([^]*)\n {2}\}\n$/) ?? [];
    const turns = Array.from(
      { length: 16 },
      (_, k) => `  if (K4 > ${k}u) {\n${body.replaceAll(/\bk\b/g, `${k}u`)}\n  }\n`,
    );
    await check(gpu, panel, replaced(text, loop, turns.join("")));
    const broken: [string, RegExp][] = [
      [
        "input textur",
        /expected "where" to name an input and its place, one of texture, uniform, panels, got "input textur"/,
      ],
      ["input", /got "input"/],
      ["output texture", /expected output to stay in a storage buffer/],
      ["input texture uniform", /got "input texture uniform"/],
      ["weights texture", /weights cannot stand in a texture without the line "fn load_weights/],
    ];
    for (const [where, message] of broken) {
      assert.match(await fault(gpu, panel, replaced(text, line, `// where: ${where}`)), message);
    }
    const rows = replaced(filled("rank"), "// grid: W", "// grid: W\n// where: bits uniform");
    assert.match(await fault(gpu, named("rank"), rows), /expected bits to stay in a storage buffer/);
    const panels = replaced(filled("draw"), "// grid: U", "// grid: U\n// where: utility panels");
    assert.match(await fault(gpu, named("draw"), panels), /one of texture, uniform, got "utility panels"/);
  }));

Deno.test("exercises: mistakes that a CPU driver forgives are found, too", () =>
  withGpu(undefined, async (gpu) => {
    const table = named("table-gradient");
    const unfed = replaced(filled("table-gradient"), "if (e != NONE) { sum", "if (true) { sum");
    assert.match(await fault(gpu, table, unfed), /: output \[0, \d\] of \[1, 5\]/);
    const padding = replaced(
      filled("table-gradient"),
      "output[i * N4 + column] = sum;",
      "if (column + 1u == N4) { sum.w = 77.0; }\n  output[i * N4 + column] = sum;",
    );
    assert.match(await fault(gpu, table, padding), /output: float 7 is 77, and it pads a row/);
    const first = replaced(
      filled("draw"),
      "  let first = u * SLATE;",
      "  log_outcome[u] = vec4f(0.0);\n  let first = u * SLATE;",
    );
    assert.match(
      await fault(gpu, named("draw"), first),
      /log_outcome \[0, 0\] .*\(page 0, user 0, slot\).*got 0/,
    );
    const shared = `${filled("rank")}\nvar<workgroup> counts: array<u32, WORKGROUP>;\n`;
    assert.match(
      await fault(gpu, named("rank"), shared),
      /a workgroupBarrier\(\): counts is in workgroup memory/,
    );
  }));

Deno.test("exercises: who reads what a neighbour writes is wrong in another order", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const tree = `// grid: 32 E\n${kernelText("choice_nll_2_workgroup")}`;
    await check(gpu, softmax, tree);
    // Below eight, neighbours run as one vector: no barrier is missed there by chance.
    const barrier = "    if (local < half) { part[local] += part[local + half]; }\n    workgroupBarrier();";
    const last = replaced(
      tree,
      barrier,
      barrier.replace("workgroup", "if (half > 4u) { workgroup").replace("();", "(); }"),
    );
    assert.match(await fault(gpu, softmax, last), /wrong at .* in another order: .*\n.*without a barrier/);
    // A word that another workgroup is to write.
    const rank = named("rank");
    const before = replaced(
      filled("rank"),
      "  ranked[w] = ",
      "  if (w >= 32u) { before = ranked[w - 32u].y; for (var k = w - 32u; k < w; k++) { before += countOneBits(bits[k]); } }\n  ranked[w] = ",
    );
    assert.match(
      await fault(gpu, rank, replaced(before, "const WORKGROUP = 64;", "const WORKGROUP = 32;")),
      /in another order/,
    );
  }));

Deno.test("exercises: Tint refuses a barrier that some invocations miss, with its line", async (t) => {
  const text = `// grid: 32 E\n${kernelText("choice_nll_2_workgroup")}`;
  const { faults, missing } = await askTint(text);
  if (missing !== undefined) return void await t.step({ name: missing, ignore: true, fn: () => {} });
  assert.deepEqual(faults, []);
  const early = replaced(
    text,
    "  largest[local] = most;",
    "  if (first + local >= end) { return; }\n  largest[local] = most;",
  );
  const [fault = ""] = (await askTint(early)).faults;
  assert.match(fault, /uniform control flow/);
  assert.match(early.split("\n")[parseInt(fault) - 1] ?? "", /workgroupBarrier/);
});

Deno.test("exercises: a stray NaN, padding that is no zero, and no bound are told", () =>
  withGpu(undefined, async (gpu) => {
    const stray = replaced(
      choice,
      "if (e >= step.size.y) { return; }",
      "if (e >= step.size.y) {\n outcome[e] = vec4f(sqrt(-1.0 - f32(e)));\n return; }",
    );
    assert.match(await fault(gpu, named("softmax"), stray), /stray writes: behind the 4 words of outcome/);
    const weights = named("weight-gradient");
    const column = replaced(
      filled("weight-gradient"),
      "  partials[chunk * K * N + k * N + n] = sum;",
      "  if (n + 1u == N) { sum = 77.0; }\n  partials[chunk * K * N + k * N + n] = sum;",
    );
    assert.match(await fault(gpu, weights, column), /partials: float \d+ is 77, and it pads a row/);
    const open = replaced(filled("adam"), "if (i >= P4) { return; }", "");
    assert.match(await fault(gpu, named("adam"), open), /stray writes: behind the 4 words of \w+/);
    const early = replaced(choice, "u_gradient[r] = ", "u_gradient[r] += ");
    assert.match(await fault(gpu, named("softmax"), early), /NaN was computed|or it was read first/);
  }));

Deno.test("exercises: problems of large sizes are made", () => {
  const { ladder } = named("table-gradient");
  assert.equal(ladder.problem([20_000, 5, 64]).outputs.output?.expected.rows, 5);
  assert.equal(named("last-clicks").letters([3, 9, 20]).E, 26);
});

Deno.test("exercises: constants are the answer's own, but for those of the starter", () =>
  withGpu(undefined, async (gpu) => {
    // The shipped kernels have constants of these names.
    await check(gpu, named("table-gradient"), `${filled("table-gradient")}const ITEMS = 1u;\n`);
    await check(gpu, named("slate-score"), `${filled("slate-score")}const M = 1u;\n`);
    const renamed = filled("rank").replaceAll("WORDS", "COUNT");
    assert.match(
      await fault(gpu, named("rank"), renamed, (one) => casesOf(one).slice(1, 2)),
      /"const WORDS ="/,
    );
  }));

Deno.test("exercises: grids and workgroups that mean something else are told", () =>
  withGpu(undefined, async (gpu) => {
    const panel = named("panel");
    const text = filled("panel");
    const large = replaced(text, "// where: input texture", "// where: input uniform");
    const timed: Which = (one) => casesOf(one).slice(-1);
    assert.match(
      await fault(gpu, panel, large.replace("load_input(at + k)", "input[at + k]"), timed),
      /input has 3,276,800 bytes at 12800 x 64 x 64; a uniform has at most 65,536/,
    );
    const twice = replaced(text, "// where: input texture", "// grid: N4, M\n// where: input texture");
    assert.match(await fault(gpu, panel, twice), /expected one line "\/\/ grid: ...", got two/);
    const many = replaced(filled("rank"), "// grid: W", "// grid: 10000000 W");
    assert.match(await fault(gpu, named("rank"), many), /line "grid" at 1: it asks for \d+ x 1 workgroups/);
    const alongY = replaced(filled("rank"), "const WORDS", "const WORKGROUP_Y = 4;\nconst WORDS");
    assert.match(await fault(gpu, named("rank"), alongY), /expected no constant WORKGROUP_Y/);
    const minus = replaced(filled("rank"), "// grid: W", "// grid: W - 1");
    assert.match(await fault(gpu, named("rank"), minus), /line "grid": .*: there is no minus/);
  }));

Deno.test("exercises: of an item that cannot be chosen it is said why", () =>
  withGpu(undefined, async (gpu) => {
    const score = named("slate-score");
    const masked = replaced(filled("slate-score"), " && ((bits >> (i % 32u)) & 1u) == 0u", "");
    assert.match(
      await fault(gpu, score, masked),
      /of panel \d and user \d+: (item \d+ is masked|all its items are)/,
    );
    const next = replaced(filled("slate-score"), "winner = i;", "winner = i + 32u;");
    assert.match(
      await fault(gpu, score, next),
      /of panel 0 and user 0: expected one of its items, got item 32/,
    );
  }));

Deno.test("exercises: whole numbers are exact, and what is not written is told", () =>
  withGpu(undefined, async (gpu) => {
    const rank = named("rank");
    const text = filled("rank");
    const last = (more: string) => `${text.trimEnd().slice(0, -1)}${more}\n}\n`;
    const one = last("  if (w == 5u) { ranked[w] = vec2u(bits[w], before + 1u); }");
    assert.match(
      await fault(gpu, rank, one),
      /ranked \[5, 1\] of \[37, 2\].*off by 1 with 0 allowed\. 1 of/,
    );
    const none = replaced(text, "if (w >= WORDS)", "if (w >= WORDS || w == 5u)");
    assert.match(await fault(gpu, rank, none), /ranked \[5, 0\].*got NaN.*\nNothing was written to/);
    const open = replaced(text, "var<storage, read> bits", "var<storage, read_write> bits");
    await check(gpu, rank, open);
    // Of the last word, which nobody else reads.
    const changed = replaced(
      open,
      "  ranked[w] = ",
      "  if (w == 36u) { bits[w] ^= 1u; }\n  ranked[w] = ",
    );
    assert.match(await fault(gpu, rank, changed), /(ranked|bits) \[36, 0\] of \[37, [12]\]/);
  }));

Deno.test("exercises: grids are sums, products and divisions that round up", () => {
  const letters = { M: 37, K4: 5, N4: 6 };
  const right: [string, number][] = [
    ["M", 37],
    ["M / 4", 10],
    ["4 N4", 24],
    ["16 (K4 / 2) (N4 / 4)", 96],
    ["K4 / 2 * N4", 18],
    ["M + 1 / 2", 38],
    ["(M + 1) / 2", 19],
  ];
  for (const [text, value] of right) assert.equal(evaluate(text, letters), value, text);
  for (const text of ["", "M /", "(M", "M )", "M - 1", "x", "0 M", "M / 0", "constructor"]) {
    assert.throws(() => evaluate(text, letters), UserError, text);
  }
});
