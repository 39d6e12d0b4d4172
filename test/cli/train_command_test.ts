import assert from "node:assert/strict";
import { defaultModel } from "../../src/model/model_config.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import {
  assertSameStage,
  type CommandResult,
  interrupt,
  listFiles,
  signalCommand,
  splitArgs,
  STAGE_FILES,
  withSmallDisk,
  withSmallLog,
  writePaperFile,
} from "../command_check.ts";
import { OwnedFolder } from "../../src/files/owned_folder.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { CommandSeries } from "../command_series.ts";
import { readCharts } from "../page_charts.ts";

const RUN_FILES = [...STAGE_FILES, "report.html"].sort();
const SIZES = "--batch-size 12 --dims 8 --lstm-units 4";
const SMALL = `${SIZES} --validate-every 4`;

/** Folder of runs that several tests read. One process trains most runs. Tests write to other folders. */
const folder = await Deno.makeTempDir({ prefix: "clickgan-train-" });
const data = `${folder}/small.tsv`;
writePaperFile(data, createSmallLog(31, { users: 90, items: 30, width: 0 }));
const trainings = new CommandSeries("train");
const evaluations = new CommandSeries("evaluate");
Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

const train = (line: string) => trainings.ok(line);

const LONG = `--data ${data} ${SIZES} --validate-every 20 --iterations 400`;
let made: Promise<string> | undefined;
function wholeSeeds(): Promise<string> {
  const path = `${folder}/seeds-400`;
  return made ??= train(`${LONG} --save-dir ${path} --seeds 2`).then(() => path);
}

const run = `${folder}/run`;
let trained: Promise<CommandResult> | undefined;
const wholeRun = () => trained ??= train(`--data ${data} --save-dir ${run} --iterations 30 ${SMALL}`);

function rows(path: string): string[] {
  return Deno.readTextFileSync(path).trim().split("\n");
}
const json = (path: string) => JSON.parse(Deno.readTextFileSync(path));

function assertSameRun(a: string, b: string): void {
  assertSameStage(a, b);
  assert.deepEqual(json(`${a}/result.json`).test, json(`${b}/result.json`).test);
}

