/**
 * What listens, as a user starts it: the service with its answers over HTTP, its port and its end; the lab, with few
 * descriptors, and whom it answers.
 */

import assert from "node:assert/strict";
import type { Call, LoadResult } from "../../bench/serve_load.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { initialWeights } from "../../src/model/initial_weights.ts";
import { modelParameters, UserModel } from "../../src/model/user_model.ts";
import { writeSnapshot } from "../../src/run/snapshot.ts";
import { outputOf, runCommand, runScript, startCommand, withSmallLog } from "../command_check.ts";
import { withGpu } from "../op_check.ts";
import { requestsOf, scoreCases } from "../score_cases.ts";

const { config, log } = scoreCases["LSTM, one-hot"] ?? assert.fail();

/** A service over a small log, and calls with the utilities that they must give. */
async function withService(
  use: (
    service: { url: string; calls: string; child: Deno.ChildProcess; model: string; data: string },
  ) => Promise<void>,
): Promise<void> {
  await withSmallLog(async (folder, data) => {
    const items = itemsShape({ kind: "one-hot", count: 30 });
    const specs = modelParameters(items, config);
    const weights = initialWeights(specs, 8);
    const model = `${folder}/model.safetensors`;
    await writeSnapshot(model, specs, weights, { model: config, items, iteration: 1, kind: "last" });
    const calls: Call[] = [];
    await withGpu(undefined, async (gpu) => {
      using own = new UserModel(gpu, { kind: "one-hot", count: 30 }, config, { weights });
      for (
        const { history, page } of requestsOf({
          config,
          log: { ...log, items: { kind: "one-hot", count: 30 } },
        }, 30)
      ) {
        const utilities = await own.score({ history, page });
        calls.push({ path: "/score", body: JSON.stringify({ history, page }), utilities });
      }
    });
    await Deno.writeTextFile(`${folder}/calls.json`, JSON.stringify(calls));
    const child = startCommand("serve", "--model", model, "--data", data, "--port", "0");
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!/answers on \S+\n/.test(said)) {
      const { value, done } = await output.read();
      assert.ok(!done, said);
      said += value;
    }
    const url = /answers on (http:\/\/127\.0\.0\.1:\d+)\n/.exec(said)?.[1] ?? assert.fail(said);
    await output.cancel();
    await use({ url, calls: `${folder}/calls.json`, child, model, data });
  });
}

/** The load of a client in a process of its own, as the tests may not use the network. */
async function clientLoad(
  url: string,
  calls: string,
  requests: number,
  clients: number,
): Promise<LoadResult> {
  const flags = ["--allow-net=127.0.0.1", "--allow-read"];
  const args = [url, calls, String(requests), String(clients)];
  const { code, stdout, stderr } = await runScript(
    new URL("../serve_client.ts", import.meta.url),
    flags,
    args,
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function endOf(child: Deno.ChildProcess): Promise<{ code: number; stderr: string }> {
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  return { code, stderr };
}

Deno.test("serve answers every request with its own utilities, also while it ends", () =>
  withService(async ({ url, calls, child, model, data }) => {
    const { requests, lost, mixedUp } = await clientLoad(url, calls, 600, 24);
    assert.deepEqual({ requests, lost, mixedUp }, { requests: 600, lost: 0, mixedUp: 0 });
    const port = new URL(url).port;
    const taken = await runCommand("serve", "--model", model, "--data", data, "--port", port);
    assert.equal(taken.code, 1);
    assert.match(
      taken.stderr,
      /^error: cannot listen on 127\.0\.0\.1:\d+: another program does\. Choose another --port/,
    );
    const during = clientLoad(url, calls, 4000, 24);
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill("SIGTERM");
    const { code, stderr } = await endOf(child);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Ended\.\n$/);
    assert.equal((await during).mixedUp, 0);
  }));

Deno.test(
  "what listens answers its own names alone, closes what is late, and outlives more connections than descriptors",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const flags = ["--allow-read", "--allow-run", "--allow-net=127.0.0.1"];
    const script = new URL("./listen_check.ts", import.meta.url);
    const signal = AbortSignal.timeout(60_000);
    const { code, stdout, stderr } = await runScript(script, flags, [], { signal });
    assert.equal(code, 0, stdout + stderr);
  },
);

/** Python where it can import Gymnasium. */
async function pythonWithGymnasium(): Promise<string | undefined> {
  const found = new Deno.Command("python3", {
    args: ["-c", "import gymnasium, numpy"],
    stdout: "null",
    stderr: "null",
  });
  return await found.output().then(({ success }) => success ? "python3" : undefined, () => undefined);
}
const python = await pythonWithGymnasium();
if (!python) {
  console.log("skipped: the Gymnasium client of the pages, as python3 cannot import gymnasium and numpy");
}

Deno.test(
  "the Gymnasium client of the pages shows slates to the users of a service",
  { ignore: !python },
  () =>
    withService(async ({ url, child }) => {
      const text = await Deno.readTextFile(new URL("../../src/simulate/README.md", import.meta.url));
      const [client = "", use = ""] = [...text.matchAll(/```python\n(.*?)```/gs)].map(([, script]) => script);
      const checks = `
assert isinstance(users, gym.vector.VectorEnv) and users.num_envs == 64
assert users.observation_space.contains(state) and users.action_space.contains(slates)
assert reward.shape == left.shape == over.shape == (64,) and not left.any()
assert ((info["choice"] < 3) == (reward == 1)).all()
first, _ = users.reset(seed=5)
moved = users.step(slates)[0]
again, _ = users.reset(seed=5)
assert (first == again).all() and (users.step(slates)[0] == moved).all() and (moved != first).any()
try:
    users.step(slates * 0)
    raise SystemExit("a slate with an item twice was shown")
except urllib.error.HTTPError as error:
    assert error.code == 400
`;
      const script = client.replace(/http:\/\/127\.0\.0\.1:\d+/, url) + use + checks;
      const { code, stdout, stderr } = await outputOf(
        new Deno.Command(python ?? "", { args: ["-c", script] }),
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^clicks a user \d+\.\d+/);
      child.kill("SIGTERM");
      assert.equal((await endOf(child)).code, 0);
    }),
);
