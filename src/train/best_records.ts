import * as v from "../schema.ts";

/** Criterion of a best snapshot: the lowest loss, highest prec@1 or highest prec@2 on validation users. */
export type Criterion = "loss" | "prec1" | "prec2";
/** All criteria, in the order in which the device stores their best values. */
export const criteria = ["loss", "prec1", "prec2"] as const satisfies readonly Criterion[];

/** Best validation result so far by one criterion. */
export interface BestRecord {
  /** Best sum of the metric over the validation events, as f32; +-Infinity before the first validation. */
  readonly value: number;
  /** Number of finished training steps when the best value was reached. */
  readonly iteration: number;
}
export interface ValidationSchedule {
  readonly validateEvery: number;
  /** Training stops if this metric did not improve for `patience` iterations; "none": no early stopping. */
  readonly earlyStopping: Criterion | "none";
  readonly patience: number;
}

/** Returns the iteration at which early stopping ends the training if no later validation is better. */
export function computeEarlyEnd(
  { earlyStopping, patience, validateEvery }: ValidationSchedule,
  best: BestRecords,
): number {
  if (earlyStopping === "none") return Infinity;
  return Math.ceil((best[earlyStopping].iteration + patience) / validateEvery) * validateEvery;
}

/** Best validation results: one record per criterion. */
export type BestRecords = Readonly<Record<Criterion, BestRecord>>;

export const noBest: BestRecords = {
  loss: { value: Infinity, iteration: 0 },
  prec1: { value: -Infinity, iteration: 0 },
  prec2: { value: -Infinity, iteration: 0 },
};

/** Returns the best records after a validation. A validation with a non-finite loss changes no record. */
export function improveRecords(best: BestRecords, sums: ArrayLike<number>, iteration: number): BestRecords {
  const [loss = NaN, prec1 = NaN, prec2 = NaN] = Array.from(sums);
  if (!Number.isFinite(loss)) return best;
  const pick = (criterion: Criterion, value: number, better: boolean): BestRecord =>
    better ? { value, iteration } : best[criterion];
  return {
    loss: pick("loss", loss, loss < best.loss.value),
    prec1: pick("prec1", prec1, prec1 > best.prec1.value),
    prec2: pick("prec2", prec2, prec2 > best.prec2.value),
  };
}

// JSON has no infinities, so null stands for the value before the first validation.
const entry = v.object({ value: v.nullable(v.finiteNumber()), iteration: v.wholeNumber() });
const schema = v.pipe(v.string(), v.parseJson(), v.strictObject({ loss: entry, prec1: entry, prec2: entry }));

export function formatBestRecords(best: BestRecords): string {
  return JSON.stringify(best);
}

/** Parses a text that {@link formatBestRecords} has returned. Returns undefined for any other text. */
export function parseBestRecords(text: string | undefined): BestRecords | undefined {
  const { success, output } = v.safeParse(schema, text);
  if (!success) return undefined;
  const records = criteria.map((criterion) => {
    const { value, iteration } = output[criterion];
    return [criterion, { value: value ?? noBest[criterion].value, iteration }];
  });
  return Object.fromEntries(records) as BestRecords;
}
