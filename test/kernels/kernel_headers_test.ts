/** What the header of every kernel says: its file, for which adapter it is, its work split, its cost, and its relatives. */

import assert from "node:assert/strict";
import { kernelFiles, kernelName, SHIPPED } from "../kernel_files.ts";

const root = new URL("../../", import.meta.url);

/** The comment that a kernel's text begins with. @param path within kernels/ */
function header(path: string): string {
  const text = Deno.readTextFileSync(new URL(`kernels/${path}`, root));
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

/** The kernels that a text names, as paths within kernels/. */
function kernelsIn(text: string | undefined): string[] {
  return text?.match(/[\w/]+\.wgsl/g) ?? [];
}

const shipped = SHIPPED.flatMap(kernelFiles);
const all = [...shipped, ...kernelFiles("study/"), ...kernelFiles("probe/")];

/** Says which of some kernels fails a check. */
function each(paths: readonly string[], check: (path: string) => boolean, expected: string): void {
  const failed = paths.filter((path) => !check(path));
  assert.deepEqual(failed, [], `expected of every header ${expected}`);
}

Deno.test("a header begins with its file", () => {
  each(all, (path) => header(path).startsWith(`// ${kernelName(path)}.wgsl - `), "the file's name");
});

Deno.test("a header has the parts that a reader looks for", () => {
  const kernels = all.filter((path) => !path.startsWith("study/"));
  for (const label of ["For", "Work split", "Cost"]) {
    each(kernels, (path) => part(path, label) !== undefined, `the part "${label}"`);
  }
});

Deno.test("a header says for which adapter its kernel is, and names the twin for the other kind", () => {
  const twins = (path: string) =>
    kernelsIn(part(path, path.startsWith("cpu/") ? "On a GPU" : "On a CPU adapter"));
  const kind = (path: string) => part(path, "For") ?? "";
  each(kernelFiles("cpu/"), (path) => kind(path).startsWith("a CPU adapter"), "that it is for a CPU adapter");
  each(kernelFiles(""), (path) => /^(both kinds of adapter|a GPU)$/.test(kind(path)), "a GPU or both kinds");
  const oneKind = shipped.filter((path) => kind(path) !== "both kinds of adapter");
  each(oneKind, (path) => twins(path).length > 0, "a twin");
  each(
    shipped,
    (path) => twins(path).every((twin) => twins(twin).includes(path)),
    "a twin that names it, too",
  );
  each(
    shipped,
    (path) => twins(path).every((twin) => twin.startsWith("cpu/") !== path.startsWith("cpu/")),
    "of the other kind",
  );
});

Deno.test("a header names the way back, and that names the way forth", () => {
  const forward = shipped.filter((path) => path.includes("_forward"));
  const backward = shipped.filter((path) => /_(backward|gradient)/.test(path));
  each(forward, (path) => kernelsIn(part(path, "Backward")).length > 0, 'the part "Backward"');
  each(backward, (path) => kernelsIn(part(path, "Forward")).length > 0, 'the part "Forward"');
  const answers = (path: string) =>
    kernelsIn(part(path, "Backward")).every((back) => kernelsIn(part(back, "Forward")).includes(path));
  each(shipped, answers, "that its way back names it");
});

Deno.test("every file that a kernel's text names is there", async () => {
  for (const path of all) {
    const [, ...lines] = Deno.readTextFileSync(new URL(`kernels/${path}`, root)).split("\n");
    const comments = lines.flatMap((line) => line.match(/\/\/.*/g) ?? []).join("\n");
    for (const name of kernelsIn(comments)) {
      assert.ok(all.includes(name), `${path} names ${name}, which is not in kernels/`);
    }
    for (const [name] of comments.matchAll(/(?:src|bench|test|data|kernels)\/[\w/]+\.(?:ts|md)/g)) {
      await Deno.stat(new URL(name, root)).catch(() =>
        assert.fail(`${path} names ${name}, which is not there`)
      );
    }
  }
});
