import { testAll } from "./corpus.ts";
import { reports } from "./reports.ts";

testAll("reports", reports);
