import assert from "node:assert/strict";
import { InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { countPairs, countTrain, smoothedClickRate } from "../../src/counts/train_counts.ts";
import { MemoryItems } from "../../src/data/item_catalogue.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import {
  chance,
  createCategoryRateScorer,
  createClickRateScorer,
  createItemKnnScorer,
  createLastClickScorer,
} from "../../src/metrics/baselines/scorers.ts";
import { computeChoiceProbabilities } from "../../src/model/choice_probabilities.ts";
import { scaleUtilities } from "../../src/model/logit_weights.ts";
import { addPositionEffects, readPositionEffects } from "../../src/model/position_effect.ts";
import { buildRequestClicks, type ScoringRequest } from "../../src/model/scorer.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { type PageScorer, recommend } from "../../src/predict/recommend_items.ts";
import { exportBaseline } from "../../src/serve/onnx/export_baseline.ts";
import { exportModel } from "../../src/serve/onnx/export_model.ts";
import { UserError } from "../../src/user_error.ts";
import { withGpu } from "../op_check.ts";
import { isUserError } from "../run/folder_check.ts";
import { drawRequests, drawWeights, scoreCases } from "../score_cases.ts";

for (const [name, one] of Object.entries(scoreCases)) {
  Deno.test(`pages that are scored together have the same bits as alone: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using model = new UserModel(gpu, one.log.items, one.config, { weights: drawWeights(one) });
      const requests = drawRequests(one);
      const together = await model.scoreAll(requests);
      for (const [k, request] of requests.entries()) {
        assert.deepEqual(Array.from(together[k] ?? []), await model.score(request), `page ${k}`);
      }
      // A page's utilities do not depend on the order of items or on other pages.
      const backwards = await model.scoreAll(requests.slice(2, 9).reverse());
      assert.deepEqual(backwards.reverse(), together.slice(2, 9));
      // Blocks of items that reuse a state have a catalogue page's utilities. A GPU adds in another order.
      const all = Uint32Array.from({ length: one.log.items.count }, (_, item) => item);
      const most = gpu.variants.kind === "gpu" ? 1e-6 : 0;
      for (const { history } of requests.slice(0, 6)) {
        const page = await model.score({ history, page: all });
        for (const candidates of [all, all.filter((item) => item % 7 > 1)]) {
          const wanted = Array.from(candidates).filter((item) => !Array.from(history).includes(item))
            .sort((a, b) => page[b]! - page[a]! || a - b);
          const found = await recommend(model, { history, candidates, top: 99, newOnly: true });
          assert.deepEqual(found.map(({ item }) => item), wanted);
          for (const { item, utility } of found) assert.ok(Math.abs(utility - page[item]!) <= most);
        }
        const best = await recommend(model, { history, candidates: all, top: 3 });
        const shown = await model.score({ history, page: best.map(({ item }) => item) });
        assert.deepEqual(best.map(({ utility }) => utility), shown, "utilities on a page of three items");
      }
    }));
}

Deno.test("scoreAll accepts no requests, and refuses a batch with a wrong one", () =>
  withGpu(undefined, async (gpu) => {
    const one = scoreCases["LSTM, dense"] ?? assert.fail();
    using model = new UserModel(gpu, one.log.items, one.config, { seed: 1 });
    assert.deepEqual(await model.scoreAll([]), []);
    const good = { history: [1], page: [2, 3] };
    await assert.rejects(model.scoreAll([good, { history: [], page: [41] }]), /item in 0\.\.40, got 41/);
    await assert.rejects(model.scoreAll([good, { history: [], page: [] }]), UserError);
    const [first, second] = await Promise.all([model.scoreAll([good]), model.scoreAll([good, good])]);
    assert.deepEqual([first[0], first[0]], second);
  }));

Deno.test("probabilities of a page and of no click sum to 1 for utilities of any size", () => {
  const { items, noClick } = computeChoiceProbabilities({ eta: 1 }, [0, Math.log(2)]);
  assert.ok(Math.abs((items[0] ?? 0) - 0.25) < 1e-15 && Math.abs((items[1] ?? 0) - 0.5) < 1e-15);
  assert.ok(Math.abs(noClick - 0.25) < 1e-15);
  for (const utilities of [[1e30, 3], [-1e30], [700, 700, -700], []]) {
    const { items, noClick } = computeChoiceProbabilities({ eta: 2 }, utilities);
    const sum = items.reduce((a, b) => a + b, noClick);
    assert.ok(Math.abs(sum - 1) < 1e-12, `${utilities}: ${sum}`);
  }
  for (const wrong of [[1, NaN], [Infinity], [-Infinity, 3]]) {
    assert.throws(
      () => computeChoiceProbabilities({ eta: 1 }, wrong),
      /finite numbers, got .*Use another snapshot/,
    );
  }
});

Deno.test("with the logistic loss each item of a page is clicked independently", () => {
  const { items, noClick } = computeChoiceProbabilities({ eta: 2, loss: "logistic" }, [0, Math.log(3) / 2]);
  assert.ok(Math.abs((items[0] ?? 0) - 0.5) < 1e-15 && Math.abs((items[1] ?? 0) - 0.75) < 1e-15);
  assert.ok(Math.abs(noClick - 0.125) < 1e-15);
});

Deno.test("recommend ranks the whole catalogue, block by block", async () => {
  const count = 10_000;
  let steps = 2 ** 24;
  const utility = (item: number) => Math.round(Math.sin(item * 12.9898) * 43758 % 1 * steps) / steps;
  const asked: number[] = [];
  const scorer: PageScorer = {
    get blockItems() {
      return 3000 - 700 * (asked.length % 3);
    },
    encode: () => Promise.resolve({}),
    scoreItems: (_, items) => {
      asked.push(items.length);
      return Promise.resolve(Float32Array.from(items, utility));
    },
    score: ({ page }) => Promise.resolve(Float32Array.from(page, utility)),
  };
  const candidates = Uint32Array.from({ length: count }, (_, k) => k);
  const sorted = Array.from(candidates).sort((a, b) => utility(b) - utility(a) || a - b);
  const options = { history: sorted.slice(0, 3), candidates, top: 5, newOnly: false };
  const found = await recommend(scorer, options);
  assert.deepEqual(found.map(({ item }) => item), sorted.slice(0, 5));
  assert.deepEqual(asked, [3000, 2300, 1600, 3000, 100]);
  const fresh = await recommend(scorer, { ...options, newOnly: true });
  assert.deepEqual(fresh.map(({ item }) => item), sorted.slice(3, 8));
  const all = await recommend(scorer, { ...options, candidates: candidates.subarray(0, 3), top: 5 });
  assert.equal(all.length, 3);
  steps = 8; // many utilities are equal: smaller item numbers come first, on any page
  sorted.sort((a, b) => utility(b) - utility(a) || a - b);
  for (const top of [1, 700, 5000, 20_000]) {
    const found = await recommend(scorer, { ...options, top });
    assert.deepEqual(found.map(({ item }) => item), sorted.slice(0, top));
  }
});

/** Returns lists of items as [rows, longest], padded with -1. */
function padded(lists: readonly ArrayLike<number>[]): Tensor {
  const longest = Math.max(...lists.map(({ length }) => length));
  const values = BigInt64Array.from(
    lists.flatMap((list) => Array.from({ length: longest }, (_, k) => BigInt(list[k] ?? -1))),
  );
  return new Tensor("int64", values, [lists.length, longest]);
}

async function run(session: InferenceSession, requests: readonly ScoringRequest[]) {
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
  Deno.test(`onnxruntime computes the same utilities: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      const weights = drawWeights(one);
      using model = new UserModel(gpu, one.log.items, one.config, { weights });
      const catalogue = new MemoryItems(one.log.items);
      const file = exportModel({ config: one.config, catalogue, weights, metadata: {} });
      for (const [name, values] of weights) {
        // Divisors must not be small, and logarithms of counts must exist.
        if (/variance$|^counts.table/.test(name)) continue;
        const large = new Map([...weights, [name, new Float32Array(values.length).fill(3e38)]]);
        const overflow = () => exportModel({ config: one.config, catalogue, weights: large, metadata: {} });
        assert.throws(overflow, isUserError(/weights are too large/), name);
      }
      const session = await InferenceSession.create(file);
      try {
        const all = drawRequests(one, 16);
        // Also a single request, whose empty history has no step.
        for (
          const requests of [all, [{ history: [], page: [3] }], [{ history: [5, 5, 5, 5], page: [1, 2] }]]
        ) {
          const ours = await model.scoreAll(requests);
          const theirs = await run(session, requests);
          ours.forEach((utilities, k) => {
            const logits = addPositionEffects(utilities, readPositionEffects(weights));
            const expected = computeChoiceProbabilities(one.config, logits);
            utilities.forEach((u, place) => {
              close(`utility of page ${k}`, theirs.utilities[k]?.[place], u);
              close(`probability on page ${k}`, theirs.probabilities[k]?.[place], expected.items[place]);
            });
            close(`no click on page ${k}`, theirs.noClick[k]?.[0], expected.noClick);
            for (const u of theirs.utilities[k]?.subarray(utilities.length) ?? []) assert.equal(u, -Infinity);
            for (const p of theirs.probabilities[k]?.subarray(utilities.length) ?? []) assert.equal(p, 0);
          });
        }
        const ours = await model.scoreAll(all);
        model.setWeights(scaleUtilities(weights, { offset: 0.5, slope: -2 }));
        (await model.scoreAll(all)).forEach((utilities, k) =>
          utilities.forEach((u, place) => close("scaled", u / 2, 0.25 - (ours[k]?.[place] ?? NaN)))
        );
      } finally {
        await session.release();
      }
    }));
}

