import assert from "node:assert/strict";
import { openDevice } from "../../src/gpu/device.ts";
import type { KernelVariants } from "../../src/gpu/kernel_variants.ts";
import { getDefaultVariants, listMatmulVariants, reuseVariants } from "../../src/gpu/kernel_variants.ts";
import { computeRequiredLimits, LEAST, type LimitName } from "../../src/gpu/limits.ts";
import { findBlamedKernels } from "../../src/selftest/finding.ts";
import { listSelftestCases, runCase } from "../../src/selftest/cases.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { defaultTraining } from "../../src/train/training_config.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { listChanges } from "../../src/commands/train/run_stages.ts";
import { describeAdapter } from "../../src/lab/client/services/train_session.ts";
import { createDataset } from "../../src/data/sets/dataset.ts";
import { shannonStage } from "../../src/run/stages.ts";
import { runStage } from "../../src/run/training_run.ts";
import { withGpu } from "../op_check.ts";
import { smallLstm, WIDTH } from "../small_models.ts";
import { trainShannon } from "../train/trainings.ts";
import { makeRunConfig, withEmptyFolder } from "../run/folder_check.ts";
import { MAX_CHUNKS } from "../../src/gpu/sizes.ts";
import { formatThousands } from "../../src/number_text.ts";
import { UserError } from "../../src/user_error.ts";
import { openGpu } from "../open_alone.ts";

const textures = getDefaultVariants("cpu");
const buffers = getDefaultVariants("cpu", "buffers");

