/** Exported models in onnxruntime, beside ours. */

import assert from "node:assert/strict";
import { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { choiceProbabilities } from "../../src/model/choice.ts";
import type { PageRequest } from "../../src/model/scorer.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { exportModel } from "../../src/serve/onnx/export_model.ts";
import { userError } from "./folder_check.ts";
import { withGpu } from "../op_check.ts";
import { requestsOf, scoreCases, weightsOf } from "../score_cases.ts";

/** Lists of items as [rows, longest], filled up with -1. */
function padded(lists: readonly ArrayLike<number>[]): Tensor {
  const longest = Math.max(...lists.map(({ length }) => length));
  const values = BigInt64Array.from(
    lists.flatMap((list) => Array.from({ length: longest }, (_, k) => BigInt(list[k] ?? -1))),
  );
  return new Tensor("int64", values, [lists.length, longest]);
}

async function run(session: InferenceSession, requests: readonly PageRequest[]) {
  const outputs = await session.run({
    history: padded(requests.map(({ history }) => history)),
    page: padded(requests.map(({ page }) => page)),
  });
  const rows = (name: string) => {
    const { data, dims: [, width = 1] } = outputs[name] ?? assert.fail(name);
    assert.ok(data instanceof Float32Array);
    return requests.map((_, k) => data.subarray(k * width, (k + 1) * width));
  };
  return { utilities: rows("utilities"), probabilities: rows("probabilities"), noClick: rows("no_click") };
}

function close(what: string, found: number | undefined, expected: number | undefined): void {
  const gap = Math.abs((found ?? NaN) - (expected ?? NaN));
  assert.ok(gap <= 1e-5, `${what}: ${found}, expected ${expected}`);
}

for (const [name, one] of Object.entries(scoreCases)) {
  Deno.test(`onnxruntime computes what we do: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const weights = weightsOf(one);
      const model = new UserModel(gpu, one.log.items, one.config, { weights });
      const catalogue = new MemoryItems(one.log.items);
      const file = exportModel({ config: one.config, catalogue, weights, metadata: {} });
      for (const [name, values] of weights) {
        // What is divided by a variance is small, of what is counted there are logarithms, and a position is not exported.
        if (/variance$|^position|^counts.table/.test(name)) continue;
        const large = new Map([...weights, [name, new Float32Array(values.length).fill(3e38)]]);
        const overflow = () => exportModel({ config: one.config, catalogue, weights: large, metadata: {} });
        assert.throws(overflow, userError(/weights are too large/), name);
      }
      const session = await InferenceSession.create(file);
      try {
        const all = requestsOf(one, 16);
        // Alone as well: without history there is not a single step.
        for (
          const requests of [all, [{ history: [], page: [3] }], [{ history: [5, 5, 5, 5], page: [1, 2] }]]
        ) {
          const ours = await model.scoreAll(requests);
          const theirs = await run(session, requests);
          ours.forEach((utilities, k) => {
            const expected = choiceProbabilities(one.config, utilities);
            utilities.forEach((u, place) => {
              close(`utility of page ${k}`, theirs.utilities[k]?.[place], u);
              close(`probability on page ${k}`, theirs.probabilities[k]?.[place], expected.items[place]);
            });
            close(`no click on page ${k}`, theirs.noClick[k]?.[0], expected.noClick);
            for (const u of theirs.utilities[k]?.subarray(utilities.length) ?? []) assert.equal(u, -Infinity);
            for (const p of theirs.probabilities[k]?.subarray(utilities.length) ?? []) assert.equal(p, 0);
          });
        }
      } finally {
        await session.release();
        model.destroy();
      }
    }));
}

Deno.test("tables that no file holds are refused before they are made", () => {
  const one = scoreCases["LSTM, tokens"] ?? assert.fail();
  const shape = { ...new MemoryItems(one.log.items).shape, count: 2 ** 31 };
  const catalogue = { shape, tokenCounts: new Uint32Array(), items: undefined, read: () => assert.fail() };
  const tooLarge = () =>
    exportModel({ config: one.config, catalogue, weights: weightsOf(one), metadata: {} });
  assert.throws(tooLarge, userError(/2,147,483,648 items .* holds at most/));
});
