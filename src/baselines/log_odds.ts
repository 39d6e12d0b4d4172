/**
 * Scores as probabilities: a + b log(score) as the utility of a choice, with the a and b that make what validation users
 * did most likely. So a ranking has a loss that a model's compares with.
 */

import { fitLogit } from "../counts/logit.ts";

export interface LogOdds {
  readonly offset: number;
  /** 0 or above: the order of the scores stays. */
  readonly slope: number;
}

/** Pages with the logarithms of their scores, one after the other. */
export interface ScoredPages {
  /** [rows] */
  readonly logScores: Float64Array;
  /** [pages + 1] first row of each. */
  readonly start: readonly number[];
  /** [pages] the clicked row, -1 for none. */
  readonly clicked: readonly number[];
}

/** Keeps both finite where nobody clicks, or everybody clicks on what is scored best. */
const RIDGE = 1e-3;

/** A logit of a constant and the logarithm of the score. @returns undefined without a page. */
export function fitLogOdds({ logScores, start, clicked }: ScoredPages): LogOdds | undefined {
  if (clicked.length === 0) return undefined;
  const x = new Float64Array(2 * logScores.length);
  logScores.forEach((score, row) => x.set([1, score], 2 * row));
  const [offset = 0, slope = 0] = fitLogit({ x, columns: 2, start, clicked }, [RIDGE, RIDGE]);
  if (slope >= 0) return { offset, slope };
  // Scores that are the wrong way round say nothing: the share of pages without a click is left.
  return fitLogOdds({ logScores: new Float64Array(logScores.length), start, clicked });
}

/** The utility of a score. */
export function utilityOf({ offset, slope }: LogOdds, score: number): number {
  return offset + slope * Math.log(score);
}
