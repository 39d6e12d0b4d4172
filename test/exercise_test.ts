/** The exercises: what is right passes, what is wrong is named, and the command writes a file to begin with. */

import assert from "node:assert/strict";
import { checkAnswer, HOLE, stepOf } from "../bench/exercise/check.ts";
import { evaluate } from "../bench/exercise/grid.ts";
import { type Case, casesOf, type Exercise } from "../bench/exercise/exercise.ts";
import { exercises } from "../bench/exercise/exercises.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { UserError } from "../src/user_error.ts";
import { answers } from "./exercise_answers.ts";
import { withGpu } from "./op_check.ts";

const root = new URL("../", import.meta.url);

function named(name: string): Exercise {
  return exercises.find((exercise) => exercise.name === name) ?? assert.fail(`no exercise ${name}`);
}

function kernelText(path: string): string {
  return Deno.readTextFileSync(new URL(`kernels/${path}.wgsl`, root));
}

type Which = (exercise: Exercise) => readonly Case[];

/** The first two odd sizes. */
const odd: Which = (exercise) => casesOf(exercise).slice(0, 2);
/** The hard cases alone. */
const hard: Which = (exercise) =>
  casesOf(exercise).slice(exercise.ladder.oddSizes.length).slice(0, exercise.hard.length);
const oddAndHard: Which = (exercise) => [...odd(exercise), ...hard(exercise)];

/** Checks a text as an answer. */
async function check(gpu: Gpu, exercise: Exercise, text: string, which = odd): Promise<void> {
  const step = stepOf(exercise, "mine.wgsl", text);
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

/** Exercise, a kernel of the repository that solves it, and its grid. */
const solutions: readonly (readonly [string, string, string])[] = [
  ["softmax", "choice_nll", "E"],
  ["softmax", "study/choice_nll_1_naive", "K, E"],
  ["matmul", "matmul_forward_tiled", "N4, M / 4"],
  ["matmul", "cpu/matmul_forward_rows", "M / 8, N4 / 4\n// where: weights uniform, input texture"],
  ["input-gradient", "matmul_input_gradient_tiled", "K4, M / 4"],
  ["weight-gradient", "matmul_weight_gradient_tiled", "16 (K4 / 16) (N4 / 16), 16 C"],
  ["lstm", "lstm_forward", "B / 4"],
  ["lstm", "study/lstm_forward_2_workgroup", "16 H4 B\n// workgroup: 16 H4"],
  ["lstm-backward", "lstm_backward", "B / 4"],
  ["rank", "batch_rank", "64"],
  ["table-gradient", "embedding_gradient", "D (N4 / 4)"],
  ["batch-norm", "batch_norm_input_gradient", "N4 (R / 128)"],
  ["adam", "adam", "P4"],
  ["last-clicks", "pw_state_forward", "E F4"],
  ["sparsemax", "exact_minimax", "E"],
  ["draw", "choose", "U"],
  ["slate-score", "slate_score_tiled", "16 (P / 2), U / 4"],
  ["slate-score", "cpu/slate_score_panel", "128 P, U / 128"],
  ["panel", "study/matmul_forward_11_panel_loop", "N4 / 4, M\n// where: input texture"],
  ["panel", "cpu/matmul_forward_panel", "256 (N4 / 4), M / 256\n// where: input panels"],
];

Deno.test("exercises: the texts of the repository's kernels are right", () =>
  withGpu(undefined, async (gpu) => {
    for (const [name, path, grid] of solutions) {
      await check(gpu, named(name), `// grid: ${grid}\n${kernelText(path)}`, oddAndHard);
    }
    assert.deepEqual([...new Set(solutions.map(([name]) => name))], exercises.map(({ name }) => name));
  }));

Deno.test("exercises: every starter compiles, is wrong, and says where its hole is", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      const message = await fault(gpu, exercise, exercise.starter);
      assert.match(message, /^mine\.wgsl is wrong at .*: \w+\[\d+, \d+\] of .*: expected .*, got /);
      assert.match(message, new RegExp(`Line \\d+ still says ${HOLE}\\.`));
      assert.ok(exercise.starter.includes(`kernels/course/${exercise.chapter}`), exercise.name);
      assert.match(exercise.starter, /^\/\/ \w+\.wgsl - exercise: /);
      assert.ok(exercise.starter.split("\n").every((line) => line.length <= 130), exercise.name);
    }
  }));