function named(info: Partial<GPUAdapterInfo>, more: object = {}): GPU {
  const device = { limits: LEAST, lost: new Promise(() => {}), addEventListener() {}, destroy() {} };
  const adapter = {
    info: { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false, ...info },
    limits: LEAST,
    features: new Set(),
    requestDevice: () => Promise.resolve(device),
    ...more,
  };
  return { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
}

Deno.test("the storage of matrices follows from the adapter's info", async () => {
  const getVariants = async (info: Partial<GPUAdapterInfo>, variantsFor?: "cpu" | "gpu") =>
    (await openDevice({ variantsFor }, named(info))).variants;
  const deno = { description: "SwiftShader Device (Subzero)" };
  const chromium = { vendor: "google", architecture: "swiftshader" };
  for (const info of [deno, chromium, { ...chromium, isFallbackAdapter: true }]) {
    assert.deepEqual(await getVariants(info), buffers);
    assert.deepEqual(await getVariants(info, "cpu"), buffers);
    assert.deepEqual(await getVariants(info, "gpu"), getDefaultVariants("gpu"));
  }
  // Unmeasured software adapters are treated like llvmpipe.
  const llvmpipe = { description: "llvmpipe (LLVM 19.1.7, 256 bits)" };
  const warp = { description: "Microsoft Basic Render Driver" };
  for (const info of [llvmpipe, warp, { isFallbackAdapter: true }]) {
    assert.deepEqual(await getVariants(info), textures);
  }
  const card = { vendor: "nvidia", architecture: "ampere" };
  assert.deepEqual(await getVariants(card), getDefaultVariants("gpu"));
  assert.deepEqual(await getVariants(card, "cpu"), textures);
});

Deno.test("products from buffers are computed by rows; autotuning may try panels", () => {
  const choice = (variants: KernelVariants) => ({ variants, workgroupBytes: 32768, subgroups: false });
  const variants = (variants: KernelVariants, k4 = 16) =>
    listMatmulVariants(choice(variants), "forward", k4, 16, 5000);
  assert.deepEqual(variants(textures), ["panel 256", "panel 128", "panel 64", "rows"]);
  assert.deepEqual(variants(buffers), ["rows", "panel 256", "panel 128", "panel 64"]);
  assert.deepEqual([variants(textures, 65), variants(buffers, 65)], [["rows"], ["rows"]]);
  assert.deepEqual(listMatmulVariants(choice(buffers), "weight", 16, 16, 5000), ["rows"]);
});

Deno.test("recorded variants are used if matrices are stored alike", () => {
  const matmul = { "forward 64x64": "rows" } as const;
  assert.deepEqual(reuseVariants({ ...textures, matmul }, textures), { ...textures, matmul });
  assert.deepEqual(reuseVariants({ ...buffers, matmul }, buffers), { ...buffers, matmul });
  assert.deepEqual(reuseVariants({ ...textures, matmul }, buffers), buffers);
  assert.deepEqual(reuseVariants({ ...buffers, matmul }, textures), textures);
  assert.deepEqual(
    reuseVariants({ ...buffers, matmul }, getDefaultVariants("gpu")),
    getDefaultVariants("gpu"),
  );
  assert.deepEqual(reuseVariants(undefined, buffers), buffers);
});

Deno.test("variants with another storage of matrices are refused on an open device", () =>
  withGpu(buffers, (gpu) => {
    assert.throws(
      () => gpu.setVariants(textures),
      /expected variants for cpu with buffers, as this adapter needs, got cpu/,
    );
    gpu.setVariants({ ...buffers, matmul: { "forward 8x8": "panel 64" } });
  }));

// linear_test.ts, lstm_test.ts and model_test.ts test layers and the LSTM with matrices in buffers.
Deno.test("scores of all items agree with float64 from buffers", () =>
  withGpu(buffers, async (gpu) => {
    const [one, ...others] = listSelftestCases("cpu").filter(({ name }) =>
      name === "slates: scores of all items"
    );
    assert.ok(one && others.length === 0);
    const finding = await runCase(gpu, one);
    assert.equal(finding.error, undefined);
    assert.deepEqual(findBlamedKernels(finding), []);
  }));

const log = createSmallLog(21, { users: 60, items: 41, width: WIDTH, maxEvents: 6, maxPage: 7 });
const model = { ...smallLstm, dims: [6] };

Deno.test("a run started with textures continues with buffers, and vice versa", () =>
  withEmptyFolder(async (path) => {
    for (const [one, other] of [[textures, buffers], [buffers, textures]] as const) {
      const folder = `${path}/${one.matrices ?? "textures"}`;
      await Deno.mkdir(folder);
      const training = { ...defaultTraining, batchSize: 13, iterations: 12, validateEvery: 4 };
      const config = makeRunConfig({ model, training, variants: one });
      const data = createDataset(new MemoryLog(log), config.data);
      const losses: number[] = [];
      const session = (variants: KernelVariants, upTo?: number) =>
        withGpu(variants, async (gpu) => {
          const stop = new AbortController();
          const onStep = ({ iteration, nll }: { iteration: number; nll?: number }) => {
            losses.push(nll ?? NaN);
            if (iteration === upTo) stop.abort();
          };
          const own = { path: folder, config };
          const result = await runStage(
            shannonStage,
            { gpu, data, init: undefined, signal: stop.signal, ...own },
            { onStep },
          );
          assert.deepEqual(gpu.variants, variants);
          return result;
        });
      await session(one, 4);
      const { iteration } = await session(other);
      assert.equal(iteration, 12);
      assert.ok(losses.length >= 12 && losses.every(Number.isFinite), losses.join());
    }
  }));

Deno.test("a resumed run reports other kernels or another machine; a file of the lab does, too", () => {
  const adapter = { kind: "cpu", description: "a", vendor: "", architecture: "", runtime: "r" } as const;
  const by = (variants?: KernelVariants, description = "a") => ({
    ...{ clickgan: "0", system: "s", variants },
    adapter: { ...adapter, kind: variants?.kind ?? "cpu", description, driver: "1" },
  });
  const other = { ...buffers, matmul: { "forward 64x64": "panel 64" } } as const;
  assert.deepEqual(listChanges(by(buffers), by(other)), []); // recorded variants are used
  assert.deepEqual(listChanges(by(), by(buffers)), []); // an old run without recorded variants
  assert.deepEqual(listChanges(by(textures), by(buffers)), [
    "kernels: for matrices in buffers (was for matrices in textures)",
  ]);
  assert.deepEqual(listChanges(by(buffers, "b"), by(textures)), [
    "description: a (was b)",
    "kernels: for matrices in textures (was for matrices in buffers)",
  ]);
  assert.deepEqual(listChanges(by(textures), by(getDefaultVariants("gpu"))), ["kind: gpu (was cpu)"]);
  const [one, two] = [textures, buffers].map((variants) => describeAdapter({ adapter, variants }));
  assert.equal(one, JSON.stringify(adapter)); // as in files that are older than this option
  assert.notEqual(one, two);
  assert.equal(two, describeAdapter({ adapter, variants: other }));
});

const names = Object.keys(LEAST) as LimitName[];

Deno.test("WebGPU's defaults suffice, and only used limits are requested", () => {
  assert.deepEqual(computeRequiredLimits(LEAST, "x"), LEAST);
  const large = Object.fromEntries(names.map((name) => [name, 2 ** 31])) as Record<LimitName, number>;
  const room = { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 31 };
  const more = { ...room, maxComputeWorkgroupStorageSize: 32768 };
  assert.deepEqual(computeRequiredLimits(large, "x"), { ...LEAST, ...more });
  assert.equal(
    computeRequiredLimits(large, "x", { maxComputeWorkgroupStorageSize: 16384 })
      .maxComputeWorkgroupStorageSize,
    16384,
  );
});

Deno.test("an adapter below WebGPU's defaults is refused with the limit's name before a device is created", async () => {
  for (const short of names) {
    const limits = { ...LEAST, [short]: LEAST[short] - 1 };
    const requestDevice = () => assert.fail("a device was requested");
    const gpu = named({ vendor: "acme", architecture: "one" }, { limits, requestDevice });
    await assert.rejects(openDevice({}, gpu), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, /got acme one: /);
      assert.match(error.message, /Use another adapter/);
      assert.deepEqual(names.filter((name) => error.message.includes(`${name} is `)), [short]);
      return true;
    });
  }
});

