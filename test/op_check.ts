/**
 * Checks an op: runs the self-test's check (src/selftest/ops/op_run.ts) for CPU and GPU variants, checks that
 * gradients can be added to other gradients, and compares the f64 reference with finite differences.
 */

import assert from "node:assert/strict";
import { createRandomStream } from "../src/data/random.ts";
import { Gpu } from "../src/gpu/device.ts";
import { openGpu } from "./open_alone.ts";
import { type AdapterKind, getDefaultVariants, type KernelVariants } from "../src/gpu/kernel_variants.ts";
import { CheckCollector, checkText, expectAll, type NamedCheck } from "../src/selftest/finding.ts";
import type { OpCase, ReferenceRun } from "../src/selftest/ops/op_bench.ts";
import { runOp } from "../src/selftest/ops/op_run.ts";
import { add, getAt, makeMatrix } from "../src/tape/reference.ts";

export { computeEventMean, countScoredEvents } from "../src/selftest/ops/op_batches.ts";
export type { OpCase } from "../src/selftest/ops/op_bench.ts";

/**
 * True if tests use all sizes (`deno task test:special sizes`). By default tests use only sizes at which a
 * kernel's code changes, because the driver compiles each size separately.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";

/** Returns the sizes to test. If {@link allSizes} is true, `others` are included. */
export function sweep<T>(each: readonly T[], others: readonly T[]): readonly T[] {
  return allSizes ? [...each, ...others] : each;
}

interface Opened {
  readonly first: Gpu;
  readonly byVariants: Map<string, Gpu>;
  readonly pipelines: Map<string, Promise<GPUComputePipeline>>;
}
let opened: Opened | undefined;

/**
 * Runs a test on a device, and asserts that the device had no error and that no buffer is left. The tests of
 * a file share the device and its compiled shaders. After a failure the next test gets a new device.
 */
export async function withGpu<T>(
  variants: AdapterKind | KernelVariants | undefined,
  run: (gpu: Gpu) => Promise<T> | T,
  maxGrid?: number,
): Promise<T> {
  const own = opened ?? await open();
  opened = undefined;
  const gpu = getGpu(own, typeof variants === "string" ? getDefaultVariants(variants) : variants, maxGrid);
  const before = gpu.variants;
  let good = false;
  try {
    const result = await run(gpu);
    gpu.check();
    assert.equal(gpu.liveBuffers, 0, `buffers left alive: ${gpu.liveBufferLabels.join(", ")}`);
    good = true;
    return result;
  } finally {
    if (good && !opened) {
      gpu.setVariants(before);
      opened = own;
    } else {
      gpu.close();
      own.first.close();
    }
  }
}

async function open(): Promise<Opened> {
  return { first: await openGpu(), byVariants: new Map(), pipelines: new Map() };
}

function getGpu(
  { first, byVariants, pipelines }: Opened,
  variants = first.variants,
  maxGrid = first.maxGrid,
): Gpu {
  const key = JSON.stringify([variants, maxGrid]);
  const known = byVariants.get(key);
  if (known) return known;
  const gpu = new Gpu(first.device, first.device.adapterInfo, variants, maxGrid);
  const compile = gpu.pipeline.bind(gpu);
  gpu.pipeline = (kernel, source, layout) => {
    const text = `${kernel}\n${source}`;
    const pipeline = pipelines.get(text) ?? compile(kernel, source, layout);
    pipelines.set(text, pipeline);
    return pipeline;
  };
  byVariants.set(key, gpu);
  return gpu;
}

addEventListener("unload", () => opened?.first.close());

export function checkTest(
  name: string,
  variants: AdapterKind | KernelVariants | undefined,
  check: NamedCheck["check"],
): void {
  Deno.test(name, () =>
    withGpu(variants, async (gpu) => {
      const checks = new CheckCollector();
      await check(gpu, checks);
      assert.ok(checks.all.some(({ values }) => values > 0), "nothing was compared");
      expectAll(checks);
    }));
}

export async function checkOp(
  case_: OpCase,
  variants: readonly KernelVariants[] = [getDefaultVariants("cpu"), getDefaultVariants("gpu")],
): Promise<void> {
  for (const [k, one] of variants.entries()) {
    await withGpu(one, async (gpu) => {
      await checkOn(gpu, case_, 1, k === 0);
      // Accumulation of gradients does not depend on sizes, so only small cases test it.
      const twice = !case_.once && !case_.loss && !case_.sparse && case_.users.length < 10;
      if (twice) await checkOn(gpu, case_, 2, false);
    });
  }
}

/**
 * @param uses number of times that the op is recorded on the same inputs. @param differences true to compare
 * the reference with finite differences, which is the same for all kernel variants
 */
async function checkOn(gpu: Gpu, c: OpCase, uses: 1 | 2, differences: boolean): Promise<void> {
  const checks = new CheckCollector();
  const inspect = differences ? (run: ReferenceRun) => checkFiniteDifferences(c, run) : undefined;
  await runOp(gpu, c, checks, { uses, inspect });
  const wrong = checks.all.filter(({ differs }) => differs);
  assert.ok(wrong.length === 0, `on ${gpu.variants.kind}: ${wrong.map(checkText).join("\n")}`);
}

function checkFiniteDifferences(c: OpCase, { node, inputs, gradients, loss }: ReferenceRun): void {
  const random = createRandomStream(11, "finite differences");
  const h = 1e-5;
  // Cases with many rows take long, and the reference runs the same code at all sizes.
  const trials = c.users.length < 10 ? 8 : 2;
  node.inputs.forEach((t, index) => {
    if (!t.trainable) return;
    const [value, gradient] = [inputs[index], gradients[index]];
    assert.ok(value && gradient);
    const most = gradient.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    for (let trial = 0; trial < trials; trial++) {
      const [i, j] = [random.integer(value.rows), random.integer(value.columns)];
      const moved = (by: number) => {
        const copy = makeMatrix(value.rows, value.columns, (a, b) => getAt(value, a, b));
        add(copy, i, j, by);
        return loss(inputs.map((m, k) => (k === index ? copy : m)));
      };
      const slope = (moved(h) - moved(-h)) / (2 * h);
      const error = Math.abs(slope - getAt(gradient, i, j));
      assert.ok(
        error <= 1e-6 * Math.max(most, 1),
        `${t.name} [${i}, ${j}]: reference ${getAt(gradient, i, j)}, slope ${slope}`,
      );
    }
  });
  assert.ok(c.tolerance > 0);
}
