/** What stands in every kernel: its header, its grid, its relatives, the part of the step that it reads, and loops as they are built. */

import { unrolled } from "../../src/cli/build_kernels.ts";
import { STEP_BYTES, STEP_STRIDE } from "../../src/gpu/step.ts";
import {
  forCpu,
  header,
  kernelFile,
  kernelFiles,
  kernelName,
  kernelNames,
  kernelPath,
  part,
} from "../kernel_files.ts";
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);

/** The kernels that a text names. */
function kernelsIn(text: string | undefined): string[] {
  return (text?.match(/\w+\.wgsl/g) ?? []).map(kernelName);
}

const shipped = kernelFiles("shipped");
const all = kernelFiles("shipped", "steps", "probe");

/** Says which of some kernels fails a check. */
function each(paths: readonly string[], check: (path: string) => boolean, expected: string): void {
  const failed = paths.filter((path) => !check(path));
  assert.deepEqual(failed, [], `expected of every header ${expected}`);
}

Deno.test("a header begins with its file", () => {
  each(all, (path) => header(path).startsWith(`// ${kernelName(path)}.wgsl - `), "the file's name");
});

Deno.test("a header has the parts that a reader looks for", () => {
  const kernels = kernelFiles("shipped", "probe");
  for (const label of ["For", "Work split", "Cost"]) {
    each(kernels, (path) => part(path, label) !== undefined, `the part "${label}"`);
  }
});

Deno.test("a header says how many invocations are started, and that its workgroups are as large as the text has them", () => {
  each(all, (path) => {
    const size = (name: string) => new RegExp(`^const ${name} = (\\d+);`, "m").exec(kernelFile(path))?.[1];
    const [x, y] = [size("WORKGROUP"), size("WORKGROUP_Y")];
    const own = new RegExp(`\\b${y === undefined ? x : `${x} x ${y}`}\\b`);
    return own.test(part(path, "Grid") ?? "");
  }, 'the part "Grid", with the size of a workgroup');
});

Deno.test("a header says for which adapter its kernel is, and names the twin for the other kind", () => {
  const twins = (path: string) =>
    kernelsIn(part(path, forCpu(path) ? "On a GPU" : "On a CPU adapter")).map(kernelPath);
  const kind = (path: string) => part(path, "For") ?? "";
  each(
    shipped,
    (path) => /^(both kinds of adapter$|a GPU$|a GPU with subgroups$|a CPU adapter)/.test(kind(path)),
    "a kind of adapter",
  );
  // What a calibration alone chooses stands beside a kernel that does the same everywhere.
  const oneKind = shipped.filter((path) =>
    !["both kinds of adapter", "a GPU with subgroups"].includes(kind(path))
  );
  each(oneKind, (path) => twins(path).length > 0, "a twin");
  each(
    shipped,
    (path) => twins(path).every((twin) => twins(twin).includes(path)),
    "a twin that names it, too",
  );
  each(
    shipped,
    (path) => twins(path).every((twin) => forCpu(twin) !== forCpu(path)),
    "a twin of the other kind",
  );
});

Deno.test("a header names the way back, and that names the way forth", () => {
  const forward = shipped.filter((path) => path.includes("_forward"));
  const backward = shipped.filter((path) => /_(backward|gradient)/.test(path));
  each(forward, (path) => kernelsIn(part(path, "Backward")).length > 0, 'the part "Backward"');
  each(backward, (path) => kernelsIn(part(path, "Forward")).length > 0, 'the part "Forward"');
  const answers = (path: string) =>
    kernelsIn(part(path, "Backward")).every((back) =>
      kernelsIn(part(kernelPath(back), "Forward")).includes(kernelName(path))
    );
  each(shipped, answers, "that its way back names it");
});

Deno.test("every file that a kernel's text names is there", async () => {
  const names = new Set(kernelNames("shipped", "steps", "probe"));
  for (const path of all) {
    const [, ...lines] = kernelFile(path).split("\n");
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
];
const bytesOf = (fields: number) => (fields === 0 ? 0 : 16 + 4 * (fields - 1));

/** Fields of a kernel's `struct Step`, without comments. */
function fieldsOf(text: string): string[] {
  const [, body] = text.replaceAll(/\/\/.*/g, "").match(/\bstruct Step \{([^}]*)\}/) ?? [];
  assert.ok(body !== undefined, "no struct Step");
  return body.split(",").map((field) => field.trim()).filter((field) => field !== "");
}

for (const kind of ["shipped", "steps", "probe", "exercises"] as const) {
  Deno.test(`step: every kernel of ${kind} declares the part of the stepHeader that it reads`, () => {
    for (const path of kernelFiles(kind)) {
      const text = kernelFile(path);
      const fields = fieldsOf(text);
      const [rest] = fields.slice(-1).filter((field) => field.startsWith("@size"));
      const own = rest ? fields.slice(0, -1) : fields;
      assert.deepEqual(own, stepHeader.slice(0, own.length), path);
      // One that sees the headers of several steps knows where the next begins.
      if (rest) assert.equal(rest, `@size(${STEP_STRIDE - bytesOf(own.length)}) rest: u32`, path);
      // What an exercise has to read is for its reader to find.
      const last = own.at(-1)?.split(":")[0] ?? "";
      assert.ok(
        own.length === 1 || kind === "exercises" || text.includes(`step.${last}`),
        `${path} does not read step.${last}`,
      );
    }
  });
}

Deno.test("step: the stepHeader is as long as its fields", () =>
  assert.equal(bytesOf(stepHeader.length), STEP_BYTES));

Deno.test("kernels: written out again, unrolled loops give the text that is checked in", () => {
  let loops = 0;
  for (const path of kernelFiles("shipped", "steps")) {
    const text = kernelFile(path);
    loops += text.split("// unrolled, n = ").length - 1;
    assert.equal(unrolled(text), text, `kernels/${path} differs: run deno task build kernels`);
  }
  assert.ok(loops > 10, `${loops} loops`);
});

Deno.test("kernels: in those for a CPU driver no loop is written out by hand", () => {
  const turn = /^\s*if \(\w+4 > (?:first \+ )?(\d+)u\)/;
  for (const path of kernelFiles("shipped").filter(forCpu)) {
    const lines = kernelFile(path).split("\n");
    let made = false;
    lines.forEach((line, k) => {
      if (line.trim() === "// end of n") made = false;
      if (line.includes("// unrolled, n = ")) made = true;
      assert.ok(made || !turn.test(line), `kernels/${path}:${k + 1} is no part of an unrolled loop: ${line}`);
    });
  }
});

Deno.test("unrolled: a line for each turn, in place of what stood there", () => {
  const loop = "  // unrolled, n = 2 to 6 by 2: if (K4 > {n}u) { s[{n}] += a; }";
  const text = ["fn f() {", loop, "  old", "  older", "  // end of n", "}"].join("\n");
  const lines = [2, 4, 6].map((n) => `  if (K4 > ${n}u) { s[${n}] += a; }`);
  assert.equal(unrolled(text), ["fn f() {", loop, ...lines, "  // end of n", "}"].join("\n"));
  assert.equal(unrolled(unrolled(text)), unrolled(text));
  assert.throws(() => unrolled(loop), /expected "\/\/ end of n" behind an unrolled loop/);
});
