/** What a training tells the page while it runs: one message for a group of steps. */

import { rowOf, type Stage, type StageFigures, type StageName } from "../../../run/stages.ts";
import { criteria, type Criterion } from "../../../train/best_records.ts";
import type { StepResult, ValidationResult } from "../../../train/results.ts";
import type { DataFacts } from "./lab_data.ts";
import type { SessionEvents } from "./train_session.ts";

/** A figure of something that does not learn: a line across the chart. */
export interface Level {
  readonly name: string;
  /** A ranking has no loss. */
  readonly loss: number | undefined;
  readonly prec1: number;
}

/** A stage, as the page shows it. */
export interface ShownStage {
  readonly name: StageName;
  readonly title: string;
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
  const { name, title, heading, columns, shown: { loss, prec1 } } = stage;
  return {
    ...{ name, title, heading, iterations },
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
