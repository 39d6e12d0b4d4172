import { assertRefused } from "./corpus.ts";
import { searches } from "./searches.ts";

assertRefused("tune", searches);
