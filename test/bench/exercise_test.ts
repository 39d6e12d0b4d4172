import assert from "node:assert/strict";
import type { Exercise, ExerciseCase } from "../../src/exercise/exercise.ts";
import { createAnswerStep, evaluate, HOLE, listCases } from "../../src/exercise/exercise.ts";
import { checkAnswer, parseSize, raceExercise } from "../../src/exercise/check_exercise.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { findFaultsAtSize } from "../../src/ladder/check_ladder.ts";
import { UserError } from "../../src/user_error.ts";
import { nearlyRight } from "../exercise_answers.ts";
import { type Changes, fillStarter, replaceParts } from "../../src/exercise/answers.ts";
import { findKernel, readKernel } from "../kernel_files.ts";
import { type CommandResult, runScript } from "../command_check.ts";
import { allSizes, withGpu } from "../op_check.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

function named(name: string): Exercise {
  return exercises.find((exercise) => exercise.name === name) ?? assert.fail(`no exercise ${name}`);
}

const kernelText = (name: string) => readKernel(findKernel(name));

type Which = (exercise: Exercise) => readonly ExerciseCase[];

const odd: Which = (exercise) => listCases(exercise).slice(1, 2);
const hard: Which = (exercise) =>
  listCases(exercise).slice(exercise.ladder.oddSizes.length).slice(0, exercise.hard.length);

async function check(gpu: Gpu, exercise: Exercise, text: string, which = odd): Promise<void> {
  const step = createAnswerStep(exercise, "mine.wgsl", text);
  for (const one of which(exercise)) await checkAnswer(gpu, exercise, step, one, "mine.wgsl");
}

async function fault(gpu: Gpu, exercise: Exercise, text: string, which?: Which): Promise<string> {
  const error = await check(gpu, exercise, text, which).then(() => undefined, (error) => error);
  assert.ok(error instanceof UserError, `${exercise.name}: ${error ?? "was accepted as correct"}`);
  return error.message;
}

const replaced = (text: string, from: string, to: string) => replaceParts(text, [[from, to]]);

Deno.test("exercises: every starter compiles, is wrong, and shows its hole", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      const message = await fault(gpu, exercise, exercise.starter);
      assert.match(message, /^mine\.wgsl gives wrong results at .*: .*\[\d+(, \d+)?\].*: expected .*, got /);
      assert.match(message, new RegExp(`Line \\d+ still contains ${HOLE}:`));
      assert.ok(exercise.starter.includes(`kernels/course/${exercise.chapter}`), exercise.name);
    }
  }));

Deno.test("exercises: the hint to write the kernel ends when there is code at the hole", () =>
  withGpu(undefined, async (gpu) => {
    const fill = (text: string) => text.replace(new RegExp(`^.*${HOLE}.*$`, "m"), "$&\n  let own = 1.0;");
    const [map, softmax] = [named("map"), named("softmax")];
    assert.doesNotMatch(await fault(gpu, map, fill(map.starter)), new RegExp(HOLE));
    const line = softmax.starter.split("\n").findIndex((text) => text.includes("u_gradient[r] = 0.0;")) + 2;
    assert.match(await fault(gpu, softmax, fill(softmax.starter)), new RegExp(`Line ${line} still`));
  }));

Deno.test("exercises: every completed starter is correct and is timed", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      await check(
        gpu,
        exercise,
        fillStarter(exercise),
        (one) => [...odd(one), ...(allSizes ? hard(one) : [])],
      );
      const { size } = listCases(exercise)[1] ?? assert.fail();
      const alone = { ...exercise, ladder: { ...exercise.ladder, steps: [] } };
      const step = createAnswerStep(exercise, "mine.wgsl", fillStarter(exercise));
      const [own] = await raceExercise(gpu, alone, step, { size, rounds: 1, onProgress: () => {} });
      assert.ok((own?.time?.median ?? 0) > 0, exercise.name);
    }
  }));

const filled = (name: string) => fillStarter(named(name));

