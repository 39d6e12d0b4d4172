/** A shop's log that was drawn, from the table to what it says of other policies: `data log`, `train`, `policy evaluate` and `compare`. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { choose, slateLogits } from "../../src/simulate/host/dynamics.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { type CommandName, words } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withFolder } from "../prepared_folder.ts";

const [ITEMS, USERS, PAGES] = [8, 160, 6];
/** What everybody thinks of the items. */
const utilities = Array.from({ length: ITEMS }, (_, item) => 0.5 * item - 2.5);
const pageOf = (slate: readonly number[], uniform = 0) =>
  choose(slateLogits(slate.map((item) => utilities[item]!)), uniform);
const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0);

/** A row for each displayed item; pages of two are drawn by a rule of their shop, which wrote down by which chance. */
function shopLog(): string {
  const random = randomStream(1, "shop");
  const law = new PlackettLuce(utilities.map((u) => u / 3), 1);
  const rows = ["uid,sku,ts,label,request,pos,mu"];
  for (let user = 0; user < USERS; user++) {
    for (let page = 0; page < PAGES; page++) {
      const { places } = law.draw(2, () => random.uniform());
      const { slot } = pageOf(places, random.uniform());
      places.forEach((item, pos) => {
        const row = [
          `u${user},i${item},${1_600_000_000 + 60 * page}`,
          slot === pos ? 1 : 0,
          `${user}-${page}`,
        ];
        rows.push([...row, pos, law.chance(places)].join(","));
      });
    }
  }
  return rows.join("\n") + "\n";
}

/** Pages of one item, each as likely as any: nobody has to say in which order they were shown. */
function banditLog(): string {
  const random = randomStream(2, "bandit");
  const rows = Array.from({ length: 50 * ITEMS }, (_, n) => {
    const { slot } = pageOf([n % ITEMS], random.uniform());
    return [`v${n % 40},i${n % ITEMS},${1_600_000_000 + n}`, slot === 0 ? 1 : 0, 1 / ITEMS].join(",");
  });
  return ["uid,sku,ts,label,mu", ...rows].join("\n") + "\n";
}

