/** Tests the Gymnasium environments (`pip install gymnasium stable-baselines3`) with a service. */

import assert from "node:assert/strict";
import { runProcess } from "../command_check.ts";
import { waitForProcess, withService } from "../service.ts";

async function pythonWith(packages: string): Promise<string | undefined> {
  const args = ["-c", `import ${packages}`];
  const found = new Deno.Command("python3", { args, stdout: "null", stderr: "null" });
  return await found.output().then(({ success }) => success ? "python3" : undefined, () => undefined);
}
const python = await pythonWith("gymnasium, numpy");
if (!python) console.log("skipped: the Gymnasium environments, as python3 cannot import gymnasium and numpy");
const hasAgents = await pythonWith("stable_baselines3") !== undefined;
if (!hasAgents) console.log("skipped: the agents, as python3 cannot import stable_baselines3");

const CHECKS = `
from gymnasium.utils.env_checker import check_env
from clickgan_users import SimulatedUser
for slate in (1, 3):
    one = SimulatedUser(slate=slate, pages=5)
    check_env(one)
    assert one.action_masks().shape == (30 * slate,)
    one.close()
users = SimulatedUsers(8, slate=3, pages=6)
first, info = users.reset(seed=5)
assert users.observation_space.contains(first) and info["action_mask"].shape == (8, 30)
clicked = [set() for _ in range(8)]
for page in range(6):
    mask = info["action_mask"]
    moved, reward, left, over, info = users.step(np.zeros((8, 3), int))
    assert reward.dtype == float and ((info["choice"] < 3) == (reward == 1)).all() and not left.any()
    assert (info["page"] == page + 1).all() and over.all() == (page == 5)
    for user, slate in enumerate(info["slate"]):
        assert len(set(slate)) == 3 and mask[user, slate].all() and not clicked[user] & set(slate)
        clicked[user] |= {slate[place] for place in [info["choice"][user]] if place < 3}
        assert set(np.flatnonzero(info["action_mask"][user] == 0)) == clicked[user]
assert sum(map(len, clicked)) > 0
again, _ = users.reset(seed=5)
assert (again == first).all()
users.step(np.zeros((8, 3), int))
mask = np.arange(8) % 3 == 0
before = users.step(np.ones((8, 3), int))[0]
after, info = users.reset(options={"reset_mask": mask})
assert (after[~mask] == before[~mask]).all() and (info["page"] == np.where(mask, 0, 2)).all()
for page in range(4):
    _, _, _, over, info = users.step(np.ones((8, 3), int))
assert (over == ~mask).all() and (info["page"] == np.where(mask, 4, 6)).all()
users.close()
`;

Deno.test(
  "users of a service are Gymnasium environments: every action is legal, and some of many users restart",
  { ignore: !python },
  () =>
    withService(async ({ url, child }) => {
      const folder = new URL("../../src/simulate/", import.meta.url);
      const text = await Deno.readTextFile(new URL("README.md", folder));
      const [agents = "", many = ""] = [...text.matchAll(/```python\n(.*?)```/gs)].map(([, script]) =>
        script
      );
      const few = agents.replaceAll("10_000", "600");
      const script = `${many}${CHECKS}${hasAgents ? few : ""}`.replaceAll(
        /(SimulatedUsers?\([^)]+)\)/g,
        `$1, url="${url}")`,
      );
      const args = ["-W", "ignore", "-c", script];
      const env = { PYTHONPATH: folder.pathname, PYTHONDONTWRITEBYTECODE: "1" };
      const { code, stdout, stderr } = await runProcess(new Deno.Command(python ?? "", { args, env }));
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^clicks per episode \d+\.\d+/);
      child.kill("SIGTERM");
      assert.equal((await waitForProcess(child)).code, 0);
    }),
);
