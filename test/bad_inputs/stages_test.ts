import { testAll } from "./corpus.ts";
import { stages } from "./stages.ts";

testAll("stages", stages);
