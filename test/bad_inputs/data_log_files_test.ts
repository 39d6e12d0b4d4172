import { testAll } from "./corpus.ts";
import { dataLogFiles } from "./data_log_files.ts";

testAll("data log", dataLogFiles);
