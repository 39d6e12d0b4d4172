/** What no command may write to. */

import assert from "node:assert/strict";
import { Command } from "commander";
import * as texts from "../../src/cli/arguments.ts";
import { folder, parse, path } from "../../src/cli/options.ts";
import { expectApart } from "../../src/cli/outputs.ts";
import { file, treeOf } from "../bad_inputs/files.ts";
import { userError, withEmptyFolder } from "./folder_check.ts";
import { runScript } from "../command_check.ts";

const files = {
  "log.csv": "user,item",
  "set/manifest.json": '{ "format": "clickgan-dataset" }',
  "run/config.json": '{ "clickgan": "1" }',
  "run/adversarial/last.safetensors": "",
  "search/tune.json": '{ "clickgan": "1" }',
  "mine/config.json": "{}",
};

function given(args: readonly string[]): object {
  const command = new Command().argument("[more...]").option(texts.DATA, "", path).option(
    texts.RESUME,
    "",
    path,
  )
    .option("--pool <which>", "", (file) => ({ file }));
  for (const text of [texts.OUT_FILE, texts.SAVE_DIR, texts.WRITE_LOG]) command.option(text, "", folder);
  return parse(command, args);
}

Deno.test("no output is, or lies within, what a command reads or what another one made", () =>
  withEmptyFolder((dir) => {
    for (const [name, text] of Object.entries(files)) file(name, text)(dir);
    Deno.symlinkSync(`${dir}/log.csv`, `${dir}/link.csv`);
    Deno.symlinkSync(`${dir}/run`, `${dir}/way`);
    const at = (line: string) => line.split(" ").map((word) => word.replace("DIR", dir));
    const refused = [
      "--data DIR/log.csv --out DIR/log.csv",
      "--data DIR/log.csv --out=DIR/mine/../log.csv",
      "--data DIR/log.csv --out DIR/link.csv",
      "--data=DIR/mine --out DIR/mine/new/p.csv",
      "DIR/log.csv --out DIR/log.csv",
      "--pool DIR/log.csv --out DIR/log.csv",
      "--out DIR/set/pages.parquet",
      "--out DIR/run/p.csv",
      "--out DIR/way/p.csv",
      "--save-dir DIR/run/adversarial/deeper/x",
      "--save-dir DIR/search/setting-000",
      "--save-dir DIR/x --write-log DIR/x/y",
      "--save-dir DIR/x --write-log DIR/x",
    ];
    for (const line of refused) assert.throws(() => given(at(line)), userError(/apart from/), line);
    const taken = [
      "--data DIR/log.csv --out DIR/log.csv.csv",
      "--data DIR/run --save-dir DIR/runs",
      "--resume DIR/run",
      "--save-dir DIR/run", // whether it is free, the owner of the folder looks
      "--out DIR/mine/p.csv",
      "DIR/none --out DIR/none/p.csv",
    ];
    for (const line of taken) given(at(line));
    const [output, log] = [{ by: "--out", path: `${dir}/link.csv` }, {
      by: "its run",
      path: `${dir}/log.csv`,
    }];
    assert.throws(() => expectApart(output, [log]), userError(/what its run names/));
  }));

Deno.test("lab --build writes over its own page alone", () =>
  withEmptyFolder(async (dir) => {
    const script = new URL("../../src/lab/command.ts", import.meta.url);
    const build = (name: string) => runScript(script, ["--allow-all"], ["--build", `${dir}/${name}`]);
    assert.equal((await build("site")).code, 0);
    await Deno.writeTextFile(`${dir}/site/notes.txt`, "x");
    assert.equal((await build("site")).code, 0);
    for (const name of ["index.html", "lab.html", "worker.js"]) {
      await Deno.mkdir(`${dir}/${name}`);
      await Deno.writeTextFile(`${dir}/${name}/${name}`, "mine");
      const { code, stderr } = await build(name);
      assert.equal(code, 1, stderr);
      assert.match(stderr, new RegExp(`has another ${name}`));
      assert.deepEqual(Array.from(await treeOf(`${dir}/${name}`)).length, 1);
      assert.equal(await Deno.readTextFile(`${dir}/${name}/${name}`), "mine");
    }
  }));
