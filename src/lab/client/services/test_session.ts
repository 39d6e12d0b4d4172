/** Computes the test metrics of a training's snapshots for the screen Train. */

import { listUsers } from "../../../data/click_log.ts";
import type { MetricDetails } from "../../../metrics/test_result.ts";
import { testStage } from "../../../run/test_stage.ts";
import { shownBaselines } from "../../../run/tested_users.ts";
import type { TrainSession } from "./train_session.ts";

/** Metrics of a snapshot or baseline on the test users, with 95 % bootstrap intervals over users. */
interface TestRow extends Pick<MetricDetails, "metrics" | "intervals"> {
  readonly name: string;
  /** Iteration of the snapshot; undefined for a baseline. */
  readonly iteration?: number;
}

export interface TestTable {
  readonly users: number;
  readonly rows: readonly TestRow[];
  /** Sentences with conclusions from the test metrics. */
  readonly verdict: readonly string[];
}

/** Computes test metrics of a session's snapshots, then restores its weights. The GPU must be idle. */
export async function testSession(
  { stage, trainer, choice, config, setting: { data } }: TrainSession,
  report: (what: string) => void,
): Promise<TestTable> {
  const start = await choice?.choose();
  const { test, baselines, verdict } = await testStage(stage, trainer, data, config, report, start);
  const simple = shownBaselines.flatMap(([key, name]) => {
    const found = baselines[key];
    return found ? [{ name, details: found.details }] : [];
  });
  const snapshots = test.map(({ snapshot, iteration, details }) => ({ name: snapshot, iteration, details }));
  return {
    users: listUsers(data.source, "test").length,
    rows: [...snapshots, ...simple].map(({ details: { metrics, intervals }, ...row }) => ({
      ...{ ...row, metrics, intervals },
    })),
    // The page has a button in place of the option --resume.
    verdict: verdict.map((text) => text.replace("--resume with", "Resume with")),
  };
}
