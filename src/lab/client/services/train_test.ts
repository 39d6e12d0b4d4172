/** What the test users say of a training: its snapshots beside the baselines, as the command says it. */

import { usersOf } from "../../../data/click_log.ts";
import type { FigureName } from "../../../figures/columns.ts";
import { type SnapshotResult, snapshotResult } from "../../../run/snapshot_result.ts";
import { choiceOf, shownBaselines, TestedUsers } from "../../../run/tested_users.ts";
import { baselineWords, lossWords } from "../../../run/verdict.ts";
import { criteria } from "../../../train/best_records.ts";
import type { LabData } from "./lab_data.ts";
import type { SnapshotName, TrainSession } from "./train_session.ts";

/** A figure with the range in which 95 % of the resamples of the users are. */
export interface Tested {
  readonly value: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
}

export interface TestRow {
  readonly name: string;
  /** Of a snapshot. */
  readonly iteration: number | undefined;
  readonly figures: Readonly<Partial<Record<FigureName, Tested>>>;
}

export interface TestTable {
  readonly users: number;
  readonly rows: readonly TestRow[];
  /** What follows from it, in sentences. */
  readonly verdict: readonly string[];
}

/** Shown of each row. */
const SHOWN = ["nll", "prec1", "prec2", "ndcg", "auc"] as const satisfies readonly FigureName[];

/** The test users of data are the same for all trainings on them. */
const testUsers = new WeakMap<LabData, TestedUsers>();

/** Nothing may be in flight. The trainer keeps its weights. @param tell what is being done. */
export async function testTable(
  { trainer, model, setting: { data, training } }: TrainSession,
  tell: (what: string) => void,
): Promise<TestTable> {
  const users = usersOf(data.source, "test");
  tell("Counting the baselines on the train users");
  const tested = testUsers.get(data) ?? TestedUsers.of(datasetOf(data), users);
  testUsers.set(data, tested);
  const evaluation = await trainer.evaluation(users, training.evaluationShards);
  const test: SnapshotResult[] = [];
  try {
    const last = await trainer.weights();
    const take = async (name: SnapshotName, iteration: number, weights: typeof last) => {
      tell(`Scoring the test users with ${name}`);
      trainer.setWeights(weights);
      const found = await tested.test(evaluation, choiceOf(model.config, weights));
      test.push(snapshotResult(name, iteration, found, tested));
    };
    for (const criterion of criteria) {
      const { value, iteration } = trainer.best[criterion];
      if (Number.isFinite(value)) {
        await take(`best-${criterion}`, iteration, await trainer.snapshot(criterion));
      }
    }
    await take("last", trainer.iteration, last);
  } finally {
    evaluation.destroy();
  }
  const baselines = tested.results();
  return {
    users: users.length,
    rows: [
      ...test.map(({ snapshot, iteration, details }) => rowOf(snapshot, iteration, details)),
      ...shownBaselines.flatMap(([key, name]) => {
        const found = baselines[key];
        return found ? [rowOf(name, undefined, found.details)] : [];
      }),
    ],
    verdict: [
      ...baselineWords(test, data.source.items.shape),
      ...(model.config.loss === "choice" ? lossWords({ test, baselines }) : []),
    ],
  };
}

function rowOf(
  name: string,
  iteration: number | undefined,
  { figures, intervals }: SnapshotResult["details"],
): TestRow {
  const shown = SHOWN.flatMap((figure) => {
    const value = figures[figure];
    const [low, high] = intervals[figure] ?? [];
    return value === undefined ? [] : [[figure, { value, low, high }] as const];
  });
  return { name, iteration, figures: Object.fromEntries(shown) };
}

/** As the command's own figures are taken of it. */
function datasetOf({ source, truth, features }: LabData): Parameters<typeof TestedUsers.of>[0] {
  return { config: { kind: "demo", seed: 0 }, source, features, truth: truth?.utility };
}
