/** A table of results on a page: what it is called, and how it is made. */

import type { Runs } from "./runs.ts";

export interface ResultTable {
  /** The page's markers are "bench results NAME". */
  readonly name: string;
  /** As the command's help has it: "the best held-out likelihood on yelp and rsc". */
  readonly about: string;
  /** Markdown. */
  make(runs: Runs): Promise<string>;
}

/** 0.873 as .873. */
export function fixed(value: number): string {
  return value.toFixed(3).replace(/^(-?)0\./, "$1.");
}

/** .873 +- .012; without a spread for one value alone. */
export function meanWithSd({ mean, sd }: { mean: number; sd: number }): string {
  return Number.isNaN(sd) ? fixed(mean) : `${fixed(mean)} +- ${fixed(sd)}`;
}
