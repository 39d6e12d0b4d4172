import { testAll } from "./corpus.ts";
import { otherSources } from "./other_sources.ts";

testAll("other sources", otherSources);
