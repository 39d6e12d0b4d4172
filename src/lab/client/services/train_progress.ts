/** What a training tells the page while it runs: one message for a group of steps. */

import type { ChoiceFigures } from "../../../data/ranking.ts";
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

export interface ValidationFigures {
  readonly iteration: number;
  readonly loss: number;
  readonly prec1: number;
  readonly prec2: number;
}

export type TrainProgress =
  /** What goes on before the first step. */
  | { readonly kind: "doing"; readonly what: string }
  | { readonly kind: "data"; readonly facts: DataFacts; readonly note: string | undefined }
  /** Into how many parts batches are cut. */
  | { readonly kind: "parts"; readonly parts: number }
  /** Baselines and the best attainable, on the validation users. */
  | { readonly kind: "levels"; readonly levels: readonly Level[] }
  /** Steps, and the validations that fell among them. */
  | {
    readonly kind: "steps";
    /** Iteration of the first. */
    readonly first: number;
    readonly loss: readonly number[];
    readonly prec1: readonly number[];
    readonly validations: readonly ValidationFigures[];
    /** Iterations of the best validations so far. */
    readonly best: Readonly<Record<Criterion, number>> | undefined;
  };

/** Gathers what comes at once, and tells it as one. */
export class StepGatherer implements SessionEvents {
  #first = 0;
  #loss: number[] = [];
  #prec1: number[] = [];
  #validations: ValidationFigures[] = [];
  #best: Record<Criterion, number> | undefined;
  #due = false;

  constructor(private readonly tell: (progress: TrainProgress) => void) {}

  onStep({ iteration, nll, prec1 }: StepResult<ChoiceFigures>): void {
    if (this.#loss.length === 0) this.#first = iteration;
    this.#loss.push(nll);
    this.#prec1.push(prec1);
    this.#tellSoon();
  }

  onValidation({ iteration, nll, prec1, prec2, best }: ValidationResult<ChoiceFigures>): void {
    this.#validations.push({ iteration, loss: nll, prec1, prec2 });
    const iterations = criteria.map((criterion) => [criterion, best[criterion].iteration]);
    this.#best = Object.fromEntries(iterations) as Record<Criterion, number>;
    this.#tellSoon();
  }

  /** The steps of a group are told of one after the other, without a wait between them. */
  #tellSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      const [first, loss, prec1, validations] = [this.#first, this.#loss, this.#prec1, this.#validations];
      [this.#loss, this.#prec1, this.#validations, this.#due] = [[], [], [], false];
      this.tell({ kind: "steps", first, loss, prec1, validations, best: this.#best });
    });
  }
}
