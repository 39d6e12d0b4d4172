import assert from "node:assert/strict";
import { table } from "../../src/cli/table.ts";

Deno.test("table aligns numbers to the right and text to the left", () => {
  const text = table(["model", "loss", "prec@1"], [["lstm", 1, "0.512"], ["attention", 1234, "-"]]);
  assert.equal(
    text,
    [
      "model      loss  prec@1",
      "───────────────────────",
      "lstm          1   0.512",
      "attention  1234       -",
    ].join("\n"),
  );
});

Deno.test("table aligns a column with any text to the left", () => {
  const lines = table(["shape", "GFLOP/s"], [["1x2", 3], ["4x5", "too slow"]]).split("\n");
  assert.equal(lines[2], "1x2    3");
});

Deno.test("table without rows is its head", () => {
  assert.equal(table(["a", "b"], []), "a  b\n────");
});
