/**
 * Scores as probabilities: a + b log(score) as the utility of a choice, with the a and b that make what validation users
 * did most likely. So a ranking has a loss that a model's compares with.
 */

import { fitLogit } from "../../counts/logit.ts";

export interface LogOdds {
  readonly offset: number;
  /** 0 or above: the order of the scores stays. */
  readonly slope: number;
}

/** Choices with the logarithms of what they are among, one after the other: a page's first click, or none, and each further one. */
export interface ScoredChoices {
  /** [rows] */
  readonly logScores: Float64Array;
  /** [choices + 1] first row of each. */
  readonly start: readonly number[];
  /** [choices] the clicked row, -1 for none. */
  readonly chosen: readonly number[];
  /** [choices] whether no click is among them. */
  readonly hasNone: readonly boolean[];
}

/** Keeps both finite where nobody clicks, or everybody clicks on what is scored best. */
const RIDGE = 1e-3;

/** A logit of a constant and the logarithm of the score. @returns undefined without a page. */
export function fitLogOdds({ logScores, start, chosen, hasNone }: ScoredChoices): LogOdds | undefined {
  if (chosen.length === 0) return undefined;
  const x = new Float64Array(2 * logScores.length);
  logScores.forEach((score, row) => x.set([1, score], 2 * row));
  const [offset = 0, slope = 0] = fitLogit({ x, columns: 2, start, chosen, hasNone }, [RIDGE, RIDGE]);
  if (slope >= 0) return { offset, slope };
  // Scores that are the wrong way round say nothing: the share of pages without a click is left.
  return fitLogOdds({ logScores: new Float64Array(logScores.length), start, chosen, hasNone });
}

/** The utility of a score. */
export function utilityOf({ offset, slope }: LogOdds, score: number): number {
  return offset + slope * Math.log(score);
}
