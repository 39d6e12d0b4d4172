import { assertRefused } from "./corpus.ts";
import { dataLogFiles } from "./data_log_files.ts";

assertRefused("data log", dataLogFiles);
