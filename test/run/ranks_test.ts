/** Training by several ranks that mpirun starts; and what can be known of them without it. */

import assert from "node:assert/strict";
import { defaultModel } from "../../src/model/config.ts";
import { expectAgreement, expectAsMany, expectTrainable } from "../../src/run/ranks/agree.ts";
import { MpiRanks, textsOf } from "../../src/run/ranks/mpi.ts";
import { rankPlace, trainCommand } from "../../src/run/ranks/place.ts";
import { exists } from "../../src/files/file_error.ts";
import { readLast } from "../../src/run/run_state.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { invocation, outputOf, runCommand, withSmallLog, words } from "../command_check.ts";
import { ranksInMemory } from "../ranks_in_memory.ts";
import { userError } from "./folder_check.ts";

Deno.test("ranks are known by Open MPI's environment and by Slurm's", () => {
  const of = (variables: Record<string, string>) => rankPlace((name) => variables[name]);
  assert.deepEqual(of({ OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "4" }), { rank: 1, size: 4 });
  assert.deepEqual(of({ PMIX_RANK: "0", SLURM_NTASKS: "2" }), { rank: 0, size: 2 });
  assert.equal(of({ SLURM_NTASKS: "2" }), undefined);
  assert.equal(of({ PMIX_RANK: "0", SLURM_NTASKS: "1" }), undefined);
  assert.equal(of({ PMIX_RANK: "x", SLURM_NTASKS: "2" }), undefined);
  assert.match(trainCommand({ size: 3 }), /^mpirun -n 3 deno task train$/);
});

Deno.test("without MPI's library ranks are told what to install", async () => {
  await assert.rejects(
    MpiRanks.join({ rank: 0, size: 2 }, "libnone.so.40"),
    userError(/libnone\.so\.40[^]*apt-get install openmpi-bin/),
  );
});

Deno.test("ranks that differ are told in what, and of whom", async () => {
  const [first, second] = ranksInMemory(2);
  if (!first || !second) return assert.fail();
  for (const texts of await Promise.all([textsOf(first, "a"), textsOf(second, "größer")])) {
    assert.deepEqual(texts, ["a", "größer"]);
  }
  const own = { clickgan: "1", data: { sha256: "aa" } };
  const agree = (theirs: object) => {
    const both = [
      expectAgreement(first, "left", own),
      expectAgreement(second, "right", { ...own, ...theirs }),
    ];
    return Promise.allSettled(both);
  };
  for (const { status } of await agree({})) assert.equal(status, "fulfilled");
  for (const theirs of [{ data: { sha256: "bb" } }, { clickgan: "2" }, { more: 1 }]) {
    for (const result of await agree(theirs)) {
      assert.ok(result.status === "rejected");
      assert.match(result.reason.message, /on rank 0 \(left\).* on rank 1 \(right\)/);
    }
  }
});

Deno.test("what ranks cannot train is refused before they begin", () => {
  const source = sourceOf(smallLog(31, { users: 90, items: 30, width: 0 }));
  const training = { ...defaultTraining, batchSize: 12 };
  const config = { model: defaultModel, training, pretrain: true, adversarial: null };
  const check = (size: number, syncEvery: number, more: object = {}) =>
    expectTrainable({ size, syncEvery }, { ...config, ...more }, source);
  check(2, 1);
  check(12, 10);
  const adversarial = { ...defaultAdversarial, batchSize: 1 };
  const refused: [() => void, RegExp][] = [
    [() => check(13, 1), /users in a batch \(--batch-size\)/],
    [() => check(2, 4), /--validate-every of a multiple of --sync-every 4.*--validate-every 12/],
    [() => check(2, 1, { model: { ...defaultModel, batchNorm: true } }), /--batch-norm/],
    [() => check(2, 1, { adversarial }), /--adversarial-batch-size/],
    [() => expectAsMany({ size: 2, syncEvery: 1 }, undefined, "run"), /mpirun -n 2 deno task train --resume/],
    [() => expectAsMany(undefined, { size: 2 }, "run"), /began, 1, got 2/],
  ];
  for (const [attempt, message] of refused) assert.throws(attempt, userError(message));
  expectAsMany({ size: 2, syncEvery: 1 }, { size: 2 }, "run");
});

