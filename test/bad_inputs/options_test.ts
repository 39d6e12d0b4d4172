import { testAll } from "./corpus.ts";
import { options } from "./options.ts";

testAll("options", options);
