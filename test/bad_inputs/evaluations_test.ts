import { testAll } from "./corpus.ts";
import { evaluations } from "./evaluations.ts";

testAll("evaluate", evaluations);
