/** What a training tells the page while it runs: one message for a group of steps. */

import { usersOf } from "../../../data/click_log.ts";
import type { Details } from "../../../figures/tested.ts";
import { rowOf, type Stage, type StageFigures, type StageName } from "../../../run/stages.ts";
import { testStage } from "../../../run/test_stage.ts";
import { shownBaselines } from "../../../run/tested_users.ts";
import { criteria, type Criterion } from "../../../train/best_records.ts";
import type { StepResult, ValidationResult } from "../../../train/results.ts";
import { type DataFacts, type Level, testedData } from "./data.ts";
import type { SessionEvents, TrainSession } from "./session.ts";

/** A stage, as the page shows it. */
export interface ShownStage {
  readonly name: StageName;
  /** Above its test figures. */
  readonly heading: string;
  readonly iterations: number;
  /** Names of its figures, as the logs of a run have them. */
  readonly columns: readonly string[];
  /** What its loss and its precision are called. */
  readonly loss: string;
  readonly prec1: string;
}

/** Figures of a validation, a value a column. */
export interface ValidationRow {
  readonly iteration: number;
  readonly row: readonly number[];
}

export type TrainProgress =
  /** What goes on before the first step. */
  | { readonly kind: "doing"; readonly what: string }
  | { readonly kind: "data"; readonly facts: DataFacts; readonly note: string | undefined }
  /** What is to be known of how it goes. */
  | { readonly kind: "note"; readonly text: string }
  /** Baselines and the best attainable, on the validation users. */
  | { readonly kind: "levels"; readonly levels: readonly Level[] }
  /** A stage begins, or goes on. */
  | { readonly kind: "stage"; readonly stage: ShownStage }
  /** Steps, and the validations that fell among them. */
  | {
    readonly kind: "steps";
    /** Iteration of the first. */
    readonly first: number;
    /** A row a step, of a value a column. */
    readonly rows: readonly (readonly number[])[];
    readonly validations: readonly ValidationRow[];
    /** Iterations of the best validations so far. */
    readonly best: Readonly<Record<Criterion, number>> | undefined;
  };

export function shownStage(stage: Stage, iterations: number): ShownStage {
  const { name, heading, columns, shown: { loss, prec1 } } = stage;
  return {
    ...{ name, heading, iterations },
    ...{ columns: Object.keys(columns), loss: loss.name, prec1: prec1.name },
  };
}

/** Gathers what comes at once, and tells it as one. */
export class StepGatherer implements SessionEvents {
  #first = 0;
  #rows: number[][] = [];
  #validations: ValidationRow[] = [];
  #best: Record<Criterion, number> | undefined;
  #due = false;

  constructor(private readonly stage: Stage, private readonly tell: (progress: TrainProgress) => void) {}

  onStep(result: StepResult<StageFigures>): void {
    if (this.#rows.length === 0) this.#first = result.iteration;
    this.#rows.push(rowOf(this.stage, result));
    this.#tellSoon();
  }

  onValidation(result: ValidationResult<StageFigures>): void {
    const { iteration, best } = result;
    this.#validations.push({ iteration, row: rowOf(this.stage, result) });
    const iterations = criteria.map((criterion) => [criterion, best[criterion].iteration]);
    this.#best = Object.fromEntries(iterations) as Record<Criterion, number>;
    this.#tellSoon();
  }

  /** The steps of a group are told of one after the other, without a wait between them. */
  #tellSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      const [first, rows, validations] = [this.#first, this.#rows, this.#validations];
      [this.#rows, this.#validations, this.#due] = [[], [], false];
      this.tell({ kind: "steps", first, rows, validations, best: this.#best });
    });
  }
}

/** Figures of test users, and the ranges in which 95 % of the resamples of the users are. */
export interface TestRow extends Pick<Details, "figures" | "intervals"> {
  readonly name: string;
  /** Of a snapshot. */
  readonly iteration?: number;
}

export interface TestTable {
  readonly users: number;
  readonly rows: readonly TestRow[];
  /** What follows from it, in sentences. */
  readonly verdict: readonly string[];
}

/** Nothing may be in flight. The trainer keeps its weights. @param tell what is being done. */
export async function testTable(
  { stage, trainer, config, setting: { data } }: TrainSession,
  tell: (what: string) => void,
): Promise<TestTable> {
  const { test, baselines, verdict } = await testStage(stage, trainer, testedData(data), config, tell);
  const simple = shownBaselines.flatMap(([key, name]) => {
    const found = baselines[key];
    return found ? [{ name, details: found.details }] : [];
  });
  const snapshots = test.map(({ snapshot, iteration, details }) => ({ name: snapshot, iteration, details }));
  return {
    users: usersOf(data.source, "test").length,
    rows: [...snapshots, ...simple].map(({ details: { figures, intervals }, ...of }) => (
      { ...of, figures, intervals }
    )),
    // What the command calls --resume is a button here.
    verdict: verdict.map((text) => text.replace("--resume with", "Go on with")),
  };
}
