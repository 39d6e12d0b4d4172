/** `policy train` from the outside: what it leaves and says, Ctrl-C, and going on bit for bit. */

import assert from "node:assert/strict";
import { filesIn, interrupt, runCommand } from "./command_check.ts";

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
  assert.match(first.stdout, /^Return \d\.\d{3} .* of 50 users over 4 pages/m);
  const files = ["curve.csv", "last.safetensors", "policy.json", "train.csv"];
  assert.deepEqual(filesIn(straight), files);

  const halted = await interrupt(
    /^0 pages of users/m,
    "policy",
    ...args,
    "--steps",
    "5120000",
    "--save-dir",
    stopped,
  );
  assert.equal(halted.code, 130, halted.stderr);
  assert.match(halted.stderr, /everything is saved in .*\nGo on with: deno task policy train --resume/);
  const again = await runCommand("policy", "train", "--resume", stopped, "--steps", "5120");
  if (again.code !== 0) assert.match(again.stderr, /Expected --steps of at least \d+, as so many are done/);
  else {
    // Epsilon and the rate depend on how long a training is: only the first episode, without them, is the same.
    const head = (path: string) => Deno.readTextFileSync(`${path}/train.csv`).split("\n").slice(0, 2);
    assert.deepEqual(head(stopped)[0], head(straight)[0]);
  }
  // It shows users slates of the size that it was trained for, through those that it was trained on.
  const shop = ["--shop", "restless", "--truth", "--users", "50", "--no-rivals"];
  const shown = await runCommand("simulate", ...shop, "--policy", straight);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^50 users, 4 pages of 2 of 500 items; [^]*\ngdqn +\d\.\d\d /);
  const wider = await runCommand("simulate", ...shop, "--policy", straight, "--slate", "3");
  assert.match(
    wider.stderr,
    /^error: Expected slates of 2 on 4 pages, for which the policy of .* was trained/m,
  );
  const others = await runCommand("simulate", ...shop, "--policy", straight, "--data-seed", "2");
  assert.match(others.stderr, /^error: Expected a policy over the items of restless, got .* with others\./m);

  const taken = await runCommand("policy", ...args, "--steps", "5120", "--save-dir", straight);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /but .* holds one\. Continue it with --resume/);
  await Deno.remove(folder, { recursive: true });
});
