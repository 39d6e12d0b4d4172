/**
 * Checks the requirements on every kernel file: header, grid, related kernels, used fields of the uniform
 * Step, generated loops. The program may change a kernel's code only in the four ways that kernel.ts lists.
 */

import assert from "node:assert/strict";
import { STEP_STRIDE } from "../../src/gpu/step.ts";
import {
  findKernel,
  getKernelName,
  isForCpu,
  listKernelFiles,
  listKernelNames,
  readKernel,
} from "../kernel_files.ts";
import { fillStarter } from "../../src/exercise/answers.ts";
import { findHeaderPart } from "../../src/lab/draw/kernel_panel.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import { ladders } from "../../src/ladder/ladders.ts";
import type { ClickDispatch } from "../../src/batch/click_sizes.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { buildKernelText, parseKernel } from "../../src/gpu/kernel.ts";
import { isTexture, isUniform } from "../../src/gpu/memory.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { withGpu } from "../op_check.ts";
import { trainShannon } from "../train/trainings.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";

const root = new URL("../../", import.meta.url);

function kernelsIn(text: string | undefined): string[] {
  return (text?.match(/\w+\.wgsl/g) ?? []).map(getKernelName);
}

const shipped = listKernelFiles("shipped");
const all = listKernelFiles("shipped", "steps", "probe");

function each(paths: readonly string[], check: (path: string) => boolean, expected: string): void {
  const failed = paths.filter((path) => !check(path));
  assert.deepEqual(failed, [], `expected of every header ${expected}`);
}

Deno.test("a header has all required parts", () => {
  const kernels = listKernelFiles("shipped", "probe");
  for (const label of ["For", "Work split", "Cost"]) {
    each(kernels, (path) => findHeaderPart(readKernel(path), label) !== undefined, `the part "${label}"`);
  }
});

Deno.test("a header states invocations, and its workgroup size matches the text", () => {
  each(all, (path) => {
    const size = (name: string) => new RegExp(`^const ${name} = (\\d+);`, "m").exec(readKernel(path))?.[1];
    const [x, y] = [size("WORKGROUP"), size("WORKGROUP_Y")];
    const own = new RegExp(`\\b${y === undefined ? x : `${x} x ${y}`}\\b`);
    return own.test(findHeaderPart(readKernel(path), "Grid") ?? "");
  }, 'the part "Grid", with the size of a workgroup');
});

Deno.test("a header states its adapter, and names the twin for the other kind", () => {
  const twins = (path: string) =>
    kernelsIn(findHeaderPart(readKernel(path), isForCpu(path) ? "On a GPU" : "On a CPU adapter")).map(
      findKernel,
    );
  const kind = (path: string) => findHeaderPart(readKernel(path), "For") ?? "";
  each(
    shipped,
    (path) => /^(both kinds of adapter$|a GPU$|a GPU with subgroups$|a CPU adapter)/.test(kind(path)),
    "a kind of adapter",
  );
  const oneKind = shipped.filter((path) =>
    !["both kinds of adapter", "a GPU with subgroups"].includes(kind(path))
  );
  each(oneKind, (path) => twins(path).length > 0, "a twin");
  each(shipped, (path) => twins(path).every((twin) => twins(twin).includes(path)), "a mutual twin");
  each(shipped, (path) => twins(path).every((twin) => isForCpu(twin) !== isForCpu(path)), "another kind");
});

Deno.test("a header names the backward kernel, which names the forward one", () => {
  const forward = shipped.filter((path) => path.includes("_forward"));
  const backward = shipped.filter((path) => /_(backward|gradient)/.test(path));
  each(
    forward,
    (path) => kernelsIn(findHeaderPart(readKernel(path), "Backward")).length > 0,
    'the part "Backward"',
  );
  each(
    backward,
    (path) => kernelsIn(findHeaderPart(readKernel(path), "Forward")).length > 0,
    'the part "Forward"',
  );
  const answers = (path: string) =>
    kernelsIn(findHeaderPart(readKernel(path), "Backward")).every((back) =>
      kernelsIn(findHeaderPart(readKernel(findKernel(back)), "Forward")).includes(getKernelName(path))
    );
  each(shipped, answers, "to be named by its backward kernel");
});

Deno.test("every file named in a kernel exists", async () => {
  const names = new Set(listKernelNames("shipped", "steps", "probe"));
  for (const path of all) {
    const [, ...lines] = readKernel(path).split("\n");
    const comments = lines.flatMap((line) => line.match(/\/\/.*/g) ?? []).join("\n");
    for (const name of kernelsIn(comments)) {
      assert.ok(names.has(name), `${path} names ${name}, which is not in kernels/`);
    }
    for (const [name] of comments.matchAll(/(?:src|bench|test|data|kernels)\/[\w/]+\.(?:ts|md)/g)) {
      await Deno.stat(new URL(name, root)).catch(() =>
        assert.fail(`${path} names ${name}, which is not there`)
      );
    }
  }
});

