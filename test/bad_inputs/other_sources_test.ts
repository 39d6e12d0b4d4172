import { assertRefused } from "./corpus.ts";
import { otherSources } from "./other_sources.ts";

assertRefused("other sources", otherSources);
