/** `policy round`: with the users of a shop it plays by itself, stopped it goes on; with a log it learns from those pages. */

import assert from "node:assert/strict";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { openDataset } from "../../src/data/sets/opened_dataset.ts";
import { promisedClicks } from "../../src/policy/comparison/calibration.ts";
import { readConfig } from "../../src/run/run_config.ts";
import { emptyLog, type EpisodeLog } from "../../src/simulate/episode_log.ts";
import { filesIn, interrupt, withSmallLog, words } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withFolder } from "../prepared_folder.ts";

const MODEL = words("--iterations 20 --validate-every 10 --dims 8 --lstm-units 4 --wide 3 --no-report");
const POLICY = words(
  "--algorithm cdqn --slate 2 --pages 4 --users 64 --hidden 8 --trunk 8 --rows 64 --evaluation-users 50 --steps 1024",
);

const meanOf = (values: Iterable<number>) => meanAndSd([...values]).mean;

/** What a finished round has written. */
function resultOf(folder: string) {
  const { policies } = JSON.parse(Deno.readTextFileSync(`${folder}/result.json`));
  return policies;
}

Deno.test("a promise is over as many pages as users saw, whoever has left among those who are simulated", () => {
  const logOf = (firstUser: number, present: number[], chances: number[]): EpisodeLog => {
    const sizes = { episode: 0, firstUser, users: present.length / 2, pages: 2, slate: 1 };
    const log = { present: Uint8Array.from(present), probabilities: Float32Array.from(chances) };
    return { ...emptyLog(sizes), ...log };
  };
  // [page][user]; of five simulated users three see the second page, of twenty users five.
  const logs = [
    logOf(0, [1, 1, 1, 0], [.5, .25, .5, 9]),
    logOf(2, [1, 1, 1, 0, 1, 1], [0, .5, 0, 9, .25, .75]),
  ];
  const promised = promisedClicks(logs, Float64Array.of(20, 5));
  assert.equal(meanOf(promised), 1.25 / 5 + 5 / 20 * 1.5 / 3);
  assert.deepEqual([...promisedClicks(logs)], [1, .25, 0, .75, .75]);
});

Deno.test("policy round with a shop: stopped it goes on as if it had not, and a further round follows", () =>
  withFolder({}, async (folder) => {
    const [log, model, policy] = [`${folder}/log`, `${folder}/a`, `${folder}/plan`];
    const [straight, stopped] = [`${folder}/straight`, `${folder}/stopped`];
    await using simulations = new CommandSeries("simulate", [["--write-log", log]]);
    const shop = ["--shop", "restless", "--truth"];
    await simulations.ok([...shop, ...words("--users 100 --pages 6 --no-rivals --write-log"), log]);
    await using trainings = new CommandSeries("train", [["--save-dir", model]]);
    await trainings.ok(["--data", log, ...MODEL, "--save-dir", model]);
    await using policies = new CommandSeries("policy", [
      ["train", "--save-dir", policy],
      ["round", "--out", straight],
      ["round", "--out", stopped],
    ]);
    await policies.ok(["train", "--model", model, ...POLICY, "--save-dir", policy]);
    const round = (out: string, ...more: string[]) => [
      ...["round", "--model", model, "--policy", policy, ...shop],
      ...["--users", "40", "--test-users", "300", "--out", out, ...more],
    ];
    const { stdout } = await policies.ok(round(straight));
    assert.match(stdout, /^ +broken promise +[+-]\d\.\d\d +[+-]\d+\.\d % +[+-]\d\.\d\d to [+-]\d\.\d\d$/m);
    const [first, after] = resultOf(straight);
    // The model has learned nothing to speak of, so it is off; on the pages of the policy its successor is less so.
    const said = JSON.stringify([first.refitted, first.error]);
    assert.ok(Math.abs(first.refitted.mean) < Math.abs(first.error.mean), said);
    assert.equal(first.clicks.length, 300);
    assert.ok(Math.abs(first.made.mean - meanOf(first.clicks)) < 1e-12);
    assert.ok(Math.abs(first.broken.mean - first.promised.mean + first.made.mean) < 1e-12);
    assert.ok(Math.abs(after.gain.mean - meanOf(after.clicks) + meanOf(first.clicks)) < 1e-12);
    assert.equal(after.refitted, null);

    const { source } = await openDataset(`${straight}/round-1/data`);
    assert.equal(source.userSplit.length, 140);
    assert.equal(source.read(Uint32Array.of(101)).eventClick.length, 4);
    const [before, own] = [await readConfig(model), await readConfig(`${straight}/round-1/model`)];
    assert.deepEqual({ ...own.model, counts: null }, { ...before.model, counts: null });
    assert.ok(own.model.counts && before.model.counts, "counts stay inputs");
    // Each of 98 users is seen as often as each of 70 was; then the weights settle.
    assert.deepEqual(own.training, { ...before.training, iterations: 28 + 6, settleIterations: 6 });

    const halted = await interrupt(/users: the model .*round-1/m, "policy", ...round(stopped));
    assert.equal(halted.code, 130, halted.stderr);
    assert.match(halted.stderr, /Go on with the same command/);
    assert.ok(!filesIn(stopped).includes("result.json"));
    await policies.refused(round(stopped, "--seed", "2"), /but seed is 1 there and 2 here/);
    await policies.ok(round(stopped));
    assert.deepEqual(resultOf(stopped), resultOf(straight));

    await policies.ok(round(stopped, "--rounds", "2"));
    const [one, two, three] = resultOf(stopped);
    assert.deepEqual([one, two?.clicks], [first, after.clicks]);
    assert.ok(two.refitted && three.gain && !three.refitted);
    const { training } = await readConfig(`${stopped}/round-2/model`);
    assert.deepEqual([training.iterations, training.settleIterations], [36 + 7, 7]);
    // Each plan goes on from the one before, for half as long as that was planned first.
    const plans = [1, 2].map((round) =>
      JSON.parse(Deno.readTextFileSync(`${stopped}/round-${round}/policy/policy.json`))
    );
    assert.deepEqual(plans.map(({ from, training: { steps } }) => [from, steps]), [
      [policy, 512],
      [`${stopped}/round-1/policy`, 512],
    ]);
  }));

