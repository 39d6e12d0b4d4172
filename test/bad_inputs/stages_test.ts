import { assertRefused } from "./corpus.ts";
import { stages } from "./stages.ts";

assertRefused("stages", stages);
