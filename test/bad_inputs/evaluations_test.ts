import { assertRefused } from "./corpus.ts";
import { evaluations } from "./evaluations.ts";

assertRefused("evaluate", evaluations);