Deno.test("train leaves a complete run, and evaluate agrees with its test metrics", async () => {
  const { stdout } = await wholeRun();
  for (const row of ["best-loss", "best-prec1", "best-prec2", "last", "random", "click rate", "item-kNN"]) {
    assert.match(stdout, new RegExp(`^${row} `, "m"));
  }
  assert.deepEqual(listFiles(run), RUN_FILES);

  const train = rows(`${run}/train.csv`);
  assert.equal(train[0], "iteration,loss,prec1,prec2");
  assert.deepEqual(
    train.slice(1).map((row) => Number(row.split(",")[0])),
    Array.from({ length: 30 }, (_, k) => k + 1),
  );
  assert.deepEqual(
    rows(`${run}/validation.csv`).slice(1).map((row) => Number(row.split(",")[0])),
    [0, 4, 8, 12, 16, 20, 24, 28],
  );
  const config = json(`${run}/config.json`);
  const counts = { fields: [], latest: 500, neighbours: 30 };
  assert.deepEqual(config.model, { ...defaultModel, lstmUnits: 4, dims: [8], wide: 8, counts });
  assert.equal(config.data.sha256.length, 64);
  assert.deepEqual([typeof config.adapter.driver, typeof config.system], ["string", "string"]);
  assert.match(config.adapter.runtime, /^Deno\/\d/);

  const { tensors } = decodeSafetensors(Deno.readFileSync(`${run}/best-loss.safetensors`), "best-loss");
  assert.deepEqual(tensors.get("encoder/lstm/recurrent_kernel")?.shape, [4, 16]);

  const { test: [result], baselines, snapshots, verdict } = json(`${run}/result.json`);
  assert.deepEqual(Object.keys(result.against), ["random", "clickRate", "lastClick", "itemKnn", "logit"]);
  assert.equal(baselines.categoryRate, null);
  assert.equal(snapshots.length, 6);
  assert.ok(verdict.length > 0);
  const { metrics: { prec1 }, intervals, calibration, slices } = result.details;
  assert.ok(
    Math.abs(prec1 - result.prec1) < 1e-6 && intervals.prec1[0] < prec1 && prec1 < intervals.prec1[1],
  );
  const page = Deno.readTextFileSync(`${run}/report.html`);
  const bars = readCharts(page).filter(({ id }) => id.startsWith("test-"));
  assert.deepEqual(
    bars.map(({ config }) => config.data.datasets[0]?.data[0]?.x),
    [result.nll, result.prec1, result.prec2],
  );
  const row = page.match(/<th scope="row">best-loss<\/th>.*/)?.[0].matchAll(/<td>([^<]*)/g) ?? [];
  const { metrics } = result.details;
  const shownMetrics = ["nll", "prec1", "prec2", "longerPrec1", "longerPrec2", "mrr", "ndcg", "auc"];
  assert.deepEqual(Array.from(row, ([, text]) => Number(text)), [
    result.iteration,
    ...shownMetrics.map((name) => metrics[name]).map((value) => Number(value.toFixed(4))),
  ]);
  assert.ok(calibration.click.bins.length > 1 && calibration.noClick.bins.length > 0);
  assert.deepEqual(Object.keys(slices), ["page length", "history", "position", "item"]);
  const scored = await evaluations.ok(
    `--model ${run}/best-loss.safetensors --against ${run}/last.safetensors --data ${data} --json`,
  );
  const figures = JSON.parse(scored.stdout);
  for (
    const key of ["nll", "prec1", "prec2", "iteration", "snapshot", "longerPages", "details", "against"]
  ) {
    assert.deepEqual(figures[key], result[key], key);
  }
  const paired = snapshots.find((s: { snapshot: string; minus: string }) =>
    s.snapshot === "best-loss" && s.minus === "last"
  );
  assert.deepEqual(figures.minus.differences, paired.differences);
  assert.deepEqual(figures.baselines, baselines);
  // Validation users do not affect training.
  const some = Deno.readTextFileSync(data).split("\n").filter((line, k) => k === 0 || /\t2$/.test(line));
  const shortened = some.filter((line) => !/\t29\t/.test(line)).join("\n");
  Deno.writeTextFileSync(`${folder}/test.tsv`, shortened);
  const last = `--model ${run}/last.safetensors`;
  const partial = await evaluations.ok(`${last} --data ${folder}/test.tsv`);
  assert.doesNotMatch(partial.stdout, /click rate/);
  const shown = await evaluations.ok(`${last} --data ${data} --split all`);
  assert.match(shown.stdout, /^last +30 /m, shown.stderr);
  assert.match(
    shown.stdout,
    /^Baselines are left out, because the tested users include .* For a comparison, use --split test\.$/m,
  );
  const { against } = JSON.parse(
    (await evaluations.ok(`${last} --data ${data} --split train --json`)).stdout,
  );
  assert.deepEqual(Object.keys(against), ["random"]);
});

Deno.test("an extended and resumed run equals an uninterrupted one, bit for bit", async () => {
  const whole = `${await wholeSeeds()}/seed-1`;
  const stopped = `${folder}/stopped`;
  await train(`${LONG} --save-dir ${stopped} --iterations 25`);
  const more = splitArgs(`--resume ${stopped} --iterations 400`);
  const { code, stderr: text } = await interrupt(/\d+\/400/, "train", ...more);
  assert.equal(code, 130, text);
  assert.match(text, /resuming after iteration 25/);
  assert.match(text, /Interrupted after iteration \d+; everything is saved/);
  assert.match(text, new RegExp(`Resume with: deno task -q train --resume ${stopped}`));
  const at = rows(`${stopped}/train.csv`).length - 1;
  assert.ok(at > 25 && at < 400, `stopped at ${at}`);
  await train(`--resume ${stopped}`);
  assertSameRun(whole, stopped);
});

Deno.test("--adam row-sparse and --validation-users are stored in the config, and such a run resumes bit for bit", async () => {
  const common = `--data ${data} ${SMALL} --no-report`;
  const few = `${common} --validation-users 5`;
  const game = "--adversarial-batch-size 12 --adversarial-validate-every 5 --behaviour-dims 8";
  const sparse = `${few} ${game} --adam row-sparse --iterations 16`;
  const [whole, part, all] = ["sparse", "sparse-part", "all"].map((name) => `${folder}/${name}`);
  assert.ok(whole && part && all);
  await train(`${sparse} --adversarial 15 --save-dir ${whole}`);
  await train(`${sparse} --adversarial 5 --save-dir ${part}`);
  await train(`--resume ${part} --adversarial 15 --no-report`);
  assertSameRun(whole, part);
  assertSameRun(`${whole}/adversarial`, `${part}/adversarial`);
  const { training, adversarial } = json(`${whole}/config.json`);
  assert.deepEqual([training.adam, adversarial.adam], ["row-sparse", "row-sparse"]);
  assert.equal(training.validationUsers, 5);

  // Each seed equals a run of that seed alone.
  await train(`${common} --adam row-sparse --save-dir ${all} --iterations 12`);
  assert.equal(json(`${all}/config.json`).training.validationUsers, null);
  assert.notEqual(rows(`${all}/validation.csv`)[1], rows(`${whole}/validation.csv`)[1]);
  assert.deepEqual(rows(`${all}/train.csv`), rows(`${whole}/train.csv`).slice(0, 13));
});

