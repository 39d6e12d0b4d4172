import { testAll } from "./corpus.ts";
import { policies } from "./policies.ts";

testAll("policy", policies);
