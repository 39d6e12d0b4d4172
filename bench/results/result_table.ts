/** A table of results on a page: what it is called, and how it is made. */

import type { Runs } from "./runs.ts";

export interface ResultTable {
  /** The page's markers are "bench results NAME". */
  readonly name: string;
  /** In a sentence: "models of items and users on yelp and the demo shop". */
  readonly about: string;
  /** Markdown. */
  make(runs: Runs): Promise<string>;
}

/** 0.873 as .873. */
export function fixed(value: number, digits = 3): string {
  return value.toFixed(digits).replace(/^(-?)0\./, "$1.");
}

/** .873 +- .012; without a spread for one value alone. */
export function meanWithSd({ mean, sd }: { mean: number; sd: number }, digits = 3): string {
  return Number.isNaN(sd) ? fixed(mean, digits) : `${fixed(mean, digits)} +- ${fixed(sd, digits)}`;
}
