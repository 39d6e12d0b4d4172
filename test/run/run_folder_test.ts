/** What a run's folder may hold, and what becomes of it when a command is refused. */

import assert from "node:assert/strict";
import { filesIn, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const SMALL = "--batch-size 12 --dims 8 --lstm-units 4 --iterations 20 --no-report";

/** All files below a folder with their bytes. */
function contents(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) { for (const [below, text] of contents(path)) found.set(`${name}/${below}`, text); }
    else found.set(name, new TextDecoder("latin1").decode(Deno.readFileSync(path)));
  }
  return found;
}

/** What a test is given: a folder with a small log in it, and a process for the runs there. */
interface Runs {
  readonly folder: string;
  readonly data: string;
  readonly train: CommandSeries;
  /** A command that is refused changes nothing in the folder. */
  refused(line: string, says: RegExp): Promise<void>;
}

function withRuns(use: (runs: Runs) => Promise<void>): Promise<void> {
  return withSmallLog(async (folder, data) => {
    const like = ["run", "seeds"].map((name) => ["--save-dir", `${folder}/${name}`]);
    await using train = new CommandSeries("train", like);
    const refused = async (line: string, says: RegExp) => {
      const before = contents(folder);
      await train.refused(line, says);
      assert.deepEqual(contents(folder), before, `${line} changed something`);
    };
    await use({ folder, data, train, refused });
  });
}

Deno.test("a folder that is not ours is refused as it stands, whatever its files are called", () =>
  withRuns(async ({ folder, data, refused }) => {
    const own = [
      "train.csv",
      "validation.csv",
      "config.json.1a2b3c4d.tmp",
      "last.safetensors",
      "adversarial/train.csv",
    ];
    for (const name of own) {
      const run = `${folder}/run`;
      Deno.mkdirSync(`${run}/${name.includes("/") ? "adversarial" : ""}`, { recursive: true });
      Deno.writeTextFileSync(`${run}/${name}`, "the user's own");
      await refused(
        `--data ${data} --save-dir ${run} ${SMALL}`,
        /Expected a new or empty folder for the run, but .*run holds /,
      );
      await refused(`--resume ${run}`, /Expected a run folder/);
      Deno.removeSync(run, { recursive: true });
    }
  }));

Deno.test("logs that were changed, and a state that is gone: --resume is refused, with a way out", () =>
  withRuns(async ({ folder, data, train, refused }) => {
    const run = `${folder}/run`;
    await train.ok(`--data ${data} --save-dir ${run} ${SMALL}`);
    const more = `--resume ${run} --iterations 30 --no-report`;
    const rows = Deno.readTextFileSync(`${run}/train.csv`);
    const lines = rows.trimEnd().split("\n");
    const changes = [
      lines.slice(0, 10).join("\n") + "\n",
      "",
      [...lines, ...lines.slice(1)].join("\n").replace("1,", "2,") + "\n",
      rows.replace("5,", "6,"),
      [...lines.slice(0, 4), ...lines.slice(5)].join("\n") + "\n",
      undefined,
    ];
    for (const log of ["train.csv", "validation.csv"]) {
      const whole = Deno.readTextFileSync(`${run}/${log}`);
      for (const text of changes) {
        if (text === undefined) Deno.removeSync(`${run}/${log}`);
        else Deno.writeTextFileSync(`${run}/${log}`, text);
        await refused(more, new RegExp(`${log} is not the log that the run wrote.*--init`));
      }
      Deno.writeTextFileSync(`${run}/${log}`, whole);
    }
    Deno.renameSync(`${run}/last.safetensors`, `${folder}/aside`);
    await refused(more, /Expected .*last\.safetensors, from which the run goes on, found none/);
    Deno.renameSync(`${folder}/aside`, `${run}/last.safetensors`);
    // Rows behind the last snapshot are those of a crash: they come again.
    Deno.writeTextFileSync(`${run}/train.csv`, `${rows}21,1,1`);
    await train.ok(more);
    assert.equal(Deno.readTextFileSync(`${run}/train.csv`).trimEnd().split("\n").length, 31);
  }));

Deno.test("a refused --resume changes nothing, in a run, an adversarial stage, or a seed", () =>
  withRuns(async ({ folder, data, train, refused }) => {
    const [run, seeds] = [`${folder}/run`, `${folder}/seeds`];
    const game =
      "--adversarial 10 --adversarial-validate-every 5 --adversarial-batch-size 12 --behaviour-dims 8";
    await train.ok(`--data ${data} --save-dir ${run} ${SMALL} ${game}`);
    await refused(`--resume ${run} --adversarial 5`, /Expected --adversarial of at least 10/);
    await refused(`--resume ${run} --iterations 40`, /can no longer be extended/);
    Deno.removeSync(`${run}/adversarial/last.safetensors`);
    await refused(`--resume ${run} --adversarial 20`, /adversarial\/last\.safetensors.* found none/);
    await train.ok(`--data ${data} --save-dir ${seeds} ${SMALL} --seeds 2`);
    await refused(`--resume ${seeds} --iterations 10`, /Expected --iterations of at least 20/);
    Deno.removeSync(`${seeds}/seed-2/last.safetensors`);
    await refused(`--resume ${seeds} --iterations 30`, /seed-2\/last\.safetensors.* found none/);
    Deno.writeTextFileSync(data, Deno.readTextFileSync(data).replace("\t1\t0\n", "\t0\t0\n"));
    await refused(`--resume ${run} --adversarial 30`, /found none|has changed since/);
    assert.deepEqual(filesIn(folder), ["run", "seeds", "small.tsv"]);
  }));
