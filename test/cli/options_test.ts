/** Options that are not understood, or make no sense together, are refused in words; and what no command may write to. */

import assert from "node:assert/strict";
import { parseTrainOptions } from "../../src/commands/train/train_options.ts";
import { stagesConfigOf } from "../../src/run/options/train.ts";
import { parseReproduceOptions } from "../../src/commands/reproduce/reproduce_options.ts";
import { parseTuneOptions } from "../../src/commands/tune/tune_options.ts";
import { runScript, words } from "../command_check.ts";
import { userError, withEmptyFolder } from "../run/folder_check.ts";
import { tinyData } from "../small_models.ts";
import { Command } from "commander";
import * as texts from "../../src/cli/arguments.ts";
import { folder, parse, path } from "../../src/cli/options.ts";
import { expectApart } from "../../src/cli/outputs.ts";
import { file, treeOf } from "../bad_inputs/files.ts";

type Cases = readonly [line: string, says: RegExp][];

const TRAIN: Cases = [
  ["--dims 64-0", /Expected 1 to 8 sizes of 1\.\.4096[^]*got "64-0"/],
  ["--dims 64-x", /got "64-x"/],
  ["--dims=", /got ""/],
  ["--batch-size 0", /whole number of at least 1, got "0"/],
  ["--iterations 1.5", /whole number.*got "1\.5"/],
  ["--learning-rate -1", /a number above 0/],
  ["--learning-rate fast", /got "fast"/],
  ["--seed -1", /whole number/],
  ["yelp.txt", /too many arguments/],
  ["--data", /argument missing/],
  ["--iterations 5 --validate-every 6", /--validate-every of at most the 5/],
  ["--no-pretrain", /Expected --adversarial <n> with --no-pretrain, got none/],
  ["--reward-steps 0", /Expected --adversarial <n> with --reward-steps, got none/],
  ["--adversarial 10", /Expected --adversarial-validate-every of at most the 10 iterations/],
  ["--adversarial 200 --reward-steps -1", /Expected a whole number in 0\.\.32, got "-1"/],
  ["--adversarial 200 --generator-steps 0", /Expected a whole number in 1\.\.32, got "0"/],
  ["--adversarial 200 --behaviour-dims 8x8", /such as 64-64 or 32-64-32, got "8x8"/],
  ["--adversarial 200 --generator best", /Allowed choices are network, exact/],
  ["--encoder gru", /Allowed choices are lstm, pw/],
  ["--eta 0", /Expected a number above 0 and at most 1000, got "0"/],
  ["--item-dropout 1", /Expected a number from 0 to 0\.99, got "1"/],
  ["--weight-decay -1", /Expected a number from 0 to 1000, got "-1"/],
  ["--adam sparse", /Allowed choices are dense, row-sparse/],
  ["--early-stopping accuracy", /Allowed choices are loss, prec1, prec2/],
  ["--pw-lags 65", /Expected a whole number in 1\.\.64, got "65"/],
];

const TUNE: Cases = [
  ["--budget 0", /a number of minutes above 0/],
  ["--budget soon", /a number of minutes above 0/],
  ["--budget=", /a number of minutes above 0/],
  ["--criterion auc", /Allowed choices are loss, prec1, prec2/],
  ["--resume x", /unknown option '--resume'/],
  ["--adversarial 5", /unknown option '--adversarial'/],
  ["--iterations 5", /--validate-every of at most the 5 iterations/],
  ["runs/x", /too many arguments/],
];

const REPRODUCE: Cases = [
  ["--models baseline", /Expected --models among baseline-64-64, .*, got "baseline"/],
  ["--seeds 0", /Expected a whole number in 1\.\.1000, got "0"/],
];

const COMMANDS: Readonly<Record<string, [read: (args: string[]) => unknown, cases: Cases]>> = {
  train: [(args) => stagesConfigOf(parseTrainOptions(args).options, tinyData), TRAIN],
  tune: [parseTuneOptions, TUNE],
  reproduce: [parseReproduceOptions, REPRODUCE],
};

for (const [command, [read, cases]] of Object.entries(COMMANDS)) {
  Deno.test(`${command} refuses options that it does not understand, or that make no sense together`, () => {
    for (const [line, says] of cases) assert.throws(() => read(words(line)), userError(says), line);
  });
}

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
    const script = new URL("../../src/commands/lab.ts", import.meta.url);
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
