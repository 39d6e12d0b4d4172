/** Bad input ends with a message that says what was expected, found and to do, exit code 1, and nothing half-written. */

import assert from "node:assert/strict";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { filesIn, runCommand, withSmallLog, words } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const SMALL = "--batch-size 12 --dims 8 --lstm-units 4 --iterations 4 --validate-every 2";

/** A small log in a folder, and processes for the runs in it, and for what reads them. */
async function withRuns(
  use: (folder: string, data: string, train: CommandSeries, evaluate: CommandSeries) => Promise<void>,
): Promise<void> {
  await withSmallLog(async (folder, data) => {
    const paths = ["run", "other", "bad", "steep", "small.tsv/run"].map((name) => `${folder}/${name}`);
    await using trainings = new CommandSeries("train", paths.map((path) => ["--save-dir", path]));
    await using evaluations = new CommandSeries("evaluate", [[]]);
    await use(folder, data, trainings, evaluations);
  });
}

/** What is wrong, the arguments, and what the message must say. FILE stands for a good log, DIR for the test's folder. */
const badOptions: [string, string, RegExp][] = [
  ["a missing file", "--data DIR/none.tsv", /none\.tsv/],
  ["a folder", "--data src", /folder|directory/],
  [
    "a batch larger than the train users",
    "--data FILE --batch-size 31",
    /at most 30 users[^]*--batch-size 31/,
  ],
  ["an unknown option", "--learning-rat 1", /unknown option[^]*--learning-rate/],
  ["an unknown encoder", "--encoder gru", /lstm/],
  ["no run to resume", "--resume DIR/none", /Expected a run folder with a config\.json, found none at/],
  [
    "--resume with a setting",
    "--resume DIR --dims 8",
    /Expected --resume alone or with --iterations or --adversarial, got --dims/,
  ],
  ["a missing snapshot", "--data FILE --init DIR/none.safetensors", /none\.safetensors/],
  ["a folder without a name", "--save-dir=", /Expected the path of a folder, got nothing/],
];

for (const [what, line, message] of badOptions) {
  Deno.test(`train refuses ${what}`, () =>
    withSmallLog(async (folder, data) => {
      const run = `${folder}/run`;
      const given = words(line.replace("FILE", data).replace("DIR", folder));
      const dir = line.includes("--resume") ? [] : ["--save-dir", run];
      const { code, stdout, stderr } = await runCommand("train", ...dir, ...given);
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^error: /m);
      assert.equal(stdout, "");
      assert.deepEqual(filesIn(folder), ["small.tsv"], "something was written");
    }));
}

Deno.test("train reports a bad line of a log by file and line", () =>
  withSmallLog(async (folder, data) => {
    const lines = Deno.readTextFileSync(data).split("\n");
    lines[6] = (lines[6] ?? "").replace(/^\d+/, "-3");
    const bad = `${folder}/bad.tsv`;
    Deno.writeTextFileSync(bad, lines.join("\n"));
    const { code, stderr } = await runCommand("train", "--data", bad, "--save-dir", `${folder}/run`);
    assert.equal(code, 1);
    assert.match(stderr, /bad\.tsv:7/);
    assert.deepEqual(filesIn(folder), ["bad.tsv", "small.tsv"]);
  }));

Deno.test("snapshots that are truncated, of another shape, or of other items are refused", () =>
  withRuns(async (folder, data, train, evaluate) => {
    const run = `${folder}/run`;
    await train.ok(`--data ${data} --save-dir ${run} ${SMALL}`);
    const good = Deno.readFileSync(`${run}/best-loss.safetensors`);
    const file = `${folder}/model.safetensors`;
    const refused = async (bytes: Uint8Array, message: RegExp, more = "") => {
      Deno.writeFileSync(file, bytes);
      const start = `--data ${data} --init ${file} --batch-size 12 --save-dir ${folder}/other ${more}`;
      await train.refused(start, message);
      if (more === "") await evaluate.refused(`--model ${file} --data ${data}`, message);
      assert.deepEqual(filesIn(folder), ["model.safetensors", "run", "small.tsv"]);
    };
    await refused(good.subarray(0, 5), /model\.safetensors/);
    await refused(good.subarray(0, 100), /truncated/);
    await refused(good.subarray(0, good.length - 4), /truncated/);
    await refused(
      good,
      /utility\/layer1\/bias: expected 9 values \[1, 9\], got 8/,
      "--dims 9 --lstm-units 4",
    );
    const { tensors, metadata } = decodeSafetensors(good, "good");
    const fewer = { ...metadata, items: JSON.stringify({ kind: "one-hot", count: 29, width: 29 }) };
    await refused(encodeSafetensors(tensors, fewer), /is over 29 one-hot items, but small\.tsv shows 30/);
    const bias = tensors.get("utility/output/bias") ?? assert.fail();
    const nan = new Map([...tensors, ["utility/output/bias", { ...bias, data: Float32Array.of(NaN) }]]);
    await refused(
      encodeSafetensors(nan, metadata),
      /expected finite numbers, found NaN in utility\/output\/bias, element 0/,
    );
    await refused(encodeSafetensors(tensors, { ...metadata, model: "{}" }), /metadata/);

    // A damaged run cannot be resumed, and says why.
    Deno.writeFileSync(`${run}/last.safetensors`, good.subarray(0, 200));
    await train.refused(`--resume ${run}`, /last\.safetensors.*truncated/);
    Deno.writeTextFileSync(`${run}/config.json`, "{");
    await train.refused(`--resume ${run}`, /config\.json is damaged/);
  }));

