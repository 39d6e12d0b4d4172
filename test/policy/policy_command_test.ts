/** Tests `policy train` (output, Ctrl-C, exact resume), `compare`, `rank`, `evaluate` (output, refusals). */

import assert from "node:assert/strict";
import { drawShopItems } from "../../src/data/demo_shop.ts";
import { restless } from "../../src/data/shops.ts";
import { describeReturn } from "../../src/commands/policy/policy_rank.ts";
import { openPolicy } from "../../src/policy/trained_policy.ts";
import { CURVE_EPISODE } from "../../src/policy/learning/policy_trainer.ts";
import { meanReturn } from "../../src/simulate/simulation_metrics.ts";
import { ShopSource } from "../../src/simulate/shop_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { interrupt, listFiles, splitArgs, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withGpu } from "../op_check.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { choose, computeSlateLogits } from "../../src/simulate/host/dynamics.ts";
import { PlackettLuce } from "../../src/simulate/host/plackett_luce.ts";
import { withFolder } from "../prepared_folder.ts";
import { sumNumbers } from "./estimates.ts";

/** Number of simulated users in all tests, because kernels are compiled for this number. */
const USERS = 64;
const POLICY_SIZES = `--users ${USERS} --evaluation-users ${USERS} --rows 64 --hidden 8 --trunk 8 --slate 2`;
const SIZES = `${POLICY_SIZES} --pages 4`;

Deno.test("an interrupted policy train resumes and equals an uninterrupted one", async () => {
  const folder = await Deno.makeTempDir();
  const [straight, stopped] = [`${folder}/straight`, `${folder}/stopped`];
  const args = splitArgs("train --shop restless --truth --algorithm gdqn", SIZES, "--evaluate-every 1280");
  const policies = new CommandSeries("policy");
  const first = await policies.ok([...args, "--steps", "2560", "--save-dir", straight]);
  assert.match(first.stderr, /^users: the truth of the restless shop of --data-seed 1, 500 items/m);
  assert.match(first.stderr, /^1,280 user pages: return \d\.\d{3} \+- 0\.\d{3}/m);
  assert.match(first.stderr, /2,560\/2,560 {2}loss \d/);
  assert.match(first.stdout, /^Return \d\.\d{3} .* \(64 new users, 4 pages\)/m);
  const files = ["curve.csv", "last.safetensors", "policy.json", "train.csv"];
  assert.deepEqual(listFiles(straight), files);

  const long = [...args, "--steps", "2560000", "--save-dir", stopped];
  const halted = await interrupt(/^1,280 user pages/m, "policy", ...long);
  assert.equal(halted.code, 130, halted.stderr);
  assert.match(halted.stderr, /saved in .*\nResume with: deno task -q policy train --resume/);
  // A row of train.csv is a page for 64 users. Two more episodes of 4 pages follow.
  const done = 64 * (Deno.readTextFileSync(`${stopped}/train.csv`).trim().split("\n").length - 1);
  const simulations = new CommandSeries("simulate");
  const page = `${folder}/unfinished`;
  const simulated = `--shop restless --truth --users ${USERS} --no-rivals --policy`;
  const early = await simulations.ok(splitArgs(simulated, [stopped, "--save-dir", page]));
  assert.match(early.stdout, /^gdqn \(unfinished\) +\d+\.\d\d /m);
  assert.match(early.stdout, /unfinished: [\d,]+ of 2,560,000 user pages.*--resume/);
  assert.match(early.stdout, /\nPage: .*report\.html\n$/);
  assert.match(await Deno.readTextFile(`${page}/report.html`), /gdqn \(unfinished\)/);
  const resumed = (steps: number) => ["train", "--resume", stopped, "--steps", `${steps}`];
  const fewer = new RegExp(`Expected --steps of at least ${done}, the number of finished user pages`);
  await policies.refused(resumed(done - 256), fewer);
  const again = await policies.ok(resumed(done + 512));
  assert.match(again.stderr, /^resuming after [\d,]+ user pages/m);
  assert.deepEqual(listFiles(stopped), files);
  // The policy shows slates of its training's size, and observes users through its training's users.
  const shop = splitArgs(simulated, [straight]);
  const shown = await simulations.ok(shop);
  assert.match(shown.stdout, /^64 users, 4 pages of 2 of 500 items; [^]*\ngdqn +\d\.\d\d /m);
  const wider = /^error: Expected 4 pages of 2 items, as in the training of .*/m;
  await simulations.refused([...shop, "--slate", "3"], wider);
  const others = /^error: Expected a policy for the items of restless, got .* with different items on /m;
  await simulations.refused([...shop, "--data-seed", "2"], others);

  await refusesChanged(policies, straight);

  const taken = [...args, "--steps", "2560", "--save-dir", straight];
  await policies.refused(taken, /but .* holds the policy\. Continue it with --resume/);
  await opens(straight);
  await Deno.remove(folder, { recursive: true });
});

