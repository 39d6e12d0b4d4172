/** Faults in what policies are compared by. */

import { mutationsOf } from "./mutation.ts";

const comparison = { tests: ["comparison"] };

export const compareMutations = [
  ...mutationsOf("src/policy/comparison/difference.ts", comparison, [
    ["width(overSeeds) > width(overUsers)", "width(overSeeds) < width(overUsers)"],
    ["byUser.filter((value) => value < 0)", "byUser.filter((value) => value <= 0)"],
    ["returns.slice(0, trainings)", "returns.slice(0, 1)"],
  ]),
  ...mutationsOf("src/policy/comparison/figures.ts", comparison, [
    ["if (log.present[at] === 0) continue;", ""],
    ["seen[first + user] = seen[first + user]! + 1;", "seen[first + user] = 1;"],
  ]),
  ...mutationsOf("src/policy/comparison/calibration.ts", comparison, [
    ["gap[own] = predicted[at]! - isClick;", "gap[own] = isClick - predicted[at]!;"],
  ]),
  ...mutationsOf("src/policy/comparison/calibration.ts", comparison, [
    ["squares += (own - last) ** 2 / n;", "squares += (own - last) ** 2;"],
  ]),
  ...mutationsOf("src/policy/comparison/support.ts", comparison, [
    ["const USUAL = 0.99;", "const USUAL = 0.9;"],
    [
      "if (this.distance(states, row) > this.limit) beyond++;",
      "if (this.distance(states, row) >= this.limit) beyond++;",
    ],
  ]),
  ...mutationsOf("src/policy/comparison/verdict.ts", comparison, [
    ["if (headroom >= NOTHING)", "if (headroom >= 0)"],
  ]),
  ...mutationsOf("src/figures/told.ts", { tests: ["comparison", "verdict"] }, [
    ["if (low > ROUNDING)", "if (low + high > ROUNDING)"],
    ["if (high < -ROUNDING)", "if (low + high < -ROUNDING)"],
    ['return lessIsBetter ? "worse" : "better";', 'return "better";'],
  ]),
  ...mutationsOf("src/policy/adaptation/lin_ucb.ts", { tests: ["lin_ucb"] }, [
    ["addOuter(arm.inverse, d, d, -c, q, q);", "addOuter(arm.inverse, d, d, c, q, q);"],
    ["const e = reward - dot(x, arm.rewards);", "const e = reward;"],
    ["this.#beta = undefined;", ""],
  ]),
  ...mutationsOf("src/policy/comparison/contenders.ts", { tests: ["trial"], filter: "a comparison has" }, [
    ["if (done < log.pages) slates.put(done);", ""],
    ["    this.put(0);\n", ""],
    ["page * users * slate, (page + 1)", "0, (page + 1)"],
  ]),
  ...mutationsOf("src/policy/comparison/comparison.ts", { tests: ["policy_page"] }, [
    ["comparisons.length < 2", "comparisons.length < 3"],
    ["trainingsOf(comparison, policy, environment.name)", "trainingsOf(first, policy, environment.name)"],
  ]),
  ...mutationsOf("src/report/simulation_page.ts", { tests: ["simulation_page"] }, [
    ["return clickRates || reward", "return reward"],
    ["sum + of(page).mean * page.users", "sum + of(page).mean"],
    ["mean: 100 * coverage", "mean: coverage"],
  ]),
  ...mutationsOf("src/simulate/learned_users.ts", { tests: ["from_state"] }, [
    ["...this.#dispatches.events];\n  }", "];\n  }"],
  ]),
  ...mutationsOf("src/simulate/pool.ts", { tests: ["host_simulator"], filter: "random pool" }, [
    ["slotOf(purposes.POOL, first >>> 2)).forEach", "slotOf(purposes.POOL, first)).forEach"],
  ]),
  ...mutationsOf(
    "src/simulate/host/host_simulator.ts",
    { tests: ["host_simulator"], filter: "random pool" },
    [
      ["return free < this.options.slate ? this.#masked : masked;", "return masked;"],
    ],
  ),
  ...mutationsOf("src/simulate/host/exact_shop.ts", { tests: ["exact_shop"], filter: "leave" }, [
    ["const none = discount * (1 - leave) * behind", "const none = discount * behind"],
    ["const noneValue = discount * (1 - leave) *", "const noneValue = discount *"],
    ["this.#random.uniform() < share", "this.#random.uniform() < 2 * share"],
  ]),
  ...mutationsOf("src/policy/comparison/trial.ts", { tests: ["trial"] }, [
    ["1 - clickChances(", "clickChances("],
    ["const pages = this.#windows.shift() ?? [];", "const pages = this.#windows.pop() ?? [];"],
    ["none: none / all", "none: none"],
  ]),
  ...mutationsOf("src/policy/adaptation/adapt.ts", { tests: ["adapt"] }, [
    ["if (weights) trainer.setWeights(weights(trainer.specs));", ""],
  ]),
];
