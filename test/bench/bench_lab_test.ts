/** The bench of the lab, from plain data: what is heard of a training, what is reckoned, and when sides differ. */

import assert from "node:assert/strict";
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
