import { assertRefused } from "./corpus.ts";
import { reports } from "./reports.ts";

assertRefused("reports", reports);
