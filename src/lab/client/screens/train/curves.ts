/** The curves of a training: every step and validation, thinned to what a chart can show. */

import { windowFor } from "../../../../report/curve.ts";
import type { Level, TrainProgress, ValidationFigures } from "../../services/train_progress.ts";

export type CurveFigure = "loss" | "prec1";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export class Curves {
  readonly #steps: Record<CurveFigure, number[]> = { loss: [], prec1: [] };
  readonly validations: ValidationFigures[] = [];
  levels: readonly Level[] = [];
  best: Extract<TrainProgress, { kind: "steps" }>["best"];

  /** @param progress of steps: those after it are dropped, where a training goes on from an earlier state. */
  add({ first, loss, prec1, validations, best }: Extract<TrainProgress, { kind: "steps" }>): void {
    if (loss.length > 0) {
      for (const [name, values] of [["loss", loss], ["prec1", prec1]] as const) {
        this.#steps[name].length = Math.min(this.#steps[name].length, first - 1);
        this.#steps[name].push(...values);
      }
    }
    for (const one of validations) {
      while ((this.validations.at(-1)?.iteration ?? -1) >= one.iteration) this.validations.pop();
      this.validations.push(one);
    }
    this.best = best ?? this.best;
  }

  get iteration(): number {
    return this.#steps.loss.length;
  }
  /** Of the last step. */
  last(figure: CurveFigure): number | undefined {
    return this.#steps[figure].at(-1);
  }

  /** Losses of all steps, from the first on. */
  get losses(): readonly number[] {
    return this.#steps.loss;
  }

  /** Means over windows of steps. @param iterations of the whole training. */
  train(figure: CurveFigure, iterations: number): Point[] {
    const values = this.#steps[figure];
    const window = windowFor(iterations);
    const points: Point[] = [];
    for (let from = 0; from < values.length; from += window) {
      const part = values.slice(from, from + window).filter((value) => !Number.isNaN(value));
      if (part.length === 0) continue;
      const y = part.reduce((sum, value) => sum + value, 0) / part.length;
      points.push({ x: from + (Math.min(window, values.length - from) + 1) / 2, y });
    }
    return points;
  }

  /** Each of them, or the mean of those in a window. @param iterations of the whole training. */
  validation(figure: CurveFigure, iterations: number): Point[] {
    const window = windowFor(iterations);
    const sums = new Map<number, { x: number; y: number; count: number }>();
    for (const one of this.validations) {
      const key = Math.ceil(one.iteration / window);
      const sum = sums.get(key) ?? { x: 0, y: 0, count: 0 };
      sums.set(key, { x: sum.x + one.iteration, y: sum.y + one[figure], count: sum.count + 1 });
    }
    return [...sums.values()].map(({ x, y, count }) => ({ x: x / count, y: y / count }));
  }

  /** Where the best snapshot by this figure is. */
  bestPoint(figure: CurveFigure): Point | undefined {
    const iteration = this.best?.[figure];
    const found = this.validations.find((one) => one.iteration === iteration);
    return found && { x: found.iteration, y: found[figure] };
  }

  /** All of it, a row a step or validation. */
  csv(): string {
    const rows = this.#steps.loss.map((loss, k) => `train,${k + 1},${loss},${this.#steps.prec1[k] ?? ""}`);
    const validated = this.validations.map(({ iteration, loss, prec1 }) =>
      `validation,${iteration},${loss},${prec1}`
    );
    return ["part,iteration,loss,prec1", ...rows, ...validated].join("\n") + "\n";
  }
}
