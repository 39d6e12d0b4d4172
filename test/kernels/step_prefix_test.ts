/** A kernel declares as much of the step's header as it reads: every `struct Step` is a prefix of one. */

import assert from "node:assert/strict";
import { STEP_BYTES, STEP_STRIDE } from "../../src/gpu/step.ts";
import { kernelFile, kernelFiles } from "../kernel_files.ts";

const header = [
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
  Deno.test(`step: every kernel of ${kind} declares the part of the header that it reads`, () => {
    for (const path of kernelFiles(kind)) {
      const text = kernelFile(path);
      const fields = fieldsOf(text);
      const [rest] = fields.slice(-1).filter((field) => field.startsWith("@size"));
      const own = rest ? fields.slice(0, -1) : fields;
      assert.deepEqual(own, header.slice(0, own.length), path);
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

Deno.test("step: the header is as long as its fields", () =>
  assert.equal(bytesOf(header.length), STEP_BYTES));
