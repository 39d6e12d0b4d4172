import { assertRefused } from "./corpus.ts";
import { policies } from "./policies.ts";

assertRefused("policy", policies);
