/** Every file of tests belongs to one part, and those of `test:fast` are there. */

import assert from "node:assert/strict";
import { parts } from "./times/parts.ts";

const folder = new URL("./", import.meta.url);

Deno.test("parts: every file of tests is in one part, and is there", () => {
  const listed = parts.flatMap(({ files }) => files).sort();
  const there = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
    name.endsWith("_test.ts")
  );
  assert.deepEqual(listed, [...there, "bad_inputs"].sort());
});

Deno.test("parts: the files of test:fast are there, and start no command", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../deno.json", folder)));
  const files = String(tasks["test:fast"].command).match(/\btest\/\S+/g) ?? [];
  assert.ok(files.length > 10);
  for (const file of files) {
    const text = Deno.readTextFileSync(new URL(`../${file}`, folder));
    assert.doesNotMatch(text, /command_check\.ts/, file);
  }
});
