import { testAll } from "./corpus.ts";
import { reproductions } from "./reproductions.ts";

testAll("reproduce", reproductions);
