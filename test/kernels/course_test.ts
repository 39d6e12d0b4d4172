/** The course: every kernel has its chapter, what they name is there, and formulas that no test of an op checks hold. */

import { exercises } from "../../src/selftest/exercise/exercises.ts";
import { adamReference } from "../../src/ops/adam.ts";
import { sparsemax } from "../../src/ops/minimax.ts";
import { ladders } from "../../src/selftest/ladder/ladders.ts";
import { forCpu, kernelFiles } from "../kernel_files.ts";
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);
const folder = new URL("kernels/course/", root);

/** That of the CPU driver. */
const LAST = 12;

/** By the numbers in their names. */
const chapters = [...Deno.readDirSync(folder)].map(({ name }) => ({
  name,
  number: Number(name.match(/^(\d+)-[a-z-]+\.md$/)?.[1]),
  text: Deno.readTextFileSync(new URL(name, folder)),
})).sort((a, b) => a.number - b.number);

/** The paths of a text's links, without what stands behind #. */
function links(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, path]) => path ?? "");
}

Deno.test("course: twelve chapters in order", () => {
  assert.deepEqual(chapters.map(({ number }) => number), Array.from({ length: LAST }, (_, k) => k + 1));
  for (const { name, number, text } of chapters) assert.match(text, new RegExp(`^# ${number}\\. `), name);
});

Deno.test("course: every kernel has a chapter, those for a CPU adapter the last one", () => {
  const linked = (some: typeof chapters) => new Set(some.flatMap(({ text }) => links(text)));
  const before = linked(chapters.slice(0, -1));
  const last = linked(chapters.slice(-1));
  const missing = kernelFiles("shipped").filter((path) => !(forCpu(path) ? last : before).has(`../${path}`));
  assert.deepEqual(missing, []);
});

Deno.test("course: files of the program that it names are there", async () => {
  for (const { name, text } of chapters) {
    for (const [path] of text.matchAll(/\b(?:src|bench|test)\/[\w/]+\.ts\b/g)) {
      await Deno.stat(new URL(path, root)).catch(() => assert.fail(`${name} names ${path}`));
    }
  }
});

