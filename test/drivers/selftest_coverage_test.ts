/**
 * Whether the self-test has every kernel, and would notice if it computed nothing: on Dawn's null backend, where every shader
 * is compiled, nothing runs, and buffers hold zeros.
 */

import assert from "node:assert/strict";
import { fixedShapes, type KernelShapes } from "../../src/gpu/kernel_shapes.ts";
import { fromTextures, leftOutBy, runSelftest, type SelftestOptions } from "../../src/selftest/run.ts";
import { blamed, type KindFinding } from "../../src/selftest/finding.ts";
import { openGpu } from "../open_alone.ts";
import { ShaderTexts, useDawn } from "./dawn.ts";
import { kernelNames } from "../kernel_files.ts";

const missing = await useDawn();
if (missing) {
  console.log(`Skipped: what the self-test covers, as npm's webgpu does not load here (${missing})`);
}

Deno.test("self-test: every kernel is compiled, compared, and missed where it computes nothing", {
  ignore: missing !== undefined,
}, async () => {
  const texts = new ShaderTexts();
  const { findings, leftOut } = await runSelftest(async (options) => {
    const gpu = await openGpu(options);
    texts.watch(gpu);
    return gpu;
  }, { kinds: ["cpu", "gpu"] });
  assert.deepEqual(leftOut, []);
  assert.deepEqual(texts.faults, []);
  const expected = kernelNames("shipped");
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

Deno.test("self-test: what an adapter with matrices in buffers leaves out is all that only textures take", {
  ignore: missing !== undefined,
}, async () => {
  const [textures, buffers] = [fixedShapes("cpu"), fixedShapes("cpu", "buffers")];
  const left = leftOutBy(buffers) ?? assert.fail("expected an adapter that leaves kernels out");
  assert.deepEqual([leftOutBy(textures), leftOutBy(fixedShapes("gpu"))], [undefined, undefined]);

  const fromBuffers = await kernelsByCase(buffers, { kinds: ["cpu", "gpu"], leftOut: "named" });
  const taken = new Set([...fromBuffers.values()].flatMap((names) => [...names]));
  const never = kernelNames("shipped").filter((name) => !taken.has(name));
  assert.deepEqual(left.kernels, never);

  const own = await kernelsByCase(textures, { kinds: ["cpu"] });
  const having = [...own].filter(([, names]) => never.some((name) => names.has(name)));
  assert.deepEqual([...left.cases].sort(), having.map(([name]) => name).sort());
  for (const [name] of having) {
    const some = never.filter((kernel) =>
      having.some(([other, names]) => other.includes(name) && names.has(kernel))
    );
    assert.deepEqual(leftOutBy(buffers, name)?.kernels, some, name);
  }

  const alone = await kernelsByCase(buffers, { kinds: ["cpu", "gpu"], leftOut: "alone" });
  const byName = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]) =>
    one < other ? -1 : 1;
  assert.deepEqual(
    [...alone].sort(byName),
    having.map(([name, names]) => [fromTextures(name), names] as const).sort(byName),
  );
});

/** The kernels that each case compiles. @param cpu the adapter's own shapes for CPU adapters. */
async function kernelsByCase(
  cpu: KernelShapes,
  options: Pick<SelftestOptions, "kinds" | "leftOut">,
): Promise<Map<string, Set<string>>> {
  const kernels = new Map<string, Set<string>>();
  let now = "";
  await runSelftest(async ({ shapesFor, shapes = shapesFor === "cpu" ? cpu : undefined }) => {
    const gpu = await openGpu({ shapesFor, shapes });
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = (kernel, ...text) => {
      kernels.get(now)?.add(kernel);
      return compile(kernel, ...text);
    };
    return gpu;
  }, {
    ...options,
    onCase: ({ name }) => {
      now = name;
      if (!kernels.has(name)) kernels.set(name, new Set());
    },
  });
  return kernels;
}
