/**
 * Scores as probabilities: a + b log(score) as the utility of a choice, with the a and b that make what validation users
 * did most likely. So a ranking has a loss that a model's compares with.
 */

import { logSumExp } from "../data/ranking.ts";

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

const MOST_STEPS = 30;
/** Keeps both finite where nobody clicks, or everybody clicks on what is scored best. */
const RIDGE = 1e-3;

/** By Newton's method: the loss is convex. @returns undefined without a page. */
export function fitLogOdds(pages: ScoredPages): LogOdds | undefined {
  if (pages.clicked.length === 0) return undefined;
  let at: LogOdds = { offset: 0, slope: 0 };
  let loss = lossOf(pages, at);
  for (let step = 0; step < MOST_STEPS; step++) {
    const { offset: da, slope: db } = newtonStep(pages, at);
    let [size, next, found] = [1, at, loss];
    do {
      next = { offset: at.offset - size * da, slope: at.slope - size * db };
      found = lossOf(pages, next);
      size /= 2;
    } while (found > loss && size > 1e-6);
    if (!(found < loss - 1e-12 * loss)) break;
    [at, loss] = [next, found];
  }
  if (at.slope >= 0) return at;
  // Scores that are the wrong way round say nothing: the share of pages without a click is left.
  return fitLogOdds({ ...pages, logScores: new Float64Array(pages.logScores.length) });
}

/** The utility of a score. */
export function utilityOf({ offset, slope }: LogOdds, score: number): number {
  return offset + slope * Math.log(score);
}

function lossOf({ logScores, start, clicked }: ScoredPages, { offset, slope }: LogOdds): number {
  const utilities = logScores.map((x) => offset + slope * x);
  return clicked.reduce((sum, click, page) => {
    const own = logSumExp(utilities, start[page]!, start[page + 1]!) - (click < 0 ? 0 : utilities[click]!);
    return sum + own;
  }, RIDGE / 2 * (offset ** 2 + slope ** 2));
}

/** Gradient by the inverse of the second derivatives. */
function newtonStep(pages: ScoredPages, { offset, slope }: LogOdds): LogOdds {
  const { logScores, start, clicked } = pages;
  let [ga, gb, aa, ab, bb] = [RIDGE * offset, RIDGE * slope, RIDGE, 0, RIDGE];
  const utilities = logScores.map((x) => offset + slope * x);
  clicked.forEach((click, page) => {
    const [first, end] = [start[page]!, start[page + 1]!];
    const logSum = logSumExp(utilities, first, end);
    let [p, px, pxx] = [0, 0, 0];
    for (let row = first; row < end; row++) {
      const [own, x] = [Math.exp(utilities[row]! - logSum), logScores[row]!];
      p += own;
      px += own * x;
      pxx += own * x * x;
    }
    ga += p - (click < 0 ? 0 : 1);
    gb += px - (click < 0 ? 0 : logScores[click]!);
    aa += p - p * p;
    ab += px - p * px;
    bb += pxx - px * px;
  });
  const determinant = aa * bb - ab * ab;
  return { offset: (bb * ga - ab * gb) / determinant, slope: (aa * gb - ab * ga) / determinant };
}
