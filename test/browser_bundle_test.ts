/** The library for browsers: it bundles, asks for nothing of a host, and has a size that a page can bear. */

import assert from "node:assert/strict";
import { bundle } from "../src/bundle/bundle.ts";

/** Folders of src with what needs Deno or files. */
const HOST = ["host", "files", "bundle", "sets", "run", "prepare", "cli", "report", "calibration"];
/** Bytes of the script before compression. */
const MOST_BYTES = 600_000;

Deno.test("src/browser.ts bundles without Deno, Node.js and files, and stays small", async () => {
  const { text, inputs } = await bundle({ entry: "src/browser.ts", format: "esm" });
  const paths = [...inputs.keys()];
  const foreign = paths.filter((path) => HOST.some((folder) => path.startsWith(`src/${folder}/`)));
  assert.deepEqual(foreign, []);
  for (const part of ["src/train/trainer.ts", "kernels/adam.wgsl"]) assert.ok(paths.includes(part), part);
  // Kernels are texts; what asks for a host stands in the code.
  const asking = [...text.matchAll(/\bDeno\.|["']node:|\brequire\(/g)].map(({ index }) =>
    text.slice(index - 30, index + 60)
  );
  assert.deepEqual(asking, []);
  assert.ok(text.length <= MOST_BYTES, `${text.length} bytes, expected at most ${MOST_BYTES}`);
});
