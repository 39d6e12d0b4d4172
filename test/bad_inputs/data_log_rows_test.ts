import { assertRefused } from "./corpus.ts";
import { dataLogRows } from "./data_log_rows.ts";

assertRefused("rows of a log", dataLogRows);
