import assert from "node:assert/strict";
import { computePairedDifference } from "../../src/data/paired_difference.ts";
import type { ModelOutcome, PartOutcome, SeedOutcome } from "../../src/tune/experiment.ts";
import { experimentModels, readOutcome, supportsItems, testClaims } from "../../src/tune/experiment.ts";
import { getSeedFolder } from "../../src/run/run_config.ts";
import { getItemsShape } from "../../src/data/item_catalogue.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { interrupt, splitArgs, withSmallLog, writePaperFile } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { isUserError, withEmptyFolder } from "../run/folder_check.ts";

Deno.test("pairedDifference is Student's t on the differences", () => {
  // Differences 1, 2, 3, 4: mean 2.5, sd 1.29099, t(0.975, 3) = 3.18245.
  const d = computePairedDifference([2, 4, 6, 8], [1, 2, 3, 4]);
  assert.equal(d.mean, 2.5);
  assert.ok(Math.abs(d.high - (2.5 + 3.182446 * 1.2909944 / 2)) < 1e-5);
  assert.ok(Math.abs(d.low - (2.5 - 3.182446 * 1.2909944 / 2)) < 1e-5);
  assert.deepEqual(computePairedDifference([3], [1]), { mean: 2, low: -Infinity, high: Infinity, count: 1 });
  assert.throws(() => computePairedDifference([1], [1, 2]), RangeError);
});

function outcome(of: { prec1: number; loss?: number; pi?: number; curve?: number[] }): SeedOutcome {
  const { prec1, loss = 1, pi, curve = [0.1, prec1] } = of;
  const column = pi === undefined ? "prec1" : "pi_prec1";
  const part = (value: number): PartOutcome => ({
    ...{ "val loss": loss, "val prec@1": value, "val prec@2": value },
    ...{ "test loss": loss, "test prec@1": value, "test prec@2": value, sampling: NaN },
  });
  return {
    reward: part(prec1),
    ...(pi !== undefined && { pi: part(pi) }),
    log: { iteration: curve.map((_, k) => k), columns: new Map([[column, curve]]) },
  };
}
function model(folder: string, seeds: SeedOutcome[]): ModelOutcome {
  return { model: experimentModels.find((m) => m.folder === folder) ?? assert.fail(folder), seeds };
}

Deno.test("a finished run without a metric is refused, with the file and what to do", () =>
  withEmptyFolder(async (path) => {
    const [model] = experimentModels;
    assert.ok(model);
    const folder = getSeedFolder(`${path}/${model.folder}`, 1);
    await Deno.mkdir(folder, { recursive: true });
    const details = { metrics: { nll: 1, prec1: 0.5, prec2: 0.7 }, intervals: {} };
    const write = async (snapshots: readonly string[], iteration: number) => {
      const test = snapshots.map((snapshot) => ({ snapshot, iteration: 10, nll: 1, details }));
      await Deno.writeTextFile(`${folder}/result.json`, JSON.stringify({ iteration: 10, test }));
      const lines = ["iteration,loss,prec1,prec2", `${iteration},1.5,0.25,0.5`];
      await Deno.writeTextFile(`${folder}/validation.csv`, lines.join("\n") + "\n");
    };
    const all = ["best-loss", "best-prec1", "best-prec2"];
    await write(all, 10);
    assert.equal((await readOutcome(model, path, 1))?.reward["val loss"], 1.5);
    await write(all.slice(0, 2), 10);
    await assert.rejects(
      readOutcome(model, path, 1),
      isUserError(/Expected metrics of best-prec2 in .*result\.json.*remove/),
    );
    await write(all, 20);
    await assert.rejects(
      readOutcome(model, path, 1),
      isUserError(/Expected loss of iteration 10 in .*validation\.csv/),
    );
  }));

