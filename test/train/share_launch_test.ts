/** Dispatches that share a launch on a GPU compute what they compute apart, to the bit. */

import assert from "node:assert/strict";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel, type ModelConfig } from "../../src/model/config.ts";
import { openGpu } from "../open_alone.ts";
import { smallLstm, smallPw } from "../small_models.ts";
import { game, logs, shannon } from "./trainings.ts";

const log = logs.dense;

async function onGpuShapes<T>(run: (gpu: Gpu) => Promise<T>): Promise<{ shared: T; apart: T }> {
  const one = async (apart: boolean) => {
    using gpu = await openGpu({ shapesFor: "gpu", apart });
    const result = await run(gpu);
    gpu.check();
    return result;
  };
  return { shared: await one(false), apart: await one(true) };
}

const models: Record<string, ModelConfig> = {
  LSTM: smallLstm,
  PW: smallPw,
  "batch norm": { ...smallLstm, batchNorm: true },
};

for (const [name, config] of Object.entries(models)) {
  Deno.test(`shared launches: fewer than dispatches, with the same bits, ${name}`, async () => {
    const { shared, apart } = await onGpuShapes(async (gpu) => {
      using own = await shannon(gpu, log, config, {}, { validate: false });
      for (let step = 0; step < 3; step++) await own.trainer.step();
      const { dispatches } = own.trainer.program.program;
      return { launches: dispatches.length, weights: await own.model.weights() };
    });
    assert.ok(shared.launches < apart.launches, `${shared.launches} of ${apart.launches}`);
    assert.deepEqual(shared.weights, apart.weights);
  });
}

Deno.test("shared launches: the same bits of both players of the game", async () => {
  const { shared, apart } = await onGpuShapes(async (gpu) => {
    using own = await game(gpu, log, smallLstm, {}, { validate: false });
    for (let step = 0; step < 2; step++) await own.trainer.step();
    return [await own.model.weights(), await own.trainer.generator?.weights()];
  });
  assert.deepEqual(shared, apart);
});

Deno.test("shared launches: a step of the default LSTM is 12, beside the 3 that lay out up to 16 batches", async () => {
  const { shared, apart } = await onGpuShapes(async (gpu) => {
    using own = await shannon(gpu, log, defaultModel, {}, { validate: false });
    const { layout, program } = own.trainer.program;
    return [layout.dispatches.length, program.dispatches.length];
  });
  assert.deepEqual([shared, apart], [[3, 12], [3, 17]]);
});
