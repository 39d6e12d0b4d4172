import assert from "node:assert/strict";
import { createRandomStream } from "../../src/data/random.ts";
import { computeSlope, isFlat, type SoakPoint } from "./soak.ts";

/** A point every five seconds. */
function series(hours: number, value: (hours: number, k: number) => number): SoakPoint[] {
  return Array.from({ length: 720 * hours }, (_, k) => ({ hours: k / 720, value: value(k / 720, k) }));
}

Deno.test("the slope of a line is exact, and an outlier does not move it", () => {
  const line = series(0.25, (hours) => 300 + 8 * hours);
  assert.ok(Math.abs(computeSlope(line) - 8) < 1e-9);
  const odd = line.map((point, k) => k === 100 ? { ...point, value: 5000 } : point);
  assert.ok(Math.abs(computeSlope(odd) - 8) < 0.1);
});

Deno.test("a collector's saw-tooth is flat, and a climbing one is not", () => {
  const random = createRandomStream(1, "soak");
  const tooth = (k: number) => 300 + 60 * ((k % 23) / 23) + 5 * random.uniform();
  assert.ok(isFlat(series(5 / 6, (_, k) => tooth(k)), 20));
  assert.ok(!isFlat(series(5 / 6, (hours, k) => tooth(k) + 40 * hours), 20));
});

Deno.test("a short series may rise by what an hour allows; one without points is not flat", () => {
  assert.ok(isFlat(series(0.2, (hours) => 50 * hours), 20));
  assert.ok(!isFlat(series(0.8, (hours) => 50 * hours), 20));
  assert.ok(!isFlat([], 20));
});
