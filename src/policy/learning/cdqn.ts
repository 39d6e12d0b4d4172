/**
 * CDQN: a cascade of values, one a position of the slate. Each position takes the best item, given those before it. All are
 * regressed on what the whole slate came to: the common target, as published. Or, chained, each on the best that the next
 * position could have done by the older weights, and only the last on what the slate came to.
 */

import type { MakeLearner } from "./learner.ts";
import { chooseByPosition } from "../network/q_act.ts";
import { QLearner } from "./q_learner.ts";

export const cdqn: MakeLearner = (subject) =>
  new QLearner(subject, {
    name: "cdqn",
    shape: ({ config }) => ({ kind: config.sharePositions ? "shared" : "cascade" }),
    counts: "each",
    choose: ({ network, rows, onValues, ...act }) => {
      const { dispatches, q: view, stride } = chooseByPosition(network, rows, act);
      onValues?.({ view, stride, count: network.shape.slate });
      return dispatches;
    },
    chain: ({ network, rows, ...act }) => chooseByPosition(network, rows, act),
    worth: (slate) => ({ first: slate - 1, count: 1 }),
  });
