import { testAll } from "./corpus.ts";
import { dataLogRows } from "./data_log_rows.ts";

testAll("rows of a log", dataLogRows);
