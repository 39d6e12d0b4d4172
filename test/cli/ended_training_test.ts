/** Trainings that cannot go on: a loss that is no number, a full disk. What was good is kept, and nothing half-written. */

import assert from "node:assert/strict";
import { decodeSafetensors, encodeSafetensors } from "../../src/run/snapshot/safetensors.ts";
import { filesIn, runCommand, withSmallDisk, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const SMALL = "--batch-size 12 --dims 8 --lstm-units 4 --iterations 4 --validate-every 2";

Deno.test("a loss that is no number ends training, says when, and keeps what was good", () =>
  withSmallLog(async (folder, data) => {
    await using train = new CommandSeries("train");
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

Deno.test("a full disk ends training with a message and leaves no half-written file", () =>
  withSmallLog(async (folder, data) => {
    // Full at the first snapshot: the folder goes again. Full later: what stands is whole.
    for (const size of [["--dims", "64-64"], ["--dims", "8", "--lstm-units", "4"]]) {
      const disk = `${folder}/disk`;
      await withSmallDisk(disk, "100k", async () => {
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
      });
    }
  }));
