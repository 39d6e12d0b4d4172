import { assertRefused } from "./corpus.ts";
import { uses } from "./uses.ts";

assertRefused("uses", uses);
