/** The recipes for many runs, as the page shows them: with stand-ins for Slurm, and for GNU parallel where it is not installed. */

import assert from "node:assert/strict";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { exists } from "../../src/run/files/file_error.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { runOk, writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

const page = Deno.readTextFileSync(new URL("../../src/run/README.md", import.meta.url));
const [, section = ""] = page.split("\n## Many runs\n");
const [slurm = "", parallel = ""] = [...section.matchAll(/```sh\n([^]*?)```/g)].map(([, script]) => script);
const launcher = new URL("../../src/cli/launch.ts", import.meta.url).pathname;
const config = new URL("../../deno.json", import.meta.url).pathname;

/** Programs of these names. A training is short, on the log beside it. */
const STAND_INS = {
  srun: 'while case "$1" in --*) true;; *) false;; esac; do shift; done\nexec "$@"',
  parallel: 'shift 2; words=""; while [ "$1" != ::: ]; do words="$words $1"; shift; done; shift\n' +
    'for one in "$@"; do $(echo "$words" | sed "s/{}/$one/g") & done; wait',
  deno:
    'shift; case "$*" in *--resume*) set -- "$@" --no-report;; *) set -- "$@" --no-calibration --iterations 4 ' +
    "--batch-size 9 --validate-every 2 --dims 8 --lstm-units 4 --no-report;; esac\n" +
    `exec '${Deno.execPath()}' run --no-check --quiet --frozen --node-modules-dir=none --config '${config}' -A '${launcher}' "$@"`,
};

Deno.test(
  "many runs: the page's scripts for Slurm and GNU parallel train, go on, and are compared",
  { ignore: Deno.build.os === "windows" },
  () =>
    withFolder({}, async (folder) => {
      await Deno.mkdir(`${folder}/bin`);
      await Deno.mkdir(`${folder}/runs/data`, { recursive: true });
      const hasParallel =
        (await new Deno.Command("sh", { args: ["-c", "parallel --version"], stdout: "null", stderr: "null" })
          .output()).success;
      for (const [name, script] of Object.entries(STAND_INS)) {
        if (name === "parallel" && hasParallel) continue;
        await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      }
      writePaperFile(`${folder}/runs/data/mine`, smallLog(31, { users: 90, items: 30, width: 0 }));
      const run = async (script: string, env: Record<string, string> = {}) => {
        const { success, stderr } = await new Deno.Command("sh", {
          args: ["-e", "-c", script],
          cwd: folder,
          env: { ...GPU_ENVIRONMENT, PATH: `${folder}/bin:${Deno.env.get("PATH")}`, ...env },
          stdout: "null",
          stderr: "piped",
        }).output();
        assert.ok(success, new TextDecoder().decode(stderr));
        return new TextDecoder().decode(stderr);
      };
      const task = { SLURM_ARRAY_TASK_ID: "2" };
      assert.match(await run(slurm, task), /4\/4/);
      const before = Deno.readTextFileSync(`${folder}/runs/many/seed-2/config.json`);
      assert.equal(JSON.parse(before).training.seed, 2);
      assert.match(await run(slurm, task), /going on after iteration 4/);
      await run(parallel);
      const runs = ["seed-2", "rate-3e-4", "rate-1e-3"].map((name) => `${folder}/runs/many/${name}`);
      for (const one of runs) assert.ok(await exists(`${one}/result.json`), one);
      await runOk("report", ...runs, "--out", `${folder}/page.html`);
    }),
);

Deno.test("a command may start processes only for jobs side by side", () => {
  const mayRun = (...args: string[]) =>
    permissionFlags("train", args).some((flag) => flag.startsWith("--allow-run"));
  assert.deepEqual([mayRun("--seeds", "2"), mayRun("--jobs", "1"), mayRun("--seeds", "2", "--jobs=2")], [
    false,
    false,
    true,
  ]);
  assert.ok(permissionFlags("tune", ["--jobs", "2"]).includes(`--allow-run=${Deno.execPath()}`));
});
