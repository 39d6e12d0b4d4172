/** `tune` as a user runs it: stopped, killed, gone on with, and what it leaves and says. */

import assert from "node:assert/strict";
import { exists } from "../../src/files/local_file.ts";
import { interrupt, runOk, signalled, startCommand, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

/** Only the dropout is searched: five settings, which end before the clock does. */
const FEW = [
  ...["--encoder", "lstm", "--lstm-units", "4", "--dims", "8", "--wide", "0"],
  ...["--learning-rate", "0.002", "--weight-decay", "1"],
  ...["--iterations", "90", "--batch-size", "12", "--budget", "5"],
];

/** What a search leaves but for the seconds that it took. */
function leftBy(path: string) {
  const tune = JSON.parse(Deno.readTextFileSync(`${path}/tune.json`));
  const settings = tune.settings.map(({ options, iterations, end }: Record<string, unknown>) => ({
    options,
    iterations,
    end,
  }));
  const runs = settings.map((_: unknown, k: number) =>
    Deno.readFileSync(`${path}/setting-00${k}/best-loss.safetensors`)
  );
  return { rungs: tune.rungs, settings, runs };
}

interface Beside {
  readonly value: number;
  readonly rivals: readonly {
    readonly value: number;
    readonly difference: number;
    readonly interval: readonly [number, number];
    readonly is: string;
  }[];
}

/** What is said of the best setting is what the figures of the same test users say. */
function expectVerdict({ verdict, test, baselines }: {
  verdict: Beside & { readonly loss: Beside };
  test: readonly { readonly snapshot: string; readonly prec1: number; readonly nll: number }[];
  baselines: Readonly<Record<string, { readonly prec1: number; readonly nll: number } | null>>;
}): void {
  const best = test.find(({ snapshot }) => snapshot === "best: best-loss") ?? assert.fail();
  for (const [figure, { value, rivals }] of [["prec1", verdict], ["nll", verdict.loss]] as const) {
    assert.equal(value, best[figure]);
    for (const { difference, interval: [low, high], is, ...rival } of rivals) {
      assert.ok(
        Object.values(baselines).some((known) => Math.abs((known?.[figure] ?? NaN) - rival.value) < 1e-6),
      );
      assert.ok(
        Math.abs(difference - (value - rival.value)) < 1e-5 && low <= difference && difference <= high,
      );
      const [above, below] = figure === "nll" ? [high < 0, low > 0] : [low > 0, high < 0];
      assert.equal(is, above ? "better" : below ? "worse" : "no significant difference");
    }
  }
}

Deno.test("tune: stopped and killed, it goes on as if it had not been; its words, files and command are right", () =>
  withSmallLog(async (folder, data) => {
    const args = (path: string) => ["--data", data, "--save-dir", path, ...FEW];
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    await using searches = new CommandSeries("tune");
    const at = await searches.ok(args(whole));
    const killed = startCommand("tune", ...args(parts)); // in its first setting
    while (!await exists(`${parts}/setting-000/last.safetensors`)) {
      await new Promise((done) => setTimeout(done, 20));
    }
    killed.kill("SIGKILL");
    await killed.output();
    const jobs = [...args(parts), "--jobs", "2"];
    const stopped = await interrupt(/best val loss .*: setting 0/, "tune", ...jobs);
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /Go on with the same command/);
    await signalled("SIGKILL", /adapter/, "tune", ...args(parts));
    await searches.ok(args(parts));
    const left = leftBy(whole);
    assert.deepEqual(leftBy(parts), left);
    assert.deepEqual(left.rungs, [30, 90]);
    assert.equal(left.settings.length, 5);
    assert.equal(left.settings[0].iterations, 90);

    assert.match(at.stdout, /Test users:[^]*best: best-loss[^]*click rate/);
    assert.match(at.stdout, /The search took \d+s of 5m00s\./);
    const result = JSON.parse(Deno.readTextFileSync(`${whole}/result.json`));
    const beatsAll = result.verdict.rivals.every(({ is }: { is: string }) => is === "better");
    assert.equal(result.verdict.rivals.length, 5);
    assert.match(
      at.stdout,
      beatsAll
        ? /The best setting is better than every baseline/
        : /NO SETTING IS BETTER THAN EVERY BASELINE/,
    );
    expectVerdict(result);
    assert.equal(Deno.readTextFileSync(`${whole}/table.csv`).trimEnd().split("\n").length, 6);
    const best = Math.min(
      ...result.settings.map(({ validation }: { validation: { loss: number } }) => validation.loss),
    );
    const winner = result.settings.find(({ number }: { number: number }) => number === result.winner);
    assert.equal(winner.validation.loss, best);

    // The command of the best setting trains it again, to the bit.
    const [deno, task, train, ...own] = result.command.split(" ");
    assert.deepEqual([deno, task, train], ["deno", "task", "train"]);
    await runOk("train", ...own, "--save-dir", `${folder}/again`, "--no-report");
    const bytes = (run: string) => Deno.readFileSync(`${run}/best-loss.safetensors`);
    assert.deepEqual(bytes(`${folder}/again`), bytes(winner.folder));
  }));
