/** How every kind of parameter is drawn at the start: the limit of a Glorot draw and the spread of a normal one, exactly. */

import assert from "node:assert/strict";
import type { ItemsShape } from "../../src/data/item_catalogue.ts";
import { randomStream } from "../../src/data/random.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/config.ts";
import { generatorConfig } from "../../src/model/generator.ts";
import { glorotUniform, initialWeights, truncatedNormal } from "../../src/model/initial_weights.ts";
import { modelParameters } from "../../src/model/user_model.ts";
import { HISTORY } from "../../src/model/wide.ts";

const near = (actual: number, expected: number, what: string) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${what}: expected ${expected}, got ${actual}`);

/** What a value is a multiple of, if it is a uniform draw of -1..1. */
function limitOf(initial: (random: ReturnType<typeof randomStream>) => number): number {
  return initial(randomStream(3)) / (2 * randomStream(3).uniform() - 1);
}
function spreadOf(initial: (random: ReturnType<typeof randomStream>) => number): number {
  return initial(randomStream(3)) / randomStream(3).truncatedNormal();
}

const catalogues: Record<string, ItemsShape> = {
  dense: { kind: "dense", count: 11, width: 7 },
  "one-hot": { kind: "one-hot", count: 11, width: 11 },
  mixed: { kind: "mixed", count: 11, width: 7, tokens: 5 },
  "tokens alone": { kind: "mixed", count: 11, width: 0, tokens: 5 },
};
const lstm: ModelConfig = { ...defaultModel, lstmUnits: 6, dims: [9, 4], kernelSd: 0.25, batchNorm: true };
const pw: ModelConfig = { ...defaultPwModel, pwLags: 3, pwWeightings: 2, dims: [9, 4], kernelSd: 0.125 };

Deno.test("truncatedNormal: none beyond two standard deviations", () => {
  const [random, unit] = [randomStream(4), randomStream(4)];
  const initial = truncatedNormal(0.5);
  for (let k = 0; k < 2000; k++) {
    const value = initial(random);
    assert.equal(value, 0.5 * unit.truncatedNormal());
    assert.ok(Math.abs(value) <= 1);
  }
});

Deno.test("glorotUniform: in +- sqrt(6 / (fan in + fan out)), its ends included", () => {
  for (const [fanIn, fanOut] of [[1, 5], [5, 1], [20, 80], [300, 64]] as const) {
    near(limitOf(glorotUniform(fanIn, fanOut)), Math.sqrt(6 / (fanIn + fanOut)), `${fanIn} -> ${fanOut}`);
  }
  const random = randomStream(5, "glorot");
  const values = Array.from({ length: 10_000 }, () => glorotUniform(2, 4)(random));
  assert.ok(values.every((x) => Math.abs(x) <= 1));
  assert.ok(Math.min(...values) < -0.99 && Math.max(...values) > 0.99);
});

// An LSTM's kernel is one matrix [F + H, 4H] of which the parts that it stands in here are rows: one fan for all.
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
    for (const { name, initial, statistic } of modelParameters(items, lstm)) {
      if (/lstm\/(input_kernel|token_table|recurrent_kernel)$/.test(name)) {
        near(limitOf(initial), limit, name);
        glorot++;
      } else if (/(kernel|token_table)$/.test(name)) near(spreadOf(initial), 0.25, name);
      else {
        const one = /batch_norm\/(scale|variance)$/.test(name);
        assert.equal(initial(randomStream(3)), one ? 1 : 0, name);
        assert.equal(statistic ?? false, /batch_norm\/(mean|variance)$/.test(name), name);
      }
    }
    assert.equal(glorot, name === "mixed" ? 3 : 2);
  });

  Deno.test(`initial weights of a position-weights model, ${name}`, () => {
    for (const { name, initial } of modelParameters(items, pw)) {
      if (name === "encoder/pw/weights") assert.equal(initial(randomStream(3)), 0.0001);
      else if (/(kernel|table)$/.test(name)) near(spreadOf(initial), 0.125, name);
      else assert.equal(initial(randomStream(3)), 0, name);
    }
  });
}

Deno.test("the generator's kernels have a spread of their own", () => {
  const config = generatorConfig(lstm, { behaviourDims: [5], behaviourSd: 0.5 });
  const own = modelParameters(catalogues.dense ?? assert.fail(), config);
  const kernel = own.find(({ name }) => name === "utility/output/kernel") ?? assert.fail();
  near(spreadOf(kernel.initial), 0.5, kernel.name);
});

Deno.test("initialWeights: every parameter, seed and network has a stream of its own", () => {
  const initial = truncatedNormal(1);
  const specs = ["a", "b"].map((name) => ({ name, rows: 3, columns: 5, initial }));
  const first = [initialWeights(specs, 1), initialWeights(specs, 2), initialWeights(specs, 1, "generator/")]
    .flatMap((weights) => [...weights.values()].map((values) => values[0]));
  assert.equal(new Set(first).size, 6);
  const b = initialWeights(specs, 1).get("b") ?? assert.fail();
  assert.equal(b.length, 15);
  assert.deepEqual(
    initialWeights(specs.slice(1), 1).get("b"),
    b,
    "b does not depend on what stands before it",
  );
});

Deno.test("weight decay takes kernels and tables, and nothing else; the wide part begins with a mean of the past", () => {
  const models: ModelConfig[] = [lstm, pw, { ...defaultModel, wide: 3 }];
  for (const items of Object.values(catalogues)) {
    for (const config of models) {
      for (const { name, decays = false, rows, initial } of modelParameters(items, config)) {
        assert.equal(decays, /kernel|table/.test(name), name);
        assert.ok(rows > 0, name);
        if (name === HISTORY.weights) assert.equal(initial(randomStream(1)), 1 / rows);
      }
    }
  }
});
