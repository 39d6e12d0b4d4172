/** `policy train` from the outside: what it leaves and says, Ctrl-C, and going on bit for bit. */

import assert from "node:assert/strict";
import { shopItems } from "../../src/data/demo_shop.ts";
import { shopNamed } from "../../src/data/shops.ts";
import { Made } from "../../src/gpu/made.ts";
import { openPolicy } from "../../src/policy/trained_policy.ts";
import { CURVE_EPISODE } from "../../src/policy/learning/policy_trainer.ts";
import { meanReturn } from "../../src/simulate/figures.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { filesIn, interrupt, runCommand } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withGpu } from "../op_check.ts";

const SMALL = ["policy", "train", "--shop", "restless", "--truth", "--algorithm", "gdqn"] as const;
const SIZES =
  "--slate 2 --pages 4 --users 64 --hidden 8 --trunk 8 --rows 64 --evaluation-users 50 --evaluate-every 2560";
const sizes = SIZES.split(" ");

Deno.test("policy train is stopped, goes on, and leaves what a training leaves that was not", async () => {
  const folder = await Deno.makeTempDir();
  const [straight, stopped] = [`${folder}/straight`, `${folder}/stopped`];
  const args = [...SMALL.slice(1), ...sizes];
  const first = await runCommand("policy", ...args, "--steps", "5120", "--save-dir", straight);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^users: the truth of the restless shop of --data-seed 1, 500 items/m);
  assert.match(first.stderr, /^2,560 pages of users: return \d\.\d{3} \+- 0\.\d{3}/m);
  assert.match(first.stderr, /5,120\/5,120 {2}loss \d/);
  assert.match(first.stdout, /^Return \d\.\d{3} .* of 50 other users over 4 pages/m);
  const files = ["curve.csv", "last.safetensors", "policy.json", "train.csv"];
  assert.deepEqual(filesIn(straight), files);

  const long = [...args, "--steps", "5120000", "--save-dir", stopped];
  const halted = await interrupt(/^2,560 pages of users/m, "policy", ...long);
  assert.equal(halted.code, 130, halted.stderr);
  assert.match(halted.stderr, /everything is saved in .*\nGo on with: deno task policy train --resume/);
  // A row of train.csv is a page of 64 users. Two more episodes of 4 pages follow.
  const done = 64 * (Deno.readTextFileSync(`${stopped}/train.csv`).trim().split("\n").length - 1);
  await using policies = new CommandSeries(
    "policy",
    [stopped, straight].map((path) => ["train", "--save-dir", path]),
  );
  await using simulations = new CommandSeries("simulate", [[]]);
  const fewer = await policies.run(["train", "--resume", stopped, "--steps", `${done - 256}`]);
  assert.match(fewer.stderr, new RegExp(`Expected --steps of at least ${done}, as so many are done`));
  const again = await policies.run(["train", "--resume", stopped, "--steps", `${done + 512}`]);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^going on after [\d,]+ pages of users/m);
  assert.deepEqual(filesIn(stopped), files);
  // It shows users slates of the size that it was trained for, through those that it was trained on.
  const shop = ["--shop", "restless", "--truth", "--users", "50", "--no-rivals"];
  const shown = await simulations.run([...shop, "--policy", straight]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^50 users, 4 pages of 2 of 500 items; [^]*\ngdqn +\d\.\d\d /);
  const wider = await simulations.run([...shop, "--policy", straight, "--slate", "3"]);
  assert.match(
    wider.stderr,
    /^error: Expected slates of 2 on 4 pages, for which the policy of .* was trained/m,
  );
  const others = await simulations.run([...shop, "--policy", straight, "--data-seed", "2"]);
  assert.match(others.stderr, /^error: Expected a policy over the items of restless, got .* with others\./m);

  const taken = await policies.run([...args, "--steps", "5120", "--save-dir", straight]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /but .* holds one\. Continue it with --resume/);
  await opens(straight);
  await Deno.remove(folder, { recursive: true });
});

/** Opened again, the policy brings what the curve's highest point says. */
async function opens(path: string): Promise<void> {
  await withGpu(undefined, async (gpu) => {
    const opened = await openPolicy(path);
    const shop = shopNamed("restless") ?? assert.fail();
    using made = new Made();
    const policy = made.keep(opened.policy(new ShopSource(shop, shopItems(1))));
    const simulated = { users: 50, slate: 2, pages: 4, seed: 1 };
    const judge = new ShopSource(shop, shopItems(1));
    using simulator = await Simulator.create(gpu, judge, simulated);
    const figures = await simulator.run(policy, { firstEpisode: CURVE_EPISODE });
    const curve = Deno.readTextFileSync(`${path}/curve.csv`).trim().split("\n").slice(1);
    const returns = curve.map((row) => Number(row.split(",")[1]));
    assert.ok(new Set(returns).size === 3, returns.join());
    assert.equal(meanReturn(figures), Math.max(...returns));
    using longer = await Simulator.create(gpu, judge, { ...simulated, pages: 5 });
    await assert.rejects(longer.run(policy), /got slates of 2 on 5/);
    const other = new ShopSource(shop, shopItems(1, 400));
    assert.throws(() => opened.policy(other), /over its 500 items, got .* with 400/);
  });
}