Deno.test("exercises: every starter is right when its holes are filled", () =>
  withGpu(undefined, async (gpu) => {
    for (const exercise of exercises) {
      const holes = answers[exercise.name] ?? assert.fail(exercise.name);
      await check(gpu, exercise, filled(exercise.name, holes), oddAndHard);
    }
  }));

/** A starter with its holes filled. */
function filled(name: string, holes = answers[name] ?? assert.fail(name)): string {
  return holes.reduce((text, [from, to]) => replaced(text, from, to), named(name).starter);
}

/** Answers that are right at odd sizes, and wrong: exercise, what it forgets, and what of a right answer is replaced. */
const nearlyRight: readonly (readonly [string, string, RegExp, ...(readonly [string, string])[]])[] = [
  ["softmax", "no click in the maximum", /, all utilities about -200/, [
    "var most = 0.0;",
    "var most = u[first];",
  ]],
  [
    "softmax",
    "all rows but the first in the maximum",
    /, the last row of each page/,
    ["most = max(most, u[r]);", "most = max(most, u[first]);"],
  ],
  [
    "matmul",
    "that infinity less infinity is NaN",
    /, sums of several hundred/,
    ["select(exp(min(z, 0.0)) - 1.0, z, z > 0.0)", "max(z, 0.0) + exp(z) - exp(max(z, 0.0))"],
  ],
  [
    "batch-norm",
    "to take the mean away first",
    /, constant columns/,
    ["(x - mean) * inverse * product", "(x * inverse - mean * inverse) * product"],
  ],
  [
    "lstm",
    "that infinity by infinity is NaN",
    /, gates of up to 100/,
    ["1.0 / (1.0 + exp(-clamp(x, -30.0, 30.0)))", "exp(x) / (1.0 + exp(x))"],
  ],
  ["adam", "epsilon", /, gradients of 0/, ["(sqrt(v[i]) + EPSILON)", "sqrt(v[i])"]],
  ["rank", "that a word has 32 bits", /, every bit set/, [
    "before += countOneBits(bits[k]);",
    "before += countOneBits(bits[k] & 0x7fffffffu) + select(0u, 1u, (bits[k] >> 30u) > 1u && bits[k] != 0xffffffffu);",
  ]],
  [
    "table-gradient",
    "where an item's rows go on",
    /, nearly all rows of one item/,
    ["k < slot_first[i + 1u]", "k < min(slot_first[i + 1u], slot_first[i] + 512u)"],
  ],
  ["last-clicks", "where the window ends", /, more clicks than the window/, [
    "lag < min(clicks, LAGS)",
    "lag < clicks",
  ]],
  ["draw", "to take the largest away", /, utilities of 90/, [
    "most = max(most, utility[first + j]);",
    "most = 0.0;",
  ]],
  ["slate-score", "which of equal items is the first", /, equal items/, ["sum > most", "sum >= most"]],
  [
    "sparsemax",
    "to take the largest away",
    /, utilities about 10,000/,
    ["for (var r = first; r < end; r++) { most = max(most, u[r]); }", "most = 0.0;"],
  ],
];

Deno.test("exercises: what is right at odd sizes alone fails a hard case", () =>
  withGpu(undefined, async (gpu) => {
    for (const [name, what, where, ...changes] of nearlyRight) {
      const text = changes.reduce((text, [from, to]) => replaced(text, from, to), filled(name));
      await check(gpu, named(name), text);
      assert.match(await fault(gpu, named(name), text, hard), where, `${name} forgets ${what}`);
    }
    // A workgroup an event that deals out one row to each invocation.
    const workgroup = kernelText("study/choice_nll_2_workgroup").replace(
      "const WORKGROUP = 32;",
      "const WORKGROUP = 64;",
    );
    const once = `// grid: 64 E\n${workgroup.replaceAll("r += WORKGROUP", "r = end")}`;
    await check(gpu, named("softmax"), once);
    assert.match(await fault(gpu, named("softmax"), once, hard), /3 x 300, long pages/);
    await check(gpu, named("softmax"), `// grid: 64 E\n${workgroup}`, hard);
  }));

