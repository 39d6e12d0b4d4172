import { assertRefused } from "./corpus.ts";
import { system } from "./system.ts";

assertRefused("system", system);
