/** How many threads the software driver gets, by what, and that results depend neither on it nor on how it compiles. */

import assert from "node:assert/strict";
import { sourceOf } from "../../src/data/log_source.ts";
import { threadsFor } from "../../src/gpu/host/driver_threads.ts";
import { defaultModel } from "../../src/model/config.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { iterationFlops, type Trained } from "../../src/train/iteration_work.ts";
import { runCommandWith, withSmallLog, words } from "../command_check.ts";
import { AS_TESTS_HAVE_IT, AS_USERS_HAVE_IT } from "../driver_settings.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

Deno.test("two threads a core, none for small steps or with one core, and what the user says", () => {
  assert.equal(threadsFor(2), "4");
  assert.equal(threadsFor(64), "32");
  assert.equal(threadsFor(1), "0");
  assert.equal(threadsFor(2, undefined, 1e6), "0");
  assert.equal(threadsFor(2, undefined, 1e9), "4");
  assert.equal(threadsFor(2, "3"), "3");
  assert.equal(threadsFor(2, "3", 1e6), "3");
});

Deno.test("what the driver is told is gone when it has read it, and what the user says stays", async () => {
  // In a process of its own, as others here read the environment.
  const script = `
    import { setDriverThreads } from "${import.meta.resolve("../../src/gpu/host/driver_threads.ts")}";
    const found = () => Deno.env.get("LP_NUM_THREADS");
    const seen = [];
    Deno.env.delete("LP_NUM_THREADS");
    Deno.env.set("CLICKGAN_CORES", "3");
    for (const own of [undefined, "5"]) {
      if (own) Deno.env.set("LP_NUM_THREADS", own);
      { using threads = setDriverThreads(1e12); seen.push(found()); }
      seen.push(found());
    }
    console.log(seen.join());`;
  const args = ["eval", "--no-check", script];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  assert.equal(new TextDecoder().decode(stdout), "6,,5,5\n");
});

Deno.test("the bits of a training depend neither on the driver's threads nor on how it compiles", () =>
  withSmallLog(async (folder, data) => {
    // The tests run without threads, on shaders that the driver did not optimise, four numbers wide.
    const args = words(
      "--dims 8 --lstm-units 4 --counts none --batch-size 30 --iterations 6 --validate-every 3 --no-report --data",
      data,
    );
    const files = ["train.csv", "validation.csv", "last.safetensors"];
    const results = [];
    const drivers: Record<string, string>[] = [
      { LP_NUM_THREADS: "0", ...AS_TESTS_HAVE_IT },
      { LP_NUM_THREADS: "8", ...AS_USERS_HAVE_IT },
    ];
    for (const [k, driver] of drivers.entries()) {
      const run = `${folder}/driver-${k}`;
      const { code, stderr } = await runCommandWith(driver, "train", "--save-dir", run, ...args);
      assert.equal(code, 0, stderr);
      results.push(files.map((name) => Deno.readFileSync(`${run}/${name}`)));
    }
    assert.deepEqual(results[0], results[1]);
  }));

Deno.test("every task of tests has the driver compile in the same way", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync("deno.json")) as {
    tasks: Record<string, { command: string }>;
  };
  const variables = Object.entries(AS_TESTS_HAVE_IT).map(([name, value]) => `${name}=${value}`);
  const tests = Object.values(tasks).map(({ command }) => command).filter((command) =>
    / deno test /.test(command)
  );
  assert.equal(tests.length, 1);
  for (const command of tests) {
    for (const variable of variables) {
      assert.ok(command.split(" ").includes(variable), `${variable}: ${command}`);
    }
  }
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
