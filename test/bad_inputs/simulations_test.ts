import { testAll } from "./corpus.ts";
import { simulations } from "./simulations.ts";

testAll("simulate", simulations);
