import assert from "node:assert/strict";
import { parseTrainOptions } from "../../src/commands/train/train_options.ts";
import { buildStagesConfig } from "../../src/run/options/stages_options.ts";
import { parseReproduceOptions } from "../../src/commands/reproduce/reproduce_options.ts";
import { parseTuneOptions } from "../../src/commands/tune/tune_options.ts";
import { parseSimulateOptions } from "../../src/commands/simulate/simulate_options.ts";
import { addPolicyTrainOptions, buildPolicyTrainingConfig } from "../../src/commands/policy/policy_train.ts";
import { extractFlag, listOptions } from "../../src/option.ts";
import * as v from "../../src/schema.ts";
import { stagesConfigSchema, trainingFields } from "../../src/train/training_config.ts";
import { expectRefusal, parseRows } from "../case_table.ts";
import { runScript, splitArgs } from "../command_check.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";
import { tinyData } from "../small_models.ts";
import { Command } from "commander";
import * as texts from "../../src/cli/arguments.ts";
import { folder, parse, path } from "../../src/cli/command_options.ts";
import { expectApart } from "../../src/cli/outputs.ts";
import { makeFifo, makeFile } from "../bad_inputs/files.ts";

const VALUES = parseRows(`
  --seed | Expected a whole number in 0..4294967295
    | ["", " ", "-1", "4294967296", "1.5", "1e3", "0x10", "NaN", "Infinity", "-0", "1,000", "\u0661", "+1",
      "99999999999999999999", "1\\n2", "$(id)"]
  --seeds | Expected a whole number in 1..1000 | ["0", "1001"]
  --jobs | Expected a whole number in 1..256 | ["0", "257"]
  --data-users-seed | Expected a whole number in 0..4294967295 | ["-1"]
  --memory-rows | Expected a whole number of at least 0 | ["-1", "9007199254740993"]
  --iterations | Expected a whole number in 1..2147483648 | ["0", "2147483649"]
  --batch-size | Expected a whole number of at least 1 | ["0"]
  --validate-every | Expected a whole number of at least 1 | ["0"]
  --evaluation-shards | Expected a whole number of at least 0 | ["0.5"]
  --validation-users | Expected a whole number of at least 1 | ["all"]
  --patience | Expected a whole number of at least 1 | ["0"]
  --micro-batch-rows | Expected a whole number of at least 1 | ["0"]
  --lstm-units | Expected a whole number in 1..1024 | ["1025"]
  --pw-lags | Expected a whole number in 1..64 | ["65"]
  --pw-weightings | Expected a whole number in 1..16 | ["17"]
  --learning-rate | Expected a number above 0 and at most 10
    | ["", "0", "-0", "-1e-3", "11", "NaN", "Infinity", "1e-400", "1e-3 1e-4", "0,001", "fast"]
  --kernel-sd | Expected a number above 0 and at most 10 | ["1e9"]
  --eta | Expected a number above 0 and at most 1000 | ["0", "1001"]
  --weight-decay | Expected a number from 0 to 1000 | ["-0.1"]
  --item-dropout | Expected a number from 0 to 0.99 | ["1"]
  --generator-learning-rate | Expected a number above 0 and at most 10 | ["0"]
  --generator-steps | Expected a whole number in 1..32 | ["0"]
  --utility-penalty | Expected a number from 0 to 1000 | ["-1"]
  --reward-steps | Expected a whole number in 0..32 | ["33"]
  --dims | Expected 1 to 8 layer sizes in 1..4096
    | ["", "0", "64-", "-64", "64,64", "64-x", "4097", "1-1-1-1-1-1-1-1-1", "\uff16\uff14"]
  --behaviour-dims | such as 64-64 | ["8x8"]
  --encoder | Allowed choices are lstm, pw | ["", "LSTM"]
  --adam | Allowed choices are dense, row-sparse | ["sparse"]
  --early-stopping | Allowed choices are loss, prec1, prec2, none | ["accuracy"]
  --generator | Allowed choices are network, exact | ["best"]
  --pw-nonlinearity | Allowed choices are none, tanh | ["relu"]
  --data | Expected a path, got nothing | ["", " "]
  --data | Expected a path in UTF-8 | ["a\uFFFDb"]
  --save-dir | Expected the path of a folder in UTF-8 | ["\uFFFD"]
  --save-dir | Expected the path of a folder, got nothing | ["", "  "]
  --init | Expected the path of a folder, got nothing | [""]
  --resume | Expected the path of a folder, got nothing | [""]
`);

