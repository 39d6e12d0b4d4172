/** An adapter that grants no more workgroup memory than WebGPU promises: a real one, that is asked for no more. */

import assert from "node:assert/strict";
import { openGpu } from "../src/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { defaultTraining } from "../src/train/config.ts";
import { Trainer } from "../src/train/trainer.ts";
import { smallLog } from "./small_logs.ts";

Deno.test("16 KiB of workgroup memory: another kernel takes what a panel is too small for, with the same losses", async () => {
  const log = smallLog(21, { users: 30, items: 41, width: 5, maxEvents: 3, maxPage: 4 });
  const train = async (workgroupBytes: number) => {
    const gpu = await openGpu({ shapesFor: "cpu", workgroupBytes });
    const model = new UserModel(gpu, log.items, { ...defaultModel, lstmUnits: 3, dims: [256, 5] }, {
      seed: 1,
    });
    const training = { ...defaultTraining, batchSize: 5 };
    const trainer = await Trainer.create(model, log, training, { validate: false });
    const kernels = trainer.program.program.dispatches.map(({ spec }) => spec.kernel.name);
    const losses: number[] = [];
    await trainer.run(3, { onStep: ({ nll }) => losses.push(nll) });
    const granted = gpu.device.limits.maxComputeWorkgroupStorageSize;
    trainer.destroy();
    model.destroy();
    gpu.check();
    gpu.close();
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
