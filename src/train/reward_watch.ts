/** Tells when the adversarial stage makes the reward worse than it found it. */

import type { GameFigures, ValidationResult } from "./results.ts";

/** By this share of its prec@1 a reward may fall: a little of it comes back, as the start is the best of many validations. */
const FALL = 0.05;
/** And by so many standard errors of its prec@1. */
const ERRORS = 2;

type Validation = Pick<ValidationResult<GameFigures>, "iteration" | "prec1" | "counted">;

/** Looks at the validations of a stage, from the one before its first step on. */
export class RewardWatch {
  #start: Validation | undefined;
  #last: Validation | undefined;
  #told = false;

  /** Takes the next validation. @returns a warning, the first time that there is reason for one */
  take(validation: Validation): string | undefined {
    this.#start ??= validation;
    this.#last = validation;
    if (this.#told || !this.#hasFallen()) return undefined;
    this.#told = true;
    return this.#text();
  }

  /** What is to be said at the end: a warning if the reward ends worse than it began. */
  verdict(): string | undefined {
    return this.#hasFallen() ? this.#text() : undefined;
  }

  #hasFallen(): boolean {
    const [start, last] = [this.#start, this.#last];
    if (!start || !last) return false;
    const { prec1, counted } = start;
    const error = Math.sqrt(prec1 * (1 - prec1) / counted);
    return prec1 - last.prec1 > Math.max(FALL * prec1, ERRORS * error);
  }

  #text(): string {
    const figure = ({ prec1 }: Validation) => prec1.toFixed(3);
    const [start, last] = [this.#start, this.#last];
    if (!start || !last) return "";
    return "WARNING: this stage makes the reward worse: prec@1 of the validation users was " +
      `${figure(start)} ` +
      `${start.iteration === 0 ? "before its first step" : `after iteration ${start.iteration}`} and is ` +
      `${figure(last)} after iteration ${last.iteration}. Use the reward that the stage began with, or ` +
      "try --generator exact, a smaller --reward-learning-rate, --utility-penalty 0.";
  }
}
