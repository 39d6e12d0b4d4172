/** The best validations as text: what a file says of them. */

import * as v from "../schema.ts";
import { type BestRecords, criteria, noBest } from "./best_records.ts";

// JSON has no infinities: null stands for "none yet".
const record = v.object({ value: v.nullable(v.finiteNumber()), iteration: v.wholeNumber() });
const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.strictObject({ loss: record, prec1: record, prec2: record }),
);

export function bestText(best: BestRecords): string {
  return JSON.stringify(best);
}

/** @returns undefined for a text that is none of {@link bestText}. */
export function bestOf(text: string | undefined): BestRecords | undefined {
  const { success, output } = v.safeParse(schema, text);
  if (!success) return undefined;
  const records = criteria.map((criterion) => {
    const { value, iteration } = output[criterion];
    return [criterion, { value: value ?? noBest[criterion].value, iteration }];
  });
  return Object.fromEntries(records) as BestRecords;
}
