/** The data of `deno task test:mutations`, without running it: every fault still has its place. */

import assert from "node:assert/strict";
import { kernelFiles } from "../kernel_files.ts";
import { mutations } from "./all.ts";
import { mutated, mutationText, partOf } from "./mutation.ts";

Deno.test("mutations: at least 120, half of them in kernels, none twice", () => {
  const changing = mutations.filter(({ equivalent }) => equivalent === undefined);
  assert.ok(changing.length >= 120, `${changing.length}`);
  const kernels = changing.filter((mutation) => partOf(mutation) === "kernels").length;
  assert.ok(2 * kernels >= changing.length, `${kernels} of ${changing.length} in kernels`);
  const texts = mutations.map(({ file, find, replacement }) => JSON.stringify([file, find, replacement]));
  assert.equal(new Set(texts).size, texts.length);
});

Deno.test("mutations: the text of each stands in its file once, and its tests are there", () => {
  const faults: string[] = [];
  for (const mutation of mutations) {
    try {
      mutated(mutation, Deno.readTextFileSync(mutation.file));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
    assert.ok(mutation.tests.length > 0);
    for (const test of mutation.tests) {
      assert.ok(Deno.statSync(test).isFile, `${mutationText(mutation)}: ${test}`);
    }
  }
  assert.deepEqual(faults, []);
});

Deno.test("mutations: every kernel of the program has one", () => {
  const without = kernelFiles("shipped").filter((path) =>
    !mutations.some(({ file }) => file === `kernels/${path}`)
  );
  assert.deepEqual(without, []);
});
