import { assertRefused } from "./corpus.ts";
import { snapshotCases } from "./snapshot_cases.ts";

assertRefused("snapshots", snapshotCases);
