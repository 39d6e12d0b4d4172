import { testAll } from "./corpus.ts";
import { paperFiles } from "./paper_files.ts";

testAll("paper files", paperFiles);
