/** What the test users say of a stage: its snapshots beside the baselines, as the command says it. */

import { usersOf } from "../../../data/click_log.ts";
import type { FigureName } from "../../../figures/columns.ts";
import type { Details } from "../../../figures/tested.ts";
import { testStage } from "../../../run/test_stage.ts";
import { shownBaselines } from "../../../run/tested_users.ts";
import type { TrainSession } from "./train_session.ts";

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
const SHOWN = ["nll", "piPrec1", "prec1", "prec2", "ndcg", "auc"] as const satisfies readonly FigureName[];

/** Nothing may be in flight. The trainer keeps its weights. @param tell what is being done. */
export async function testTable(
  { stage, trainer, config, setting: { data: { source, features, truth } } }: TrainSession,
  tell: (what: string) => void,
): Promise<TestTable> {
  const data = { source, features, truth: truth?.utility };
  const { test, baselines, verdict } = await testStage(stage, trainer, data, config, tell);
  return {
    users: usersOf(source, "test").length,
    rows: [
      ...test.map(({ snapshot, iteration, details }) => rowOf(snapshot, iteration, details)),
      ...shownBaselines.flatMap(([key, name]) => {
        const found = baselines[key];
        return found ? [rowOf(name, undefined, found.details)] : [];
      }),
    ],
    // What the command calls --resume is a button here.
    verdict: verdict.map((text) => text.replace("--resume with", "Go on with")),
  };
}

function rowOf(name: string, iteration: number | undefined, { figures, intervals }: Details): TestRow {
  const shown = SHOWN.flatMap((figure) => {
    const value = figures[figure];
    const [low, high] = intervals[figure] ?? [];
    return value === undefined ? [] : [[figure, { value, low, high }] as const];
  });
  return { name, iteration, figures: Object.fromEntries(shown) };
}