Deno.test("a shop's own log that was drawn says what other policies would have earned, by a model with counts", () =>
  withFolder({ "log.csv": shopLog(), "bandit.csv": banditLog() }, async (folder) => {
    const [set, run, policy, drawn] = ["set", "run", "gdqn", "drawn"].map((name) => `${folder}/${name}`);
    assert.ok(set && run && policy && drawn);
    const bandits = `${folder}/bandit`;
    await using data = new CommandSeries("data", [set, bandits].map((path) => ["log", "--out", path]));
    await using train = new CommandSeries("train", [["--save-dir", run]]);
    await using simulate = new CommandSeries("simulate", [["--write-log", drawn]]);
    const page = `${folder}/page.html`;
    await using policies = new CommandSeries("policy", [
      ["train", "--save-dir", policy],
      ["compare", policy, "--out", page],
    ]);
    const series: Partial<Record<CommandName, CommandSeries>> = { data, train, simulate, policy: policies };
    const ran = async (command: CommandName, ...args: string[]) =>
      (await (series[command] ?? assert.fail(command)).ok(words(...args))).stdout;
    const columns = "--user uid --item sku --time ts --clicked label --page request --position pos";
    await ran(
      "data",
      "log --source",
      `${folder}/log.csv`,
      columns,
      "--propensity mu --shares 50-10-40 --out",
      set,
    );
    assert.match(await ran("data", "describe", set), /^propensities: of 960 pages/m);
    const training =
      "--iterations 150 --validate-every 50 --batch-size 40 --no-report --dims 8 --lstm-units 4";
    await ran("train", "--data", set, training, "--save-dir", run);
    const asked = ["evaluate --log", set, "--model", run];
    const figures = async (...args: string[]) =>
      JSON.parse(await ran("policy", ...asked, "--json --repeats", ...args));

    const random = await figures("--policy random");
    assert.ok(random.users > 40 && random.users < 120, "the model's train users are left out");
    const slates = utilities.flatMap((_, a) => utilities.map((_, b) => [a, b])).filter(([a, b]) => a !== b);
    const truth = sumOf(slates.map((slate) => pageOf(slate).clickChance / slates.length));
    const greedy = await figures("--policy greedy --explore plackett-luce:1");
    const law = new PlackettLuce(utilities, 1);
    const best = sumOf(
      slates.map((slate) => pageOf(slate).clickChance * law.chance(slate)),
    );
    for (const [{ estimates }, value] of [[random, truth], [greedy, best]] as const) {
      for (const name of ["ips", "snips", "dr"]) {
        const { mean, interval: [low, high] } = estimates[name];
        assert.ok(mean > low && mean < high && high - low < 0.3, `${name}: ${low} to ${high}`);
        assert.ok(Math.abs(mean - value) < high - low, `${name} says ${mean}, the truth is ${value}`);
      }
      assert.equal(estimates.rips, undefined, "a page's propensity is none of its items'");
    }
    assert.ok(best > truth + 0.1, "the policies differ");
    const text = await ran("policy", ...asked, "--repeats --policy greedy --explore plackett-luce:1");
    assert.match(text, /^SNIPS +\.\d{4} +\.\d{4} to \.\d{4}$/m);
    assert.match(text, /The log's train users, who the model was trained on, are left out/);

    const refused = (says: RegExp, ...args: string[]) => policies.refused(words(...args), says);
    await refused(/--repeats/, ...asked, "--policy greedy --explore plackett-luce:1");
    await refused(/found none in the log/, ...asked, "--policy random --repeats --slate 3");
    await refused(/Expected --model \(a run\) or --shop/, "evaluate --policy greedy --log", set);

    const bandit =
      `--source ${folder}/bandit.csv --user uid --item sku --time ts --clicked label --propensity mu`;
    await ran("data", "log", bandit, "--pages as-is --like", set, "--out", bandits);
    const single = await figures("--policy random --log", bandits);
    assert.equal(single.pages, 400);
    assert.ok(Math.abs(single.estimates.ips.mean - single.estimates.logged.mean) < 1e-6);

    // What simulate draws from pools is a log like it, and weighs 1 for who drew it.
    const draw =
      "--policy greedy --explore plackett-luce:0.8 --pool random:5 --users 60 --pages 3 --slate 2 --no-rivals";
    await ran("simulate", "--model", run, draw, "--write-log", drawn);
    const own = [
      "evaluate --log",
      drawn,
      "--model",
      run,
      "--json --policy greedy --explore plackett-luce:0.8",
    ];
    const { estimates, weight, pages } = JSON.parse(await ran("policy", ...own, "--logged-temperature 0.8"));
    assert.equal(pages, 180);
    assert.ok(Math.abs(weight.mean - 1) < 1e-3);
    for (const name of ["ips", "snips", "iips", "rips"]) {
      assert.ok(Math.abs(estimates[name].mean - estimates.logged.mean) < 1e-3, name);
    }

    const task =
      "--slate 2 --pages 3 --users 64 --hidden 8 --trunk 8 --rows 64 --evaluation-users 50 --steps 512";
    await ran("policy", "train --algorithm gdqn --model", run, task, "--save-dir", policy);
    const compare = [
      "compare",
      policy,
      "--users 20 --with greedy,random --out",
      page,
      "--log",
      drawn,
    ];
    const compared = await ran("policy", ...compare, "--explore plackett-luce:0.8");
    assert.match(compared, /^Clicks on the next page of /m);
    assert.match(compared, /^greedy +\.\d{4} +\.\d{4} to \.\d{4}/m);
    assert.match(compared, /^greedy: The model and the log (dis)?agree/m);
  }));
