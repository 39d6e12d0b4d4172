import { testAll } from "./corpus.ts";
import { uses } from "./uses.ts";

testAll("uses", uses);