Deno.test("onnxruntime computes the utilities of each baseline with each setting", async () => {
  const one = scoreCases["counts, PW, mixed, two fields"] ?? assert.fail();
  const { log } = one;
  const catalogue = new MemoryItems(log.items);
  const counts = countTrain(log);
  const neighbours = countPairs(new MemoryLog(log), 500);
  const fields = [{ name: "a", first: 0, count: 6 }, { name: "b", first: 6, count: 7 }];
  const rates = Float64Array.from(counts.clicks, (_, item) => smoothedClickRate(counts, item));
  const scale = { offset: -0.7, slope: 1.3 };
  const repeating = { history: [3, 1, 3, 2, 2, 7, 1], page: [1, 9, 3, 7, 2, 2] };
  const requests = [...drawRequests(one, 16), { history: [], page: [3] }, repeating];
  const clicks = buildRequestClicks(requests, 0);
  const scorers = [
    chance,
    createClickRateScorer(counts),
    createLastClickScorer(counts),
    createCategoryRateScorer(catalogue, counts, fields) ?? assert.fail(),
    createItemKnnScorer(neighbours, counts),
  ];
  for (const scorer of scorers) {
    for (const setting of scorer.settings.keys()) {
      const formula = scorer.formula?.(setting) ?? assert.fail();
      const [scores = new Float64Array()] = scorer.score(clicks, [...requests.keys()], [setting]);
      const file = exportBaseline({ baseline: { formula, rates, scale }, catalogue, metadata: {} });
      const session = await InferenceSession.create(file);
      try {
        const { utilities, noClick } = await run(session, requests);
        let row = 0;
        requests.forEach(({ history, page }, k) => {
          row += history.length;
          const expected = Array.from(
            page,
            () => scale.offset + scale.slope * Math.log(scores[row++] ?? NaN),
          );
          const what = `${formula.name}, ${scorer.settings[setting]}, page ${k}`;
          expected.forEach((u, place) => close(what, utilities[k]?.[place], u));
          close(what, noClick[k]?.[0], computeChoiceProbabilities({ eta: 1 }, expected).noClick);
        });
      } finally {
        await session.release();
      }
    }
  }
});

Deno.test("tables that exceed the size of a file are refused before they are created", () => {
  const one = scoreCases["LSTM, tokens"] ?? assert.fail();
  const shape = { ...new MemoryItems(one.log.items).shape, count: 2 ** 31 };
  const catalogue = { shape, tokenCounts: new Uint32Array(), items: undefined, read: () => assert.fail() };
  const tooLarge = () =>
    exportModel({ config: one.config, catalogue, weights: drawWeights(one), metadata: {} });
  assert.throws(tooLarge, isUserError(/2,147,483,648 items .* has at most/));
});