Deno.test("without an adapter, each host reports what to do", async () => {
  const none = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
  await assert.rejects(openDevice({}, none), /found none\. Use a current Chrome/);
  await assert.rejects(openDevice({ noAdapterHint: "Plug one in." }, none), /found none\. Plug one in\./);
});

Deno.test("the page states the limit of weights outside tables: their partial sums are one binding", async () => {
  const most = LEAST.maxStorageBufferBindingSize / (4 * MAX_CHUNKS);
  assert.ok((await Deno.readTextFile("README.md")).includes(formatThousands(most)));
});

Deno.test("16 KiB of workgroup memory: another kernel replaces too large panels, with the same losses", async () => {
  const log = createSmallLog(21, { users: 30, items: 41, width: 5, maxEvents: 3, maxPage: 4 });
  const train = async (workgroupBytes: number) => {
    using gpu = await openGpu({ variantsFor: "cpu", workgroupBytes });
    using own = await trainShannon(gpu, log, { ...smallLstm, dims: [256, 5] }, { batchSize: 5 }, {
      validate: false,
    });
    const { trainer } = own;
    const kernels = trainer.stepPrograms.flatMap(({ program }) =>
      program.dispatches.map(({ spec }) => spec.kernel.name)
    );
    const losses: number[] = [];
    await trainer.run(3, { onStep: ({ nll }) => losses.push(nll) });
    const granted = gpu.device.limits.maxComputeWorkgroupStorageSize;
    gpu.check();
    return { kernels, losses, granted };
  };
  const [least, usual] = [await train(16384), await train(32768)];
  assert.equal(least.granted, 16384);
  assert.ok(least.kernels.includes("matmul_forward_rows"), least.kernels.join());
  assert.equal(least.losses.length, 3);
  // If this device grants enough workgroup memory, panels are used, which add up in another order.
  if (usual.granted > least.granted) assert.ok(!usual.kernels.includes("matmul_forward_rows"));
  least.losses.forEach((loss, k) => assert.ok(Math.abs(loss - (usual.losses[k] ?? NaN)) < 1e-5, `${loss}`));
});
