/** The course: every kernel has its chapter, and what they name is there. Links: docs_test.ts. */

import assert from "node:assert/strict";
import { exercises } from "../../bench/exercise/exercises.ts";
import { ladders } from "../../src/selftest/ladder/ladders.ts";
import { forCpu, kernelFiles } from "../kernel_files.ts";

const root = new URL("../../", import.meta.url);
const folder = new URL("kernels/course/", root);

/** That of the CPU driver. */
const LAST = 12;

/** By the numbers in their names. */
const chapters = [...Deno.readDirSync(folder)].map(({ name }) => ({
  name,
  number: Number(name.match(/^(\d+)-[a-z-]+\.md$/)?.[1]),
  text: Deno.readTextFileSync(new URL(name, folder)),
})).sort((a, b) => a.number - b.number);

/** The paths of a text's links, without what stands behind #. */
function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, path]) => path ?? "");
}

Deno.test("course: twelve chapters in order", () => {
  assert.deepEqual(chapters.map(({ number }) => number), Array.from({ length: LAST }, (_, k) => k + 1));
  for (const { name, number, text } of chapters) assert.match(text, new RegExp(`^# ${number}\\. `), name);
});

Deno.test("course: every kernel has a chapter, those for a CPU adapter the last one", () => {
  const linked = (some: typeof chapters) => new Set(some.flatMap(({ text }) => links(text)));
  const before = linked(chapters.slice(0, -1));
  const last = linked(chapters.slice(-1));
  const missing = kernelFiles("shipped").filter((path) => !(forCpu(path) ? last : before).has(`../${path}`));
  assert.deepEqual(missing, []);
});

Deno.test("course: files of the program that it names are there", async () => {
  for (const { name, text } of chapters) {
    for (const [path] of text.matchAll(/\b(?:src|bench|test)\/[\w/]+\.ts\b/g)) {
      await Deno.stat(new URL(path, root)).catch(() => assert.fail(`${name} names ${path}`));
    }
  }
});

Deno.test("course: its commands name exercises and ladders that there are", () => {
  const named = new Set<string>();
  for (const { name, text } of chapters) {
    for (const [line, task = "", rest = ""] of text.matchAll(/^deno task (\S+)([^#\n]*)/gm)) {
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
  const text = (number: number) => chapters[number - 1]?.text ?? "";
  for (const { name } of chapters) {
    assert.ok(exercises.some(({ chapter }) => chapter === name), `${name} has no exercise with a checker`);
  }
  for (const { name, chapter } of exercises) {
    assert.ok(
      named.has(name) || text(Number.parseInt(chapter)).includes(name),
      `${chapter} says nothing of ${name}`,
    );
  }
});
