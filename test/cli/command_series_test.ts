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
    await using series = new CommandSeries("export");
    for (const args of cases) {
      assert.deepEqual(await series.run(args), await runCommand("export", ...args), args.join(" "));
    }
    assert.deepEqual(filesIn(folder), ["small.tsv"]);
  }));