Deno.test("a folder that holds a run, is no folder, or changed data: refused, and nothing is touched", () =>
  withRuns(async (folder, data, train) => {
    const run = `${folder}/run`;
    const start = `--data ${data} ${SMALL} --save-dir`;
    await train.ok(`${start} ${run}`);
    const before = Deno.readTextFileSync(`${run}/train.csv`);
    for (const more of ["", "--seeds 2"]) {
      await train.refused(`${start} ${run} ${more}`, /holds one\. Continue it with --resume/);
    }
    const other = `${folder}/other`;
    Deno.mkdirSync(other);
    Deno.writeTextFileSync(`${other}/notes.txt`, "");
    const filled = /new or empty folder for the run, but .*other holds notes\.txt\. Choose another/;
    await train.refused(`${start} ${other}`, filled);
    assert.deepEqual(filesIn(other), ["notes.txt"]);
    assert.equal(Deno.readTextFileSync(`${run}/train.csv`), before);
    await train.refused(`${start} ${data}/run`, /small\.tsv/);
    Deno.writeTextFileSync(data, Deno.readTextFileSync(data) + "\n");
    await train.refused(`--resume ${run}`, /has changed since the run began/);
  }));

Deno.test("a loss that is no number ends training, says when, and keeps what was good", () =>
  withRuns(async (folder, data, train) => {
    const run = `${folder}/run`;
    await train.ok(`--data ${data} --save-dir ${run} ${SMALL}`);
    const { tensors, metadata } = decodeSafetensors(Deno.readFileSync(`${run}/last.safetensors`), "last");
    for (const { data } of tensors.values()) if (data instanceof Float32Array) data.fill(1e30);
    const huge = `${folder}/huge.safetensors`;
    Deno.writeFileSync(huge, encodeSafetensors(tensors, metadata));
    const bad = `${folder}/bad`;
    await train.refused(
      `--data ${data} --init ${huge} --save-dir ${bad} --batch-size 12`,
      /The loss of iteration 1 is not a finite number[^]*smaller --learning-rate/,
    );
    assert.deepEqual(filesIn(bad), ["config.json", "last.safetensors", "train.csv", "validation.csv"]);
    const kept = decodeSafetensors(Deno.readFileSync(`${bad}/last.safetensors`), "kept");
    assert.equal(kept.metadata.iteration, "0");

    // Training that diverges later: the best of the way there is kept, and the run can go on up to there.
    const steep = `${folder}/steep`;
    await train.ok(`--data ${data} --save-dir ${steep} ${SMALL} --init ${run}/last.safetensors`);
    const state = decodeSafetensors(Deno.readFileSync(`${steep}/last.safetensors`), "last");
    const weights = new Map(state.tensors);
    for (const [name, { shape, data }] of weights) {
      if (!name.startsWith("adam.m/")) continue;
      // A moment that moves the weights beyond all numbers, some steps on.
      weights.set(name, { shape, data: Float32Array.from(data, () => 1e37) });
    }
    Deno.writeFileSync(`${steep}/last.safetensors`, encodeSafetensors(weights, state.metadata));
    const files = filesIn(steep);
    const diverged = await train.refused(`--resume ${steep} --iterations 400`, /loss of iteration/);
    const at = Number(diverged.match(/loss of iteration (\d+)/)?.[1]);
    assert.ok(at > 4 && at < 400, diverged);
    assert.deepEqual(filesIn(steep).filter((name) => !name.includes(".aside.")), files);
    await train.ok(`--resume ${steep} --iterations 4`);
  }));

const probe = await Deno.makeTempDir({ prefix: "clickgan-disk-" });
const mountable = await mountSmallDisk(probe);
if (mountable) await unmount(probe);
else console.log("skipped: a small disk cannot be mounted here, so training onto a full one is not tried");
await Deno.remove(probe);

Deno.test({
  name: "a full disk ends training with a message and leaves no half-written file",
  ignore: !mountable,
  fn: () =>
    withSmallLog(async (folder, data) => {
      // Full at the first snapshot: the folder goes again. Full later: what stands is whole.
      for (const size of [["--dims", "64-64"], ["--dims", "8", "--lstm-units", "4"]]) {
        const disk = `${folder}/disk`;
        Deno.mkdirSync(disk);
        assert.ok(await mountSmallDisk(disk));
        try {
          const run = `${disk}/run`;
          const args = ["--save-dir", run, "--batch-size", "12", "--iterations", "4000", ...size];
          const { code, stderr } = await runCommand("train", "--data", data, ...args);
          assert.equal(code, 1, stderr);
          assert.match(stderr, /disk is full/);
          const files = filesIn(disk).includes("run") ? filesIn(run) : [];
          if (size.includes("64-64")) assert.deepEqual(filesIn(disk), []);
          else assert.ok(files.includes("last.safetensors"), files.join());
          for (const name of files) {
            assert.match(name, /\.(json|csv|safetensors)$/, "a temporary file is left");
          }
          for (const name of files.filter((name) => name.endsWith(".safetensors"))) {
            decodeSafetensors(Deno.readFileSync(`${run}/${name}`), name);
          }
        } finally {
          await unmount(disk);
          Deno.removeSync(disk);
        }
      }
    }),
});

async function unmount(path: string): Promise<void> {
  await new Deno.Command("umount", { args: [path] }).output();
}

async function mountSmallDisk(path: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=100k", "tmpfs", path],
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}
