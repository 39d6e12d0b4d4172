import { testAll } from "./corpus.ts";
import { snapshotCases } from "./snapshot_cases.ts";

testAll("snapshots", snapshotCases);
