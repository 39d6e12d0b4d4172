/** The curves of a stage: every step and validation, thinned to what a chart can show. */

import { windowFor } from "../../../../report/curve.ts";
import type { Criterion } from "../../../../train/best_records.ts";
import type { ShownStage, TrainProgress, ValidationRow } from "../../services/train_progress.ts";

type Steps = Extract<TrainProgress, { kind: "steps" }>;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export class Curves {
  /** A row a step, of a value a column. */
  readonly #rows: (readonly number[])[] = [];
  /** Iterations before the first row: of a training that was brought. */
  #before = 0;
  readonly validations: ValidationRow[] = [];
  #best: Steps["best"];

  constructor(public stage: ShownStage) {}

  /** @param progress of steps: those after it are dropped, where a training goes on from an earlier state. */
  add({ first, rows, validations, best }: Steps): void {
    if (rows.length > 0) {
      if (this.#rows.length === 0) this.#before = first - 1;
      this.#rows.length = Math.min(this.#rows.length, first - 1 - this.#before);
      this.#rows.push(...rows);
    }
    for (const one of validations) {
      while ((this.validations.at(-1)?.iteration ?? -1) >= one.iteration) this.validations.pop();
      this.validations.push(one);
    }
    this.#best = best ?? this.#best;
  }

  get iteration(): number {
    return this.#before + this.#rows.length;
  }
  /** Of the last step. */
  last(column: string): number | undefined {
    return this.#rows.at(-1)?.[this.#at(column)];
  }
  /** Of the last validation. */
  lastValidation(column: string): number | undefined {
    return this.validations.at(-1)?.row[this.#at(column)];
  }

  /** Of all steps, from the first on. */
  values(column: string): number[] {
    const at = this.#at(column);
    return this.#rows.map((row) => row[at] ?? NaN);
  }

  /** Means over windows of steps. */
  train(column: string): Point[] {
    const values = this.values(column);
    const window = windowFor(this.stage.iterations);
    const points: Point[] = [];
    for (let from = 0; from < values.length; from += window) {
      const part = values.slice(from, from + window).filter((value) => !Number.isNaN(value));
      if (part.length === 0) continue;
      const y = part.reduce((sum, value) => sum + value, 0) / part.length;
      points.push({ x: this.#before + from + (Math.min(window, values.length - from) + 1) / 2, y });
    }
    return points;
  }

  /** Each of them, or the mean of those in a window. */
  validation(column: string): Point[] {
    const at = this.#at(column);
    const window = windowFor(this.stage.iterations);
    const sums = new Map<number, { x: number; y: number; count: number }>();
    for (const { iteration, row } of this.validations) {
      const key = Math.ceil(iteration / window);
      const sum = sums.get(key) ?? { x: 0, y: 0, count: 0 };
      sums.set(key, { x: sum.x + iteration, y: sum.y + (row[at] ?? NaN), count: sum.count + 1 });
    }
    return [...sums.values()].map(({ x, y, count }) => ({ x: x / count, y: y / count }));
  }

  /** Where the best snapshot by a criterion is. */
  bestPoint(column: string, criterion: Criterion | undefined): Point | undefined {
    const iteration = criterion && this.#best?.[criterion];
    const found = this.validations.find((one) => one.iteration === iteration);
    return found && { x: found.iteration, y: found.row[this.#at(column)] ?? NaN };
  }

  /** All of it, a row a step or validation, with the columns of a run's logs. */
  csv(): string {
    const rows = this.#rows.map((row, k) => ["train", this.#before + k + 1, ...row]);
    const validated = this.validations.map(({ iteration, row }) => ["validation", iteration, ...row]);
    return [["part", "iteration", ...this.stage.columns], ...rows, ...validated].join("\n") + "\n";
  }

  #at(column: string): number {
    return this.stage.columns.indexOf(column);
  }
}
