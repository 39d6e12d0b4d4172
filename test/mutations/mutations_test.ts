/** What `deno task test:special mutations` is made of, without running it. */

import assert from "node:assert/strict";
import { byHand, misnamed } from "./by_hand.ts";
import { drawn, drawnFiles, mutated, mutationText, operators } from "./mutation.ts";
import { testsOf } from "./noticed_by.ts";

/** What an operator makes of a source, each alone. */
const madeOf = (name: string, source: string) =>
  operators[name]!(source).map((change) => mutated(change, source));

Deno.test("operators: what each makes of a line", () => {
  const cases: Record<string, Record<string, readonly string[]>> = {
    sign: { "y = -a + b;": ["y = a + b;", "y = -a - b;"], "y += a;": ["y -= a;"] },
    product: { "y = a * b;": ["y = a / b;"] },
    comparison: {
      "if (a == b) {": ["if (a != b) {"],
      "return a !== b;": ["return a === b;"],
      "if (a < 0) {": ["if (a >= 0) {"],
    },
    bound: {
      "for (; k < n; k++) {": ["for (; k <= n; k++) {"],
      "a >= b": ["a > b"],
      "f: (a: Map<K, V>) => 1": [],
    },
    constant: {
      "x[k + 1u]": ["x[k + 2u]"],
      "vec4f(0.0)": ["vec4f(1.0)"],
      "y = 0.5;": ["y = (2.0 * 0.5);"],
      "array<f32, 8u>": [],
    },
    component: { "d = h2.y;": ["d = h2.x;"], "a.xyz": [] },
    logic: { "a && b": ["a || b"] },
    negation: { "if (!a) {": ["if (a) {"], "a !== b": [], "a[k]!": [] },
    truth: { "a = true;": ["a = false;"] },
    extreme: { "min(a, max(b, c))": ["max(a, max(b, c))", "min(a, min(b, c))"], "minimax(a)": [] },
    barrier: { "  workgroupBarrier();": ["  "] },
    leaving: { "  if (e >= end) { return NONE; }": [""], "    if (given) continue;": [""] },
    statement: { "  a[k + 1u] += b;": [""], "  this.#n = n;": [""], "  const a = b;": [], "let a = b;": [] },
  };
  assert.deepEqual(Object.keys(cases), Object.keys(operators));
  for (const [name, made] of Object.entries(cases)) {
    for (const [line, expected] of Object.entries(made)) {
      assert.deepEqual(madeOf(name, line), expected, `${name}: ${line}`);
    }
  }
});

Deno.test("operators: comments, strings, imports, types, checks and a kernel's defaults stay as they are", () => {
  const source = [
    "// a + 1",
    "/* b - 2 */",
    'import { c } from "c + 3";',
    "import {\n  d,\n} from 'd';",
    "export interface E {\n  readonly f: 4;\n}",
    "const ETA = 1.0;",
    "@group(0) @binding(1) var<storage, read> g: array<f32>;",
    "  let r = id + id.y * (grid.x * WORKGROUP);",
    '  const h = ["i + 5", `j ${k + 6} - 7`];',
    '  if (l > 8) throw new Error("m");',
    "  const n = /o{9}/.test(p);",
  ].join("\n");
  assert.deepEqual(Object.keys(operators).flatMap((name) => madeOf(name, source)), []);
});

Deno.test("draws: a seed, a number and files give the same ones, each once; fewer are the first of more", () => {
  const files = drawnFiles();
  const many = drawn(1, 400, files);
  assert.equal(new Set(many.map(({ file, at, replacement }) => `${file} ${at} ${replacement}`)).size, 400);
  assert.deepEqual(drawn(1, 40, files), many.slice(0, 40));
  assert.notDeepEqual(drawn(2, 40, files), many.slice(0, 40));
  for (const mutation of many) assert.notEqual(mutation.before, mutation.after, mutationText(mutation));
  assert.ok(
    many.some(({ file }) => file.startsWith("kernels/")) && many.some(({ file }) => file.startsWith("src/")),
  );
});

Deno.test("tests: every kernel, and every file of what is drawn or mutated by hand, has some that are there", () => {
  for (const file of new Set([...drawnFiles(), ...byHand().map(({ file }) => file)])) {
    const tests = testsOf(file);
    assert.ok(tests.length > 0, `test/mutations/noticed_by.ts has no test of ${file}`);
    for (const { test } of tests) assert.ok(Deno.statSync(test).isFile, test);
  }
});

Deno.test("by hand: the text of each fault stands in its file once", () => {
  assert.ok(byHand().length >= 40);
});

Deno.test("harmless: each is one of those that operators make", () => {
  assert.deepEqual(misnamed(), []);
});
