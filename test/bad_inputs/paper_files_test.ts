import { assertRefused } from "./corpus.ts";
import { paperFiles } from "./paper_files.ts";

assertRefused("paper files", paperFiles);