Deno.test("claims are supported, contradicted or undecided by the interval of their difference", () => {
  const baseline = model("baseline-64-64", [
    outcome({ prec1: 0.7, loss: 1, curve: [0.7, 0.7] }),
    outcome({ prec1: 0.72, loss: 1.1, curve: [0.71, 0.72] }),
    outcome({ prec1: 0.71, loss: 1, curve: [0.71, 0.71] }),
  ]);
  const better = model("fine-tuned-64-64", [
    outcome({ prec1: 0.7, pi: 0.75, curve: [0.7, 0.8] }),
    outcome({ prec1: 0.7, pi: 0.77, curve: [0.7, 0.8] }),
    outcome({ prec1: 0.7, pi: 0.765, curve: [0.7, 0.8] }),
  ]);
  const random = model("l2-nopretrain-64-64", [
    outcome({ prec1: 0.7, pi: 0.8, curve: [0.4, 0.8] }),
    outcome({ prec1: 0.7, pi: 0.81, curve: [0.4, 0.8] }),
    outcome({ prec1: 0.7, pi: 0.815, curve: [0.41, 0.8] }),
  ]);
  const norm = model("batchnorm-64-64", [
    outcome({ prec1: 0.7, loss: 0.9 }),
    outcome({ prec1: 0.7, loss: 1.3 }),
    outcome({ prec1: 0.7, loss: 1 }),
  ]);
  const claims = testClaims([baseline, norm, random, better]);
  assert.deepEqual(claims.map(({ claim, holds }) => `${claim.slice(0, 3)} ${holds}`), [
    "(1) yes",
    "(2) no",
    "(3) yes",
    "(4) undecided",
    "(5) yes",
  ]);
  assert.match(claims[0]?.text ?? "", /\+5\.2 points \(95 % CI \+4\.4 to \+5\.9 over 3 seeds\)/);
  assert.deepEqual(testClaims([baseline]), [], "claims about untrained models are omitted");
});

Deno.test("reproduce stops, resumes, repeats nothing, writes its table, and refuses other settings in its folder", () =>
  withSmallLog(async (folder) => {
    const data = `${folder}/log.tsv`;
    writePaperFile(data, createSmallLog(31, { users: 330, items: 30, width: 0 }));
    const path = `${folder}/experiments`;
    const readme = `${folder}/notes.md`;
    Deno.writeTextFileSync(
      readme,
      "before\n<!-- reproduce log -->\nold\n<!-- end of reproduce log -->\nafter\n",
    );
    const args = splitArgs(`--data ${data} --save-dir ${path} --iterations 10 --adversarial 10 --seeds 2`);
    const models = ["--models", "fine-tuned-64-64", "--readme", readme];
    const stopped = await interrupt(/Baseline 64-64 \(1 of 2\), seed 2/, "reproduce", ...args, ...models);
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /Resume with the same command/);
    const before = Deno.readTextFileSync(`${path}/baseline-64-64/seed-1/result.json`);
    // A training that starts from another training's weights waits for it.
    const reproduce = new CommandSeries("reproduce");
    const finished = await reproduce.ok([...args, ...models, "--jobs", "2"]);
    assert.doesNotMatch(finished.stderr, /baseline-64-64 seed 1/, "finished runs are not repeated");
    assert.match(finished.stderr, /baseline-64-64 seed 2: /);
    assert.equal(Deno.readTextFileSync(`${path}/baseline-64-64/seed-1/result.json`), before);
    const config = JSON.parse(Deno.readTextFileSync(`${path}/fine-tuned-64-64/seed-2/config.json`));
    assert.equal(config.init.path, `${path}/baseline-64-64/seed-2/best-prec1.safetensors`);
    assert.equal(config.pretrain, false);
    const notes = Deno.readTextFileSync(readme);
    assert.match(notes, /^before\n<!-- reproduce log -->\n\n\*\*log\*\*, mean .* 2 seeds/);
    assert.match(notes, /\| Baseline 64-64 \| \d?\.\d+ \+- /);
    assert.match(notes, /<!-- end of reproduce log -->\nafter\n$/);
    assert.doesNotMatch(notes, /old/);
    await reproduce.refused(
      `--data ${data} --save-dir ${path} --iterations 30 --seeds 2`,
      /Expected iterations 10, .*, got iterations 30\. Choose another --save-dir/,
    );
    const experiment = Deno.readTextFileSync(`${path}/experiment.json`);
    writePaperFile(data, createSmallLog(32, { users: 330, items: 30, width: 0 }));
    const says = /Expected the data on which \S+baseline-64-64 was trained/;
    await reproduce.refused([...args, ...models, "--seeds", "3"], says);
    assert.equal(Deno.readTextFileSync(`${path}/experiment.json`), experiment);
  }));

Deno.test("models that mixed features exclude are refused before training", () => {
  const shape = getItemsShape(createSmallLog(1, { users: 3, items: 5, width: 2, tokens: 4 }).items);
  for (const model of experimentModels) {
    const make = () => listModelParameters(shape, model.model);
    if (supportsItems(model, "mixed")) assert.doesNotThrow(make, model.name);
    else assert.throws(make, /got mixed features/, model.name);
    for (const kind of ["one-hot", "dense"] as const) assert.ok(supportsItems(model, kind));
  }
});
