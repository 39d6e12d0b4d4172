/** Tests training by two ranks that Open MPI's mpirun starts (`apt-get install openmpi-bin`). */

import assert from "node:assert/strict";
import { pathExists } from "../../src/files/local_file.ts";
import { LAUNCHER_VARIABLE } from "../../src/cli/stop.ts";
import { readLast } from "../../src/run/run_state.ts";
import { buildInvocation, runCommand, runProcess, splitArgs, withSmallLog } from "../command_check.ts";

const mpirun = hasMpirun();
if (!mpirun) {
  console.log("skipped: training by ranks in processes, because Open MPI's mpirun is missing");
}
const SMALL = "--no-autotune --batch-size 12 --dims 8 --lstm-units 4 --counts none";

function hasMpirun(): boolean {
  try {
    return new Deno.Command("mpirun", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

async function ranks(args: string, second = ""): Promise<{ code: number; text: string }> {
  const { args: own, env: { [LAUNCHER_VARIABLE]: _, ...env } } = buildInvocation(
    "train",
    splitArgs(args),
  ); // the process whose parent is mpirun
  const script = 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then exec "$@" $SECOND; else exec "$@"; fi';
  const command = ["bash", "-c", script, "rank", Deno.execPath(), ...own];
  const root = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
  const mpirun = new Deno.Command("mpirun", {
    args: ["-n", "2", "--map-by", ":OVERSUBSCRIBE", "--mca", "btl", "self,sm", ...command],
    env: { ...env, ...root, SECOND: second },
  });
  const { code, stdout, stderr } = await runProcess(mpirun);
  return { code, text: stdout + stderr };
}

function readLosses(run: string): number[] {
  const rows = Deno.readTextFileSync(`${run}/train.csv`).trim().split("\n").slice(1);
  return rows.map((row) => Number(row.split(",")[1]));
}

Deno.test({
  name: "two ranks of mpirun train as one process, report it, and resume as two",
  ignore: !mpirun,
  fn: () =>
    withSmallLog(async (folder, data) => {
      const run = (name: string, n: number) =>
        `--data ${data} ${SMALL} --iterations ${n} --validate-every 20 --save-dir ${folder}/${name}`;
      const { code, text } = await ranks(run("two", 60));
      assert.equal(code, 0, text);
      assert.match(text, /2 ranks: communication took \d+\.\d %/);
      assert.equal((await runCommand("train", ...splitArgs(run("one", 100)))).code, 0);
      const refused = await runCommand("train", "--resume", `${folder}/two`);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /mpirun -n 2 deno task -q train --resume/);
      const resumed = await ranks(`--resume ${folder}/two --iterations 100`);
      assert.equal(resumed.code, 0, resumed.text);
      const [one, two] = [readLosses(`${folder}/one`), readLosses(`${folder}/two`)];
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
  name: "if one rank is killed, all ranks end, and saved files are complete",
  ignore: !mpirun,
  fn: () =>
    withSmallLog(async (folder, data) => {
      const run = `${folder}/run`;
      const end = ranks(
        `--data ${data} ${SMALL} --iterations 1000000 --early-stopping none --save-dir ${run}`,
      );
      await until(() => pathExists(`${run}/last.safetensors`));
      await new Promise((resolve) => setTimeout(resolve, 3000 * Math.random()));
      const [first, second] = readProcessIds(run);
      Deno.kill((Math.random() < 0.5 ? first : second) ?? assert.fail("no rank"), "SIGKILL");
      const { code, text } = await end;
      await until(() => readProcessIds(run).length === 0);
      assert.notEqual(code, 0, text);
      assert.ok((await readLast(run)).iteration >= 0);
    }),
});

function readProcessIds(run: string): number[] {
  const { stdout } = new Deno.Command("pgrep", { args: ["-f", `^[^ ]*deno run .*${run}`] }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 100));
}
