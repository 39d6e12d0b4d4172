import { assertRefused } from "./corpus.ts";
import { preparedSets } from "./prepared_sets.ts";

assertRefused("prepared sets", preparedSets);
