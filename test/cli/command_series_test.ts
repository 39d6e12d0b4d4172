/** Commands of a series end and speak as those that have a process of their own. */

import assert from "node:assert/strict";
import { filesIn, runCommand, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

Deno.test("a series: what is refused, and what is done, is told as by a process of its own", () =>
  withSmallLog(async (folder, data) => {
    const file = `${folder}/model.onnx`;
    const cases = [
      ["--model", `${folder}/none`, "--onnx", file],
      ["--model", folder, "--data", data, "--onnx", file],
      ["--help"],
      ["--strange"],
    ];
    await using series = new CommandSeries("export", cases);
    for (const args of cases) {
      assert.deepEqual(await series.run(args), await runCommand("export", ...args), args.join(" "));
    }
    assert.deepEqual(filesIn(folder), ["small.tsv"]);
  }));

Deno.test("a series may write where the launcher lets its commands write, and nowhere else", () =>
  withSmallLog(async (folder, data) => {
    const args = (
      name: string,
    ) => ["--data", data, "--batch-size", "1000", "--save-dir", `${folder}/${name}`];
    await using series = new CommandSeries("train", [args("told")]);
    await assert.rejects(series.run(args("untold")), /was not told of what is written to/);
    const { code, stderr } = await series.run(args("told"));
    assert.equal(code, 1);
    assert.match(stderr, /^error: Expected a batch of at most 30 users/m);
    assert.deepEqual(filesIn(folder), ["small.tsv"]);
  }));
