import { testAll } from "./corpus.ts";
import { searches } from "./searches.ts";

testAll("tune", searches);
