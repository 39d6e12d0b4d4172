/** The test figures of a stage that is finished: of its snapshots, beside the baselines, and what follows from them. */

import { usersOf } from "../data/click_log.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { pairedOf } from "../figures/paired.ts";
import { differences, type Tested } from "../figures/tested.ts";
import { criteria } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { StagesConfig } from "../train/config.ts";
import type { Weights } from "../tape/parameters.ts";
import type { SnapshotName } from "./run_state.ts";
import {
  type BaselineResults,
  choiceOf,
  type SnapshotDifferences,
  type SnapshotResult,
  snapshotResult,
  type TestedData,
  TestedUsers,
} from "./tested_users.ts";
import type { Stage, StageFigures } from "./stages.ts";
import { verdictOf } from "./verdict.ts";

/** What the test users say of a stage that is finished. */
export interface StageTest {
  readonly test: readonly SnapshotResult[];
  readonly baselines: BaselineResults;
  readonly snapshots: readonly SnapshotDifferences[];
  /** What follows from it, a sentence or two each. */
  readonly verdict: readonly string[];
}

/** The test users of a data set: its runs, and their stages, share the baselines. */
const testUsers = new WeakMap<LogSource, TestedUsers>();

/**
 * Tests the snapshots of a stage.
 * @param trainer keeps the weights that it has.
 */
export async function testStage(
  stage: Stage,
  trainer: ClickTrainer<StageFigures>,
  data: TestedData,
  config: StagesConfig,
  onProgress: OnProgress | undefined,
): Promise<StageTest> {
  const users = usersOf(data.source, "test");
  const tested = testUsers.get(data.source) ?? TestedUsers.of(data, users, onProgress);
  testUsers.set(data.source, tested);
  const evaluation = await trainer.evaluation(users, config.training.evaluationShards);
  const test: SnapshotResult[] = [];
  const all: { snapshot: SnapshotName; tested: Tested }[] = [];
  const take = async (snapshot: SnapshotName, iteration: number, weights: Weights) => {
    const onShard = (done: number, all: number) => onProgress?.(`Test users, ${snapshot}`, done, all);
    const found = await tested.test(evaluation, choiceOf(config.model, weights), onShard);
    test.push({
      ...snapshotResult(snapshot, iteration, found, tested),
      paired: pairedOf(found.tested),
    });
    all.push({ snapshot, tested: found.tested });
  };
  try {
    const last = await trainer.weights();
    for (const criterion of criteria) {
      const { value, iteration } = trainer.best[criterion];
      if (!Number.isFinite(value)) continue;
      const weights = await trainer.snapshot(criterion);
      trainer.setWeights(weights);
      await take(`best-${criterion}`, iteration, weights);
    }
    trainer.setWeights(last);
    await take("last", trainer.iteration, last);
  } finally {
    evaluation.destroy();
  }
  const snapshots = all.flatMap(({ snapshot, tested }, k) =>
    all.slice(k + 1).map((other) => ({
      snapshot,
      minus: other.snapshot,
      differences: differences(tested, other.tested),
    }))
  );
  const found = { test, baselines: tested.results(), snapshots };
  return { ...found, verdict: verdictOf(test, stage, config, data, trainer.iteration) };
}
