/** How many threads the software driver gets, and by what. */

import assert from "node:assert/strict";
import { sourceOf } from "../src/data/log_source.ts";
import { threadsFor } from "../src/gpu/driver_threads.ts";
import { defaultModel } from "../src/model/config.ts";
import { defaultAdversarial, defaultTraining } from "../src/train/config.ts";
import { iterationFlops, type Trained } from "../src/train/iteration_work.ts";
import { smallLog } from "./small_logs.ts";

Deno.test("two threads a core, none for small steps, and what the user says", () => {
  assert.equal(threadsFor(2), "4");
  assert.equal(threadsFor(64), "32");
  assert.equal(threadsFor(2, undefined, 1e6), "0");
  assert.equal(threadsFor(2, undefined, 1e9), "4");
  assert.equal(threadsFor(2, "3"), "3");
  assert.equal(threadsFor(2, "3", 1e6), "3");
});

Deno.test("a step's work counts its rows, its layers, its validation and its generator", () => {
  const log = smallLog(1, { users: 40, items: 20, width: 3, maxEvents: 3, maxPage: 4 });
  const training = { ...defaultTraining, batchSize: 10, validationUsers: 0 };
  const model = { ...defaultModel, dims: [64, 64] };
  const flops = (more: Partial<Trained> = {}) => iterationFlops(sourceOf(log), { model, training, ...more });
  const rows = 10 * log.rowItem.length / 40;
  near(flops(), rows * (60 * 64 + 6 * 64 * 64));
  near(flops({ training: { ...training, batchSize: 20 } }), 2 * flops());
  near(flops({ model: { ...model, dims: [8] } }), rows * 60 * 8);
  near(flops({ training: { ...training, validateEvery: 2, validationUsers: 6 } }), 1.1 * flops());
  const adversarial = {
    ...defaultAdversarial,
    batchSize: 10,
    validateEvery: 1e12,
    behaviourDims: [256, 128],
  };
  near(flops({ adversarial }), flops() + rows * (60 * 256 + 6 * 256 * 128));
  near(flops({ adversarial: { ...adversarial, generator: "exact" } }), flops());
});

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found / expected - 1) < 1e-9, `expected ${expected}, got ${found}`);
}
