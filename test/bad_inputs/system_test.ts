/** What the system does not do, whatever the command: full devices, special files, limits. */

import { assertRefused } from "./corpus.ts";
import { system } from "./system.ts";

assertRefused({
  system: system,
});