const TRAIN = `
  --epochs 3 | unknown option '--epochs'
  --model pw | Expected --encoder pw, got --model pw
  --optimiser=row-sparse | Expected --adam row-sparse
  --split test | unknown option '--split'
  -d demo | unknown option '-d'
  --iter 5 | unknown option '--iter'
  yelp.txt | too many arguments
  '' | too many arguments
  -- --data x | too many arguments
  \u2013-data demo | too many arguments
  --resplit=yes | --resplit
  --data | argument missing
  --seed 1 --seed x | got "x"
  --seed x --seed 1 | got "x"
  --iterations 5 --validate-every 6 | Expected --validate-every of at most 5, the number of iterations, got 6
  --adversarial 5 | Expected --adversarial-validate-every of at most 5, the value of --adversarial
  --no-pretrain | Expected --adversarial <n> with --no-pretrain
  --no-pretrain --adversarial 500 --init x | Expected either --no-pretrain (random weights) or --init
  --generator exact --reward-steps 2 | Expected --adversarial <n> with --generator, --reward-steps
  --resume x --dims 8 --seed 2 --data x | Expected --resume alone or with --iterations or --adversarial, got --data, --seed, --dims
  --resume x --save-dir y | got --save-dir
  --seed 4294967295 --seeds 2 | Expected seeds of at most 4294967295, got --seed 4294967295 and --seeds 2
  --jobs 2 | Expected --jobs 1 without --seeds
`;

const TUNE = `
  --budget 0 | a number of minutes above 0
  --budget soon | a number of minutes above 0
  --budget=-1 | a number of minutes above 0
  --budget Infinity | a number of minutes above 0
  --budget= | a number of minutes above 0
  --criterion auc | Allowed choices are loss, prec1, prec2
  --model none | Expected --encoder none, got --model none
  --resume x | unknown option '--resume'
  --adversarial 5 | unknown option '--adversarial'
  --iterations 5 | --validate-every of at most 5, the number of iterations
  runs/x | too many arguments
`;

const REPRODUCE = `
  --dims 8 | unknown option '--dims'
  --models baseline | Expected --models among baseline-64-64, …, got "baseline"
  --models '' | Expected --models among
  --models ,, | Expected --models among
  --seeds 0 | Expected a whole number in 1..1000
  --seeds 1001 | Expected a whole number in 1..1000
  --seed 4294967295 | Expected seeds of at most 4294967295
  --iterations 9 | Expected a whole number in 10..
  --adversarial 1 | Expected a whole number in 10..
  --save-dir '' | Expected the path of a folder, got nothing
  --readme '' | Expected a path, got nothing
`;

const SIMULATE = `
  --shop demo | got only --shop
  --truth | Expected --shop (demo or restless) with --truth, got no --shop
  --shop demo --truth --data log.tsv | Expected either --shop or --data, got both
  --shop bazaar --truth | Allowed choices are demo, restless
  --shop demo --truth --uncalibrated | --uncalibrated only with --model
  --shop demo --truth --context '{"page":{"device":"phone"}}' | Expected --context only with --model
  --shop demo --truth --context {price} | Expected JSON such as
  --shop demo --truth --context '{"price":3}' | price: not one of page, impressions, time
  --shop demo --truth --context @missing.json | cannot read missing.json: no such file
  --shop demo --truth --explore boltzmann:1 | Expected plackett-luce:<temperature>
  --shop demo --truth --explore plackett-luce:-1 | with a temperature of 0.001 to 1000000
  --shop demo --truth --policy greedy --explore plackett-luce:1 --reward utility | --reward click with --policy greedy --explore
  --shop demo --truth --pages 0 | Expected a whole number in 1..100000
  --shop demo --truth --users 0 | Expected a whole number in 1..10000000
  --shop demo --truth --slate 0 | Expected a whole number in 1..1024
  --shop demo --truth --leave 1.5 | Expected a number from 0 to 1
  --shop demo --truth --leave=-0.1 | Expected a number from 0 to 1
  --shop demo --truth --leave often | Expected a number from 0 to 1
  --shop demo --truth --patience -1 | Expected a whole number in 0..
  --shop demo --truth --reward money | Allowed choices are click, utility
  --shop demo --truth --start all | Allowed choices are empty, train, validation, test
  --shop demo --truth --pool random:few | Expected random:<n> with a whole number
  --shop demo --truth --episodes-file csv | Expected --save-dir with --episodes-file
  --shop demo --truth --episodes-file json | Allowed choices are csv, parquet
  --shop demo --truth --save-dir x --write-log x | Expected --save-dir outside the path of --write-log
  --model x --data log.tsv --truth | Expected a synthetic shop (--shop demo or restless)
  --truth --data log.tsv | the ground truth of a log is unknown
`;

const POLICY_TRAIN = `
  --pages 0 | Expected a whole number in 1..100000
  --shop x --truth | Allowed choices are demo, restless
  --leave NaN | Expected a number from 0 to 1
  --algorithm ppo | Allowed choices are cdqn
  --rows 100 | Expected a multiple of 64
  --start all | Allowed choices are empty, train
  --hidden 65 | Expected 4, 8, 12, ... or 64 units
  --algorithm gdqn --target chained | Expected --target only with --algorithm cdqn
`;

