/** What a run's folder may hold, and what becomes of it when a command is refused. */

import assert from "node:assert/strict";
import { type CommandResult, filesIn, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const SMALL = ["--batch-size", "12", "--dims", "8", "--lstm-units", "4", "--iterations", "20", "--no-report"];

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

/** A small log in a folder, and a process for the runs in it. */
async function withRuns(
  use: (folder: string, data: string, train: Train) => Promise<void>,
): Promise<void> {
  await withSmallLog(async (folder, data) => {
    const like = ["run", "seeds"].map((name) => ["--save-dir", `${folder}/${name}`]);
    await using series = new CommandSeries("train", like);
    await use(folder, data, (...args) => series.run(args));
  });
}

type Train = (...args: string[]) => Promise<CommandResult>;

/** @returns what it said, having changed nothing in the folder. */
async function refused(train: Train, folder: string, ...args: string[]): Promise<string> {
  const before = contents(folder);
  const { code, stderr } = await train(...args);
  assert.equal(code, 1, `${args.join(" ")}:\n${stderr}`);
  assert.match(stderr, /^error: /m);
  assert.doesNotMatch(stderr, /^ {4}at /m);
  assert.deepEqual(contents(folder), before, `${args.join(" ")} changed something`);
  return stderr;
}

Deno.test("a folder that is not ours is refused as it stands, whatever its files are called", () =>
  withRuns(async (folder, data, train) => {
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
      const said = await refused(train, folder, "--data", data, "--save-dir", run, ...SMALL);
      assert.match(said, /Expected a new or empty folder for the run, but .*run holds /);
      await refused(train, folder, "--resume", run);
      Deno.removeSync(run, { recursive: true });
    }
  }));

Deno.test("logs that were changed, and a state that is gone: --resume is refused, with a way out", () =>
  withRuns(async (folder, data, train) => {
    const run = `${folder}/run`;
    const begun = await train("--data", data, "--save-dir", run, ...SMALL);
    assert.equal(begun.code, 0, begun.stderr);
    const more = ["--resume", run, "--iterations", "30", "--no-report"];
    const rows = Deno.readTextFileSync(`${run}/train.csv`);
    const lines = rows.trimEnd().split("\n");
    const changes: Record<string, string | undefined> = {
      "cut": lines.slice(0, 10).join("\n") + "\n",
      "emptied": "",
      "doubled": [...lines, ...lines.slice(1)].join("\n").replace("1,", "2,") + "\n",
      "altered": rows.replace("5,", "6,"),
      "a row taken out": [...lines.slice(0, 4), ...lines.slice(5)].join("\n") + "\n",
      "removed": undefined,
    };
    for (const log of ["train.csv", "validation.csv"]) {
      const whole = Deno.readTextFileSync(`${run}/${log}`);
      for (const [what, text] of Object.entries(changes)) {
        if (text === undefined) Deno.removeSync(`${run}/${log}`);
        else Deno.writeTextFileSync(`${run}/${log}`, text);
        const said = await refused(train, folder, ...more);
        assert.match(said, new RegExp(`${log} is not the log that the run wrote.*--init`), what);
      }
      Deno.writeTextFileSync(`${run}/${log}`, whole);
    }
    Deno.renameSync(`${run}/last.safetensors`, `${folder}/aside`);
    assert.match(
      await refused(train, folder, ...more),
      /Expected .*last\.safetensors, from which the run goes on, found none/,
    );
    Deno.renameSync(`${folder}/aside`, `${run}/last.safetensors`);
    // Rows behind the last snapshot are those of a crash: they come again.
    Deno.writeTextFileSync(`${run}/train.csv`, `${rows}21,1,1`);
    const { code, stderr } = await train(...more);
    assert.equal(code, 0, stderr);
    assert.equal(Deno.readTextFileSync(`${run}/train.csv`).trimEnd().split("\n").length, 31);
  }));

Deno.test("a refused --resume changes nothing, in a run, an adversarial stage, or a seed", () =>
  withRuns(async (folder, data, train) => {
    const [run, seeds] = [`${folder}/run`, `${folder}/seeds`];
    const adversarial = [
      "--adversarial",
      "10",
      "--adversarial-validate-every",
      "5",
      "--adversarial-batch-size",
      "12",
      "--behaviour-dims",
      "8",
    ];
    const both = await train("--data", data, "--save-dir", run, ...SMALL, ...adversarial);
    assert.equal(both.code, 0, both.stderr);
    assert.match(
      await refused(train, folder, "--resume", run, "--adversarial", "5"),
      /Expected --adversarial of at least 10/,
    );
    assert.match(
      await refused(train, folder, "--resume", run, "--iterations", "40"),
      /can no longer be extended/,
    );
    Deno.removeSync(`${run}/adversarial/last.safetensors`);
    assert.match(
      await refused(train, folder, "--resume", run, "--adversarial", "20"),
      /adversarial\/last\.safetensors.* found none/,
    );
    const two = await train("--data", data, "--save-dir", seeds, ...SMALL, "--seeds", "2");
    assert.equal(two.code, 0, two.stderr);
    assert.match(
      await refused(train, folder, "--resume", seeds, "--iterations", "10"),
      /Expected --iterations of at least 20/,
    );
    Deno.removeSync(`${seeds}/seed-2/last.safetensors`);
    assert.match(
      await refused(train, folder, "--resume", seeds, "--iterations", "30"),
      /seed-2\/last\.safetensors.* found none/,
    );
    Deno.writeTextFileSync(data, Deno.readTextFileSync(data).replace("\t1\t0\n", "\t0\t0\n"));
    assert.match(
      await refused(train, folder, "--resume", run, "--adversarial", "30"),
      /found none|has changed since/,
    );
    assert.deepEqual(filesIn(folder), ["run", "seeds", "small.tsv"]);
  }));
