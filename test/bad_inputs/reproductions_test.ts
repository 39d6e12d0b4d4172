import { assertRefused } from "./corpus.ts";
import { reproductions } from "./reproductions.ts";

assertRefused("reproduce", reproductions);
