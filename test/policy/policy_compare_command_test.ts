/** `policy compare`, `adapt` and `rank` from the outside: what they print, leave and refuse. */

import assert from "node:assert/strict";
import { interrupt, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";

const MODEL =
  "--iterations 2 --validate-every 1 --batch-size 12 --resplit --no-report --dims 8 --lstm-units 4 --wide 3";
const TRAIN =
  "--slate 2 --pages 4 --users 64 --hidden 8 --trunk 8 --rows 64 --evaluation-users 50 --steps 1024";

Deno.test("policies of a model: compared with a second one, ranked by ids, and refused where they do not belong", () =>
  withSmallLog(async (folder, file) => {
    const [a, b, policy, started] = [`${folder}/a`, `${folder}/b`, `${folder}/cdqn`, `${folder}/started`];
    const [page, adapted] = [`${folder}/compared.html`, `${folder}/adapted.html`];
    await using trainings = new CommandSeries("train", [a, b].map((path) => ["--save-dir", path]));
    await using policies = new CommandSeries("policy", [
      ["train", "--save-dir", policy],
      ["train", "--save-dir", started],
      ["compare", policy, "--out", page],
      ["compare", started, "--out", page],
      ["adapt", policy, "--out", adapted],
      ["rank", policy],
    ]);
    const run = async (...args: string[]) => {
      const found = await policies.run(args);
      assert.equal(found.code, 0, found.stderr);
      return found.stdout;
    };
    const refused = async (message: RegExp, ...args: string[]) => {
      const { code, stderr } = await policies.run(args);
      assert.equal(code, 1);
      assert.match(stderr, message);
    };
    for (const [k, path] of [a, b].entries()) {
      const args = ["--data", file, "--seed", String(k + 1), ...MODEL.split(" "), "--save-dir", path];
      const { code, stderr } = await trainings.run(args);
      assert.equal(code, 0, stderr);
    }
    await run("train", "--model", a, "--algorithm", "cdqn", ...TRAIN.split(" "), "--save-dir", policy);

    const compare = ["compare", policy, "--users", "20"];
    const text = await run(...compare, "--test-model", b, "--with", "greedy,random", "--out", page);
    assert.match(text, /^In the model \S+\/a \(the policies' own model\):$/m);
    assert.match(text, /^In the model \S+\/b \(second model\):$/m);
    assert.match(text, /^cdqn +\d\.\d\d +0\.\d{3} +0\.\d{3} +\d+ % +\d\.\d\d +[-+]\d\.\d\d/m);
    assert.match(
      text,
      /^cdqn beats greedy in the simulator: (holds|the opposite holds|not decided)\n.*Only users can tell\.$/ms,
    );
    const html = Deno.readTextFileSync(page);
    assert.match(html, /Return while the policies were trained/);
    const [head = "", ...users] = Deno.readTextFileSync(`${folder}/compared-returns.csv`).trim().split("\n");
    const columns = head.split(",");
    assert.equal(columns.length, 1 + 3 * 2, head);
    const place = columns.findIndex((name) => /^"?cdqn; seed 1; the model .*\/b/.test(name));
    const mean = users.reduce((sum, row) => sum + Number(row.split(",")[place]) / users.length, 0);
    const told = /second model\):\n[^]*?\ncdqn +(\d\.\d\d)/.exec(text)?.[1];
    assert.deepEqual([users.length, mean.toFixed(2)], [20, told]);
    for (const model of ["a", "b"]) { // what the tests of the models said of them goes with it
      const { verdict } = JSON.parse(Deno.readTextFileSync(`${folder}/${model}/result.json`));
      assert.ok(verdict.length > 0);
      for (const told of [text, html]) assert.match(told, new RegExp(`The test of \\S+/${model}: `));
      assert.ok(text.includes(verdict.join(" ")), text);
    }
    assert.match(html, /Do the values of cdqn agree\?/);
    assert.match(html, /states beyond the log/);
    const ranked = JSON.parse(await run("rank", policy, "--history", "3,14", "--page", "3", "--json"));
    assert.equal(ranked.clicks, 2);
    assert.equal(ranked.items.length, 2);
    assert.equal(ranked.value, ranked.items[1].value);
    // Nobody has clicked twice before the second page: values of that were never learned.
    const early = JSON.parse(await run("rank", policy, "--history", "3,14", "--page", "2", "--json"));
    assert.deepEqual([early.value, early.items[1].value], [undefined, undefined]);
    assert.doesNotMatch(await run("rank", policy, "--history", "3,14"), /The policy expects/);
    await refused(/Expected a page of 1 to 4/, "rank", policy, "--page", "5");
    const sum = ranked.items.reduce(
      (sum: number, { probability }: { probability: number }) => sum + probability,
      ranked.noClick,
    );
    assert.ok(Math.abs(sum - 1) < 1e-9);

    // One that learns from users who have clicked before knows what to expect of them on its first page.
    const more = ["--algorithm", "slateq", "--start", "test", ...TRAIN.split(" "), "--save-dir", started];
    await run("train", "--model", a, ...more);
    assert.match(await run("rank", started, "--history", "3,14"), /The policy expects \d/);
    assert.match(await run("compare", started, "--users", "20", "--out", page), /^slateq +\d/m);
    await refused(/without --start/, "compare", started, "--with", "linucb", "--out", page);

    const adapt = [
      "adapt",
      policy,
      "--test-model",
      b,
      ..."--interactions 8 --users 10 --window 4".split(" "),
    ];
    const curve = await run(...adapt, "--runs", "2", "--no-linucb", "--out", adapted);
    assert.match(curve, /^ +8 +0\.\d{3} \+- 0\.\d{3} +0\.\d{3} \+- 0\.\d{3}$/m);
    assert.match(
      curve,
      /^cdqn, trained before less cdqn from scratch, over all interactions with the model \S+\/b: /m,
    );
    assert.match(Deno.readTextFileSync(adapted), /<canvas/);
    const stopped = `${folder}/stopped.html`;
    const { code, stderr } = await interrupt(
      /run 2 of 1000/,
      "policy",
      ...[...adapt, "--runs", "1000", "--no-linucb", "--out", stopped],
    );
    assert.match(stderr, /Stopped after [1-9]\d* of 1000 runs, which are told of\./);
    assert.equal(code, 130);
    assert.match(Deno.readTextFileSync(stopped), /<canvas/);

    await refused(/Expected the id of an item .* got "no-item"/, "rank", policy, "--history", "3,no-item");
    await refused(/Expected --slate 2, for which .* was trained, got 3/, "rank", policy, "--slate", "3");
    await refused(/Expected --test-model to be another model/, ...compare, "--test-model", a);
    await refused(/Expected a shop with the items of the model's log/, ...compare, "--shop", "restless");
    await refused(/Expected trainings of other seeds/, ...compare, policy);
    // Another model in the place of the one that the policy was trained on.
    Deno.copyFileSync(`${b}/best-loss.safetensors`, `${a}/best-loss.safetensors`);
    await refused(/has changed since its training began/, "rank", policy);
  }));
