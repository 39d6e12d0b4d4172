/** What `deno task build kernels` writes is what is checked in. */

import assert from "node:assert/strict";
import { unrolled } from "../../src/cli/build_kernels.ts";
import { forCpu, kernelFile, kernelFiles } from "../kernel_files.ts";

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
