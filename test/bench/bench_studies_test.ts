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
import { smallLog } from "../../src/selftest/small_logs.ts";
import { writePaperFile } from "../command_check.ts";
import { Recorder } from "../../bench/lab/recorder.ts";
import { surveyAll } from "../../bench/lab/survey.ts";
import {
  agreement,
  frameCells,
  spreadText,
  type Trial,
  trialCells,
  trialFigures,
} from "../../bench/lab/trial.ts";

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

/** @returns the rows of the table that a study writes, as cells. */
async function written(
  folder: string,
  markers: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
) {
  const page = `${folder}/page.md`;
  await Deno.writeTextFile(page, `<!-- ${markers} -->\n<!-- end of ${markers} -->\n`);
  const { code, stderr } = await runBench([...args, "--readme", page], { cwd: folder, env });
  assert.equal(code, 0, stderr);
  const rows = (await Deno.readTextFile(page)).split("\n").filter((line) => line.startsWith("| "));
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("bench stability plays a setting and writes its row", () =>
  withEmptyFolder(async (folder) => {
    const size = { users: 160, items: 30, width: 0, maxEvents: 3, maxPage: 4 };
    writePaperFile(`${folder}/small.tsv`, smallLog(31, size));
    const short = ["--pretrain", "20", "--iterations", "1000", "--batch-size", "2", "--only", "^defaults$"];
    const args = ["stability", "--data", "small.tsv", ...short];
    const rows = await written(folder, "stability small", args);
    const [name, ...figures] = rows.at(-1) ?? [];
    assert.equal(name, "defaults");
    assert.ok(
      figures.length >= 10 && figures.every((figure) => figure !== "" && Number.isFinite(Number(figure))),
    );
  }));

Deno.test("bench data writes files in Retailrocket's layout, prepares them and trains on them", () =>
  withEmptyFolder(async (folder) => {
    const scale = ["data", "--scales", "0.0005", "--iterations", "2"];
    const PATH = `${folder}/bin`; // what a machine with little more than Node.js has: no ps
    await Deno.mkdir(PATH);
    await Deno.symlink("/bin/cat", `${PATH}/cat`);
    const bare: Record<string, string> = Deno.build.os === "linux" ? { PATH } : {};
    const rows = await written(folder, "bench data sampled", scale, bare);
    const [share, sourceRows, pages, , , , , mebibytes] = rows.at(-1) ?? [];
    assert.ok(Number(mebibytes) > 50, mebibytes);
    assert.equal(share, "0.0005");
    assert.match(sourceRows ?? "", /^1\d,\d{3}$/);
    assert.match(pages ?? "", /^1,\d{3}$/);
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

/** Ten groups of two steps, 100 ms each, the first after 500 ms; frames of 16 ms, one of 40 in it and one of 90 before. */
const trial: Trial = {
  ...{ adapter: "an adapter", runtime: "Deno/1", openMs: 30, request: {}, began: 1000, ended: 2500 },
  steps: Array.from({ length: 10 }, (_, k) => [1500 + 100 * k, 2 * k + 2]),
  losses: Array.from({ length: 20 }, (_, k) => 2 - k / 100),
  counts: { dispatches: 500, submits: 12, maps: 10 },
  waits: [9, 0.1, 0.1, 0.2, 0.2, 0.1, 0, 0],
  frames: [[1100, 90], [1400, 16], [1600, 16], [1700, 40], [1800, 16], [2600, 900]],
};

Deno.test("a training's figures: second half, middle half, frames of the training alone", () => {
  const { frames, waitMs, ...figures } = trialFigures(trial);
  assert.deepEqual(figures, {
    ...{ openMs: 30, firstStepMs: 500, stepsPerSecond: 20, dispatchesPerStep: 25, worstFrameBefore: 90 },
  });
  assert.ok(Math.abs(waitMs - 0.125) < 1e-12, `${waitMs}`);
  assert.deepEqual(frames, { median: 16, worst: 40, late: 1, count: 3 });
  assert.throws(() => trialFigures({ ...trial, steps: trial.steps.slice(0, 1) }), /several groups of steps/);
  assert.equal(trialFigures({ ...trial, frames: [] }).frames, undefined);
});

Deno.test("the tables: a row a side, medians and spreads; frames only of what has a page", () => {
  const slower = { ...trial, began: 700 };
  const sides = [{ name: "the page", trials: [trial, slower, trial] }, {
    name: "its worker",
    trials: [{ ...trial, frames: [] }],
  }];
  const { head, rows } = trialCells(sides);
  assert.ok(rows.every(({ length }) => length === head.length));
  assert.deepEqual(rows.map((row) => row.slice(0, 5)), [
    ["the page, Deno/1", "an adapter", "20", "30", "500 (500..800)"],
    ["its worker, Deno/1", "an adapter", "20", "30", "500"],
  ]);
  assert.deepEqual(frameCells(sides).rows, [["the page", "16", "40", "3 of 9", "90"]]);
  assert.equal(spreadText([3, 1, 2]), "2 (1..3)");
});

Deno.test("sides whose losses differ are told of, as are those that have none in common", () => {
  const with_ = (losses: number[]) => ({ name: "", trials: [{ ...trial, losses }] });
  assert.deepEqual(agreement([with_([2, 1]), with_([2, 1.00001, 0.5])]).wrong, false);
  assert.equal(agreement([with_([2, 1]), with_([2, 1.01])]).wrong, true);
  assert.equal(agreement([with_([2, 1]), with_([2, NaN])]).wrong, true);
  assert.equal(agreement([with_([2, 1]), with_([])]).wrong, true);
});

/** A worker that answers nothing by itself. */
class Silent extends EventTarget {
  readonly posted: unknown[] = [];
  postMessage(message: unknown): void {
    this.posted.push(message);
  }
  say(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

Deno.test("what is heard of a worker: the call of the training, its steps and losses, what it counted meanwhile", async () => {
  const worker = new Silent();
  const recorder = new Recorder(worker);
  worker.say({ event: { name: "device", adapter: { description: "an adapter" } } });
  const stopped = Promise.withResolvers<void>();
  const begun = recorder.begin(0.01, stopped.resolve);
  assert.deepEqual(worker.posted, [{ bench: "counts" }]);
  worker.say({ bench: "counts", answer: { dispatches: 7, submits: 2, maps: 1 } });
  await begun;
  worker.postMessage({ id: 3, service: "train", method: "start", argument: { iterations: 4 } });
  worker.say({ id: 2, result: null });
  worker.say({ id: 3, progress: { kind: "doing", what: "Compiling" } });
  worker.say({ id: 3, progress: { kind: "steps", first: 1, rows: [[2, 0.1], [1.5, 0.2]] } });
  await stopped.promise;
  worker.say({ id: 3, progress: { kind: "steps", first: 3, rows: [[1, 0.3], [0.5, 0.4]] } });
  worker.say({ id: 3, result: {} });
  const recorded = recorder.recorded();
  await Promise.resolve();
  worker.say({ bench: "counts", answer: { dispatches: 107, submits: 4, maps: 3 } });
  const { adapter, request, steps, losses, counts, began, ended } = await recorded;
  assert.deepEqual([adapter, request, losses], ["an adapter", { iterations: 4 }, [2, 1.5, 1, 0.5]]);
  assert.deepEqual(steps.map(([, iteration]) => iteration), [2, 4]);
  assert.deepEqual(counts, { dispatches: 100, submits: 2, maps: 2 });
  assert.ok(ended >= began);
  const failing = new Silent();
  const failed = new Recorder(failing);
  failing.postMessage({ id: 1, service: "train", method: "start", argument: {} });
  failing.say({ id: 1, error: { message: "no such shop" } });
  await assert.rejects(failed.recorded(), /no such shop/);
});

Deno.test("a survey: whatever becomes of a part, the others follow, and what went wrong is told", async () => {
  const parts = ["training", "ladders", "selftest"] as const;
  const done: string[] = [];
  const faults = await surveyAll({ parts }, {
    training: () => Promise.reject(new Error("no device")),
    step: () => assert.fail("not asked for"),
    ladders: () => Promise.resolve(["lstm: wrong", "choice: wrong"]),
    selftest: () => Promise.resolve(done.push("selftest")).then(() => []),
  });
  assert.deepEqual(faults, { training: ["no device"], ladders: ["lstm: wrong", "choice: wrong"] });
  assert.deepEqual(done, ["selftest"]);
});
