/** What changes from page to page of a training: which page it is, how much is explored, how fast is learned. */

import { adamRate } from "../../ops/adam.ts";
import type { PolicyTrainingConfig } from "./config.ts";

/** From here on, as a share of the training, the rate is {@link LATE_RATE} of what it was. */
const LATE = 0.75;
const LATE_RATE = 0.2;

/** An iteration is a page of all users and what is learned after it; t = 1, 2, ... */
export class PolicySchedule {
  /** In whole episodes. */
  readonly iterations: number;
  /** Iterations from one evaluation, and snapshot, to the next: whole episodes. */
  readonly evaluateEvery: number;

  constructor(readonly config: PolicyTrainingConfig) {
    const { steps, users, pages, evaluateEvery } = config;
    const episodes = (pagesOfUsers: number) => Math.max(1, Math.ceil(pagesOfUsers / (users * pages)));
    this.iterations = pages * episodes(steps);
    this.evaluateEvery = pages * episodes(evaluateEvery);
  }

  /** From 0 on. */
  pageOf(t: number): number {
    return (t - 1) % this.config.pages;
  }

  /** From 0 on. */
  episodeOf(t: number): number {
    return Math.floor((t - 1) / this.config.pages);
  }

  /** The last iteration of the episode that iteration t is in, or before. */
  endOfEpisode(t: number): number {
    return this.config.pages * Math.ceil(t / this.config.pages);
  }

  /** Probability of a random slate on the page of iteration t. */
  epsilon(t: number): number {
    const { epsilonStart, epsilonEnd, epsilonShare } = this.config;
    const done = (t - 1) / Math.max(1, epsilonShare * this.iterations);
    return epsilonStart + (epsilonEnd - epsilonStart) * Math.min(1, done);
  }

  /** Steps of the optimiser before iteration t. Nothing is learned in the first episode. */
  learnedBefore(t: number): number {
    return this.config.stepsPerPage * Math.max(0, t - 1 - this.config.pages);
  }

  /** Steps of the optimiser in iteration t. */
  stepsIn(t: number): number {
    return t > this.config.pages ? this.config.stepsPerPage : 0;
  }

  /** Adam's rate of step n = 1, 2, ... of the optimiser, in iteration t. */
  rate(t: number, n: number): number {
    const { learningRate } = this.config;
    return adamRate(t > LATE * this.iterations ? LATE_RATE * learningRate : learningRate, n);
  }
}