Deno.test("exercises: answers that are correct only at odd sizes fail a hard case", () =>
  withGpu(undefined, async (gpu) => {
    for (const [name, what, where, ...changes] of nearlyRight) {
      const exercise = named(name);
      const text = replaceParts(filled(name), changes);
      // Without other orders of invocations, whose shaders need not be compiled for a wrong answer.
      const ladder = { ...exercise.ladder, steps: [createAnswerStep(exercise, "mine.wgsl", text)] };
      const faults = await findFaultsAtSize(gpu, ladder, ladder.oddSizes[1] ?? assert.fail(name));
      assert.deepEqual([...faults.values()], [undefined], name);
      assert.match(await fault(gpu, exercise, text, hard), where, `${name} forgets ${what}`);
    }
    // One workgroup per event; each invocation computes one row.
    const workgroup = kernelText("choice_nll_2_workgroup").replace(
      "const WORKGROUP = 32;",
      "const WORKGROUP = 64;",
    );
    const once = `// grid: 64 E\n${workgroup.replaceAll("r += WORKGROUP", "r = end")}`;
    await check(gpu, named("softmax"), once);
    assert.match(await fault(gpu, named("softmax"), once, hard), /3 x 300, long pages/);
    await check(gpu, named("softmax"), `// grid: 64 E\n${workgroup}`, hard);
  }));

const choice = `// grid: E\n${kernelText("choice_nll_3_online")}`;

/** Wrong answer to an exercise: changes of the correct answer, the expected message, and the cases to run. */
type Wrong = readonly [exercise: string, says: RegExp, changes: Changes, which?: Which];

