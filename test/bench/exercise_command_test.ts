/** The command of the exercises: lists them, writes a file to begin with, checks and times what is in it. */

import assert from "node:assert/strict";
import { exercises } from "../../src/selftest/exercise/exercises.ts";
import { runScript } from "../command_check.ts";
import { filledStarter } from "../exercise_answers.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

const root = new URL("../../", import.meta.url);

/** A choice for an answer. */
const choice = "// grid: E\n" +
  `${Deno.readTextFileSync(new URL("kernels/choice/choice_nll_3_online.wgsl", root))}`;

Deno.test("deno task exercise: lists, writes a file once, refuses it as it was written, and times what is right", () =>
  withEmptyFolder(async (folder) => {
    const permissions = ["--allow-read", "--allow-env", "--allow-write", "--allow-ffi"];
    const flags = ["--config", new URL("deno.json", root).pathname, ...permissions];
    const exercise = (...args: string[]) =>
      runScript(new URL("bench/exercise.ts", root), flags, args, { cwd: folder });
    const printed = async (...args: string[]) => {
      const { code, stdout, stderr } = await exercise(...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const refused = async (says: RegExp, ...args: string[]) => {
      const { code, stderr } = await exercise(...args);
      assert.equal(code, 1);
      assert.match(stderr, says);
    };
    const { starter = "" } = exercises.find(({ name }) => name === "softmax") ?? {};
    const listed = await printed();
    for (const { name } of exercises) assert.ok(listed.includes(name), name);
    await refused(/Allowed choices are softmax, matmul, .*sparsemax/, "stairs");

    assert.match(await printed("softmax"), /exercises\/softmax\.wgsl is there now/);
    const file = `${folder}/exercises/softmax.wgsl`;
    assert.equal(await Deno.readTextFile(file), starter);
    await refused(/is as it was written.*YOUR CODE/, "softmax");
    await Deno.writeTextFile(file, `${starter}\n`);
    await refused(/^error: exercises\/softmax\.wgsl is wrong at/m, "softmax");
    assert.equal(await Deno.readTextFile(file), `${starter}\n`);

    await refused(/there is no file other\.wgsl/, "softmax", "--file", "other.wgsl");
    await Deno.writeTextFile(`${folder}/mine.wgsl`, choice);
    const right = await printed("softmax", "--file", "mine.wgsl", "--rounds", "1");
    assert.match(
      right,
      /mine\.wgsl is right at\n +1 x 1\n +13 x 3\n +67 x 41\n +7 x 3, all[^]*\n +2560 x 10\n/,
    );
    assert.match(right, /5 +yours +mine /);
    await Deno.writeTextFile(
      `${folder}/early.wgsl`,
      choice.replace("  let first = ", "  workgroupBarrier();\n  let first = "),
    );
    const early = await exercise("softmax", "--file", "early.wgsl", "--no-time");
    if (!early.stdout.includes("Tint was not asked")) {
      assert.equal(early.code, 1);
      assert.match(early.stderr, /early\.wgsl:\d+:\d+ .*uniform control flow/);
    }
    assert.doesNotMatch(await printed("softmax", "--file", "mine.wgsl", "--no-time"), /yours/);
    const long = await printed("softmax", "--file", "mine.wgsl", "--no-time", "--size", "3x10000");
    assert.match(long, /\n +3 x 10000\n/);
    const rank = exercises.find(({ name }) => name === "rank") ?? assert.fail();
    await Deno.writeTextFile(`${folder}/rank.wgsl`, filledStarter(rank));
    const ranked = await printed("rank", "--file", "rank.wgsl", "--rounds", "1", "--size", "37");
    assert.match(ranked, /2 +yours +rank /);
    if (Deno.build.os !== "windows") {
      const { success } = await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
      if (success) await refused(/got what is no file, pipe/, "rank", "--file", "pipe");
    }
    await refused(/Expected --size of numbers in .* such as 2560x10, got "3"/, "softmax", "--size", "3");
    await refused(
      /Expected another --size than 100x128x32: the exercise sums over more than 64/,
      ...["panel", "--size", "100x128x32"],
    );
  }));
