import assert from "node:assert/strict";
import {
  assertSameStage,
  interrupt,
  listFiles,
  runOk,
  splitArgs,
  STAGE_FILES,
  withSmallLog,
} from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const SMALL = splitArgs("--batch-size 12 --dims 8 --lstm-units 4 --validate-every 4");
const GAME = splitArgs(
  "--adversarial 20 --adversarial-batch-size 12 --adversarial-validate-every 5 --behaviour-dims 8 --generator-warmup 6",
);
const SHANNON = ["--iterations", "12", ...SMALL];
const series = new CommandSeries("train");

Deno.test("both stages share a folder with logs, snapshots and metrics; evaluate agrees with them", () =>
  withSmallLog(async (folder, data) => {
    const run = `${folder}/run`;
    const trained = await series.ok(["--data", data, "--save-dir", run, ...SHANNON, ...GAME]);
    assert.deepEqual(listFiles(`${run}/adversarial`), STAGE_FILES);
    const [head, ...rows] = Deno.readTextFileSync(`${run}/adversarial/train.csv`).trim().split("\n");
    assert.equal(head, "iteration,loss,loss_min,loss_max,pi_prec1,pi_prec2,prec1,prec2");
    assert.equal(rows.length, 20);
    assert.doesNotMatch(rows.join(), /NaN/);
    assert.match(trained.stdout, /best-prec1, pi /);
    const { test } = JSON.parse(Deno.readTextFileSync(`${run}/adversarial/result.json`));
    const snapshot = `${run}/adversarial/best-prec1.safetensors`;
    const evaluated = await runOk("evaluate", "--model", snapshot, "--data", data, "--json");
    const figures = JSON.parse(evaluated.stdout);
    const own = test.find((r: { snapshot: string }) => r.snapshot === "best-prec1");
    for (const name of ["nll", "prec1", "piPrec1", "piPrec2", "lossMin", "lossMax"]) {
      assert.ok(Math.abs(figures[name] - own[name]) < 1e-6, `${name}: ${figures[name]} ${own[name]}`);
    }

    const train = (
      name: string,
      more: string,
      ...options: string[]
    ) => [...splitArgs(`--data ${data} --save-dir ${folder}/${name} ${more}`), ...options];
    const tuned = `${folder}/tuned`;
    await series.ok(train("tuned", `--init ${run}`, ...GAME));
    assert.deepEqual(listFiles(tuned), ["adversarial", "config.json", "report.html"]);
    assert.deepEqual(
      Deno.readTextFileSync(`${tuned}/adversarial/train.csv`),
      Deno.readTextFileSync(`${run}/adversarial/train.csv`),
    );
    await series.ok(train("again", `--init ${snapshot} --no-report`, ...SHANNON));
  }));

Deno.test("an interrupted adversarial stage resumes bit for bit, alone and after the Shannon stage", () =>
  withSmallLog(async (folder, data) => {
    const game = GAME.with(GAME.indexOf("--adversarial-validate-every") + 1, "20");
    const long = game.with(1, "200");
    for (const [name, options] of [["both", SHANNON], ["alone", [...SMALL, "--no-pretrain"]]] as const) {
      const args = (run: string) => [
        ...splitArgs(`--data ${data} --save-dir ${folder}/${run} --no-report`),
        ...options,
      ];
      await series.ok([...args(`${name}-whole`), ...game.with(1, "220")]);
      const stopped = await interrupt(/\d\/200/, "train", ...args(`${name}-part`), ...long);
      assert.equal(stopped.code, 130, stopped.stderr);
      const part = `${folder}/${name}-part`;
      await series.ok(`--resume ${part} --adversarial 220 --no-report`);
      assertSameStage(`${folder}/${name}-whole/adversarial`, `${part}/adversarial`);
    }
    const late = `--resume ${folder}/both-part --iterations 20`;
    await series.refused(late, /Expected an unchanged number of iterations of the Shannon stage/);
  }));

Deno.test("seeds train both stages, with position weights and batch norm, stopping early", () =>
  withSmallLog(async (folder, data) => {
    const path = `${folder}/seeds`;
    const options = splitArgs("--encoder pw --pw-nonlinearity tanh --batch-norm --eta 2 --generator exact");
    const stop = splitArgs("--early-stopping loss --patience 8 --weight-decay 1 --item-dropout 0.2");
    const game = GAME.filter((arg) => arg !== "--behaviour-dims" && arg !== "8");
    const { stdout } = await series.ok([
      ...splitArgs(`--data ${data} --save-dir ${path} --seeds 2 --iterations 300 --batch-size 12`),
      ...splitArgs("--dims 8-5 --validate-every 4"),
      ...[...options, ...stop, ...game],
    ]);
    assert.match(stdout, /Test users, adversarial stage, mean \+- sd over 2 seeds/);
    const result = JSON.parse(Deno.readTextFileSync(`${path}/seed-1/result.json`));
    assert.ok(result.iteration < 300, "it stopped early");
    await runOk("report", path, "--out", `${folder}/page.html`);
    assert.doesNotMatch(Deno.readTextFileSync(`${folder}/page.html`), /unfinished/);
  }));