async function refusesChanged(policies: CommandSeries, path: string): Promise<void> {
  const read = () =>
    listFiles(path).map((name) => [`${path}/${name}`, Deno.readFileSync(`${path}/${name}`)] as const);
  const whole = read();
  const [config, snapshot] = [`${path}/policy.json`, `${path}/last.safetensors`];
  const edit = (from: string, to: string) =>
    Deno.writeTextFileSync(config, Deno.readTextFileSync(config).replace(from, to));
  const changes: [RegExp, () => void][] = [
    [/Expected no log at .*train\.csv/, () => Deno.removeSync(snapshot)],
    [
      /Expected no log at .*curve\.csv/,
      () => [snapshot, `${path}/train.csv`].forEach((file) => Deno.removeSync(file)),
    ],
    [/Expected 500 items in .*policy\.json, .* found 499/, () => edit('"items": 500', '"items": 499')],
    [
      /Expected trainedOn in .*policy\.json to name .*--data-seed 1, as .* found .*--data-seed 2/,
      () => edit('"dataSeed": 1', '"dataSeed": 2'),
    ],
  ];
  for (const [says, change] of changes) {
    change();
    const changed = read();
    await policies.refused(["train", "--resume", path, "--steps", "10240"], says);
    assert.deepEqual(read(), changed);
    for (const [file, bytes] of whole) Deno.writeFileSync(file, bytes);
  }
}

async function opens(path: string): Promise<void> {
  await withGpu(undefined, async (gpu) => {
    const opened = await openPolicy(path);
    using stack = new DisposableStack();
    const policy = stack.use(opened.policy(new ShopSource(restless, drawShopItems(1))));
    const simulated = { users: USERS, slate: 2, pages: 4, seed: 1 };
    const judge = new ShopSource(restless, drawShopItems(1));
    using simulator = await Simulator.create(gpu, judge, simulated);
    const figures = await simulator.run(policy, { firstEpisode: CURVE_EPISODE });
    const curve = Deno.readTextFileSync(`${path}/curve.csv`).trim().split("\n").slice(1);
    const returns = curve.map((row) => Number(row.split(",")[1]));
    assert.ok(new Set(returns).size === 3, returns.join());
    assert.equal(meanReturn(figures), Math.max(...returns));
    using longer = await Simulator.create(gpu, judge, { ...simulated, pages: 5 });
    await assert.rejects(longer.run(policy), /got 5 pages of 2 items/);
    const other = new ShopSource(restless, drawShopItems(1, 400));
    assert.throws(() => opened.policy(other), /Expected 400 items in .*policy\.json, .* found 500/);
  });
}

const MODEL = splitArgs(
  "--iterations 2 --validate-every 1 --batch-size 12 --resplit --no-report --dims 8 --lstm-units 4 --wide 3",
);
const TRAIN = splitArgs(SIZES, "--steps 1024");

