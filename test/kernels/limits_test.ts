/** What is asked of an adapter, what is said of one that has less, and that one with no more than WebGPU promises is enough. */

import assert from "node:assert/strict";
import { openDevice } from "../../src/gpu/device.ts";
import { askedLimits, LEAST, type LimitName } from "../../src/gpu/limits.ts";
import { MAX_CHUNKS } from "../../src/gpu/sizes.ts";
import { thousands } from "../../src/thousands.ts";
import { UserError } from "../../src/user_error.ts";
import { alone, openGpu } from "../open_alone.ts";
import { defaultModel } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";

const names = Object.keys(LEAST) as LimitName[];

Deno.test("WebGPU's defaults are enough, and no more is asked for than the kernels use", () => {
  assert.deepEqual(askedLimits(LEAST, "x"), LEAST);
  const large = Object.fromEntries(names.map((name) => [name, 2 ** 31])) as Record<LimitName, number>;
  const more = { maxBufferSize: 2 ** 31, maxComputeWorkgroupStorageSize: 32768 };
  assert.deepEqual(askedLimits(large, "x"), { ...LEAST, ...more });
  assert.equal(
    askedLimits(large, "x", { maxComputeWorkgroupStorageSize: 16384 }).maxComputeWorkgroupStorageSize,
    16384,
  );
});

Deno.test("an adapter with less than WebGPU's defaults is refused before a device is made, by the limit's name", async () => {
  for (const short of names) {
    const limits = { ...LEAST, [short]: LEAST[short] - 1 };
    const info = {
      vendor: "acme",
      architecture: "one",
      device: "",
      description: "",
      isFallbackAdapter: false,
    };
    const adapter = {
      info,
      limits,
      features: new Set(),
      requestDevice: () => assert.fail("it was asked for a device"),
    };
    const gpu = { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
    await assert.rejects(openDevice({}, gpu), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, /acme one, which has less: /);
      assert.match(error.message, /Use another adapter/);
      assert.deepEqual(names.filter((name) => error.message.includes(`${name} of at least`)), [short]);
      return true;
    });
  }
});

Deno.test("where there is no adapter, each host says what to do", async () => {
  const none = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
  await assert.rejects(openDevice({}, none), /found none\. Use a current Chrome/);
  await assert.rejects(openDevice({ withoutAdapter: "Plug one in." }, none), /found none\. Plug one in\./);
});

Deno.test("the page says how many weights outside of tables fit: partial sums of all of them are one binding", async () => {
  const most = LEAST.maxStorageBufferBindingSize / (4 * MAX_CHUNKS);
  const page = (await Deno.readTextFile("README.md")).replace(/\s+/g, " ");
  assert.ok(page.includes(`${MAX_CHUNKS} gradients of all weights outside of tables`));
  assert.ok(page.includes(thousands(most)));
});

Deno.test("16 KiB of workgroup memory: another kernel takes what a panel is too small for, with the same losses", async () => {
  const log = smallLog(21, { users: 30, items: 41, width: 5, maxEvents: 3, maxPage: 4 });
  const train = async (workgroupBytes: number) => {
    using gpu = await openGpu({ shapesFor: "cpu", workgroupBytes });
    using model = new UserModel(gpu, log.items, { ...defaultModel, lstmUnits: 3, dims: [256, 5] }, {
      seed: 1,
    });
    const training = { ...defaultTraining, batchSize: 5 };
    using trainer = await Trainer.create(model, log, training, { validate: false });
    const kernels = trainer.program.program.dispatches.map(({ spec }) => spec.kernel.name);
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
  // Where the device that this runs on grants as much, a panel does it; sums are taken in another order.
  if (usual.granted > least.granted) assert.ok(!usual.kernels.includes("matmul_forward_rows"));
  least.losses.forEach((loss, k) => assert.ok(Math.abs(loss - (usual.losses[k] ?? NaN)) < 1e-5, `${loss}`));
});

/** The adapter that there is here, which says of itself that it has no more than WebGPU's defaults. */
function modest(): GPU {
  return {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const adapter = await navigator.gpu.requestAdapter(options);
      return adapter && new Proxy(adapter, {
        get(own, name) {
          if (name === "limits") return LEAST;
          const value: unknown = Reflect.get(own, name, own);
          return typeof value === "function" ? value.bind(own) : value;
        },
      });
    },
  } as GPU;
}

Deno.test("an adapter that grants exactly WebGPU's default limits trains every kind of model, on both kinds of shapes", async () => {
  const log = smallLog(21, { users: 30, items: 41, width: WIDTH, maxEvents: 3, maxPage: 4 });
  for (const shapesFor of ["cpu", "gpu"] as const) {
    using gpu = await alone(() => openDevice({ shapesFor }, modest()));
    for (const name of Object.keys(LEAST) as LimitName[]) {
      assert.equal(gpu.device.limits[name], LEAST[name], name);
    }
    for (const config of [smallLstm, smallPw, { ...noHistory, dims: smallLstm.dims }]) {
      using model = new UserModel(gpu, log.items, config, { seed: 1 });
      const training = { ...defaultTraining, batchSize: 5, validateEvery: 2 };
      const trainer = await Trainer.create(model, log, training);
      const losses: number[] = [];
      const see = ({ nll }: { readonly nll: number }) => void losses.push(nll);
      await trainer.run(2, { onStep: see, onValidation: see });
      assert.ok(losses.length === 4 && losses.every(Number.isFinite), `${config.encoder}: ${losses}`);
      trainer.destroy();
      const game = { ...defaultAdversarial, batchSize: 5, behaviourDims: [8] };
      const options = { seed: 1, evaluationShards: 0, validate: false };
      using adversarial = await AdversarialTrainer.create(model, log, game, options);
      const { lossMin } = await adversarial.step([1, 2, 3]);
      assert.ok(Number.isFinite(lossMin), `${config.encoder}: ${lossMin}`);
    }
    gpu.check();
    assert.equal(gpu.liveBuffers, 0, gpu.liveBufferLabels.join(", "));
  }
});