Deno.test("--seeds trains each seed and reports mean and sd; --init starts from a snapshot", async () => {
  const path = `${folder}/seeds`;
  const common = `--data ${data} --iterations 12 ${SMALL}`;
  const { stdout } = await train(`${common} --save-dir ${path} --seeds 3 --seed 7`);
  assert.match(stdout, /mean \+- sd over 3 seeds:/);
  assert.deepEqual(listFiles(path), "report.html result.json seed-7 seed-8 seed-9 seeds.json".split(" "));
  const losses = json(`${path}/result.json`).runs.map((r: { test: { nll: number }[] }) => r.test[0]?.nll);
  const mean = losses.reduce((s: number, x: number) => s + x, 0) / 3;
  assert.match(stdout, new RegExp(`^best-loss .* ${mean.toFixed(4)} \\+- 0\\.\\d{4}`, "m"));
  const lasts = json(`${path}/result.json`).runs.map((r: { test: { nll: number }[] }) => r.test.at(-1)?.nll);
  assert.equal(new Set(lasts).size, 3);
  for (const seed of [7, 8, 9]) assert.equal(json(`${path}/seed-${seed}/config.json`).training.seed, seed);
  const alone = `${folder}/alone`;
  await train(`${common} --save-dir ${alone} --seed 8`);
  assertSameRun(alone, `${path}/seed-8`);

  // The model is that of the snapshot, and the first validation is of the snapshot's weights.
  const from = `${path}/seed-7/last.safetensors`;
  const next = `${folder}/next`;
  await train(
    `--data ${data} --batch-size 12 --iterations 2 --validate-every 1 --init ${from} --save-dir ${next}`,
  );
  assert.deepEqual(json(`${next}/config.json`).model.dims, [8]);
  assert.equal(
    rows(`${next}/validation.csv`)[1]?.slice(1),
    rows(`${path}/seed-7/validation.csv`).at(-1)?.slice(2),
  );
});

Deno.test("interrupted seeds resume and end as uninterrupted ones", async () => {
  const whole = await wholeSeeds();
  const stopped = `${folder}/stopped-seeds`;
  const common = splitArgs(`${LONG} --seeds 2 --save-dir ${stopped}`);
  const { code, stderr } = await interrupt(/seed 2\n[^]*\d+\/400/, "train", ...common);
  assert.equal(code, 130, stderr);
  assert.match(stderr, new RegExp(`1 of 2 seeds; everything is saved in ${stopped}`));
  assert.ok(!listFiles(stopped).includes("result.json"));
  const { stdout } = await train(`--resume ${stopped}`);
  assert.match(stdout, /mean \+- sd over 2 seeds/);
  for (const seed of ["seed-1", "seed-2"]) assertSameRun(`${whole}/${seed}`, `${stopped}/${seed}`);
});

Deno.test("parallel seeds have the same bits, report a failed one, and survive Ctrl-C and a kill", async () => {
  const whole = await wholeSeeds();
  const path = `${folder}/jobs`;
  const held = `${path}/seed-2`;
  const isFree = async (seed: string) => !await pathExists(`${path}/${seed}/.clickgan.lock`);
  const common = splitArgs(`${LONG} --seeds 2 --jobs 2 --save-dir ${path}`);
  const stopped = await interrupt(/seed 1: \d+\/400/, "train", ...common);
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /of 2 seeds; everything is saved in/);
  assert.ok(await isFree("seed-1") && await isFree("seed-2"), "no child is left");

  const go = ["--resume", path, "--jobs", "2"];
  const killed = await signalCommand("SIGKILL", /seed \d: \d+\/400/, "train", ...go);
  assert.equal(killed.code, 137, killed.stderr);
  while (!(await isFree("seed-1") && await isFree("seed-2"))) {
    await new Promise((done) => setTimeout(done, 50));
  }

  await Deno.mkdir(held, { recursive: true });
  {
    using _held = OwnedFolder.open(held);
    await trainings.refused(go, /1 of 2 .*\n {2}seed 2: .*seed-2 is being written by process/);
    assert.ok(await pathExists(`${path}/seed-1/result.json`), "the other seed must have finished");
  }
  const { stdout } = await trainings.ok(go);
  assert.match(stdout, /mean \+- sd over 2 seeds/);
  for (const seed of ["seed-1", "seed-2"]) assertSameRun(`${whole}/${seed}`, `${path}/${seed}`);
});