const stepHeader = [
  "size: vec4u",
  "first_entry: u32",
  "slot: u32",
  "chunks: u32",
  "learning_rate: f32",
  "iteration: u32",
  "decay: f32",
  "noise: u32",
  "counted: u32",
  "page: u32",
  "episode: u32",
  "first_user: u32",
  "epsilon: f32",
  "table_decay: f32",
];
/** Lists the fields of the kernel's `struct Step` that its header names, with their offsets in bytes. */
function listFields(text: string): { field: string; offset: number }[] {
  const [, body] = text.replaceAll(/\/\/.*/g, "").match(/\bstruct Step \{([^}]*)\}/) ?? [];
  assert.ok(body !== undefined, "no struct Step");
  let end = 0;
  return [...body.matchAll(/(?:@size\((\d+)\) )?(\w+: (\w+))/g)].flatMap(([, gap, field = "", type]) => {
    const offset = end;
    end += Number(gap ?? (type === "vec4u" ? 16 : 4));
    return gap === undefined && !field.startsWith("unread") ? [{ field, offset }] : [];
  });
}

for (const kind of ["shipped", "steps", "probe", "exercises"] as const) {
  Deno.test(`step: every kernel of ${kind} declares fields of the header at their offsets`, () => {
    for (const path of listKernelFiles(kind)) {
      const text = readKernel(path);
      const fields = listFields(text);
      for (const { field, offset } of fields) {
        assert.equal(field, stepHeader[offset === 0 ? 0 : offset / 4 - 3], `${path}, byte ${offset}`);
      }
      const exercise = exercises.find(({ starter }) => starter === text);
      const code = (exercise ? fillStarter(exercise) : text).replaceAll(/\/\/.*/g, "");
      // Gaps between fields are never read.
      assert.doesNotMatch(code, /\.(unread|rest)/, path);
      for (const [, struct] of code.matchAll(/var<[^>]+> \w+: (?:array<)?(\w+)/g)) {
        const [, body = ""] = code.match(new RegExp(`\\bstruct ${struct} \\{([^}]*)\\}`)) ?? [];
        const names = [...body.matchAll(/(\w+): /g)].map(([, name = ""]) => name);
        const extra = names.filter((name) =>
          !/^(size|rest|unread\d?)$/.test(name) && !new RegExp(`\\.${name}\\b`).test(code)
        );
        assert.deepEqual(extra, [], `fields of ${struct} that ${path} does not read`);
      }
      // A kernel that reads the headers of several steps declares their stride.
      const [, rest] = text.match(/@size\((\d+)\) rest: u32/) ?? [];
      if (rest) assert.equal(Number(rest) + 12 + 4 * fields.length, STEP_STRIDE, path);
    }
  });
}

const log = createSmallLog(1, { users: 30, items: 41, maxEvents: 5, maxPage: 6, width: 9 });
const models: ModelConfig[] = [{ ...defaultModel, dims: [64, 32], batchNorm: true }, defaultPwModel];

async function listDispatches(gpu: Gpu, config: ModelConfig): Promise<ClickDispatch[]> {
  using own = await trainShannon(gpu, log, config, { batchSize: 5 }, { validate: false });
  const { trainer } = own;
  const programs = [trainer.program.layout, ...trainer.stepPrograms.map(({ program }) => program)];
  return programs.flatMap(({ dispatches }) => dispatches.map(({ spec }) => spec));
}

