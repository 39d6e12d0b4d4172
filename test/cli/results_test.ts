import { isUserError } from "../run/folder_check.ts";
import assert from "node:assert/strict";
import { likelihoodTable, modelsTable, readTestMetrics, referenceTable } from "../../bench/results/models.ts";
import {
  secondModelTable,
  simulatedTable,
  slatesTable,
  truthTable,
} from "../../bench/results/policy_tables.ts";
import { FolderRuns, type ResultRuns } from "../../bench/results/runs.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { withFolder } from "../prepared_folder.ts";

function makeRuns(
  folder: string,
  results: (name: string, seed: number) => unknown,
  printed: (command: string, args: readonly string[]) => unknown,
): ResultRuns & { readonly asked: string[]; readonly names: Set<string> } {
  const asked: string[] = [];
  const names = new Set<string>();
  return {
    asked,
    names,
    folder,
    papers: "papers",
    trained(name, command, args) {
      asked.push(`${command} ${args.join(" ")}`);
      names.add(name);
      const seeds = Number(args[args.indexOf("--seeds") + 1]);
      for (let seed = 1; args.includes("--seeds") && seed <= seeds; seed++) {
        const path = `${folder}/${name}/seed-${seed}`;
        Deno.mkdirSync(path, { recursive: true });
        Deno.writeTextFileSync(`${path}/result.json`, JSON.stringify(results(name, seed)));
      }
      return Promise.resolve(`${folder}/${name}`);
    },
    kept: none,
    printed: (command, args) => Promise.resolve(String(printed(command, args))),
    json: (command, args) => Promise.resolve(printed(command, args)),
  };
}

function makeResult(loss: number, prec1: number) {
  const details = { intervals: { prec1: [0.5, 0.54] } };
  const of = (snapshot: string, nll: number, prec1: number) => ({
    ...{ snapshot, nll, prec1, prec2: snapshot === "best-prec2" ? 0.8 : 0.2, details },
  });
  return {
    test: [of("best-loss", loss, 0.1), of("best-prec1", 9, prec1), of("best-prec2", 9, 0.1)],
    baselines: { clickRate: { nll: 0.988, prec1: 0.627, prec2: 0.8 } },
  };
}

function parseTable(text: string): Record<string, string[]> {
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  return Object.fromEntries(rows.map((row) => {
    const [first = "", ...cells] = row.split("|").slice(1, -1).map((cell) => cell.trim());
    return [first, cells];
  }));
}

const none = () => assert.fail("asks for nothing more");

Deno.test("results: models of both data sets, mean and sd over seeds, each metric from its own snapshot", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(
      folder,
      (name, seed) => makeResult(name.startsWith("yelp") ? seed : 1.5, 0.5 + seed / 100),
      none,
    );
    const text = await modelsTable.make(runs);
    const rows = parseTable(text);
    assert.deepEqual(rows["click rate"], ["", ".988", ".627", ".988", ".627"]);
    assert.deepEqual(rows["LSTM"], ["", "2.000 +- 1.000", ".520 +- .010", "1.500 +- .000", ".520 +- .010"]);
    assert.match(text, /by about \.020 on yelp/);
    assert.deepEqual([runs.asked.length, runs.names.size], [16, 16]);
    assert.ok(runs.asked.every((asked) => /^train --data (papers\/yelp\.txt|demo) --seeds 3 /.test(asked)));
  }));

Deno.test("results: the likelihood with and without regularisation, seed by seed", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(
      folder,
      (name, seed) => makeResult(name.includes("early-stopping") ? 0.9 + seed / 100 : 1 + seed / 100, 0.5),
      none,
    );
    const rows = parseTable(await likelihoodTable.make(runs));
    const [, , best, plain, difference] = rows["yelp"] ?? [];
    assert.deepEqual([best, plain], [".980 +- .045", "1.080 +- .045"]);
    assert.equal(difference, "-.100 (-.100 to -.100)");
  }));

Deno.test("results: models compared with metrics of another implementation", () =>
  withFolder({}, async (folder) => {
    const runs = makeRuns(folder, (_, seed) => makeResult(seed / 10, 0.5), none);
    const text = await referenceTable.make(runs);
    const lines = text.split("\n").filter((line) => /^\| (yelp|rsc) /.test(line));
    assert.equal(lines.length, 10);
    assert.equal(
      lines[0],
      "| yelp | LSTM 64-64 | .875 +- .016 | .300 +- .158 | .733 +- .011 | .500 +- .000 | .871 +- .006 | .800 +- .000 |",
    );
  }));

const OWN = "the model a";
const SECOND = "the model b";
const SHOP = "the restless shop";

