/** The model that simulated users are held against is the model that training is held against. */

import assert from "node:assert/strict";
import { NONE } from "../../src/data/click_log.ts";
import { itemsShape } from "../../src/data/item_catalogue.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../src/model/config.ts";
import { initialWeights } from "../../src/model/initial_weights.ts";
import { modelParameters } from "../../src/model/user_model.ts";
import { modelDynamics } from "../f64_dynamics.ts";
import { network64, shape64, toParameters64 } from "../f64_model.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";

const size = { users: 12, items: 15, maxEvents: 9, maxPage: 5 };
const pw: ModelConfig = { ...defaultPwModel, pwLags: 3, dims: [9, 5] };
const { lstmUnits: _, ...common } = defaultModel;
const models: Record<string, ModelConfig> = {
  lstm: { ...defaultModel, lstmUnits: 5, dims: [7, 6] },
  "position weights": pw,
  "position weights, tanh": { ...pw, pwNonlinearity: "tanh" },
  "no history": { ...common, encoder: "none", dims: [4] },
  "wide & deep with places": { ...defaultModel, lstmUnits: 3, dims: [4], wide: 3, positions: 4 },
};

for (const [name, model] of Object.entries(models)) {
  Deno.test(`f64 dynamics: ${name}, carried on click by click, has the utilities of the whole network`, () => {
    for (const log of [smallLog(31, { ...size, width: 6 }), smallLog(32, { ...size, width: 0 })]) {
      const specs = modelParameters(itemsShape(log.items), { ...model, kernelSd: 0.4 });
      const p = toParameters64(initialWeights(specs, 3), specs);
      const users = Array.from(log.userSplit.keys());
      const { pages } = network64(log, users, p, shape64(model));
      const dynamics = modelDynamics(log.items, p, shape64(model), 0.7);
      let index = 0, moved = 0;
      for (const user of users) {
        let state = dynamics.initial();
        for (let e = log.userEvents[user] ?? 0; e < (log.userEvents[user + 1] ?? 0); e++) {
          const shown = log.rowItem.subarray(log.eventRows[e], log.eventRows[e + 1]);
          const found = dynamics.utilities(state, shown);
          pages[index++]?.u.forEach((u, k) => {
            assert.ok(
              Math.abs((found[k] ?? NaN) - u) < 1e-12 * Math.max(1, Math.abs(u)),
              `event ${e}, row ${k}`,
            );
          });
          const click = log.eventClick[e] ?? NONE;
          if (click === NONE) continue;
          state = dynamics.next(state, log.rowItem[click] ?? 0);
          moved++;
        }
      }
      assert.equal(index, pages.length);
      assert.ok(moved > 20);
      assert.equal(dynamics.placeEffects?.length, model.positions ? model.positions - 1 : 0);
    }
  });
}
