/** The command of the exercises: lists them, writes a file to begin with, checks and times what is in it. */

import assert from "node:assert/strict";
import { exercises } from "../../src/selftest/exercise/exercises.ts";
import { type CommandResult, runScript } from "../command_check.ts";

const root = new URL("../../", import.meta.url);

/** A choice for an answer. */
const choice = "// grid: E\n" +
  `${Deno.readTextFileSync(new URL("kernels/choice/choice_nll_3_online.wgsl", root))}`;

function exercise(cwd: string, ...args: string[]): Promise<CommandResult> {
  const permissions = ["--allow-read", "--allow-env", "--allow-write", "--allow-ffi"];
  const flags = ["--config", new URL("deno.json", root).pathname, ...permissions];
  return runScript(new URL("bench/exercise.ts", root), flags, args, { cwd });
}

Deno.test("deno task exercise: lists, writes a file once, refuses it as it was written, and times what is right", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { starter = "" } = exercises.find(({ name }) => name === "softmax") ?? {};
    const listed = await exercise(folder);
    assert.equal(listed.code, 0, listed.stderr);
    for (const { name } of exercises) assert.ok(listed.stdout.includes(name), name);
    const unknown = await exercise(folder, "stairs");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /Allowed choices are softmax, matmul, .*sparsemax/);

    const begun = await exercise(folder, "softmax");
    assert.equal(begun.code, 0, begun.stderr);
    assert.match(begun.stdout, /exercises\/softmax\.wgsl is there now/);
    const file = `${folder}/exercises/softmax.wgsl`;
    assert.equal(await Deno.readTextFile(file), starter);
    const unfinished = await exercise(folder, "softmax");
    assert.equal(unfinished.code, 1);
    assert.match(unfinished.stderr, /is as it was written.*YOUR CODE/);
    await Deno.writeTextFile(file, `${starter}\n`);
    const wrong = await exercise(folder, "softmax");
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^error: exercises\/softmax\.wgsl is wrong at/m);
    assert.equal(await Deno.readTextFile(file), `${starter}\n`);

    const missing = await exercise(folder, "softmax", "--file", "other.wgsl");
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /there is no file other\.wgsl/);
    await Deno.writeTextFile(`${folder}/mine.wgsl`, choice);
    const right = await exercise(folder, "softmax", "--file", "mine.wgsl", "--rounds", "1");
    assert.equal(right.code, 0, right.stderr);
    assert.match(
      right.stdout,
      /mine\.wgsl is right at\n +1 x 1\n +13 x 3\n +67 x 41\n +7 x 3, all[^]*\n +2560 x 10\n/,
    );
    assert.match(right.stdout, /5 +yours +mine /);
    await Deno.writeTextFile(
      `${folder}/early.wgsl`,
      choice.replace("  let first = ", "  workgroupBarrier();\n  let first = "),
    );
    const early = await exercise(folder, "softmax", "--file", "early.wgsl", "--no-time");
    if (!early.stdout.includes("Tint was not asked")) {
      assert.equal(early.code, 1);
      assert.match(early.stderr, /early\.wgsl:\d+:\d+ .*uniform control flow/);
    }
    const checked = await exercise(folder, "softmax", "--file", "mine.wgsl", "--no-time");
    assert.equal(checked.code, 0, checked.stderr);
    assert.doesNotMatch(checked.stdout, /yours/);
    const long = await exercise(folder, "softmax", "--file", "mine.wgsl", "--no-time", "--size", "3x10000");
    assert.equal(long.code, 0, long.stderr);
    assert.match(long.stdout, /\n +3 x 10000\n/);
    const none = await exercise(folder, "softmax", "--size", "3");
    assert.equal(none.code, 1);
    assert.match(none.stderr, /Expected --size of numbers in .* such as 2560x10, got "3"/);
    const wide = await exercise(folder, "panel", "--size", "100x128x32");
    assert.equal(wide.code, 1);
    assert.match(wide.stderr, /Expected another --size than 100x128x32: the exercise sums over more than 64/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
