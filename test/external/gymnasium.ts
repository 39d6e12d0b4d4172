/** The Gymnasium client of the page about simulated users (`pip install gymnasium`), against a service. */

import assert from "node:assert/strict";
import { outputOf } from "../command_check.ts";
import { endOf, withService } from "../service.ts";

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
