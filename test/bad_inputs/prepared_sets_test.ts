import { testAll } from "./corpus.ts";
import { preparedSets } from "./prepared_sets.ts";

testAll("prepared sets", preparedSets);
