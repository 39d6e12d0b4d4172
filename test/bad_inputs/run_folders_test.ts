import { testAll } from "./corpus.ts";
import { runFolders } from "./run_folders.ts";

testAll("run folders", runFolders);
