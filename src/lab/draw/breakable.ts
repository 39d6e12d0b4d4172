/** Where a long name may go on in the next line. */

import { type Html, markup } from "../../report/html.ts";

/** A name of words that are joined by _ or /, which may be broken behind them. */
export function breakable(name: string): Html {
  return markup`${
    name.split(/(?<=[_/])/).map((word, k) => k === 0 ? markup`${word}` : markup`<wbr>${word}`)
  }`;
}
