/** The soak's verdict on series that are known. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { type Point, slopeOf, trendOf } from "./quantities.ts";

/** A sample every five seconds. */
function series(hours: number, value: (hours: number, k: number) => number): Point[] {
  return Array.from({ length: 720 * hours }, (_, k) => {
    const at = k / 720;
    return { hours: at, value: value(at, k), phase: "training" };
  });
}

Deno.test("the slope of a line is exact, and an outlier does not move it", () => {
  const line = series(0.25, (hours) => 300 + 8 * hours);
  assert.ok(Math.abs(slopeOf(line) - 8) < 1e-9);
  const odd = line.map((point, k) => k === 100 ? { ...point, value: 5000 } : point);
  assert.ok(Math.abs(slopeOf(odd) - 8) < 0.1);
});

Deno.test("a collector's saw-tooth is flat, and one that climbs is not", () => {
  const random = randomStream(1, "soak");
  const tooth = (k: number) => 60 * ((k % 23) / 23) + 5 * random.uniform();
  const flat = trendOf(series(5 / 6, (_, k) => 300 + tooth(k)), 20);
  assert.ok(flat.passes && Math.abs(flat.perHour) < 10, String(flat.perHour));
  const rising = trendOf(series(5 / 6, (hours, k) => 300 + tooth(k) + 40 * hours), 20);
  assert.ok(!rising.passes && rising.perHour > 30, String(rising.perHour));
});

Deno.test("phases of different levels are compared with themselves alone", () => {
  const points = series(0.5, () => 0).map((point, k) => {
    const phase = k % 100 < 50 ? "shannon" : "adversarial";
    return { ...point, phase, value: phase === "shannon" ? 10 : 90 };
  });
  assert.equal(slopeOf(points), 0);
  assert.equal(trendOf(points, 0).passes, true);
});

Deno.test("a short series may rise by what an hour allows; one without samples does not pass", () => {
  assert.ok(trendOf(series(0.2, (hours) => 50 * hours), 20).passes);
  assert.ok(!trendOf(series(0.8, (hours) => 50 * hours), 20).passes);
  assert.ok(!trendOf([], 20).passes);
});