Deno.test("policies of a model: compared with a second one, ranked by ids, and refused for other data", () =>
  withSmallLog(async (folder, file) => {
    const [a, b, policy, started] = [`${folder}/a`, `${folder}/b`, `${folder}/cdqn`, `${folder}/started`];
    const page = `${folder}/compared.html`;
    const trainings = new CommandSeries("train");
    const policies = new CommandSeries("policy");
    const run = async (...args: string[]) => (await policies.ok(args)).stdout;
    const refused = (message: RegExp, ...args: string[]) => policies.refused(args, message);
    for (const [k, path] of [a, b].entries()) {
      await trainings.ok(["--data", file, "--seed", String(k + 1), ...MODEL, "--save-dir", path]);
    }
    await run("train", "--model", a, "--algorithm", "cdqn", ...TRAIN, "--save-dir", policy);

    const compare = ["compare", policy, "--users", `${USERS}`];
    const text = await run(...compare, "--test-model", b, "--with", "greedy,random", "--out", page);
    assert.match(text, /^In the model \S+\/a \(the policies' own model\):$/m);
    assert.match(text, /^In the model \S+\/b \(second model\):$/m);
    assert.match(text, /^cdqn +\d\.\d\d +0\.\d{3} +0\.\d{3} +\d+ % +\d\.\d\d +[-+]\d\.\d\d/m);
    assert.match(
      text,
      /^In the simulator \(.*\) (cdqn is|there is no significant).*real users \(A\/B test\)\.$/ms,
    );
    const html = Deno.readTextFileSync(page);
    assert.match(html, /Return while the policies were trained/);
    const [head = "", ...users] = Deno.readTextFileSync(`${folder}/compared-returns.csv`).trim().split("\n");
    const columns = head.split(",");
    assert.equal(columns.length, 1 + 3 * 2, head);
    const place = columns.findIndex((name) => /^"?cdqn; seed 1; the model .*\/b/.test(name));
    const mean = users.reduce((sum, row) => sum + Number(row.split(",")[place]) / users.length, 0);
    const told = /second model\):\n[^]*?\ncdqn +(\d\.\d\d)/.exec(text)?.[1];
    assert.deepEqual([users.length, mean.toFixed(2)], [USERS, told]);
    for (const model of ["a", "b"]) { // the test results of the models are needed for their verdicts
      const { verdict } = JSON.parse(Deno.readTextFileSync(`${folder}/${model}/result.json`));
      assert.ok(verdict.length > 0);
      for (const told of [text, html]) {
        assert.match(told, new RegExp(`Test of the click model \\S+/${model}: .*`));
      }
      assert.ok(text.includes(verdict[0]), text);
      assert.doesNotMatch(html.slice(html.indexOf('id="about"')).split("</section>")[0]!, /deno task|--/);
    }
    assert.match(html, /Consistency of the Q-values of cdqn/);
    assert.match(html, /states outside the log/);
    const ranked = JSON.parse(await run("rank", policy, "--history", "3,14", "--page", "3", "--json"));
    assert.equal(ranked.clicks, 2);
    assert.equal(ranked.items.length, 2);
    assert.equal(ranked.value, ranked.items[1].value);
    // No user clicked twice before the second page, so no value was learned.
    const early = JSON.parse(await run("rank", policy, "--history", "3,14", "--page", "2", "--json"));
    assert.deepEqual([early.value, early.items[1].value], [undefined, undefined]);
    assert.doesNotMatch(await run("rank", policy, "--history", "3,14"), /Predicted return/);
    await refused(/Expected a page number from 1 to 4/, "rank", policy, "--page", "5");
    const last = { page: 4, pages: 4, reward: "click" } as const;
    assert.match(describeReturn(1.2, last), /At most 1 is possible/);
    assert.doesNotMatch(describeReturn(1.2, { ...last, page: 3 }), /At most/);
    assert.doesNotMatch(describeReturn(1.2, { ...last, reward: "utility" }), /At most/);
    const sum = ranked.items.reduce(
      (sum: number, { probability }: { probability: number }) => sum + probability,
      ranked.noClick,
    );
    assert.ok(Math.abs(sum - 1) < 1e-9);

    const more = ["--algorithm", "slateq", "--start", "test", ...TRAIN, "--save-dir", started];
    await run("train", "--model", a, ...more);
    assert.match(await run("rank", started, "--history", "3,14"), /Predicted return of .*: \d/);
    assert.match(await run("compare", started, "--users", `${USERS}`, "--out", page), /^slateq +\d/m);
    await refused(/Expected the id of an item .* "no-item"/, "rank", policy, "--history", "3,no-item");
    await refused(/Expected --test-model to differ from/, ...compare, "--test-model", a);
    await refused(/Expected a shop with the items of the model's log/, ...compare, "--shop", "restless");
    await refused(/Expected different seeds for trainings/, ...compare, policy);
    Deno.copyFileSync(`${b}/best-loss.safetensors`, `${a}/best-loss.safetensors`);
    await refused(/the file has changed/, "rank", policy);
  }));

const [ITEMS, LOG_USERS, PAGES] = [8, 160, 6];
const utilities = Array.from({ length: ITEMS }, (_, item) => 0.5 * item - 2.5);
const makePage = (slate: readonly number[], uniform = 0) =>
  choose(computeSlateLogits(slate.map((item) => utilities[item]!)), uniform);

function shopLog(): string {
  const random = createRandomStream(1, "shop");
  const law = new PlackettLuce(utilities.map((u) => u / 3), 1);
  const rows = ["uid,sku,ts,label,request,pos,mu"];
  for (let user = 0; user < LOG_USERS; user++) {
    for (let page = 0; page < PAGES; page++) {
      const { indices: places } = law.draw(2, () => random.uniform());
      const { slot } = makePage(places, random.uniform());
      const [time, request, mu] = [1_600_000_000 + 60 * page, `${user}-${page}`, law.probability(places)];
      places.forEach((item, pos) => {
        rows.push([`u${user},i${item}`, time, slot === pos ? 1 : 0, request, pos, mu].join(","));
      });
    }
  }
  return rows.join("\n") + "\n";
}

/** Returns a log of uniformly drawn pages of one item, which need no positions. */
function banditLog(): string {
  const random = createRandomStream(2, "bandit");
  const rows = Array.from({ length: 50 * ITEMS }, (_, n) => {
    const { slot } = makePage([n % ITEMS], random.uniform());
    return [`v${n % 40},i${n % ITEMS},${1_600_000_000 + n}`, slot === 0 ? 1 : 0, 1 / ITEMS].join(",");
  });
  return ["uid,sku,ts,label,mu", ...rows].join("\n") + "\n";
}

Deno.test("a shop's randomised log estimates other policies, with counts in the model", () =>
  withFolder({ "log.csv": shopLog(), "bandit.csv": banditLog() }, async (folder) => {
    const [set, run, policy] = [`${folder}/set`, `${folder}/run`, `${folder}/gdqn`];
    const [drawn, bandits] = [`${folder}/drawn`, `${folder}/bandit`];
    const data = new CommandSeries("data");
    const train = new CommandSeries("train");
    const simulate = new CommandSeries("simulate");
    const page = `${folder}/page.html`;
    const policies = new CommandSeries("policy");
    const series = { data, train, simulate, policy: policies };
    const ran = async (command: keyof typeof series, ...args: string[]) =>
      (await series[command].ok(splitArgs(...args))).stdout;
    const columns = "--user uid --item sku --time ts --clicked label --page request --position pos";
    const log = `log --source ${folder}/log.csv`;
    await ran("data", log, columns, "--propensity mu --shares 50-10-40 --out", set);
    assert.match(await ran("data", "describe", set), /^propensities: 960 pages/m);
    const training =
      "--iterations 150 --validate-every 50 --batch-size 40 --no-report --dims 8 --lstm-units 4";
    await ran("train", "--data", set, training, "--save-dir", run);
    const asked = ["evaluate --log", set, "--model", run];
    const figures = async (...args: string[]) =>
      JSON.parse(await ran("policy", ...asked, "--json --repeats", ...args));

    const random = await figures("--policy random");
    assert.ok(random.users > 40 && random.users < 120, "the model's train users are excluded");
    const slates = utilities.flatMap((_, a) => utilities.map((_, b) => [a, b])).filter(([a, b]) => a !== b);
    const truth = sumNumbers(slates.map((slate) => makePage(slate).clickProbability / slates.length));
    const greedy = await figures("--policy greedy --explore plackett-luce:1");
    const law = new PlackettLuce(utilities, 1);
    const best = sumNumbers(slates.map((slate) => makePage(slate).clickProbability * law.probability(slate)));
    for (const [{ estimates }, value] of [[random, truth], [greedy, best]] as const) {
      for (const name of ["ips", "snips", "dr"]) {
        const { mean, interval: [low, high] } = estimates[name];
        assert.ok(mean > low && mean < high && high - low < 0.3, `${name}: ${low} to ${high}`);
        assert.ok(Math.abs(mean - value) < high - low, `${name} says ${mean}, the truth is ${value}`);
      }
      assert.equal(estimates.rips, undefined, "the propensity of a page gives no propensities of its items");
    }
    assert.ok(best > truth + 0.1, "the policies differ");
    const text = await ran("policy", ...asked, "--repeats --policy greedy --explore plackett-luce:1");
    assert.match(text, /^SNIPS +\.\d{4} +\.\d{4} to \.\d{4}$/m);
    assert.match(text, /The log's train users, on whom the model was trained, are excluded/);

    const refused = (says: RegExp, ...args: string[]) => policies.refused(splitArgs(...args), says);
    await refused(/--repeats/, ...asked, "--policy greedy --explore plackett-luce:1");
    await refused(/with a propensity, found no such page/, ...asked, "--policy random --repeats --slate 3");
    await refused(/either --model \(a run\) or --shop/, "evaluate --policy greedy --log", set);

    const bandit =
      `--source ${folder}/bandit.csv --user uid --item sku --time ts --clicked label --propensity mu`;
    await ran("data", "log", bandit, "--pages as-is --encoding-from", set, "--out", bandits);
    const single = await figures("--policy random --log", bandits);
    assert.equal(single.pages, 400);
    assert.ok(Math.abs(single.estimates.ips.mean - single.estimates.logged.mean) < 1e-6);

    // Simulated logs with pools have weight 1 for the policy that drew them.
    const draw =
      `--policy greedy --explore plackett-luce:0.8 --pool random:5 --users ${USERS} --pages 3 --slate 2 --no-rivals`;
    await ran("simulate", "--model", run, draw, "--write-log", drawn);
    const own = `evaluate --log ${drawn} --model ${run} --json --policy greedy --explore plackett-luce:0.8`;
    const { estimates, meanWeight, pages } = JSON.parse(await ran("policy", own, "--logged-temperature 0.8"));
    assert.equal(pages, 3 * USERS);
    assert.ok(Math.abs(meanWeight.mean - 1) < 1e-3);
    for (const name of ["ips", "snips", "iips", "rips"]) {
      assert.ok(Math.abs(estimates[name].mean - estimates.logged.mean) < 1e-3, name);
    }

    await ran(
      "policy",
      "train --algorithm gdqn --pages 3 --steps 512",
      POLICY_SIZES,
      "--model",
      run,
      "--save-dir",
      policy,
    );
    const compare = `compare ${policy} --users ${USERS} --with greedy,random --out ${page} --log ${drawn}`;
    const compared = await ran("policy", compare, "--explore plackett-luce:0.8");
    assert.match(compared, /^Clicks on the next page of /m);
    assert.match(compared, /^greedy +\.\d{4} +\.\d{4} to \.\d{4}/m);
    assert.match(compared, /^greedy: The model and the log (dis)?agree/m);
  }));
