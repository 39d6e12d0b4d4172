/** What the commands that use, compare or search models are given, and reports. */

import { assertRefused } from "./corpus.ts";
import { evaluations } from "./evaluations.ts";
import { policies } from "./policies.ts";
import { reports } from "./reports.ts";
import { reproductions } from "./reproductions.ts";
import { searches } from "./searches.ts";
import { simulations } from "./simulations.ts";
import { uses } from "./uses.ts";

assertRefused({
  evaluate: evaluations,
  uses: uses,
  reports: reports,
  policy: policies,
  simulate: simulations,
  tune: searches,
  reproduce: reproductions,
});