Deno.test("policy round with a log: its users are merged with the model's, and its test users judge the new model", () =>
  withSmallLog(async (folder, file) => {
    const [start, model, policy, shown, out] = ["0", "a", "plan", "shown", "out"]
      .map((name) => `${folder}/${name}`);
    assert.ok(start && model && policy && shown && out);
    await using trainings = new CommandSeries("train", [["--save-dir", start], ["--save-dir", model]]);
    const training = [...MODEL, ...words("--batch-size 12 --resplit")];
    await trainings.ok(["--data", file, ...training, "--save-dir", start]);
    await trainings.ok(["--data", file, ...training, "--init", start, "--save-dir", model]);
    const outs = [out, `${folder}/other`].map((path) => ["round", "--out", path]);
    await using policies = new CommandSeries("policy", [["train", "--save-dir", policy], ...outs]);
    await policies.ok(["train", "--model", model, ...POLICY, "--save-dir", policy]);
    await using simulations = new CommandSeries("simulate", [["--write-log", shown]]);
    const simulated = ["--model", model, "--policy", policy, "--write-log", shown];
    await simulations.ok([...simulated, ...words("--users 40 --no-rivals")]);
    const of = (log: string) =>
      words("round --test-users 200 --policy", [policy, "--log", log, "--out", out]);
    const round = [...of(shown), "--model", model];
    // What is wrong with a log is said before anything is made.
    await policies.refused([...of("demo"), "--model", model], /to be known by the same features/);
    assert.ok(!filesIn(folder).includes("out"));
    const { stdout } = await policies.ok([...round, "--json"]);
    const { policies: [first, after] } = JSON.parse(stdout);
    const log = await openDataset(shown);
    const tests = log.source.userSplit.filter((code) => code === 2).length;
    assert.equal(first.refitted.users, tests);
    const clicks = log.source.log?.eventClick.filter((row) => row !== 0xffffffff).length ?? NaN;
    assert.ok(Math.abs(first.made.mean - clicks / 40) < 1e-12);
    // Those who click are the model's own users: it is not off by more than they vary.
    assert.ok(first.error.interval[0] < 0.3 && first.error.interval[1] > -0.3, JSON.stringify(first.error));
    assert.deepEqual([after.made, after.gain], [null, null]);
    const { init } = await readConfig(model);
    assert.ok(init);
    assert.deepEqual((await readConfig(`${out}/round-1/model`)).init, init);
    const { source, users, items } = await openDataset(`${out}/round-1/data`);
    const base = await openDataset(file);
    assert.equal(source.userSplit.length, base.source.userSplit.length + 40);
    assert.equal(items.of(7), base.items.of(7));
    const ids = new Set(Array.from(source.userSplit, (_, user) => users.of(user)));
    assert.equal(ids.size, source.userSplit.length);
    await policies.refused([...round, "--rounds", "2"], /Expected --rounds with --truth/);
    const foreign = [...of(shown).slice(0, -1), `${folder}/other`, "--model", `${out}/round-1/model`];
    await policies.refused(foreign, /but it was trained on the model/);
    assert.ok(!filesIn(folder).includes("other"));
  }));
