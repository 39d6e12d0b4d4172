import { assertRefused } from "./corpus.ts";
import { runFolders } from "./run_folders.ts";

assertRefused("run folders", runFolders);
