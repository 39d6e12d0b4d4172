/** The folder of a policy: what a training leaves, goes on from, and refuses. */

import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { NONE } from "../../src/data/click_log.ts";
import { expectPagesWithoutClick, sourceOf } from "../../src/data/log_source.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import {
  expectTrainedOn,
  type PolicyConfig,
  policyConfigSchema,
  readPolicyConfig,
  subjectText,
} from "../../src/policy/policy_config.ts";
import { PolicyFolder, runPolicy } from "../../src/policy/learning/policy_run.ts";
import { policyFile, readPolicy } from "../../src/policy/learning/policy_snapshot.ts";
import type { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { readSafetensors, writeSafetensors } from "../../src/run/snapshot.ts";
import { withGpu } from "../op_check.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { config as training, trainer } from "./value_learner.ts";

function configOf(gpu: Gpu, one: PolicyTrainer): PolicyConfig {
  return v.parse(policyConfigSchema, {
    ...{
      clickgan: "0",
      command: [],
      trainedOn: { kind: "truth", shop: "restless", dataSeed: 1 },
      items: 500,
    },
    ...{ training: one.config, adapter: { ...gpu.adapter, driver: "unknown" }, system: "here" },
  });
}

const FILES = ["policy.json", "train.csv", "curve.csv", "last.safetensors"];

Deno.test("policy run: stopped and gone on with, its files are those of a run that was not", () =>
  withGpu(undefined, async (gpu) => {
    const [straight, stopped] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
    const whole = await trainer(gpu);
    const config = configOf(gpu, whole);
    const folder = await PolicyFolder.begin(straight, config);
    const points: number[] = [];
    const result = await runPolicy(whole, folder, {
      onPoint: ({ userSteps }) => void points.push(userSteps),
    });
    folder.close();
    assert.equal(result.finished, true);
    assert.deepEqual(points, [0, 2560, 5120, 7680]);
    assert.deepEqual(await readPolicyConfig(straight), config);
    const { huber: _, ...before } = config.training; // a policy of an earlier version
    assert.deepEqual(v.parse(policyConfigSchema, { ...config, training: before }), config);

    // Stopped in the middle of an episode, twice: the episode is finished.
    let done = 0;
    for (const stopAt of [9, 50, Infinity]) {
      const one = await trainer(gpu);
      let files;
      if (done === 0) files = await PolicyFolder.begin(stopped, config);
      else {
        const snapshot = await readPolicy(stopped);
        assert.equal(snapshot.iteration, done);
        one.restoreAll(snapshot.state(one.specs), stopped);
        files = await PolicyFolder.resume(stopped, config, snapshot);
      }
      const stop = new AbortController();
      const onPage = ({ iteration }: { iteration: number }) => void (iteration >= stopAt && stop.abort());
      const { iteration, finished } = await runPolicy(one, files, { onPage }, stop.signal);
      files.close();
      assert.equal(finished, stopAt === Infinity);
      assert.ok(iteration >= Math.min(stopAt, 120) && iteration % 4 === 0, `${iteration}`);
      done = iteration;
      one.destroy();
    }
    for (const name of FILES) {
      const [a, b] = [await Deno.readFile(`${straight}/${name}`), await Deno.readFile(`${stopped}/${name}`)];
      assert.deepEqual(a, b, name);
    }
    whole.destroy();
    await refuses(gpu, straight);
    for (const path of [straight, stopped]) await Deno.remove(path, { recursive: true });
  }));

/** What is wrong with a snapshot is said, and changes nothing. */
async function refuses(gpu: Gpu, path: string): Promise<void> {
  const one = await trainer(gpu);
  const { tensors, metadata } = await readSafetensors(policyFile(path));
  const damaged = async (name: string, change: (data: Uint32Array | Float32Array) => void) => {
    const copy = new Map(tensors);
    const { data, shape } = tensors.get(name) ?? assert.fail();
    const own = data.slice();
    change(own);
    copy.set(name, { shape, data: own });
    await writeSafetensors(policyFile(path), copy, metadata);
    return async () => one.restoreAll((await readPolicy(path)).state(one.specs), path);
  };
  await assert.rejects(
    await damaged("older/value", (data) => data[1] = NaN),
    /finite numbers, found NaN in older\/value/,
  );
  await assert.rejects(
    await damaged("replay/shown", (data) => data[7] = 500),
    /remembered pages are damaged.*found 500/,
  );
  await writeSafetensors(
    policyFile(path),
    new Map([...tensors].filter(([name]) => name !== "replay/lengths")),
    metadata,
  );
  await assert.rejects(
    async () => (await readPolicy(path)).state(one.specs),
    /replay\/lengths, found none/,
  );
  for (const iteration of ["-4", "1e3", ""]) {
    await writeSafetensors(policyFile(path), tensors, { ...metadata, iteration });
    await assert.rejects(readPolicy(path), /Expected the snapshot of a policy/);
  }
  await writeSafetensors(policyFile(path), tensors, { ...metadata, iteration: "119" });
  await assert.rejects(
    async () => await PolicyFolder.resume(path, await readPolicyConfig(path), await readPolicy(path)),
    /Expected a snapshot of iteration 120, as .*train\.csv/,
  );
  await writeSafetensors(policyFile(path), tensors, { ...metadata, format: "clickgan-1" });
  await assert.rejects(readPolicy(path), /Expected the snapshot of a policy/);
  const other = [{ name: "value", rows: 1, columns: 5 }];
  await writeSafetensors(policyFile(path), tensors, metadata);
  await assert.rejects(
    async () => (await readPolicy(path)).weights(other),
    /value to be F32 \[1, 5\], found F32 \[1,4\]/,
  );
  await assert.rejects(readPolicyConfig(`${path}/nowhere`), /Expected the folder of a policy/);
  one.destroy();
}

Deno.test("policy run: a policy of other users is refused", () =>
  withGpu(undefined, async (gpu) => {
    const one = await trainer(gpu);
    const config = configOf(gpu, one);
    one.destroy();
    expectTrainedOn("p", config, config.trainedOn);
    const others = [
      { kind: "truth", shop: "restless", dataSeed: 2 },
      { kind: "truth", shop: "demo", dataSeed: 1 },
      { kind: "model", path: "runs/a", sha256: "ab".repeat(32), data: { kind: "demo", seed: 1 } },
    ] as const;
    for (const other of others) {
      assert.throws(
        () => expectTrainedOn("p", config, other),
        /Expected the policy of p to see users through/,
      );
    }
    assert.match(subjectText(others[2]), /the model runs\/a \(sha256 abababababab\)/);
  }));

Deno.test("policy run: settings out of range are refused", () =>
  withGpu(undefined, async (gpu) => {
    const cases = [
      [{ slate: 501, pages: 1 }, /pool of 501 items/],
      [{ leave: 1.5 }, /leave/],
      [{ pages: 0 }, /pages/],
      [{ rows: 65 }, /multiple of 64/],
    ] as const;
    for (const [more, message] of cases) {
      await assert.rejects(trainer(gpu, { ...training, ...more }), message);
    }
  }));

Deno.test("where every page has a click nothing is planned, whatever the reward is", () => {
  const log = smallLog(4, { users: 9, items: 12, width: 3, maxEvents: 4, maxPage: 4 });
  assert.ok(log.eventClick.includes(NONE), "the case is weak");
  const clicked = {
    ...log,
    eventClick: log.eventClick.map((row, e) => row === NONE ? log.eventRows[e] ?? 0 : row),
  };
  expectPagesWithoutClick(sourceOf(log));
  assert.throws(() => expectPagesWithoutClick(sourceOf(clicked)), /to plan, got/);
});