const wrong: readonly Wrong[] = [
  ["guard", /stray writes: behind the 65 words of y, in word 65\./, [["if (i < N)", "if (true)"]]],
  ["grid_2d", /y \[\d+, \d+\]|stray writes/, [["m < M && n < N", "m < M"]]],
  ["block", /a workgroupBarrier\(\): tile is in workgroup memory/, [["  workgroupBarrier();", "  "]]],
  ["block", /WORKGROUP is 32, but 64 in the starter: /, [["WORKGROUP = 64", "WORKGROUP = 32"]]],
  ["map", /allowed .*\nThe error is about as small as a rounding error\./, [["+ 1.0", "+ 1.000001"]]],
  ["sum", /y \[\d+\]: expected/, [["    workgroupBarrier();", "    if (half > 4u) { workgroupBarrier(); }"]]],
  ["shuffle", /y \[\d+\]: expected .*\d+ of the 192 numbers are wrong/, [["(v, 2u)", "(v, 1u)"]]],
  [
    "softmax",
    /^mine\.wgsl gives wrong results at size 13 x 3: outcome \[(\d+), 0\] of \[13, 4\] \(page \1: u = [-\d.]+(, [-\d.]+)*; (no click|a click on its row \d+)\): expected [\d.]+, got [\d.]+, error [\d.]+, allowed [\d.e-]+\. \d+ of the 52 numbers are wrong; this is the first\.( The largest error is at \[\d+, 0\].*)?$/,
    [["var sum = 1.0;", "var sum = 0.0;"]],
  ],
  ["rank", /ranked \[5, 0\].*got NaN.*\nSome elements were never written/, [[
    "if (w >= WORDS)",
    "if (w >= WORDS || w == 5u)",
  ]]],
  // Stray writes, a missing bound, nonzero padding, NaN.
  [
    "softmax",
    /stray writes: behind the 52 words of outcome, in word 52\./,
    [["if (e >= step.size.y) { return; }", "if (e >= step.size.y) {\n outcome[e] = vec4f(1.0);\n return; }"]],
  ],
  ["softmax", /stray writes: behind the 52 words of outcome/, [
    [
      "if (e >= step.size.y) { return; }",
      "if (e >= step.size.y) {\n outcome[e] = vec4f(sqrt(-1.0 - f32(e)));\n return; }",
    ],
  ]],
  ["weight_gradient", /partials: padding is not zero: 77 at/, [
    ["  partials[chunk", "  if (n + 1u == N) { sum = 77.0; }\n  partials[chunk"],
  ]],
  ["softmax", /The kernel computed NaN|or were read before/, [["u_gradient[r] = ", "u_gradient[r] += "]]],
  // A writable input, and state that is not reset before the second run.
  ["softmax", /expected a binding var<storage, read> u: it is an input/, [
    ["var<storage, read> u:", "var<storage, read_write> u:"],
  ]],
  ["rank", /(ranked|bits) \[36, 0\] of \[37, [12]\]/, [
    ["var<storage, read> bits", "var<storage, read_write> bits"],
    ["  ranked[w] = ", "  if (w == 36u) { bits[w] ^= 1u; }\n  ranked[w] = "],
  ]],
  ["adam", /: v \[0, \d+\] of \[1, \d+\]/, [
    ["  v[i] = BETA2", "  let own = BETA2"],
    ["(sqrt(v[i]) + EPSILON)", "(sqrt(own) + EPSILON)"],
  ]],
  [
    "table_gradient",
    /gradient of t \(.*\[0, \d\] of \[1, 5\]/,
    [["if (e != NONE) { sum", "if (true) { sum"]],
    (one) => listCases(one).slice(0, 1),
  ],
  ["rank", /a workgroupBarrier\(\): counts is in workgroup memory/, [
    ["const WORDS", "var<workgroup> counts: array<u32, WORKGROUP>;\nconst WORDS"],
  ]],
  ["slate_score", /best \[\d+, \d+\] \(of panel \d and user \d+: item \d+\)/, [
    [" && ((bits >> (i % 32u)) & 1u) == 0u", ""],
  ]],
  // Constants, grids and offsets with another meaning.
  ["rank", /"const WORDS ="/, [["const WORDS", "const COUNT"], [">= WORDS", ">= COUNT"]]],
  ["rank", /line "grid" at size 37: it needs \d+ x 1 workgroups/, [["// grid: W", "// grid: 10000000 W"]]],
  ["rank", /expected no constant WORKGROUP_Y/, [["const WORDS", "const WORKGROUP_Y = 4;\nconst WORDS"]]],
  ["rank", /line "grid": .*: minus is not supported/, [["// grid: W", "// grid: W - 1"]]],
  ["panel", /expected one line "\/\/ grid: ...", got two/, [
    ["// where: input texture", "// grid: N4, M\n// where: input texture"],
  ]],
  [
    "panel",
    /input has 3,276,800 bytes at size 12800 x 64 x 64; a uniform buffer holds at most 65,536/,
    [["// where: input texture", "// where: input uniform"], ["load_input(at + k)", "input[at + k]"]],
    (one) => listCases(one).slice(-1),
  ],
];

const answerTo = (name: string) => name === "softmax" ? choice : filled(name);

Deno.test("exercises: faults of an answer are reported", () =>
  withGpu(undefined, async (gpu) => {
    await check(gpu, named("softmax"), choice);
    for (const [name, says, changes, which] of wrong) {
      const text = replaceParts(answerTo(name), changes);
      assert.match(await fault(gpu, named(name), text, which), says, `${name}: ${changes.join(" -> ")}`);
    }
  }));

Deno.test("exercises: a text that cannot run is reported with its position", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const { starter } = softmax;
    const line = starter.split("\n").findIndex((text) => text.includes("let most = 0.0;")) + 1;
    const broken: [string, RegExp][] = [
      [replaced(starter, "let most = 0.0;", "let most = 0.0 +;"), new RegExp(`mine\\.wgsl:${line}:`)],
      [replaced(starter, "let most = 0.0;", "let most = mosst;"), new RegExp(`mine\\.wgsl:${line}:`)],
      [replaced(starter, "// grid: E\n", ""), /expected a line .* "\/\/ grid: E"/],
      [replaced(starter, "// grid: E\n", "// grid: Q / 2\n"), /letters E, K .*: "Q" is unknown/],
      [replaced(starter, "// grid: E\n", "// grid: E, K, 2\n"), /one axis or two/],
      [
        replaced(starter, "> event:", "> events:"),
        /expected bindings u, event, outcome, u_gradient, step, got "events"/,
      ],
      [replaced(starter, "read_write> outcome", "read> outcome"), /read_write> outcome/],
      [
        replaced(starter, "@binding(4)", "@binding(5)"),
        /expected @binding\(0\).* got @binding\(0\) u, .*@binding\(5\) step/,
      ],
      [replaced(starter, "size(WORKGROUP)", "size(64)"), /expected @workgroup_size\(WORKGROUP\)/],
      [
        replaced(starter, "const WORKGROUP = 64;", "const WORKGROUP = 8 * 8;"),
        /expected a line "const WORKGROUP = 64;", with one number/,
      ],
    ];
    for (const [text, message] of broken) assert.match(await fault(gpu, softmax, text), message);
  }));