function makeComparison(slate: number, policies: Readonly<Record<string, readonly (number | null)[]>>) {
  const environments = [
    { name: OWN, role: "trained on" },
    { name: SECOND, role: "second model" },
    { name: SHOP, role: "truth", optimum: 15 },
  ];
  const cells = Object.entries(policies).flatMap(([policy, seeds]) =>
    environments.flatMap(({ name, role }, e) =>
      seeds.map((seed) => {
        const clicks = (seed ?? 0) + 10 - e;
        return {
          ...{ policy, seed, environment: name },
          figures: { return: { mean: clicks }, clickRate: { mean: clicks / 20 + slate / 1000 } },
          ...(role === "truth" && { calibration: { predicted: clicks + 0.5 } }),
        };
      })
    )
  );
  const difference = { mean: 2, interval: [1, 3] };
  const differences = Object.keys(policies).filter((policy) => policy !== "greedy").map((policy) => ({
    ...{ environment: SHOP, policy, rival: "greedy", difference },
  }));
  return { ...{ slate, pages: 20, users: 10000 }, environments, cells, differences };
}

Deno.test("results: trainings on the truth in ascending order, compared with the optimum and greedy", async () => {
  const printed: string[] = [];
  const runs = makeRuns("", none, (command, args) => {
    printed.push(`${command} ${args.join(" ")}`);
    const { environments, cells, ...rest } = makeComparison(3, { CDQN: [1, 2, 3, 4, 5], greedy: [null] });
    const shop = environments.filter(({ role }) => role === "truth");
    return [{ ...rest, environments: shop, cells: cells.filter(({ environment }) => environment === SHOP) }];
  });
  const rows = parseTable(await truthTable.make(runs));
  assert.deepEqual(rows["optimum's policy"], ["-", "15.00", "100 %"]);
  assert.deepEqual(rows["GDQN"], ["1,000,000", "11.00 (9.00 to 13.00)", "73.3 %"]);
  assert.deepEqual(rows["greedy"], ["-", "8.00", "53.3 %"]);
  assert.deepEqual([new Set(runs.asked).size, runs.names.size], [30, 30]);
  assert.deepEqual(printed.map((line) => /--optimum (\w+)/.exec(line)?.[1]), [
    "fine",
    ...Array.from({ length: 5 }, () => "none"),
  ]);
});

Deno.test("results: the output of simulate, with the folder's name on the page", async () => {
  const runs = makeRuns(
    "kept",
    none,
    (command, args) => `${command} of the users of ${args[1]}/best.safetensors\n`,
  );
  const text = await simulatedTable.make(runs);
  assert.equal(text, "```\nsimulate of the users of runs/a/best.safetensors\n```");
  assert.deepEqual(runs.asked, ["train --data restless --counts none --no-report"]);
});

Deno.test("results: slates of two sizes, in three environments", async () => {
  const policies = { SlateQ: [1], CDQN: [2], greedy: [null] };
  const runs = makeRuns("", none, () => [makeComparison(3, policies), makeComparison(5, policies)]);
  const text = await slatesTable.make(runs);
  assert.match(text, /^\| policy \| its own model, k = 3 \| its own model, k = 5 \| second model, k = 3 /m);
  assert.deepEqual(parseTable(text)["CDQN"], [".603", ".605", ".553", ".555", ".503", ".505"]);
});

Deno.test("results: predicted returns of policies, and returns in the shop", async () => {
  const runs = makeRuns("", none, () => [makeComparison(3, { CDQN: [1, 2, 3], greedy: [null] })]);
  const rows = parseTable(await secondModelTable.make(runs));
  assert.deepEqual(rows["CDQN"], [
    ...["12.00", "11.00", "10.00", "+2.00 (+1.00 to +3.00)", "20 %", "10 %", "10.50"],
  ]);
  assert.equal(rows["greedy"]?.[3], "");
});

Deno.test("results: a finished training is repeated only for other settings", () =>
  withFolder({}, async (folder) => {
    const data = `${folder}/log.txt`;
    writePaperFile(data, createSmallLog(3, { users: 30, items: 12, width: 4 }));
    const runs = new FolderRuns(`${folder}/runs`, folder);
    const args = [
      ...["--data", data, "--dims", "8", "--lstm-units", "4", "--batch-size", "5", "--no-report"],
      ...["--validate-every", "1", "--iterations"],
    ];
    const path = await runs.trained("small", "train", [...args, "2"]);
    const before = Deno.statSync(`${path}/result.json`).mtime;
    assert.ok((await readTestMetrics(path)).loss > 0);
    const again = new FolderRuns(`${folder}/runs`, folder);
    assert.equal(await again.trained("small", "train", [...args, "2"]), path);
    assert.deepEqual(Deno.statSync(`${path}/result.json`).mtime, before);
    await assert.rejects(runs.trained("small", "train", [...args, "0"]), /Expected train to succeed/);
    assert.ok(!await pathExists(path), "what was asked before is not there any more");
    await Deno.mkdir(`${folder}/runs/mine`);
    await assert.rejects(runs.trained("mine", "train", [...args, "2"]), isUserError(/mine without/));
    const parallel = new FolderRuns(`${folder}/runs`, folder, undefined, 2);
    const both = ["0", "1"].map((count) => parallel.trained(`parallel-${count}`, "train", [...args, count]));
    await assert.rejects(Promise.all(both), /--iterations/);
    await parallel.waitForAll();
    assert.ok(await pathExists(`${folder}/runs/parallel-1.done.json`), "the parallel one is kept");
  }));
