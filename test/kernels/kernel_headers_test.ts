/** What the header of every kernel says: its file, for which adapter it is, its work split, its cost, and its relatives. */

import assert from "node:assert/strict";
import { forCpu, kernelFile, kernelFiles, kernelName, kernelNames, kernelPath } from "../kernel_files.ts";

const root = new URL("../../", import.meta.url);

/** The comment that a kernel's text begins with. @param path within kernels/ */
function header(path: string): string {
  const text = kernelFile(path);
  return text.slice(0, text.search(/^(?!\/\/)/m));
}

/**
 * What follows a label: up to the next label of its line, or with the lines that continue it.
 * @returns undefined without the label.
 */
function part(path: string, label: string): string | undefined {
  const found = header(path).match(
    new RegExp(`(?:^// | {3})${label} {2,}(.+?)(?= {3,}[A-Z]|$)((?:\\n// {2,}.*)*)`, "m"),
  );
  return found ? `${found[1]}${found[2]}` : undefined;
}

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
    (path) => /^(both kinds of adapter$|a GPU$|a CPU adapter)/.test(kind(path)),
    "a kind of adapter",
  );
  const oneKind = shipped.filter((path) => kind(path) !== "both kinds of adapter");
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