function classifyLine(line: string, { constants = {}, views }: ClickDispatch): string | undefined {
  const [, constant] = line.match(/^const (\w+)\b.* = /) ?? [];
  if (constant !== undefined) return constant in constants ? "constant" : undefined;
  if (line.endsWith("  // unrolled")) return "loop";
  const [, declared] = line.match(/^@group\(0\) @binding\(\d+\) var<storage, read> (\w+): array<vec4f>;/) ??
    [];
  const [, way, name = declared ?? ""] = line.match(/^fn (load|store)_(\w+)\(i: u32.*\{ .* \}$/) ?? [];
  const view = views[name];
  if (!view) return undefined;
  if (way) return isTexture(view) ? way : undefined;
  return isUniform(view) ? "uniform" : isTexture(view) ? "texture" : undefined;
}

Deno.test("kernel text: only constants, uniforms, textures and unrolled loops change, and only on their lines", async () => {
  const found = new Map<string, number>();
  for (const kind of ["cpu", "gpu"] as const) {
    await withGpu(kind, async (gpu) => {
      const specs: ClickDispatch[] = [];
      for (const config of models) specs.push(...await listDispatches(gpu, config));
      for (const spec of specs) {
        const file = spec.kernel.source.split("\n");
        const text = buildKernelText(spec).split("\n");
        assert.equal(text.length, file.length, spec.kernel.name);
        file.forEach((line, k) => {
          if (line === text[k]) return;
          const change = classifyLine(line, spec);
          assert.ok(change, `${spec.kernel.name}.wgsl:${k + 1}: ${line}\nbecame ${text[k]}`);
          found.set(`${kind}: ${change}`, (found.get(`${kind}: ${change}`) ?? 0) + 1);
        });
      }
    });
  }
  const all = ["constant", "load", "loop", "store", "texture", "uniform"].map((change) => `cpu: ${change}`);
  assert.deepEqual([...found.keys()].sort(), [...all, "gpu: constant", "gpu: uniform"]);
});

Deno.test("kernel text: a loop becomes the iterations that a size needs, with literal indices", () => {
  const source = [
    "const K4 = 2u;",
    "@group(0) @binding(0) var<uniform> step: Step;",
    "  for (var n = 1u; n < 4u; n++) { if (K4 > n) { f(a[n], k + n); } }  // unrolled",
    "    for (var n = 16u; n < 64u; n += 16u) { if (K4 > first + n) { g(n); } }  // unrolled",
    "  for (var n = 1u; n < 4u; n++) { if (K4 > n) { h(n); } }",
  ].join("\n");
  const kernel = parseKernel("some", source);
  const unroll = (K4: number) =>
    buildKernelText({ kernel, constants: { K4 }, views: {} }).split("\n").slice(2);
  const [, , , , loop] = source.split("\n");
  assert.deepEqual(unroll(1), ["  ", "    ", loop]);
  assert.deepEqual(unroll(3), [
    "  if (K4 > 1u) { f(a[1], k + 1u); } if (K4 > 2u) { f(a[2], k + 2u); }",
    "    ",
    loop,
  ]);
  assert.deepEqual(unroll(33).slice(1), [
    "    if (K4 > first + 16u) { g(16u); } if (K4 > first + 32u) { g(32u); }",
    loop,
  ]);
  const rolled = source.replace("n++) { if (K4", "n++) { if (K4 - 1u");
  assert.throws(
    () => parseKernel("some", rolled),
    /^UserError: some\.wgsl:3: expected a loop .* got "for \(var n/,
  );
  const marked = listKernelFiles("shipped", "steps").flatMap((path) =>
    parseKernel(path, readKernel(path)).source.match(/\/\/ unrolled$/gm) ?? []
  );
  assert.ok(marked.length > 10, `${marked.length} loops`);
});

const course = new URL("kernels/course/", root);

const CPU = 12;

const chapters = [...Deno.readDirSync(course)].map(({ name }) => ({
  name,
  number: Number(name.match(/^(\d+)-[a-z-]+\.md$/)?.[1]),
  text: Deno.readTextFileSync(new URL(name, course)),
})).sort((a, b) => a.number - b.number);

function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, path]) => path ?? "");
}

Deno.test("course: every kernel has a chapter, and kernels for CPU adapters that of the CPU driver", () => {
  const linked = (some: typeof chapters) => new Set(some.flatMap(({ text }) => links(text)));
  const before = linked(chapters.filter(({ number }) => number < CPU));
  const cpu = linked(chapters.filter(({ number }) => number === CPU));
  const missing = listKernelFiles("shipped").filter((path) =>
    !(isForCpu(path) ? cpu : before).has(`../${path}`)
  );
  assert.deepEqual(missing, []);
});

Deno.test("course: exercises and ladders in commands exist", () => {
  const named = new Set<string>();
  for (const { name, text } of chapters) {
    for (const [line, task = "", rest = ""] of text.matchAll(/^deno task -q (\S+)([^#\n]*)/gm)) {
      const words = rest.trim().split(/\s+/).filter((word) => word !== "");
      if (task === "exercise") {
        const exercise = exercises.find((one) => one.name === words[0]) ?? assert.fail(`${name}: ${line}`);
        assert.equal(exercise.chapter, name, line);
        named.add(exercise.name);
      }
      if (task !== "bench" || words[0] !== "ladder") continue;
      for (const word of words.slice(1).filter((word) => /^[a-z]/.test(word))) {
        assert.ok(ladders.some((ladder) => ladder.name === word), `${name}: ${line}`);
      }
    }
  }
  const text = (name: string) => chapters.find((one) => one.name === name)?.text ?? "";
  for (const { name } of chapters) {
    assert.ok(exercises.some(({ chapter }) => chapter === name), `${name} has no exercise with a checker`);
  }
  for (const { name, chapter } of exercises) {
    assert.ok(
      named.has(name) || text(chapter).includes(name),
      `${chapter} does not mention ${name}`,
    );
  }
});
