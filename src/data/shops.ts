/** The made-up shops. Another one is a file in shops/ and a line here. */

import { demo } from "./shops/demo.ts";
import { restless } from "./shops/restless.ts";
import type { ShopTruth } from "./shops/truth.ts";

/** In the order of the help. */
export const shops: readonly ShopTruth[] = [demo, restless];

/** Their names, for messages. */
export const shopNames = shops.map(({ name }) => name).join(" or ");

/** The shop of a name, undefined where there is none. */
export function shopNamed(name: string): ShopTruth | undefined {
  return shops.find((shop) => shop.name === name);
}
