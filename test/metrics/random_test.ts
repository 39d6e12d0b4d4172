import assert from "node:assert/strict";
import fc from "fast-check";
import type { ItemsShape } from "../../src/data/item_catalogue.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/model_config.ts";
import { buildGeneratorConfig } from "../../src/model/game_programs.ts";
import {
  drawInitialWeights,
  makeGlorotUniform,
  makeTruncatedNormal,
} from "../../src/model/initial_weights.ts";
import { listModelParameters } from "../../src/model/user_model.ts";
import { HISTORY } from "../../src/model/utility.ts";

const draws = 40_000;

function closeMean(values: number[], expected: number, sd: number): void {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const tolerance = 5 * sd / Math.sqrt(values.length);
  assert.ok(
    Math.abs(mean - expected) < tolerance,
    `expected a mean of ${expected} +- ${tolerance}, got ${mean}`,
  );
}

function draw(next: () => number): number[] {
  return Array.from({ length: draws }, next);
}

function correlation(x: number[], y: number[]): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - 0.5) * (y[i]! - 0.5);
  return 12 * sum / x.length;
}

Deno.test("the numbers of a stream never change, because saved runs resume with them", () => {
  const random = createRandomStream(1, "a", 2);
  assert.deepEqual([random.integer(1000), random.integer(1000), random.integer(1000)], [646, 465, 427]);
});

Deno.test("different seeds and paths give different numbers", () => {
  const paths: (number | string)[][] = [
    [],
    ["a"],
    ["b"],
    ["a", 0],
    ["a", 1],
    ["a", "1"],
    ["a", -1],
    ["a", 2 ** 32],
    ["a", 2 ** 32 - 1],
    [0, "a"],
    ["ab", "c"],
    ["a", "bc"],
    ["abc"],
    [""],
    ["", ""],
  ];
  const first = [0, 1, -1, 2 ** 40].flatMap((seed) =>
    paths.map((path) => createRandomStream(seed, ...path).uniform())
  );
  assert.equal(new Set(first).size, first.length);
});

Deno.test("neighbouring steps are independent of each other", () => {
  const first = Array.from({ length: draws }, (_, step) => createRandomStream(5, "step", step).uniform());
  closeMean(first, 1 / 2, Math.sqrt(1 / 12));
  assert.ok(Math.abs(correlation(first.slice(1), first.slice(0, -1))) < 5 / Math.sqrt(draws));
  const otherSeed = Array.from({ length: draws }, (_, step) => createRandomStream(6, "step", step).uniform());
  assert.ok(Math.abs(correlation(first, otherSeed)) < 5 / Math.sqrt(draws));
});

Deno.test("a path with a fraction is refused", () => {
  assert.throws(() => createRandomStream(0.5), /Expected the seed and path .* got 0.5/);
  assert.throws(() => createRandomStream(1, NaN), RangeError);
});

Deno.test("uniform: numbers are in [0, 1), with the expected mean and variance", () => {
  const random = createRandomStream(1, "uniform");
  const values = draw(() => random.uniform());
  assert.ok(values.every((x) => x >= 0 && x < 1));
  closeMean(values, 1 / 2, Math.sqrt(1 / 12));
  closeMean(values.map((x) => (x - 0.5) ** 2), 1 / 12, Math.sqrt(1 / 180));
});

Deno.test("integer: every value is equally frequent", () => {
  const random = createRandomStream(1, "integer");
  for (const n of [2, 7, 10]) {
    const values = draw(() => random.integer(n));
    for (let k = 0; k < n; k++) {
      closeMean(values.map((x) => x === k ? 1 : 0), 1 / n, Math.sqrt(1 / n * (1 - 1 / n)));
    }
  }
  assert.equal(random.integer(1), 0);
  assert.ok(random.integer(2 ** 32) < 2 ** 32);
  assert.throws(() => random.integer(0), RangeError);
  assert.throws(() => random.integer(1.5), RangeError);
});

Deno.test("normal: the numbers are exactly those of the polar method", () => {
  const [random, uniform] = [createRandomStream(2, "polar"), createRandomStream(2, "polar")];
  for (let pair = 0; pair < 5000; pair++) {
    let x, y, square: number;
    do {
      x = 2 * uniform.uniform() - 1;
      y = 2 * uniform.uniform() - 1;
      square = x * x + y * y;
    } while (square === 0 || square >= 1);
    const scale = Math.sqrt(-2 * Math.log(square) / square);
    assert.deepEqual([random.normal(), random.normal()], [x * scale, y * scale], `pair ${pair}`);
  }
});

Deno.test("truncatedNormal: numbers are within 2 standard deviations", () => {
  const random = createRandomStream(1, "truncated");
  const values = draw(() => random.truncatedNormal());
  assert.ok(values.every((x) => Math.abs(x) <= 2));
  // The normal numbers in their order, without those beyond 2 standard deviations.
  const normal = createRandomStream(1, "truncated");
  const expected = draw(() => normal.normal()).filter((x) => Math.abs(x) <= 2);
  assert.deepEqual(values.slice(0, expected.length), expected);
  assert.ok(Math.max(...values) > 1.99 && Math.min(...values) < -1.99);
});

Deno.test("sampleWithoutReplacement: numbers are distinct and in range", () => {
  fc.assert(fc.property(fc.nat(40), fc.nat(40), fc.integer(), (a, b, seed) => {
    const n = Math.max(a, b), k = Math.min(a, b);
    const sample = createRandomStream(seed).sampleWithoutReplacement(n, k);
    assert.equal(sample.length, k);
    assert.equal(new Set(sample).size, k);
    assert.ok(sample.every((x) => x < n));
  }));
  assert.throws(() => createRandomStream(1).sampleWithoutReplacement(3, 4), /Expected k in 0\.\.3, got 4/);
});

