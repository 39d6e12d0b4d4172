/**
 * A learner that is simple enough to check: slates are random, and a weight for each of four pages learns what is left of an
 * episode. Users, replay, targets, optimiser, resuming and files are those of all learners.
 */

import assert from "node:assert/strict";
import { shopItems } from "../../src/data/demo_shop.ts";
import { shopNamed } from "../../src/data/shops.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { kernel } from "../../src/gpu/kernel.ts";
import { bufferOf } from "../../src/gpu/memory.ts";
import { defaultPolicyTraining, type PolicyTrainingConfig } from "../../src/policy/learning/config.ts";
import type { Learner, LearnerSubject, Lesson } from "../../src/policy/learning/learner.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { randomPolicy } from "../../src/policy/named.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { ParameterArena } from "../../src/tape/parameters.ts";

const step = `struct Step { size: vec4u, first_entry: u32, slot: u32 }`;

/** The value of a row is the weight of its page, which stands behind the state as page / T; past the last page that of the last. */
const ofPage =
  `fn mask(input: vec4f) -> vec4f { return vec4f(vec4u(min(u32(input.w * 4.0 + 0.5), 3u)) == vec4u(0, 1, 2, 3)); }`;
const valueKernel = kernel(
  "value",
  `const WORKGROUP = 64;
${step}
${ofPage}
@group(0) @binding(0) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> value: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;
@compute @workgroup_size(WORKGROUP)
fn value_of(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < step.size.x) { value[id.x] = dot(mask(inputs[id.x]), weights[0]); }
}`,
);
const fitKernel = kernel(
  "value_fit",
  `const WORKGROUP = 1;
${step}
${ofPage}
@group(0) @binding(0) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> wanted: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;
@compute @workgroup_size(WORKGROUP)
fn fit() {
  var loss = 0.0;
  var values = 0.0;
  var slope = vec4f(0.0);
  for (var b = 0u; b < step.size.x; b++) {
    let own = mask(inputs[b]);
    let value = dot(own, weights[0]);
    let d = value - wanted[b];
    loss += d * d;
    values += value;
    slope += 2.0 * d * own;
  }
  partials[0] = slope / f32(step.size.x);
  ring[step.slot] = vec4f(loss, values, 0.0, 0.0);
}`,
);

/** What random slates are worth. */
class ValueLearner implements Learner {
  readonly policy = randomPolicy;
  readonly parameters: ParameterArena;
  readonly older;
  readonly #arena: Arena;

  constructor({ gpu, observer }: LearnerSubject) {
    assert.equal(observer.state.columns, 3);
    this.parameters = new ParameterArena(gpu, [{ name: "value", rows: 1, columns: 4 }]);
    this.#arena = new Arena(gpu, "value learner");
    this.older = this.#arena.allocate("older", 4 * this.parameters.length);
  }

  record({ recall, wanted, ring }: Lesson) {
    const nextValue = this.#arena.allocate("next value", 4 * recall.options.rows);
    const { view } = this.parameters.get("value");
    const weights = bufferOf(view);
    const cost = () => ({ flops: 0, bytes: 0 });
    const rows = [recall.options.rows] as const;
    return {
      nextValue: { view: nextValue, stride: 1, first: 0, count: 1 },
      next: [{
        ...{ kernel: valueKernel, label: "next value", invocations: rows, cost },
        views: { inputs: recall.after, weights: { ...this.older, size: 16 }, value: nextValue },
      }],
      fit: [{
        ...{ kernel: fitKernel, label: "fit", invocations: [1] as const, cost },
        views: { inputs: recall.before, weights, wanted, partials: this.parameters.partials, ring },
      }],
      moved: [],
      copied: [],
    };
  }

  [Symbol.dispose](): void {
    this.#arena.destroy();
    this.parameters[Symbol.dispose]();
  }
}

const restless = shopNamed("restless") ?? assert.fail();
const source = new ShopSource(restless, shopItems(1));

export const config: PolicyTrainingConfig = {
  ...defaultPolicyTraining,
  ...{ users: 64, pages: 4, slate: 2, rows: 64, replay: 64 * 8, steps: 64 * 4 * 30 },
  ...{ targetEvery: 10, learningRate: 0.05, evaluationUsers: 100, evaluateEvery: 64 * 4 * 10 },
};

const makeValueLearner = (subject: LearnerSubject): Learner => new ValueLearner(subject);

export function trainer(gpu: Gpu, more: Partial<PolicyTrainingConfig> = {}): Promise<PolicyTrainer> {
  return PolicyTrainer.create(gpu, source, { ...config, ...more }, { makeLearner: makeValueLearner });
}
