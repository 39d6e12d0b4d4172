import { assertRefused } from "./corpus.ts";
import { simulations } from "./simulations.ts";

assertRefused("simulate", simulations);