Deno.test("a run killed between its snapshots resumes as if uninterrupted", async () => {
  await wholeRun();
  // faults_test.ts kills trainings at other points. Killed between a best snapshot and its `last`, and between `last` and its rename.
  const twice = `${folder}/twice`;
  await train(`--data ${data} --save-dir ${twice} --iterations 12 ${SMALL}`);
  Deno.renameSync(`${twice}/best-loss.safetensors`, `${twice}/best-loss.aside.safetensors`);
  Deno.copyFileSync(`${run}/best-prec1.safetensors`, `${twice}/best-prec1.aside.safetensors`);
  await train(`--resume ${twice} --iterations 30`);
  assertSameRun(run, twice);
});

Deno.test("a new split keeps the sizes of the parts and follows from the seed", async () => {
  const clickRate = (run: string) => json(`${run}/result.json`).baselines.clickRate;
  const dealt = async (name: string) => {
    const run = `${folder}/${name}`;
    await train(`--data ${data} --iterations 4 --save-dir ${run} ${SMALL} --resplit`);
    return clickRate(run);
  };
  const one = await dealt("dealt");
  assert.deepEqual(await dealt("dealt-again"), one);
  assert.notDeepEqual(clickRate(`${await wholeSeeds()}/seed-1`), one);
});

Deno.test("a NaN loss ends training, reports the iteration, and keeps the best snapshots", async () => {
  const short = `${SMALL} --iterations 4 --validate-every 2`;
  const run = `${folder}/good`;
  await train(`--data ${data} --save-dir ${run} ${short}`);
  const { tensors, metadata } = decodeSafetensors(Deno.readFileSync(`${run}/last.safetensors`), "last");
  for (const { data } of tensors.values()) if (data instanceof Float32Array) data.fill(1e30);
  const huge = `${folder}/huge.safetensors`;
  Deno.writeFileSync(huge, encodeSafetensors(tensors, metadata));
  const bad = `${folder}/bad`;
  await trainings.refused(
    `--data ${data} --init ${huge} --save-dir ${bad} --batch-size 12`,
    /The loss of iteration 1 is not a finite number[^]*smaller --learning-rate, or smaller initial weights/,
  );
  assert.deepEqual(listFiles(bad), ["config.json", "last.safetensors", "train.csv", "validation.csv"]);
  const kept = decodeSafetensors(Deno.readFileSync(`${bad}/last.safetensors`), "kept");
  assert.equal(kept.metadata.iteration, "0");

  // If training diverges later, the best earlier weights are kept, and the run can continue up to that point.
  const steep = `${folder}/steep`;
  await train(`--data ${data} --save-dir ${steep} ${short} --init ${run}/last.safetensors`);
  const state = decodeSafetensors(Deno.readFileSync(`${steep}/last.safetensors`), "last");
  const weights = new Map(state.tensors);
  for (const [name, { shape, data }] of weights) {
    if (!name.startsWith("adam.m/")) continue;
    // A moment that makes the weights infinite after some steps.
    weights.set(name, { shape, data: Float32Array.from(data, () => 1e37) });
  }
  Deno.writeFileSync(`${steep}/last.safetensors`, encodeSafetensors(weights, state.metadata));
  const files = listFiles(steep);
  const diverged = await trainings.refused(`--resume ${steep} --iterations 400`, /loss of iteration/);
  const at = Number(diverged.match(/loss of iteration (\d+)/)?.[1]);
  assert.ok(at > 4 && at < 400, diverged);
  assert.deepEqual(listFiles(steep).filter((name) => !name.includes(".aside.")), files);
  await train(`--resume ${steep} --iterations 4`);
});

Deno.test("a full disk ends training with a message and leaves no half-written file", () =>
  withSmallLog(async (folder, data) => {
    // At the first snapshot, or at a later one.
    for (const room of ["20k", "52k"]) {
      const disk = `${folder}/disk`;
      await withSmallDisk(disk, room, async () => {
        const run = `${disk}/run`;
        const args = `--data ${data} --save-dir ${run} ${SIZES} --iterations 400 --early-stopping none`;
        await trainings.refused(args, /disk is full/);
        const snapshots = room === "52k" ? ["last.safetensors"] : [];
        assert.deepEqual(listFiles(run), ["config.json", ...snapshots, "train.csv", "validation.csv"]);
        for (const name of snapshots) decodeSafetensors(Deno.readFileSync(`${run}/${name}`), name);
      });
    }
  }));