/** A choice for an answer. */
const choice = `// grid: E\n${kernelText("study/choice_nll_3_online")}`;

Deno.test("exercises: a wrong answer is told by its worst number", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    await check(gpu, softmax, choice);
    const forgotten = replaced(choice, "var sum = 1.0;", "var sum = 0.0;");
    assert.match(
      await fault(gpu, softmax, forgotten),
      /^mine\.wgsl is wrong at 13 x 3: outcome\[\d+, 0\] of \[13, 4\]: expected [\d.]+, got [\d.]+, off by [\d.]+ with .* allowed\. \d+ of the 52 numbers are wrong\.$/,
    );
    const last = replaced(choice, "if (e >= step.size.y)", "if (e + 1u >= step.size.y)");
    assert.match(await fault(gpu, softmax, last), /outcome\[0, 0\].*got NaN.*\nNaN stands where nothing was/);
    const sometimes = replaced(
      choice,
      "  let loss = ",
      "  if (e == 12u) { sum *= 2.0; }\n  let loss = ",
    );
    assert.match(await fault(gpu, softmax, sometimes), /outcome\[12, 0\] of \[13, 4\]/);
  }));

Deno.test("exercises: stray writes, a changed input and runs that differ are told", () =>
  withGpu(undefined, async (gpu) => {
    const softmax = named("softmax");
    const stray = replaced(
      choice,
      "if (e >= step.size.y) { return; }",
      "if (e >= step.size.y) {\n outcome[e] = vec4f(1.0);\n return; }",
    );
    assert.match(await fault(gpu, softmax, stray), /a stray write: outcome has 4 floats, and float 4 was/);
    // Changed behind all that was read of it.
    const open = replaced(choice, "var<storage, read> u:", "var<storage, read_write> u:");
    const changing = `${open.trimEnd().slice(0, -1)}  if (e == 0u) { u[first] += 1.0; }\n}\n`;
    assert.match(await fault(gpu, softmax, changing), /it writes the input u\.$/);
    // What a kernel reads and writes is set back before the second run.
    const adam = named("adam");
    const adamText = `// grid: P4\n${kernelText("adam")}`;
    await check(gpu, adam, adamText, (one) => casesOf(one).slice(0, 3));
    const moment = replaced(adamText, "v[i] = v1;", "v[i] = v[i];");
    assert.match(await fault(gpu, adam, moment), /: v\[0, \d+\] of \[1, 4\]/);
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
      [replaced(starter, "> event:", "> events:"), /expected bindings of u, .*got "events"/],
      [replaced(starter, "read_write> outcome", "read> outcome"), /read_write> outcome/],
      [replaced(starter, "@binding(4)", "@binding(5)"), /binding step is @binding\(5\), expected 4/],
      [replaced(starter, "size(WORKGROUP)", "size(64)"), /expected @workgroup_size\(WORKGROUP\)/],
      [
        replaced(starter, "const WORKGROUP = 64;", "const WORKGROUP = 8 * 8;"),
        /no numeric constant WORKGROUP/,
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
    const broken: [string, RegExp][] = [
      [
        "input textur",
        /expected "where" to name an input \(input, .*\) and its place \(texture, uniform, panels\), got "input textur"/,
      ],
      ["input", /got "input"/],
      ["output texture", /got "output texture"/],
      ["input texture uniform", /got "input texture uniform"/],
      ["weights texture", /has no function load_weights, so it cannot stand in a texture/],
    ];
    for (const [where, message] of broken) {
      assert.match(await fault(gpu, panel, replaced(text, line, `// where: ${where}`)), message);
    }
    const rank = named("rank");
    const panels = replaced(filled("rank"), "// grid: W", "// grid: W\n// where: bits panels");
    assert.match(await fault(gpu, rank, panels), /its place \(texture, uniform\), got "bits panels"/);
  }));

Deno.test("exercises: whole numbers are exact, and what is not written is told", () =>
  withGpu(undefined, async (gpu) => {
    const rank = named("rank");
    const text = filled("rank");
    const last = (more: string) => `${text.trimEnd().slice(0, -1)}${more}\n}\n`;
    const one = last("  if (w == 5u) { ranked[w] = vec2u(bits[w], before + 1u); }");
    assert.match(
      await fault(gpu, rank, one),
      /ranked\[5, 1\] of \[37, 2\].*off by 1.0 with 0.0 allowed\. 1 of/,
    );
    const none = replaced(text, "if (w >= WORDS)", "if (w >= WORDS || w == 5u)");
    assert.match(await fault(gpu, rank, none), /ranked\[5, 0\].*got NaN.*\nNaN stands where nothing was/);
    const open = replaced(text, "var<storage, read> bits", "var<storage, read_write> bits");
    await check(gpu, rank, open);
    // Of the last word, which nobody else reads.
    const changed = replaced(
      open,
      "  ranked[w] = ",
      "  if (w == 36u) { bits[w] ^= 1u; }\n  ranked[w] = ",
    );
    assert.match(await fault(gpu, rank, changed), /(ranked|bits)\[36, 0\] of \[37, [12]\]/);
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
  for (const text of ["", "M /", "(M", "M )", "M - 1", "x", "0 M", "M / 0"]) {
    assert.throws(() => evaluate(text, letters), UserError, text);
  }
});

async function exercise(
  cwd: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const permissions = ["--allow-read", "--allow-env", "--allow-write"];
  const config = ["--config", new URL("deno.json", root).pathname];
  const output = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...config,
      ...DENO_FLAGS,
      "--no-prompt",
      ...permissions,
      new URL("bench/exercise.ts", root).pathname,
      ...args,
    ],
    cwd,
    env: GPU_ENVIRONMENT,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

Deno.test("deno task exercise: lists, writes a file once, refuses it as it was written, and times what is right", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { starter } = named("softmax");
    const listed = await exercise(folder);
    assert.equal(listed.code, 0, listed.stderr);
    for (const { name } of exercises) assert.ok(listed.stdout.includes(name), name);
    const unknown = await exercise(folder, "stairs");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /Allowed choices are softmax, matmul, .*sparsemax/);

    const begun = await exercise(folder, "softmax");
    assert.equal(begun.code, 0, begun.stderr);
    assert.match(begun.stdout, /exercises\/softmax\.wgsl is there now/);
    const file = `${folder}/exercises/softmax.wgsl`;
    assert.equal(await Deno.readTextFile(file), starter);
    const unfinished = await exercise(folder, "softmax");
    assert.equal(unfinished.code, 1);
    assert.match(unfinished.stderr, /is as it was written.*YOUR CODE/);
    await Deno.writeTextFile(file, `${starter}\n`);
    const wrong = await exercise(folder, "softmax");
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^error: exercises\/softmax\.wgsl is wrong at/m);
    assert.equal(await Deno.readTextFile(file), `${starter}\n`);

    const missing = await exercise(folder, "softmax", "--file", "other.wgsl");
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /there is no file other\.wgsl/);
    await Deno.writeTextFile(`${folder}/mine.wgsl`, choice);
    const right = await exercise(folder, "softmax", "--file", "mine.wgsl", "--rounds", "1");
    assert.equal(right.code, 0, right.stderr);
    assert.match(
      right.stdout,
      /mine\.wgsl is right at\n +1 x 1\n +13 x 3\n +67 x 41\n +7 x 3, all[^]*\n +2560 x 10\n/,
    );
    assert.match(right.stdout, /5 +yours +mine /);
    const checked = await exercise(folder, "softmax", "--file", "mine.wgsl", "--no-time");
    assert.equal(checked.code, 0, checked.stderr);
    assert.doesNotMatch(checked.stdout, /yours/);
    const long = await exercise(folder, "softmax", "--file", "mine.wgsl", "--no-time", "--size", "3x10000");
    assert.equal(long.code, 0, long.stderr);
    assert.match(long.stdout, /\n +3 x 10000\n/);
    const none = await exercise(folder, "softmax", "--size", "3");
    assert.equal(none.code, 1);
    assert.match(none.stderr, /Expected --size of numbers in .* such as 2560x10, got "3"/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
