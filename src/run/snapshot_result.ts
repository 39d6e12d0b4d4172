/** What result.json says of a snapshot. */

import type { BaselineName } from "../figures/baselines/baselines.ts";
import type { Paired } from "../figures/paired.ts";
import type { Details, Differences } from "../figures/tested.ts";
import type { EvaluationFigures } from "../train/evaluation.ts";
import type { SnapshotName } from "./run_state.ts";
import type { StageFigures } from "./stages.ts";
import type { TestedModel, TestedUsers } from "./tested_users.ts";

/** Test figures of one snapshot; those of a game only where there was one. */
export type SnapshotResult =
  & EvaluationFigures
  & StageFigures
  & {
    readonly snapshot: SnapshotName;
    /** Iteration that the snapshot is from. */
    readonly iteration: number;
    /** How alike the reward and the truth rank a page's items, where the truth is known: {@link meanSpearman}. */
    readonly spearman?: number;
    /** All figures with their intervals. */
    readonly details: Details;
    /** How far it is above each baseline. */
    readonly against: Readonly<Partial<Record<BaselineName, Differences>>>;
    /** What other runs are compared with. */
    readonly paired?: Paired;
  };

/** How far one snapshot is above another. */
export interface SnapshotDifferences {
  readonly snapshot: SnapshotName;
  readonly minus: SnapshotName;
  readonly differences: Differences;
}

/** @param users that it was tested on. */
export function snapshotResult(
  snapshot: SnapshotName,
  iteration: number,
  { figures, tested, spearman }: TestedModel<StageFigures>,
  users: TestedUsers,
): SnapshotResult {
  return {
    snapshot,
    iteration,
    ...figures,
    ...(spearman === undefined ? {} : { spearman }),
    details: tested.details,
    against: users.against(tested),
  };
}
