import type { ShopTruth } from "./truth.ts";

/**
 * What users like best narrows their taste, and a narrow taste makes every item worth less. Within a page all items lose the
 * same, so that ranking by utility does not see it: one has to plan ahead.
 */
export const restless: ShopTruth = {
  name: "restless",
  about: "as demo, but they tire of a narrow taste, so that planning ahead pays",
  constant: -2.93,
  fatigue: 1.5,
};