Deno.test("exercises: an answer chooses its memory, and invalid choices are reported", () =>
  withGpu(undefined, async (gpu) => {
    const panel = named("panel");
    const text = filled("panel");
    const line = "// where: input texture";
    for (const where of ["input panels, weights uniform", "bias uniform,", ""]) {
      await check(gpu, panel, replaced(text, line, `// where: ${where}`));
    }
    await check(gpu, panel, replaced(text, `${line}\n`, ""));
    const broken: [string, RegExp][] = [
      [
        "input textur",
        /expected the name of an input and one of texture, uniform, panels in "where", got "input textur"/,
      ],
      ["input", /got "input"/],
      ["output texture", /expected only inputs in "where", got the output output/],
      ["input texture uniform", /got "input texture uniform"/],
      ["weights texture", /weights cannot be a texture without the line "fn load_weights/],
    ];
    for (const [where, message] of broken) {
      assert.match(await fault(gpu, panel, replaced(text, line, `// where: ${where}`)), message);
    }
  }));

Deno.test("exercises: an answer that reads a neighbour's writes fails in another order", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const tree = `// grid: 32 E\n${kernelText("choice_nll_2_workgroup")}`;
    await check(gpu, softmax, tree);
    // Eight neighbours run as one vector, so a missing barrier has no effect among them.
    const barrier = "    if (local < half) { part[local] += part[local + half]; }\n    workgroupBarrier();";
    const last = replaced(
      tree,
      barrier,
      barrier.replace("workgroup", "if (half > 4u) { workgroup").replace("();", "(); }"),
    );
    assert.match(
      await fault(gpu, softmax, last),
      /wrong results at .* in another order: .*\n.*without a barrier/,
    );
    const fewer = replaced(tree, "own;\n  workgroupBarrier();", "own;");
    const long = await fault(gpu, softmax, fewer, (one) => listCases(one).slice(2, 3));
    assert.match(long, /a barrier missing/);
  }));

/** Runs `deno task exercise` in its own process, which may crash in Dawn (Chromium's WebGPU library). */
function runExercise(cwd: string, ...args: string[]): Promise<CommandResult> {
  const root = new URL("../../", import.meta.url);
  const permissions = ["--allow-read", "--allow-env", "--allow-write", "--allow-ffi"];
  const flags = ["--config", new URL("deno.json", root).pathname, ...permissions];
  return runScript(new URL("bench/exercise.ts", root), flags, args, { cwd });
}

Deno.test("exercises: Tint refuses a barrier that some invocations miss, with its line", (t) =>
  withEmptyFolder(async (folder) => {
    const text = `// grid: 32 E\n${kernelText("choice_nll_2_workgroup")}`;
    const early = replaced(
      text,
      "  largest[local] = most;",
      "  if (first + local >= end) { return; }\n  largest[local] = most;",
    );
    const compile = async (exercise: string, text: string) => {
      await Deno.writeTextFile(`${folder}/mine.wgsl`, text);
      return await runExercise(folder, exercise, "--file", "mine.wgsl", "--no-time");
    };
    const right = await compile("softmax", text);
    const [missing] = right.stdout.match(/^Tint did not run.*/m) ?? [];
    if (missing) return void await t.step({ name: missing, ignore: true, fn: () => {} });
    assert.equal(right.code, 0, right.stderr);
    const { code, stderr } = await compile("softmax", early);
    assert.equal(code, 1, stderr);
    const [, line] = stderr.match(/^mine\.wgsl:(\d+):\d+ .*uniform control flow/m) ?? assert.fail(stderr);
    assert.match(early.split("\n")[Number(line) - 1] ?? "", /workgroupBarrier/);
    const mixed = await compile("map", replaced(filled("map"), "2.0 * x[i]", "i * x[i]"));
    assert.match(
      mixed.stderr,
      /Tint, the compiler of Chrome:\nmine\.wgsl:\d+:\d+ no matching overload .*\n\d+ │ .*i \* x.*\n +│ +\^$/m,
    );
  }));

