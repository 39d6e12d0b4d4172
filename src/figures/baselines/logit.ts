/** The conditional logit of econometrics over counts: it is fitted in seconds, and what a network has to beat. */

import { fitCounts, logitUtilities } from "../../counts/fit.ts";
import { type Counted, countsConfigFor, countTables } from "../../counts/tables.ts";
import type { TokenField } from "../../counts/token_fields.ts";
import type { LogSource, OnProgress } from "../../data/log_source.ts";
import type { Scorer } from "./scorer.ts";

/** Places of a page with an effect of their own. */
const PLACES = 20;

/**
 * Scores exp(u); see {@link fitCounts}.
 * @param fields which tokens are of one kind. @param placed whether the items of a page stand as they were shown
 */
export function logit(
  source: LogSource,
  fields: readonly TokenField[],
  placed: boolean,
  counted: Counted,
  onProgress?: OnProgress,
): Scorer | undefined {
  const config = countsConfigFor(source, fields);
  if (!config) return undefined; // a catalogue that is too large for their table
  const tables = countTables(source, config, onProgress, counted);
  onProgress?.("Fitting a logit of the counts", 0, 1);
  const fitted = fitCounts(source, tables, { dense: true, places: placed ? PLACES : 0, seed: 1 });
  return {
    settings: [""],
    score(log, users, chosen) {
      const scores = logitUtilities(fitted, source, log, users, tables).map(Math.exp);
      return chosen.map(() => scores);
    },
  };
}
