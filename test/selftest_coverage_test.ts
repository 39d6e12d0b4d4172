/**
 * Whether the self-test has every kernel, and would notice if it computed nothing: on Dawn's null backend, where every shader
 * is compiled, nothing runs, and buffers hold zeros.
 */

import assert from "node:assert/strict";
import { blamed, type KindFinding } from "../src/selftest/results.ts";
import { runSelftest } from "../src/selftest/run.ts";
import { openGpu } from "./open_alone.ts";
import { ShaderTexts, useDawn } from "./dawn.ts";
import { kernelNames, SHIPPED } from "./kernel_files.ts";

const missing = await useDawn();
if (missing) {
  console.log(`Skipped: what the self-test covers, as npm's webgpu does not load here (${missing})`);
}

/** Kernels that no case of the self-test has, and why. */
const NOT_TESTED: Readonly<Record<string, string>> = {};

Deno.test("self-test: every kernel is compiled, compared, and missed where it computes nothing", {
  ignore: missing !== undefined,
}, async () => {
  const texts = new ShaderTexts();
  const { findings } = await runSelftest(async (kind) => {
    const gpu = await openGpu({ shapesFor: kind });
    texts.watch(gpu);
    return gpu;
  }, { kinds: ["cpu", "gpu"] });
  assert.deepEqual(texts.faults, []);
  const expected = kernelNames(...SHIPPED).filter((name) => !Object.hasOwn(NOT_TESTED, name));
  assert.deepEqual(texts.kernels, expected, "kernels that are compiled");
  assert.deepEqual(
    findings.flatMap(({ name, error }) => error === undefined ? [] : [`${name}: ${error}`]),
    [],
  );

  /** Kernels behind some checks. */
  const behind = (some: (check: KindFinding["checks"][number]) => boolean) =>
    [...new Set(findings.flatMap(({ checks }) => checks.filter(some).flatMap(({ kernels }) => kernels)))]
      .sort();
  const compared = behind(({ worst, values }) => worst !== undefined && values > 1);
  assert.deepEqual(compared, expected, "kernels whose numbers are compared");
  assert.deepEqual(
    behind(({ differs, worst }) => differs && worst !== undefined),
    expected,
    "kernels that are missed",
  );
  // A case that passes where nothing is computed is no test.
  const weak = findings.filter((finding) => blamed(finding).length === 0).map(({ name, kind }) =>
    `${name}, ${kind}`
  );
  assert.deepEqual(weak, []);
  console.log(`${texts.count} texts of ${texts.kernels.length} kernels, ${findings.length} cases`);
});
