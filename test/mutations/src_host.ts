/** Faults in simulated users on the host, the optimum of the made-up shops, and random words. */

import { mutationsOf } from "./mutation.ts";

const of = (...tests: string[]) => ({ tests });

export const hostMutations = [
  ...mutationsOf("src/data/philox.ts", of("philox"), [
    ["round < 10", "round < 9"],
    ["(middle1 >>> 16) + (carry >>> 16)", "(middle1 >>> 16)"],
    ["(word >>> 8) * 2 ** -24", "(word >>> 9) * 2 ** -23"],
    ["purpose + PURPOSES * slot", "purpose + 4 * slot"],
  ]),
  ...mutationsOf("src/data/shops.ts", of("demo_shop"), [
    ["- fatigue * (m1 * m1 + m2 * m2)", "- fatigue * (m1 * m1)"],
    ["m2: mean(m2, f[style + 1]!)", "m2: mean(m2, f[style]!)"],
  ]),
  ...mutationsOf("src/data/demo_shop.ts", of("demo_shop"), [
    ["shopItems(seeds.items, items)", "shopItems(seeds.users, items)"],
    ["splitUsers(users, randomStream(seeds.users,", "splitUsers(users, randomStream(seeds.items,"],
  ]),
  ...mutationsOf("src/simulate/host/choice.ts", of("host_simulator"), [
    ["let most = 0;", "let most = -Infinity;"],
    ["threshold < none ? slots.length : 0", "threshold <= 2 * none ? slots.length : 0"],
    ["Math.min(j, effects.length) - 1", "j - 1"],
    ["margin = Math.min(margin, Math.abs(threshold - sum));", ""],
  ]),
  ...mutationsOf("src/simulate/host/host_simulator.ts", of("host_simulator"), [
    ["this.#withoutClick = 0;\n", ""],
    ["if (!this.options.repeats) this.#masked[item] = 1;", "this.#masked[item] = 1;"],
    ["discount ** page * reward", "discount ** (page + 1) * reward"],
    ["new OneUser(dynamics, options, key, firstUser + u)", "new OneUser(dynamics, options, key, u)"],
    ["words(purposes.LEAVE)", "words(purposes.CHOICE)"],
    ["options.episode ?? 0", "0"],
  ]),
  ...mutationsOf("src/simulate/host/host_policies.ts", of("host_simulator"), [
    ["taken[item] = 1;", ""],
    ["mulhi(words[3] ?? 0, free)", "mulhi(words[3] ?? 0, free - 1)"],
    ["if (masked[item] === 0) shown.push(item);", "shown.push(item);"],
  ]),
  ...mutationsOf("src/simulate/host/slate_ratio.ts", of("slate_ratio"), [
    ["noneWeight * noneValue, noneWeight]", "noneValue, noneWeight]"],
    ["if (!(found > value)) return", "if (rounds > 2) return"],
    ["topSlate(scores, k, masked)", "topSlate(scores, k)"],
  ]),
  ...mutationsOf("src/simulate/host/top_slate.ts", of("slate_ratio"), [
    ["place > 0 && score > scores", "place > 0 && score >= scores"],
    ["!(score > scores[slate[k - 1]!]!)", "!(score >= scores[slate[k - 1]!]!)"],
  ]),
  ...mutationsOf("src/simulate/host/exact_shop.ts", of("exact_shop"), [
    ["page.pages - page.page - 1;", "page.pages - page.page;"],
    ["plan.value(plan.dynamics.next(page.state, item), left)", "plan.value(page.state, left)"],
    ["let above = none, below = 1;", "let above = 0, below = 1;"],
    ["v00 + sy[iy]! * (v01 - v00)", "v00"],
    ["if (!(next > value)) return value;", "if (!(next < value)) return value;"],
    ["slate.set(found);", "", "where the search starts on the page before: it finds the same from anywhere"],
  ]),
  ...mutationsOf("src/simulate/host/grid.ts", of("exact_shop"), [
    ["Math.min(Math.floor(place), last - 1)", "Math.floor(place)"],
    [
      "Math.max((x - this.#first[axis]!) / this.#step[axis]!, 0)",
      "(x - this.#first[axis]!) / this.#step[axis]!",
    ],
  ]),
];