Deno.test("course: its commands name exercises and ladders that there are", () => {
  const named = new Set<string>();
  for (const { name, text } of chapters) {
    for (const [line, task = "", rest = ""] of text.matchAll(/^deno task (\S+)([^#\n]*)/gm)) {
      const words = rest.trim().split(/\s+/).filter((word) => word !== "");
      if (task === "exercise") {
        const exercise = exercises.find((one) => one.name === words[0]) ?? assert.fail(`${name}: ${line}`);
        assert.equal(exercise.chapter, name, line);
        named.add(exercise.name);
      }
      if (task !== "bench" || words[0] !== "ladder") continue;
      for (const word of words.slice(1).filter((word) => /^[a-z]/.test(word))) {
        assert.ok(ladders.some((ladder) => ladder.name === word), `${name}: ${line}`);
      }
    }
  }
  const text = (number: number) => chapters[number - 1]?.text ?? "";
  for (const { name } of chapters) {
    assert.ok(exercises.some(({ chapter }) => chapter === name), `${name} has no exercise with a checker`);
  }
  for (const { name, chapter } of exercises) {
    assert.ok(
      named.has(name) || text(Number.parseInt(chapter)).includes(name),
      `${chapter} says nothing of ${name}`,
    );
  }
});

const { exp, log, sqrt, tanh } = Math;

function near(found: number, expected: number, what: string, within = 1e-7): void {
  assert.ok(Math.abs(found - expected) <= within, `${what}: expected ${expected}, got ${found}`);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0);
}

/** d f / d x_k by central differences. */
function slope(f: (x: number[]) => number, x: readonly number[], k: number): number {
  const moved = (by: number) => f(x.map((value, j) => value + (j === k ? by : 0)));
  return (moved(1e-5) - moved(-1e-5)) / 2e-5;
}

/** Three rows of five are in the support, none of them near its border. */
const utilities = [0.3, 1.9, 1.2, 1.4, -2];
const ETA = 0.7;

function best(u: readonly number[]): number[] {
  return sparsemax(u.map((x) => ETA * x));
}

/** F(pi, u) of chapter 9. */
function value(pi: readonly number[], u: readonly number[]): number {
  return sumOf(pi.map((p, r) => p * (u[r] ?? NaN) - p * p / (2 * ETA)));
}

Deno.test("chapter 1: the online sum is the stable sum is the loss", () => {
  const logits = [2, -1, 3.5, 3, -80];
  const loss = log(1 + sumOf(logits.map(exp))) - 3;
  const largest = Math.max(0, ...logits);
  near(largest - 3 + log(exp(-largest) + sumOf(logits.map((z) => exp(z - largest)))), loss, "stable");
  let [most, sum] = [0, 1];
  for (const y of logits) {
    const more = Math.max(most, y);
    sum = sum * exp(most - more) + exp(y - more);
    most = more;
  }
  near(most - 3 + log(sum), loss, "online");
});

Deno.test("chapter 7: TensorFlow's rate, and an epsilon that fades, give the textbook's step", () => {
  const [learningRate, b1, b2, epsilon] = [0.01, 0.9, 0.999, 1e-3];
  const moved = { w: [0], m: [0], v: [0] };
  for (const [k, g] of [1e-4, 0.3, -0.2, 0.5].entries()) {
    const t = k + 1;
    adamReference(moved, [g], { t, learningRate });
    const [[m = NaN], [v = NaN]] = [moved.m, moved.v];
    const textbook = learningRate * (m / (1 - b1 ** t)) / (sqrt(v / (1 - b2 ** t)) + epsilon);
    const rate = learningRate * sqrt(1 - b2 ** t) / (1 - b1 ** t);
    near(rate * m / (sqrt(v) + epsilon * sqrt(1 - b2 ** t)), textbook, `step ${t}`, 1e-15);
  }
});

Deno.test("chapter 8: what is split off for tanh adds up to the sum over the catalogue", () => {
  const [bias, table] = [[0.3, -0.2, 0.9, 0, 1.1], [1, -2, 0.5, 3, -1]];
  const [weights, window] = [[0.4, -0.7, 0.2], [3, 1, 3]]; // item 3 stands at two lags
  const at = (values: readonly number[], k: number) => values[k] ?? NaN;
  const lagSum = (k: number, c: readonly number[]) => sumOf(c.filter((_, lag) => window[lag] === k));
  const whole = (c: readonly number[], b: readonly number[]) =>
    sumOf(table.map((row, k) => tanh(at(b, k) + lagSum(k, c)) * row));
  const base = sumOf(table.map((row, k) => tanh(at(bias, k)) * row));
  const [t, y] = [(k: number) => tanh(at(bias, k)), (k: number) => tanh(at(bias, k) + lagSum(k, weights))];
  const seen = [...new Set(window)];
  near(base + sumOf(seen.map((k) => (y(k) - t(k)) * at(table, k))), whole(weights, bias), "output");
  for (const [lag, k] of window.entries()) {
    near((1 - y(k) ** 2) * at(table, k), slope((c) => whole(c, bias), weights, lag), `weight of lag ${lag}`);
  }
  for (const k of table.keys()) {
    const more = seen.includes(k) ? (1 - y(k) ** 2) - (1 - t(k) ** 2) : 0;
    near((1 - t(k) ** 2 + more) * at(table, k), slope((b) => whole(weights, b), bias, k), `item bias ${k}`);
  }
});

Deno.test("chapter 9: sparsemax' Jacobian, and the envelope theorem", () => {
  const pi = best(utilities);
  const support = pi.filter((p) => p > 0).length;
  assert.equal(support, 3);
  for (const [q, own] of pi.entries()) {
    near(own, slope((u) => value(best(u), u), utilities, q), `value by u ${q}`);
    for (const [r, p] of pi.entries()) {
      const expected = p > 0 && own > 0 ? (r === q ? 1 : 0) - 1 / support : 0;
      near(ETA * expected, slope((u) => best(u)[r] ?? NaN, utilities, q), `pi ${r} by u ${q}`);
    }
  }
});
