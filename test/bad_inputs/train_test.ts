/** What `train` is given: data, options, stages, and the runs and snapshots that it goes on with. */

import { assertRefused } from "./corpus.ts";
import { options } from "./options.ts";
import { paperFiles } from "./paper_files.ts";
import { preparedSets } from "./prepared_sets.ts";
import { runFolders } from "./run_folders.ts";
import { snapshotCases } from "./snapshot_cases.ts";
import { stages } from "./stages.ts";

assertRefused({
  "paper files": paperFiles,
  "prepared sets": preparedSets,
  options,
  stages,
  "run folders": runFolders,
  snapshots: snapshotCases,
});
