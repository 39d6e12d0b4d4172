/** What a model of a made-up log can attain: the figures of those who know its truth. */

import type { MadeLog, Page } from "./make.ts";

/** Means over pages of one who predicts. "Drawn" is what did happen: a model's figures of these users have the same luck. */
export interface Figures {
  /** -log P of the first click of a page, or of none: the mean over what may happen on the pages that were shown. */
  readonly loss: number;
  readonly drawnLoss: number;
  /** How often the first click, where there is one, is on the item that is ranked first. */
  readonly prec1: number;
  readonly drawnPrec1: number;
  /** How often any of the clicks is on it. */
  readonly drawnAnyPrec1: number;
  /** -log P of the clicks after the first, each among the items that are left; null where there are none. */
  readonly drawnLaterLoss: number | null;
}

export interface Attainable {
  readonly pages: number;
  /** Probability that nothing is clicked, the mean of all pages. */
  readonly noClick: number;
  /** Of one who knows the items and the type of each user: no model can be better. */
  readonly truth: Figures;
  /** Of one who knows the items and all types, but of a user only what was clicked before: what can be attained. */
  readonly history: Figures;
}

/** @param users whose pages count */
export function attainable(log: MadeLog, users: Iterable<number>): Attainable {
  const { types, items } = log.kind;
  const truth = zeros(), history = zeros();
  for (const user of users) {
    const own = log.typeOf[user]!;
    let posterior = Array.from({ length: types }, () => 1 / types);
    for (const page of log.pages[user]!) {
      const weights = posterior.map((_, t) =>
        page.items.map((item, k) => Math.exp(log.utility[t * items + item]! + page.shift[k]!))
      );
      // The first choice may be none; later ones are there where there was a click.
      for (let step = 0; step < Math.max(1, page.clicks.length); step++) {
        for (const ofType of weights) if (step > 0) ofType[page.clicks[step - 1]!] = 0;
        const of = weights.map((ofType) => chances(ofType, step === 0 ? 1 : 0));
        const mixture = [...page.items, 0].map((_, k) =>
          posterior.reduce((sum, p, t) => sum + p * of[t]![k]!, 0)
        );
        add(truth, page, step, of[own]!, of[own]!);
        add(history, page, step, of[own]!, mixture);
        const happened = page.clicks[step] ?? page.items.length;
        posterior = posterior.map((p, t) => p * of[t]![happened]! / mixture[happened]!);
      }
    }
  }
  const { pages, none } = truth;
  return { pages, noClick: none / pages, truth: figuresOf(truth), history: figuresOf(history) };
}

/** Probabilities of the items, and of none. */
function chances(weights: readonly number[], none: number): number[] {
  const sum = weights.reduce((a, b) => a + b, none);
  return [...weights, none].map((weight) => weight / sum);
}

const zeros = () => ({
  ...{ pages: 0, none: 0, loss: 0, drawnLoss: 0, hits: 0 },
  ...{ clicked: 0, drawnHits: 0, anyHits: 0, later: 0, laterLoss: 0 },
});
type Sums = ReturnType<typeof zeros>;

/** Adds a choice on a page, its first or a later one. @param of its true chances @param by those of who predicts */
function add(
  sums: Sums,
  { items, clicks }: Page,
  step: number,
  of: readonly number[],
  by: readonly number[],
) {
  const none = items.length;
  const drawn = -Math.log(by[clicks[step] ?? none]!);
  if (step > 0) {
    sums.later++;
    sums.laterLoss += drawn;
    return;
  }
  const top = items.reduce((best, _, k) => by[k]! > by[best]! ? k : best, 0);
  sums.pages++;
  sums.none += of[none]!;
  sums.loss -= of.reduce((sum, p, k) => sum + p * Math.log(by[k]!), 0);
  sums.drawnLoss += drawn;
  sums.hits += of[top]!;
  if (clicks.length > 0) sums.clicked++;
  if (clicks[0] === top) sums.drawnHits++;
  if (clicks.includes(top)) sums.anyHits++;
}

function figuresOf(sums: Sums): Figures {
  const { pages, clicked, later } = sums;
  return {
    loss: sums.loss / pages,
    drawnLoss: sums.drawnLoss / pages,
    prec1: sums.hits / (pages - sums.none),
    drawnPrec1: sums.drawnHits / clicked,
    drawnAnyPrec1: sums.anyHits / clicked,
    drawnLaterLoss: later > 0 ? sums.laterLoss / later : null,
  };
}
