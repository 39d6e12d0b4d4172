/** Progress messages that a training in the worker sends to the screen Train. */

import { buildRow, type StageMetrics, type StageName, type TrainingStage } from "../../../run/stages.ts";
import { criteria, type Criterion } from "../../../train/best_records.ts";
import type { TrainingStepResult, ValidationResult } from "../../../train/training_results.ts";
import type { BaselineLevel } from "./lab_data.ts";

export interface ShownStage {
  readonly name: StageName;
  readonly heading: string;
  readonly iterations: number;
  /** Names of the metrics of the stage, as in the logs of a run. */
  readonly columns: readonly string[];
  readonly loss: string;
  readonly prec1: string;
}

/** Result of a validation: one value per metric of the stage. */
export interface ValidationRow {
  readonly iteration: number;
  readonly row: readonly number[];
}

export type TrainProgress =
  | { readonly kind: "doing"; readonly what: string }
  | { readonly kind: "data"; readonly text: string }
  | { readonly kind: "note"; readonly text: string }
  /** Metrics of the baselines (and of a synthetic shop's true utilities) on the validation users. */
  | { readonly kind: "levels"; readonly levels: readonly BaselineLevel[] }
  | { readonly kind: "stage"; readonly stage: ShownStage }
  /** Metrics of training steps and of the validations between the steps. */
  | {
    readonly kind: "steps";
    /** Iteration of the first row. */
    readonly first: number;
    /** One row per training step, with one value per metric of the stage. */
    readonly rows: readonly (readonly number[])[];
    readonly validations: readonly ValidationRow[];
    /** Iteration of the best validation so far by each criterion: loss, prec@1 and prec@2. */
    readonly best: Readonly<Record<Criterion, number>> | undefined;
  };

export function describeStage(stage: TrainingStage, iterations: number): ShownStage {
  const { name, heading, columns, shown: { loss, prec1 } } = stage;
  const names = { columns: Object.keys(columns), loss: loss.name, prec1: prec1.name };
  return { name, heading, iterations, ...names };
}

/** Collects the results of steps and validations that end together, and sends them in one message. */
export class StepGatherer {
  #first = 0;
  #rows: number[][] = [];
  #validations: ValidationRow[] = [];
  #best: Record<Criterion, number> | undefined;
  #due = false;

  constructor(
    private readonly stage: TrainingStage,
    private readonly report: (progress: TrainProgress) => void,
  ) {}

  onStep(result: TrainingStepResult<StageMetrics>): void {
    if (this.#rows.length === 0) this.#first = result.iteration;
    this.#rows.push(buildRow(this.stage, result));
    this.#reportSoon();
  }

  onValidation(result: ValidationResult<StageMetrics>): void {
    const { iteration, best } = result;
    this.#validations.push({ iteration, row: buildRow(this.stage, result) });
    const iterations = criteria.map((criterion) => [criterion, best[criterion].iteration]);
    this.#best = Object.fromEntries(iterations) as Record<Criterion, number>;
    this.#reportSoon();
  }

  /** Schedules a report in a microtask, so that one message contains all steps that arrive together. */
  #reportSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      const [first, rows, validations] = [this.#first, this.#rows, this.#validations];
      [this.#rows, this.#validations, this.#due] = [[], [], false];
      this.report({ kind: "steps", first, rows, validations, best: this.#best });
    });
  }
}
