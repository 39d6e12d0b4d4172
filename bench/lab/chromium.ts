/** Which browser the benches of the lab take. */

import { UserError } from "../../src/user_error.ts";
import { findChromium } from "../../test/chromium.ts";

/** @param named by the user, if any. @throws UserError where there is none */
export async function chromiumOr(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const found = await findChromium();
  if (typeof found === "string") return found;
  throw new UserError(`Expected Chromium: ${found.missing} Or name one by --chromium.`);
}
