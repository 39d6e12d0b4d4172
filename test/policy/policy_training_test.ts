import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { restless } from "../../src/data/shops.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { parseKernel } from "../../src/gpu/kernel.ts";
import { asBufferView } from "../../src/gpu/memory.ts";
import type { PolicyTrainingConfig } from "../../src/policy/learning/policy_training_config.ts";
import { defaultPolicyTraining } from "../../src/policy/learning/policy_training_config.ts";
import type { Learner, LearnerSubject } from "../../src/policy/learning/learner.ts";
import { PolicySchedule, PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { randomPolicy } from "../../src/policy/named_policies.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { ParameterArena } from "../../src/tape/parameters.ts";
import { DivergedError } from "../../src/train/training_results.ts";
import { withGpu } from "../op_check.ts";
import {
  describeSubject,
  expectTrainedOn,
  type PolicyConfig,
  policyConfigSchema,
  type PolicySubject,
  readPolicyConfig,
} from "../../src/policy/policy_config.ts";
import { PolicyFolder, runPolicy } from "../../src/policy/learning/policy_run.ts";
import { getPolicyPath, type PolicySnapshot, readPolicy } from "../../src/policy/learning/policy_snapshot.ts";
import { readSafetensors, writeSafetensors } from "../../src/run/snapshot_file.ts";

/*
 * A learner that is simple enough to check: slates are random, and one weight per page learns the remaining
 * return of an episode. Users, replay buffer, targets, optimiser, resuming and files are those of all
 * learners.
 */

const step = `struct Step { size: vec4u, first_entry: u32, slot: u32 }`;

/** WGSL function that one-hot encodes the page number. The column after the state is page / T, with T = 4. */
const ofPage =
  `fn mask(input: vec4f) -> vec4f { return vec4f(vec4u(min(u32(input.w * 4.0 + 0.5), 3u)) == vec4u(0, 1, 2, 3)); }`;
const valueKernel = parseKernel(
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
const fitKernel = parseKernel(
  "value_fit",
  `const WORKGROUP = 1;
${step}
${ofPage}
@group(0) @binding(0) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
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
    let d = value - targets[b];
    loss += d * d;
    values += value;
    slope += 2.0 * d * own;
  }
  partials[0] = slope / f32(step.size.x);
  ring[step.slot] = vec4f(loss, values, 0.0, 0.0);
}`,
);

function makeLearner({ gpu, observer }: LearnerSubject): Learner {
  assert.equal(observer.state.columns, 3);
  const parameters = new ParameterArena(gpu, [{ name: "value", rows: 1, columns: 4 }]);
  const arena = new Arena(gpu, "value learner");
  const target = arena.allocate("target", 4 * parameters.length);
  return {
    policy: randomPolicy,
    parameters,
    target,
    record({ sample, targets, ring }) {
      const value = arena.allocate("next value", 4 * sample.options.rows);
      const weights = asBufferView(parameters.get("value").view);
      const { partials } = parameters;
      return {
        nextValue: { view: value, stride: 1, first: 0, count: 1 },
        next: [{
          ...{ kernel: valueKernel, label: "next value", invocations: [sample.options.rows] },
          views: { inputs: sample.after.view, weights: { ...target, size: 16 }, value },
        }],
        fit: [{
          ...{ kernel: fitKernel, label: "fit", invocations: [1] },
          views: { inputs: sample.before.view, weights, targets, partials, ring },
        }],
        afterUpdate: [],
        afterCopy: [],
      };
    },
    [Symbol.dispose]() {
      arena.destroy();
      parameters[Symbol.dispose]();
    },
  };
}

const source = new ShopSource(restless, drawShopItems(1));

const config: PolicyTrainingConfig = {
  ...defaultPolicyTraining,
  ...{ users: 64, pages: 4, slate: 2, rows: 64, replay: 64 * 8, steps: 64 * 4 * 30 },
  ...{ targetEvery: 10, learningRate: 0.05, evaluationUsers: 64, evaluateEvery: 64 * 4 * 10 },
};

function trainer(gpu: Gpu, more: Partial<PolicyTrainingConfig> = {}): Promise<PolicyTrainer> {
  return PolicyTrainer.create(gpu, source, { ...config, ...more }, { makeLearner });
}

Deno.test("policy training: resumed between episodes it gives the same bits in any submission", () =>
  withGpu(undefined, async (gpu) => {
    using whole = await trainer(gpu);
    const { iterations } = whole.schedule;
    assert.equal(iterations, 120);
    const figures: string[] = [];
    const rewards: number[] = [];
    await whole.run(iterations, {
      onStep(result) {
        figures.push(JSON.stringify(result));
        rewards.push(result.reward);
      },
    });
    assert.ok(new Set(rewards.slice(0, 4)).size > 1, "each page has its own");
    // Slates are also random in training, so training and evaluation have the same expected returns.
    const { byPage } = await whole.evaluate(4000);
    byPage.forEach(({ reward, shown }, page) => {
      const own = rewards.filter((_, t) => t % 4 === page).reduce((sum, r) => sum + r, 0) / (iterations / 4);
      assert.ok(Math.abs(own - reward / shown) < 0.04, `page ${page}: ${own} of ${reward / shown}`);
    });
    assert.equal(figures.length, iterations);
    assert.ok(
      figures.slice(0, 4).every((text) => text.includes('"loss":0,')),
      "nothing is learned in the first episode",
    );
    assert.ok(!figures[4]?.includes('"loss":0,'), figures[4]);

    using stepped = await trainer(gpu);
    for (let t = 1; t <= 22; t++) {
      assert.equal(JSON.stringify(await stepped.step()), figures[t - 1], `page ${t}`);
    }
    await stepped.run(24);
    using resumed = await trainer(gpu);
    resumed.restoreAll(await stepped.stateOfAll(), "it");
    const rest: string[] = [];
    await resumed.evaluate();
    await resumed.run(iterations, { onStep: (result) => void rest.push(JSON.stringify(result)) });
    assert.deepEqual(rest, figures.slice(24));
    assert.deepEqual(await resumed.stateOfAll(), await whole.stateOfAll());
    await assert.rejects(async () => {
      await stepped.step();
      await stepped.stateOfAll();
    }, /between episodes/);
  }));

Deno.test("policy training: the schedule runs whole episodes, and reduces exploration and learning rate", () => {
  const schedule = new PolicySchedule({ ...config, ...{ steps: 1000, stepsPerPage: 2, epsilonShare: 0.5 } });
  // 4 episodes of 256 user pages.
  assert.deepEqual([schedule.iterations, schedule.evaluateEvery], [16, 40]);
  assert.deepEqual([1, 4, 5, 16].map((t) => schedule.getPage(t)), [0, 3, 0, 3]);
  assert.deepEqual([1, 4, 5, 16].map((t) => schedule.getEpisode(t)), [0, 0, 1, 3]);
  assert.deepEqual([1, 4, 5].map((t) => schedule.endOfEpisode(t)), [4, 4, 8]);
  assert.deepEqual([1, 4, 5, 6].map((t) => schedule.stepsIn(t)), [0, 0, 2, 2]);
  assert.deepEqual([1, 5, 6, 7].map((t) => schedule.learnedBefore(t)), [0, 0, 2, 4]);
  const epsilons = [1, 5, 9, 16].map((t) => schedule.epsilon(t).toFixed(9));
  assert.deepEqual(epsilons, [1, 0.525, 0.05, 0.05].map((p) => p.toFixed(9)));
  const [early, late] = [schedule.rate(12, 1000), schedule.rate(13, 1000)];
  assert.ok(Math.abs(late / early - 0.2) < 1e-12);
});

Deno.test("policy training: values are returns of random slates, with users who leave and discounting", () =>
  withGpu(undefined, async (gpu) => {
    const [leave, discount] = [0.3, 0.9];
    using learned = await trainer(gpu, {
      ...{ leave, discount, steps: 64 * 4 * 100, learningRate: 0.02, rows: 256, replay: 64 * 4 * 30 },
    });
    await learned.run(learned.schedule.iterations);
    const values = (await learned.weights()).get("value") ?? assert.fail();
    const { byPage } = await learned.evaluate(4000);
    for (let page = 0; page < 4; page++) {
      const { shown = NaN } = byPage[page] ?? {};
      const left = byPage.slice(page).reduce((sum, { reward }, k) => sum + discount ** k * reward / shown, 0);
      assert.ok(Math.abs((values[page] ?? NaN) - left) < 0.08, `page ${page}: ${values[page]} of ${left}`);
    }
  }));

Deno.test("policy training: NaN values end it", () =>
  withGpu(undefined, async (gpu) => {
    using one = await trainer(gpu);
    await one.run(8);
    one.setWeights(new Map([["value", Float32Array.of(1, NaN, 1, 1)]]));
    await assert.rejects(one.run(one.schedule.iterations), (error) => {
      assert.ok(error instanceof DivergedError);
      assert.equal(error.iteration, 9);
      assert.match(error.message, /Use a smaller --learning-rate/);
      return true;
    });
  }));

function makeConfig(gpu: Gpu, one: PolicyTrainer): PolicyConfig {
  return v.parse(policyConfigSchema, {
    ...{
      format: "clickgan-policy",
      clickgan: "0",
      command: [],
      trainedOn: { kind: "truth", shop: "restless", dataSeed: 1 },
      items: 500,
    },
    ...{ training: one.config, adapter: { ...gpu.adapter, driver: "unknown" }, system: "here" },
  });
}

const FILES = ["policy.json", "train.csv", "curve.csv", "last.safetensors"];

Deno.test("policy run: a resumed one has the files of an uninterrupted one", () =>
  withGpu(undefined, async (gpu) => {
    const [straight, stopped] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
    using whole = await trainer(gpu);
    const config = makeConfig(gpu, whole);
    const folder = await PolicyFolder.open(straight, config);
    const points: number[] = [];
    const result = await runPolicy(whole, folder, {
      onPoint: ({ userSteps }) => void points.push(userSteps),
    });
    folder[Symbol.dispose]();
    assert.equal(result.finished, true);
    assert.deepEqual(points, [0, 2560, 5120, 7680]);
    assert.deepEqual(await readPolicyConfig(straight), config);

    // The run is stopped twice within an episode, which is then finished.
    let done = 0;
    for (const stopAt of [9, 50, Infinity]) {
      using one = await trainer(gpu);
      const snapshot = done === 0 ? undefined : await readPolicy(stopped);
      assert.equal(snapshot?.iteration ?? 0, done);
      if (snapshot) one.restoreAll(snapshot.state(one.specs), stopped);
      const files = await PolicyFolder.open(stopped, config, snapshot);
      const stop = new AbortController();
      const onPage = ({ iteration }: { iteration: number }) => void (iteration >= stopAt && stop.abort());
      const { iteration, finished } = await runPolicy(one, files, { onPage }, stop.signal);
      files[Symbol.dispose]();
      assert.equal(finished, stopAt === Infinity);
      assert.ok(iteration >= Math.min(stopAt, 120) && iteration % 4 === 0, `${iteration}`);
      done = iteration;
    }
    for (const name of FILES) {
      const [a, b] = [await Deno.readFile(`${straight}/${name}`), await Deno.readFile(`${stopped}/${name}`)];
      assert.deepEqual(a, b, name);
    }
    await refuses(gpu, straight);
    for (const path of [straight, stopped]) await Deno.remove(path, { recursive: true });
  }));

async function refuses(gpu: Gpu, path: string): Promise<void> {
  using one = await trainer(gpu);
  const { tensors, metadata } = await readSafetensors(getPolicyPath(path));
  const reads = async (
    says: RegExp,
    use: (snapshot: PolicySnapshot) => unknown,
    data = tensors,
    more = {},
  ) => {
    await writeSafetensors(getPolicyPath(path), data, { ...metadata, ...more });
    await assert.rejects(async () => await use(await readPolicy(path)), says);
  };
  const restores = (snapshot: PolicySnapshot) => one.restoreAll(snapshot.state(one.specs), path);
  const damaged = (name: string, at: number, value: number) => {
    const { data, shape } = tensors.get(name) ?? assert.fail();
    return new Map(tensors).set(name, { shape, data: data.with(at, value) });
  };
  const without = new Map([...tensors].filter(([name]) => name !== "replay/lengths"));
  await reads(/finite numbers, found NaN in target\/value/, restores, damaged("target/value", 1, NaN));
  await reads(/damaged replay buffer.*found 500/, restores, damaged("replay/shown", 7, 500));
  await reads(/replay\/lengths, found none/, restores, without);
  for (
    const other of [{ iteration: "-4" }, { iteration: "1e3" }, { iteration: "" }, { format: "clickgan-1" }]
  ) {
    await reads(/Expected a policy's snapshot/, () => {}, tensors, other);
  }
  const goesOn = async (snapshot: PolicySnapshot) =>
    await PolicyFolder.open(path, await readPolicyConfig(path), snapshot);
  const elsewhere = /Expected a snapshot of iteration 120 \(the last iteration in .*train\.csv\)/;
  await reads(elsewhere, goesOn, tensors, { iteration: "119" });
  const specs = [{ name: "value", rows: 1, columns: 5 }];
  await reads(/F32 \[1, 5\] best\/value, found F32 \[1,4\]/, (snapshot) => snapshot.weights(specs));
  await assert.rejects(readPolicyConfig(`${path}/nowhere`), /Expected the folder of a policy/);
}

Deno.test("policy run: a policy of other users is refused", () => {
  const trainedOn = { kind: "truth", shop: "restless", dataSeed: 1 } as const;
  const config = { trainedOn } as PolicyConfig;
  expectTrainedOn("p", config, { ...trainedOn });
  const model = { kind: "model", path: "runs/a", sha256: "ab".repeat(32), data: { kind: "demo", seed: 1 } };
  for (const other of [{ ...trainedOn, dataSeed: 2 }, { ...trainedOn, shop: "demo" }, model]) {
    const refused = () => expectTrainedOn("p", config, other as PolicySubject);
    assert.throws(refused, /Expected a policy trained on .*, but p was trained on/);
  }
  assert.match(describeSubject(model as PolicySubject), /the model runs\/a \(sha256 abababababab\)/);
});

Deno.test("policy run: settings out of range are refused", () =>
  withGpu(undefined, async (gpu) => {
    const cases = [
      [{ slate: 501, pages: 1 }, /pool of 501 items/],
      [{ leave: 1.5 }, /leave/],
      [{ pages: 0 }, /pages/],
      [{ rows: 65 }, /multiple of 64/],
    ] as const;
    for (const [more, message] of cases) await assert.rejects(trainer(gpu, more), message);
  }));