Deno.test("exercises: answers define constants and workgroup size, except those of the starter", () =>
  withGpu(undefined, async (gpu) => {
    const lstm = named("lstm");
    const one = listCases(lstm)[1] ?? assert.fail();
    const step = createAnswerStep(lstm, "mine.wgsl", filled("lstm"));
    assert.match(
      await checkAnswer(gpu, lstm, step, one, "mine.wgsl"),
      /\. The GPU starts 1 x 1 workgroups of 64 x 1 invocations\.$/,
    );
    // The shipped kernels have constants with these names.
    await check(gpu, named("table_gradient"), `${filled("table_gradient")}const ITEMS = 1u;\n`);
    await check(gpu, named("slate_score"), `${filled("slate_score")}const M = 1u;\n`);
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

Deno.test("deno task exercise: lists, writes a file once, refuses an unchanged one, times a correct one", () =>
  withEmptyFolder(async (folder) => {
    const run = (...args: string[]) => runExercise(folder, ...args);
    const printed = async (...args: string[]) => {
      const { code, stdout, stderr } = await run(...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const refused = async (says: RegExp, ...args: string[]) => {
      const { code, stderr } = await run(...args);
      assert.equal(code, 1);
      assert.match(stderr, says);
    };
    const listed = await printed();
    for (const { name } of exercises) assert.ok(listed.includes(name), name);
    assert.match(await printed("softmax"), /Created exercises\/softmax\.wgsl/);
    const { starter } = named("softmax");
    const file = `${folder}/exercises/softmax.wgsl`;
    assert.equal(await Deno.readTextFile(file), starter);
    await refused(/got the starter.*YOUR CODE/, "softmax");
    await Deno.writeTextFile(file, `${starter}\n`);
    await refused(/^error: exercises\/softmax\.wgsl gives wrong results at/m, "softmax");
    assert.equal(await Deno.readTextFile(file), `${starter}\n`);
    await refused(/Expected the file other\.wgsl, found none/, "softmax", "--file", "other.wgsl");
    const end = "if (e >= step.size.y) { return; }";
    const spin = "var k = e; while (k != NONE) { k = (k + 1u) & 0xffffu; outcome[e] = vec4f(f32(k)); }";
    await Deno.writeTextFile(file, replaced(choice, end, `${end} ${spin}`));
    const stuck = await run("softmax", "--limit", "1");
    assert.notEqual(stuck.code, 0);
    assert.match(stuck.stderr, /^error: the kernel did not end within 1 s/m);
    await Deno.writeTextFile(`${folder}/mine.wgsl`, choice);
    const right = await printed("softmax", "--file", "mine.wgsl", "--rounds", "1", "--size", "3x1000");
    assert.match(
      right,
      /mine\.wgsl is correct at\n +size 1 x 1\n +size 13 x 3\n +size 67 x 41\n +size 7 x 3, all[^]*\n +size 3 x 1000\n/,
    );
    assert.match(right, /5 +yours +mine /);
    assert.match(right, /^Next exercise: .* exercise matmul /m);
    assert.throws(
      () => parseSize(named("softmax"), "3"),
      /Expected --size of numbers in .* such as 2560x10, got "3"/,
    );
    assert.throws(() => parseSize(named("panel"), "100x128x32"), /the exercise sums over more than 64/);
  }));