const train = (args: string[]) => buildStagesConfig(parseTrainOptions(args).options, tinyData);
const COMMANDS: Readonly<Record<string, [read: (args: string[]) => unknown, cases: string]>> = {
  train: [train, TRAIN],
  tune: [parseTuneOptions, TUNE],
  reproduce: [parseReproduceOptions, REPRODUCE],
  simulate: [parseSimulateOptions, SIMULATE],
  "policy train": [
    (args) => buildPolicyTrainingConfig(parse(addPolicyTrainOptions(new Command()), args)),
    POLICY_TRAIN,
  ],
};

for (const [command, [read, cases]] of Object.entries(COMMANDS)) {
  Deno.test(`${command} refuses unknown options and contradictory ones`, async () => {
    for (const [line = "", says = ""] of parseRows(cases)) {
      await expectRefusal(() => read(splitArgs(line)), says, line);
    }
  });
}

Deno.test("an option refuses values out of its range, and names the range", async () => {
  for (const [option, says = "", values = ""] of VALUES) {
    const stage = /generator|reward|utility|behaviour/.test(option ?? "") ? ["--adversarial", "200"] : [];
    for (const value of JSON.parse(values)) {
      // With "=", so that a value may begin with a hyphen.
      await expectRefusal(() => train([`${option}=${value}`, ...stage]), says, `${option}=${value}`);
    }
  }
});

Deno.test("config.json stores every value of a training option unchanged", () => {
  for (const option of listOptions(trainingFields)) {
    for (const choice of option.kind === "choice" ? option.choices : []) {
      const { training } = v.parse(stagesConfigSchema, train([extractFlag(option), choice]));
      assert.equal(Object.entries(training).find(([field]) => field === option.name)?.[1], choice);
    }
  }
});

const files = {
  "log.csv": "user,item",
  "set/manifest.json": '{ "format": "clickgan-dataset" }',
  "run/config.json": '{ "format": "clickgan-run" }',
  "other/config.json": '{ "mode": "x", "clickgan": "1", "format": "clickgan" }',
  "run/adversarial/last.safetensors": "",
  "search/tune.json": '{ "format": "clickgan-tune" }',
  "mine/config.json": "{}",
  "pipe/x": "",
};

function given(args: readonly string[]): object {
  const command = new Command().argument("[more...]").option("--pool <which>", "", (file) => ({ file }));
  for (const text of [texts.DATA, texts.RESUME, texts.OUT_FILE, texts.SAVE_DIR, texts.WRITE_LOG]) {
    command.option(text, "", path);
  }
  for (const text of [texts.BUILD, texts.JSON_FILE, texts.HTML_FILE]) command.option(text, "", folder);
  return parse(command, args);
}

Deno.test("an output path that the command reads, or that another program created, is refused", () =>
  withEmptyFolder(async (dir) => {
    for (const [name, text] of Object.entries(files)) makeFile(name, text)(dir);
    Deno.symlinkSync(`${dir}/log.csv`, `${dir}/link.csv`);
    Deno.symlinkSync(`${dir}/run`, `${dir}/way`);
    if (Deno.build.os !== "windows") await makeFifo("pipe/config.json")(dir);
    const at = (line: string) => line.split(" ").map((word) => word.replace("DIR", dir));
    const overlapping = [
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
      "--json DIR/run/config.json",
      "--html DIR/way/report.html",
      "--json DIR/log.csv --data DIR/log.csv",
      "--build DIR/run",
      "--build DIR/way/",
    ];
    for (const line of overlapping) {
      assert.throws(() => given(at(line)), isUserError(/outside the (path|output) of/), line);
    }
    const taken = [
      "--data DIR/log.csv --out DIR/log.csv.csv",
      "--data DIR/run --save-dir DIR/runs",
      "--resume DIR/run",
      "--save-dir DIR/run", // accepted: only the owner of the folder checks that it is free
      "--out DIR/mine/p.csv",
      "--out DIR/other/p.csv", // its config.json belongs to another program
      "--out DIR/pipe/p.csv",
      "--build DIR/mine",
      "DIR/none --out DIR/none/p.csv",
    ];
    for (const line of taken) given(at(line));
    const [output, log] = [{ by: "--out", path: `${dir}/link.csv` }, {
      by: "its run",
      path: `${dir}/log.csv`,
    }];
    assert.throws(() => expectApart(output, [log]), isUserError(/path of its run/));
  }));

Deno.test("lab --build overwrites only its own page", () =>
  withEmptyFolder(async (dir) => {
    const script = new URL("../../src/commands/lab.ts", import.meta.url);
    const build = (name: string) => runScript(script, ["--allow-all"], ["--build", `${dir}/${name}`]);
    assert.equal((await build("site")).code, 0);
    await Deno.writeTextFile(`${dir}/site/notes.txt`, "x");
    assert.equal((await build("site")).code, 0);
    await Deno.writeTextFile(`${dir}/index.html`, "mine");
    const { code, stderr } = await build("");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /index\.html exists already/);
    assert.equal(await Deno.readTextFile(`${dir}/index.html`), "mine");
  }));
