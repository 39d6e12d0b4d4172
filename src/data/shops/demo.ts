import type { ShopTruth } from "./truth.ts";

/** One event in five ends without a click. To plan ahead gains next to nothing here: the best item now is the best for later, too. */
export const demo: ShopTruth = {
  name: "demo",
  about: "users like what is like their earlier clicks",
  constant: -2.93,
  fatigue: 0,
};
