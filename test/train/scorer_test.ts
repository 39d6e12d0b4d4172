/** Pages that are scored together, and what probabilities follow from utilities. */

import assert from "node:assert/strict";
import { choiceProbabilities } from "../../src/model/choice.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { recommend } from "../../src/figures/predict/recommend.ts";
import { UserError } from "../../src/user_error.ts";
import { withGpu } from "../op_check.ts";
import { requestsOf, scoreCases, weightsOf } from "../score_cases.ts";

for (const [name, one] of Object.entries(scoreCases)) {
  Deno.test(`pages scored together have the bits of each alone: ${name}`, () =>
    withGpu(undefined, async (gpu) => {
      using model = new UserModel(gpu, one.log.items, one.config, { weights: weightsOf(one) });
      const requests = requestsOf(one);
      const together = await model.scoreAll(requests);
      for (const [k, request] of requests.entries()) {
        assert.deepEqual(Array.from(together[k] ?? []), await model.score(request), `page ${k}`);
      }
      // In another order and company, a page keeps its utilities.
      const backwards = await model.scoreAll(requests.slice(2, 9).reverse());
      assert.deepEqual(backwards.reverse(), together.slice(2, 9));
    }));
}

Deno.test("scoreAll takes no requests, and refuses the batch for one that is wrong", () =>
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

Deno.test("probabilities of a page and of no click add up to 1, for utilities of any size", () => {
  const { items, noClick } = choiceProbabilities({ eta: 1 }, [0, Math.log(2)]);
  assert.ok(Math.abs((items[0] ?? 0) - 0.25) < 1e-15 && Math.abs((items[1] ?? 0) - 0.5) < 1e-15);
  assert.ok(Math.abs(noClick - 0.25) < 1e-15);
  for (const utilities of [[1e30, 3], [-1e30], [700, 700, -700], []]) {
    const { items, noClick } = choiceProbabilities({ eta: 2 }, utilities);
    const sum = items.reduce((a, b) => a + b, noClick);
    assert.ok(Math.abs(sum - 1) < 1e-12, `${utilities}: ${sum}`);
  }
  for (const wrong of [[1, NaN], [Infinity], [-Infinity, 3]]) {
    assert.throws(() => choiceProbabilities({ eta: 1 }, wrong), /finite numbers, got .*Use another snapshot/);
  }
});

Deno.test("with the logistic loss each item of a page is clicked or not by itself", () => {
  const { items, noClick } = choiceProbabilities({ eta: 2, loss: "logistic" }, [0, Math.log(3) / 2]);
  assert.ok(Math.abs((items[0] ?? 0) - 0.5) < 1e-15 && Math.abs((items[1] ?? 0) - 0.75) < 1e-15);
  assert.ok(Math.abs(noClick - 0.125) < 1e-15);
});

Deno.test("recommend ranks the whole catalogue, page by page", async () => {
  const count = 10_000;
  let steps = 2 ** 24;
  const utility = (item: number) => Math.round(Math.sin(item * 12.9898) * 43758 % 1 * steps) / steps;
  const asked: number[] = [];
  const score = (requests: readonly { page: ArrayLike<number> }[]) => {
    asked.push(...requests.map(({ page }) => page.length));
    return Promise.resolve(requests.map(({ page }) => Float32Array.from(page, utility)));
  };
  const candidates = Uint32Array.from({ length: count }, (_, k) => k);
  const sorted = Array.from(candidates).sort((a, b) => utility(b) - utility(a) || a - b);
  const options = { history: sorted.slice(0, 3), candidates, top: 5, newOnly: false };
  const found = await recommend(score, options);
  assert.deepEqual(found.map(({ item }) => item), sorted.slice(0, 5));
  assert.deepEqual(asked, [3333, 3333, 3334]);
  const fresh = await recommend(score, { ...options, newOnly: true });
  assert.deepEqual(fresh.map(({ item }) => item), sorted.slice(3, 8));
  const all = await recommend(score, { ...options, candidates: candidates.subarray(0, 3), top: 5 });
  assert.equal(all.length, 3);
  steps = 8; // many items are equal: the smaller numbers come first, whichever page they are on
  sorted.sort((a, b) => utility(b) - utility(a) || a - b);
  for (const top of [1, 700, 5000, 20_000]) {
    const found = await recommend(score, { ...options, top });
    assert.deepEqual(found.map(({ item }) => item), sorted.slice(0, top));
  }
});
