/**
 * Studies of the bench. From plain data: what is said of simulated users and their peers, and of the lab. And those that take
 * minutes or hours, on very small data: they end well, and write their tables between the lines of a page.
 */

import assert from "node:assert/strict";
import { timingOf } from "../../src/selftest/profile/timing.ts";
import { drawnPages } from "../../bench/simulate/job.ts";
import { type SimulateResult, usersFor } from "../../bench/simulate/measure.ts";
import { disagreement } from "../../bench/simulate/runners.ts";
import { growthCells, kindCells, noteLines, timesOf, workCells } from "../../bench/simulate/tables.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { runBench } from "./run_bench.ts";
import { kinds } from "../../bench/logs/make.ts";

const played = (name: SimulateResult["played"][number]["name"], users: number, microseconds: number) => ({
  ...{ name, users, timing: timingOf([microseconds]) },
});

Deno.test("bench simulate: a peer that steps one user counts by its user, not by its page", () => {
  const result: SimulateResult = {
    returns: [],
    ...{ kind: "cdqn", users: 1000, items: 500, slate: 3, flops: 4e6 },
    work: [{
      ...{ label: "score 1", kernel: "slate_score_panel", flops: 3e6, bytes: 12 },
      timing: timingOf([1000]),
    }],
    played: [played("clickgan", 1000, 2000), played("tuned", 1000, 3000), played("loop", 1, 100)],
  };
  assert.equal(timesOf(result, "tuned"), 1.5);
  assert.equal(timesOf(result, "loop"), 50);
  assert.equal(timesOf(result, "plain"), undefined);
  const ceilings = { flops: 10, bandwidth: 10, floor: 1, busy: 0 };
  const { head, rows } = kindCells("cdqn", [result], ceilings);
  assert.deepEqual(rows, [
    ["500", "3", "1,000", "2", "500,000", "20.0 %", "333,000", "1.5x", "10,000", "50x"],
  ]);
  assert.equal(head.length, 10);
  const two = { ...result, played: [...result.played.slice(0, 2), played("also tuned", 1000, 500)] };
  const several = kindCells("cdqn", [two], undefined);
  assert.deepEqual(several.head.slice(-4), [
    "tuned, user-steps/s",
    "times",
    "also tuned, user-steps/s",
    "times",
  ]);
  assert.deepEqual(several.rows[0]?.slice(-4), ["333,000", "1.5x", "2,000,000", "0.25x"]);
  assert.deepEqual(kindCells("greedy", [result], ceilings).rows, []);
  assert.deepEqual(workCells(result, ceilings).rows, [
    ["score 1", "slate_score_panel", "1", "100.0 %", "3", "30.0 %"],
  ]);
  const little = { label: "copy", kernel: "copy", flops: 0, bytes: 8, timing: timingOf([5]) };
  const { rows: [, last] } = workCells({ ...result, work: [...result.work, little, little] }, ceilings);
  assert.deepEqual(last, ["2 others", "", "0.01", "1.0 %", "", ""]);
  const points = [1, 2].map((x) => ({ x, microseconds: 1000 * x + 500 }));
  const line = { slope: 1000, constant: 500, error: 0.001 };
  assert.deepEqual(growthCells([{ axis: "users", points, line }]).rows, [
    ["users", "1, 2", "1.5, 2.5", "1000", "500", "0.1 %"],
  ]);
});

Deno.test("bench simulate: who computes something else is not timed", () => {
  const own = { loss: 3, q: 0.5 };
  const right = { probability: 1e-7, slates: 0, lesson: own };
  const lesson = { loss: 3.0002, q: 0.50005 };
  assert.equal(disagreement(right, lesson), undefined);
  assert.equal(disagreement({ probability: 1e-7, slates: 0 }, lesson), undefined, "a loop does not learn");
  assert.match(
    disagreement({ ...right, probability: 1e-3 }, lesson) ?? "",
    /P\(any click\) is off by 0.0010/,
  );
  assert.match(disagreement({ ...right, probability: NaN }, lesson) ?? "", /P\(any click\)/);
  assert.match(disagreement({ ...right, slates: 0.02 }, lesson) ?? "", /2.0 % of the slates/);
  assert.match(
    disagreement({ ...right, lesson: { ...own, loss: 3.001 } }, lesson) ?? "",
    /loss of a lesson is 3.001, not 3.0002/,
  );
  assert.match(disagreement({ ...right, lesson: { ...own, q: 0.4999 } }, lesson) ?? "", /values in a lesson/);
  const note = {
    peer: "loop",
    items: 500,
    slate: 3,
    note: "2.0 % of the slates differ",
    wrong: true,
  } as const;
  assert.match(noteLines([note])[0] ?? "", /500 items, slates of 3: not timed, 2.0 %/);
});

