/** Logs and other sources that `data` is given. */

import { assertRefused } from "./corpus.ts";
import { dataLogFiles } from "./data_log_files.ts";
import { dataLogRows } from "./data_log_rows.ts";
import { otherSources } from "./other_sources.ts";

assertRefused({
  "data log": dataLogFiles,
  "rows of a log": dataLogRows,
  "other sources": otherSources,
});
