import { testAll } from "./corpus.ts";
import { system } from "./system.ts";

testAll("system", system);