Deno.test("sampleWithoutReplacement: every ordered sample is equally frequent", () => {
  const random = createRandomStream(1, "sample");
  const count = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const key = random.sampleWithoutReplacement(4, 2).join();
    count.set(key, (count.get(key) ?? 0) + 1);
  }
  assert.equal(count.size, 12);
  const sd = Math.sqrt(draws * (1 / 12) * (11 / 12));
  for (const [key, times] of count) {
    assert.ok(Math.abs(times - draws / 12) < 5 * sd, `${key}: ${times} times`);
  }
});

const near = (actual: number, expected: number, what: string) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${what}: expected ${expected}, got ${actual}`);

function estimateLimit(initial: (random: ReturnType<typeof createRandomStream>) => number): number {
  return initial(createRandomStream(3)) / (2 * createRandomStream(3).uniform() - 1);
}
function estimateSpread(initial: (random: ReturnType<typeof createRandomStream>) => number): number {
  return initial(createRandomStream(3)) / createRandomStream(3).truncatedNormal();
}

const catalogues: Record<string, ItemsShape> = {
  dense: { kind: "dense", count: 11, width: 7 },
  "one-hot": { kind: "one-hot", count: 11, width: 11 },
  mixed: { kind: "mixed", count: 11, width: 7, tokens: 5 },
  "tokens alone": { kind: "mixed", count: 11, width: 0, tokens: 5 },
};
const lstm: ModelConfig = { ...defaultModel, lstmUnits: 6, dims: [9, 4], kernelSd: 0.25, batchNorm: true };
const pw: ModelConfig = { ...defaultPwModel, pwLags: 3, pwWeightings: 2, dims: [9, 4], kernelSd: 0.125 };

Deno.test("glorotUniform: numbers are within +- sqrt(6 / (fan in + fan out))", () => {
  for (const [fanIn, fanOut] of [[1, 5], [5, 1], [20, 80], [300, 64]] as const) {
    near(
      estimateLimit(makeGlorotUniform(fanIn, fanOut)),
      Math.sqrt(6 / (fanIn + fanOut)),
      `${fanIn} -> ${fanOut}`,
    );
  }
});

// An LSTM's kernels are rows of one matrix [F + H, 4H], so all have the same fan-in.
const fanIn: Record<string, number> = {
  dense: 7 + 6,
  "one-hot": 11 + 6,
  mixed: 5 + 7 + 6,
  "tokens alone": 5 + 6,
};
for (const [name, items] of Object.entries(catalogues)) {
  Deno.test(`initial weights of an LSTM model, ${name}`, () => {
    const limit = Math.sqrt(6 / ((fanIn[name] ?? NaN) + 4 * 6));
    let glorot = 0;
    for (const { name, initial, statistic } of listModelParameters(items, lstm)) {
      if (/lstm\/(input_kernel|token_table|recurrent_kernel)$/.test(name)) {
        near(estimateLimit(initial), limit, name);
        glorot++;
      } else if (/(kernel|token_table)$/.test(name)) near(estimateSpread(initial), 0.25, name);
      else {
        const one = /batch_norm\/(scale|variance)$/.test(name);
        assert.equal(initial(createRandomStream(3)), one ? 1 : 0, name);
        assert.equal(statistic ?? false, /batch_norm\/(mean|variance)$/.test(name), name);
      }
    }
    assert.equal(glorot, name === "mixed" ? 3 : 2);
  });

  Deno.test(`initial weights of a position-weights model, ${name}`, () => {
    for (const { name, initial } of listModelParameters(items, pw)) {
      if (name === "encoder/pw/weights") assert.equal(initial(createRandomStream(3)), 0.0001);
      else if (/(kernel|table)$/.test(name)) near(estimateSpread(initial), 0.125, name);
      else assert.equal(initial(createRandomStream(3)), 0, name);
    }
  });
}

Deno.test("the generator's kernels have another standard deviation", () => {
  const config = buildGeneratorConfig(lstm, { behaviourDims: [5], behaviourSd: 0.5 });
  const own = listModelParameters(catalogues.dense ?? assert.fail(), config);
  const kernel = own.find(({ name }) => name === "utility/output/kernel") ?? assert.fail();
  near(estimateSpread(kernel.initial), 0.5, kernel.name);
});

Deno.test("initialWeights: every parameter, seed and network has a different random stream", () => {
  const initial = makeTruncatedNormal(1);
  const specs = ["a", "b"].map((name) => ({ name, rows: 3, columns: 5, initial }));
  const first = [
    drawInitialWeights(specs, 1),
    drawInitialWeights(specs, 2),
    drawInitialWeights(specs, 1, "generator/"),
  ]
    .flatMap((weights) => [...weights.values()].map((values) => values[0]));
  assert.equal(new Set(first).size, 6);
  const b = drawInitialWeights(specs, 1).get("b") ?? assert.fail();
  assert.equal(b.length, 15);
  assert.deepEqual(drawInitialWeights(specs.slice(1), 1).get("b"), b, "b does not depend on its offset");
});

Deno.test("weight decay applies to kernels and tables only; the wide part starts with the mean history", () => {
  const models: ModelConfig[] = [lstm, pw, { ...defaultModel, wide: 3 }];
  for (const items of Object.values(catalogues)) {
    for (const config of models) {
      for (const { name, decays = false, rows, initial } of listModelParameters(items, config)) {
        assert.equal(decays, /kernel|table/.test(name), name);
        assert.ok(rows > 0, name);
        if (name === HISTORY.weights) assert.equal(initial(createRandomStream(1)), 1 / rows);
      }
    }
  }
});
