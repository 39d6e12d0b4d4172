/** Adapters that grant no more than WebGPU promises: real ones, that are asked for no more. */

import assert from "node:assert/strict";
import { openDevice } from "../../src/gpu/device.ts";
import { LEAST, type LimitName } from "../../src/gpu/limits.ts";
import { alone, openGpu } from "../open_alone.ts";
import { defaultModel } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "../small_models.ts";

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