Deno.test("bench simulate: a lesson is of the first episode's pages and of the one page of the second, equally often", () => {
  const [rows, users, pages] = [2560, 4, 3];
  const drawn = drawnPages(rows, { users, pages }, 1);
  assert.equal(drawn.length, 3 * rows);
  const counts = new Map<string, number>();
  for (let row = 0; row < rows; row++) {
    const page = drawn.subarray(3 * row, 3 * row + 3).join();
    counts.set(page, (counts.get(page) ?? 0) + 1);
  }
  const all = [0, 1, 2, 3].flatMap((user) => [...[0, 1, 2].map((page) => [0, page, user]), [1, 0, user]]);
  assert.deepEqual([...counts.keys()].sort(), all.map((page) => page.join()).sort());
  // 160 of each are expected, with a standard deviation of 12.
  for (const [page, count] of counts) assert.ok(Math.abs(count - 160) < 48, `${count} of ${page}`);
});

Deno.test("bench simulate: fewer users of more items, 128 at least", () => {
  assert.deepEqual([500, 5000, 50_000, 2 ** 22].map((items) => usersFor(4096, items, "cdqn")), [
    4096,
    1024,
    128,
    128,
  ]);
  assert.equal(usersFor(64, 50_000, "greedy"), 64);
  assert.equal(usersFor(4096, 50_000, "random"), 4096);
});

Deno.test("bench simulate: the command measures all kinds, and writes its tables", () =>
  withEmptyFolder(async (folder) => {
    const page = `${folder}/page.md`;
    const json = `${folder}/simulate.json`;
    await Deno.writeTextFile(
      page,
      `before\n${
        ["random", "cdqn", "greedy", "learn"].map((kind) =>
          `<!-- bench simulate ${kind} -->\n<!-- end of bench simulate ${kind} -->\n`
        ).join("")
      }after\n`,
    );
    const size = ["--items", "64", "--slates", "2", "--users", "64", "--seconds", "0.01", "--rounds", "1"];
    const short = ["--learned-pages", "20", "--no-peers", "--no-growth"];
    const files = ["--json", json, "--readme", page];
    const { code, stderr } = await runBench(["simulate", ...size, ...short, ...files]);
    assert.equal(code, 0, stderr);
    const { results } = JSON.parse(await Deno.readTextFile(json)) as { results: SimulateResult[] };
    assert.deepEqual(results.map(({ kind, users }) => [kind, users]), [
      ...[["random", 64], ["cdqn", 64], ["greedy", 64], ["learn", 128]],
    ]);
    assert.ok(results.every(({ played: [own] }) => (own?.timing.median ?? 0) > 0));
    // A score is 3 U I L FLOPs a position.
    const scores = results[1]?.work.filter(({ kernel }) => kernel.startsWith("slate_score")) ?? [];
    assert.deepEqual(scores.map(({ flops }) => flops), [3 * 64 * 64 * 64, 3 * 64 * 64 * 64]);
    const text = await Deno.readTextFile(page);
    assert.match(
      text,
      /^before\n<!-- bench simulate random -->\n\n[^]*<!-- bench simulate cdqn -->[^]*\*\*Acting by CDQN\*\*[^]*\| 64 \| 2 \| 64 \|[^]*after\n$/,
    );
    assert.doesNotMatch(text, /NaN|undefined/);
  }));

Deno.test("bench logs: each made-up log is prepared whole, and nobody predicts it better than who knows its truth", () =>
  withEmptyFolder(async (folder) => {
    const { code, stderr } = await runBench(["logs", "made", "--users", "100"], { cwd: folder });
    assert.equal(code, 0, stderr);
    const json = async (path: string) => JSON.parse(await Deno.readTextFile(`${folder}/made/${path}`));
    for (const { name, goesOn, columns } of kinds) {
      const { counts, test: { truth, history, noClick } } = await json(`${name}.json`);
      const { counts: prepared, features, places } = await json(`${name}/manifest.json`);
      const { train, validation, test } = prepared.users;
      assert.deepEqual([train + validation + test, prepared.clicks], [100, counts.clicks], name);
      if (goesOn === 0) assert.equal(prepared.pages, counts.pages, name);
      else assert.ok(truth.drawnLaterLoss > 0 && truth.drawnAnyPrec1 >= truth.drawnPrec1, name);
      assert.equal(places, "shown");
      const fields = [...features.dense, ...features.tokens].map((field: { name: string }) => field.name);
      for (const column of columns) assert.ok(fields.includes(column), `${name}: ${fields}`);
      // By Gibbs' inequality, and as no ranking has more of the chance at its top than that of the chances.
      assert.ok(truth.loss <= history.loss + 1e-9 && truth.prec1 >= history.prec1 - 1e-9, name);
      assert.ok(noClick > 0.05 && noClick < 0.6, `${name}: ${noClick}`);
    }
  }));