const GAME = splitArgs(
  "--adversarial 20 --adversarial-batch-size 12 --adversarial-validate-every 5 --behaviour-dims 8 --generator-warmup 6",
);
const SHANNON = splitArgs(`--iterations 12 ${SMALL}`);

Deno.test("both stages share a folder with logs, snapshots and metrics; evaluate agrees with them", () =>
  withSmallLog(async (folder, data) => {
    const run = `${folder}/run`;
    const trained = await trainings.ok(["--data", data, "--save-dir", run, ...SHANNON, ...GAME]);
    assert.deepEqual(listFiles(`${run}/adversarial`), STAGE_FILES);
    const [head, ...steps] = rows(`${run}/adversarial/train.csv`);
    assert.equal(head, "iteration,loss,loss_min,loss_max,pi_prec1,pi_prec2,prec1,prec2");
    assert.equal(steps.length, 20);
    assert.doesNotMatch(steps.join(), /NaN/);
    assert.match(trained.stdout, /best-prec1, pi /);
    const { test } = json(`${run}/adversarial/result.json`);
    const snapshot = `${run}/adversarial/best-prec1.safetensors`;
    const evaluated = await evaluations.ok(["--model", snapshot, "--data", data, "--json"]);
    const figures = JSON.parse(evaluated.stdout);
    const own = test.find((r: { snapshot: string }) => r.snapshot === "best-prec1");
    for (const name of ["nll", "prec1", "piPrec1", "piPrec2", "lossMin", "lossMax"]) {
      assert.ok(Math.abs(figures[name] - own[name]) < 1e-6, `${name}: ${figures[name]} ${own[name]}`);
    }

    const tuned = `${folder}/tuned`;
    await trainings.ok(splitArgs(`--data ${data} --save-dir ${tuned} --init ${run}`, GAME));
    assert.deepEqual(listFiles(tuned), ["adversarial", "config.json", "report.html"]);
    assert.deepEqual(rows(`${tuned}/adversarial/train.csv`), rows(`${run}/adversarial/train.csv`));
    await trainings.ok(
      splitArgs(`--data ${data} --save-dir ${folder}/again --init ${snapshot} --no-report`, SHANNON),
    );
  }));

Deno.test("an interrupted adversarial stage resumes bit for bit, alone and after the Shannon stage", () =>
  withSmallLog(async (folder, data) => {
    const game = GAME.with(GAME.indexOf("--adversarial-validate-every") + 1, "20");
    const long = game.with(1, "200");
    for (
      const [name, options] of [["both", SHANNON], ["alone", [...splitArgs(SMALL), "--no-pretrain"]]] as const
    ) {
      const args = (run: string) =>
        splitArgs(`--data ${data} --save-dir ${folder}/${run} --no-report`, options);
      await trainings.ok([...args(`${name}-whole`), ...game.with(1, "220")]);
      const stopped = await interrupt(/\d\/200/, "train", ...args(`${name}-part`), ...long);
      assert.equal(stopped.code, 130, stopped.stderr);
      const part = `${folder}/${name}-part`;
      await trainings.ok(`--resume ${part} --adversarial 220 --no-report`);
      assertSameStage(`${folder}/${name}-whole/adversarial`, `${part}/adversarial`);
    }
    const late = `--resume ${folder}/both-part --iterations 20`;
    await trainings.refused(late, /Expected the Shannon stage of .* to keep its number of iterations/);
  }));

Deno.test("seeds train both stages, with position weights and batch norm, stopping early", () =>
  withSmallLog(async (folder, data) => {
    const path = `${folder}/seeds`;
    const { stdout } = await trainings.ok(splitArgs(
      `--data ${data} --save-dir ${path} --seeds 2 --iterations 300 --batch-size 12 --dims 8-5`,
      "--validate-every 4 --encoder pw --pw-nonlinearity tanh --batch-norm --eta 2 --generator exact",
      "--early-stopping loss --patience 8 --weight-decay 1 --item-dropout 0.2",
      GAME.filter((arg) => arg !== "--behaviour-dims" && arg !== "8"),
    ));
    assert.match(stdout, /Test users, adversarial stage, mean \+- sd over 2 seeds/);
    assert.ok(json(`${path}/seed-1/result.json`).iteration < 300, "it stopped early");
    await new CommandSeries("report").ok([path, "--out", `${folder}/page.html`]);
    assert.doesNotMatch(Deno.readTextFileSync(`${folder}/page.html`), /unfinished/);
  }));
