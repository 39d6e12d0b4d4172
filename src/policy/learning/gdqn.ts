/** GDQN: a value an item, and that of a slate is their sum. The best slate has the items of the largest values. */

import { chooseItems } from "../network/choose_items.ts";
import type { MakeLearner } from "./learner.ts";
import { QLearner } from "./q_learner.ts";

export const gdqn: MakeLearner = (subject) =>
  new QLearner(subject, {
    name: "gdqn",
    shape: () => ({ kind: "item" }),
    counts: "sum",
    choose: chooseItems,
    worth: (slate) => ({ first: 0, count: slate }),
  });
