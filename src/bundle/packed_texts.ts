/** Texts that a bundle carries compressed; see kernel_texts.ts. It runs in the browser, when the script begins. */

import { inflateSync, strFromU8 } from "fflate";

/** Stands between the texts. */
export const BETWEEN = "\0";

/** @param packed the texts, deflated and in base64. */
export function unpack(packed: string): string[] {
  return strFromU8(inflateSync(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)))).split(BETWEEN);
}
