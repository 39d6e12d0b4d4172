import { assertRefused } from "./corpus.ts";
import { options } from "./options.ts";

assertRefused("options", options);