const mpirun = hasMpirun();
if (!mpirun) {
  console.log("skipped: Open MPI's mpirun is not here, so training by ranks in processes is not tried");
}
const SMALL = "--no-calibration --batch-size 12 --dims 8 --lstm-units 4 --counts none";

function hasMpirun(): boolean {
  try {
    return new Deno.Command("mpirun", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** Two ranks to their end. @param second what the second one is given beside. */
async function ranks(args: string, second = ""): Promise<{ code: number; text: string }> {
  const { args: [run = "", ...deno], env } = invocation("train", words(args));
  const flags = deno.map((flag) =>
    flag.startsWith("--allow-env=") ? `${flag},OMPI_COMM_WORLD_RANK,OMPI_COMM_WORLD_SIZE` : flag
  );
  const script = 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then exec "$@" $SECOND; else exec "$@"; fi';
  const command = ["bash", "-c", script, "rank", Deno.execPath(), run, "--allow-ffi", ...flags];
  const root = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
  const mpirun = new Deno.Command("mpirun", {
    args: ["-n", "2", "--map-by", ":OVERSUBSCRIBE", "--mca", "btl", "self,sm", ...command],
    env: { ...env, ...root, SECOND: second },
  });
  const { code, stdout, stderr } = await outputOf(mpirun);
  return { code, text: stdout + stderr };
}

function lossesOf(run: string): number[] {
  const rows = Deno.readTextFileSync(`${run}/train.csv`).trim().split("\n").slice(1);
  return rows.map((row) => Number(row.split(",")[1]));
}

Deno.test({
  name: "two ranks of mpirun train as one process, say so, and go on as two",
  ignore: !mpirun,
  fn: () =>
    withSmallLog(async (folder, data) => {
      const run = (name: string, n: number) =>
        `--data ${data} ${SMALL} --iterations ${n} --validate-every 20 --save-dir ${folder}/${name}`;
      const { code, text } = await ranks(run("two", 60));
      assert.equal(code, 0, text);
      assert.match(text, /2 ranks: \d+\.\d % of the time/);
      assert.equal((await runCommand("train", ...words(run("one", 100)))).code, 0);
      const refused = await runCommand("train", "--resume", `${folder}/two`);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /mpirun -n 2 deno task train --resume/);
      const resumed = await ranks(`--resume ${folder}/two --iterations 100`);
      assert.equal(resumed.code, 0, resumed.text);
      const [one, two] = [lossesOf(`${folder}/one`), lossesOf(`${folder}/two`)];
      assert.equal(two.length, 100);
      two.forEach((loss, k) => assert.ok(Math.abs(loss - (one[k] ?? NaN)) < 1e-5, `step ${k + 1}`));
      const result = JSON.parse(Deno.readTextFileSync(`${folder}/two/result.json`));
      assert.equal(result.ranks.size, 2);

      const odd = await ranks(run("odd", 60), "--seed 2");
      assert.notEqual(odd.code, 0);
      assert.match(odd.text, /seed differs: 1 on rank 0 .*, 2 on rank 1 /);
      assert.equal(odd.text.match(/error: /g)?.length, 1, odd.text);
    }),
});

Deno.test({
  name: "a rank that is killed ends all, and what was saved is whole",
  ignore: !mpirun,
  fn: () =>
    withSmallLog(async (folder, data) => {
      const run = `${folder}/run`;
      const end = ranks(`--data ${data} ${SMALL} --iterations 1000000 --save-dir ${run}`);
      await until(() => exists(`${run}/last.safetensors`));
      await new Promise((resolve) => setTimeout(resolve, 3000 * Math.random()));
      const [first, second] = processesOf(run);
      Deno.kill((Math.random() < 0.5 ? first : second) ?? assert.fail("no rank"), "SIGKILL");
      const { code, text } = await end;
      await until(() => processesOf(run).length === 0);
      assert.notEqual(code, 0, text);
      assert.ok((await readLast(run)).iteration >= 0);
    }),
});

/** Ids of the ranks' processes. */
function processesOf(run: string): number[] {
  const { stdout } = new Deno.Command("pgrep", { args: ["-f", `^[^ ]*deno run .*${run}`] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 100));
}
