/** The conditional logit of counts is the maximum of its likelihood, which is computed here anew. */

import assert from "node:assert/strict";
import { fitLogit, type LogitChoices } from "../../src/counts/logit.ts";
import { randomStream } from "../../src/data/random.ts";

const COLUMNS = 3;

/** Choices among two to five rows, half of them with no click among them. */
function choicesOf(count: number): LogitChoices {
  const random = randomStream(5, "choices");
  const [x, start, chosen, hasNone]: [number[], number[], number[], boolean[]] = [[], [0], [], []];
  for (let k = 0; k < count; k++) {
    const first = start[k]!;
    const rows = 2 + k % 4;
    for (let at = 0; at < rows * COLUMNS; at++) x.push(2 * random.uniform() - 1);
    start.push(first + rows);
    hasNone.push(k % 2 === 0);
    chosen.push(k % 6 === 0 ? -1 : first + (k * k) % rows);
  }
  return { x: Float64Array.from(x), columns: COLUMNS, start, chosen, hasNone };
}

/** Minus the logarithm of the likelihood, and the penalty. */
function loss({ x, start, chosen, hasNone }: LogitChoices, w: ArrayLike<number>, ridge: number[]): number {
  let sum = ridge.reduce((sum, r, k) => sum + r / 2 * w[k]! ** 2, 0);
  Array.from(chosen).forEach((click, choice) => {
    const u = (row: number) => ridge.reduce((sum, _, k) => sum + x[row * COLUMNS + k]! * w[k]!, 0);
    let all = hasNone[choice] ? 1 : 0;
    for (let row = start[choice]!; row < start[choice + 1]!; row++) all += Math.exp(u(row));
    sum += Math.log(all) - (click < 0 ? 0 : u(click));
  });
  return sum;
}

Deno.test("fitLogit: no step in any direction is more likely", () => {
  const choices = choicesOf(60);
  const ridge = [0.1, 0.01, 0.5];
  const w = fitLogit(choices, ridge);
  const least = loss(choices, w, ridge);
  assert.ok(least < loss(choices, [0, 0, 0], ridge) - 0.1);
  for (let k = 0; k < COLUMNS; k++) {
    const by = (step: number) => loss(choices, w.map((value, j) => value + (j === k ? step : 0)), ridge);
    assert.ok(Math.abs((by(1e-4) - by(-1e-4)) / 2e-4) < 1e-3, `the slope of weight ${k}`);
    assert.ok(by(0.05) > least && by(-0.05) > least);
  }
});

Deno.test("fitLogit: stays finite where the best is always clicked", () => {
  const x = Float64Array.from([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0]);
  const choices = { x, columns: 3, start: [0, 2, 4], chosen: [0, 2], hasNone: [false, false] };
  const w = fitLogit(choices, [1e-3, 1e-3, 1e-3]);
  assert.ok(w.every(Number.isFinite) && w[0]! > 3);
});
