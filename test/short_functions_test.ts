/** The rule of `deno lint` about the length of functions finds what is too long, and is in use. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import shortFunctions from "./lint/short_functions.ts";

const root = new URL("../", import.meta.url);

/** A function of so many lines. */
function text(begin: string, lines: number): string {
  return `${begin} {\n${"  console.log();\n".repeat(lines - 2)}};\n`;
}

function found(path: string, source: string): string[] {
  const file = fileURLToPath(new URL(path, root));
  return Deno.lint.runPlugin(shortFunctions, file, source).map(({ id, message }) => `${id}: ${message}`);
}

Deno.test("functions of src have at most 60 lines, of whatever kind they are", () => {
  const fault = "clickgan/short-functions: Expected a function of at most 60 lines, got one of 61.";
  for (const begin of ["function f()", "const f = () =>", "const f = async function ()"]) {
    assert.deepEqual(found("src/data/one.ts", text(begin, 60)), [], begin);
    assert.deepEqual(found("src/data/one.ts", text(begin, 61)), [fault], begin);
    assert.deepEqual(found("bench/src/one.ts", text(begin, 61)), [], begin);
  }
  const method = text("class A { f()", 61).replace(/;\n$/, " }\n");
  assert.deepEqual(found("src/data/one.ts", method), [fault]);
});

Deno.test("deno lint has the rule, for all of src", () => {
  const { lint } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  assert.deepEqual(lint.plugins, ["./test/lint/short_functions.ts"]);
  assert.ok(lint.include.includes("src"));
});
