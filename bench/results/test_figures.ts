/** Test figures of trained models, as `train` leaves them in result.json. */

import * as v from "../../src/schema.ts";
import { readJson } from "../../src/run/files/json_file.ts";
import { folderOfSeed } from "../../src/run/seeds_folder.ts";

const figures = { nll: v.finiteNumber(), prec1: v.finiteNumber(), prec2: v.finiteNumber() };
const resultSchema = v.looseObject({
  test: v.array(v.looseObject({
    ...{ ...figures, snapshot: v.string() },
    details: v.looseObject({
      intervals: v.looseObject({ prec1: v.tuple([v.finiteNumber(), v.finiteNumber()]) }),
    }),
  })),
  baselines: v.looseObject({ clickRate: v.looseObject(figures) }),
});

/** Of one model, each from its own best-validation snapshot. */
export interface TestFigures {
  readonly loss: number;
  readonly prec1: number;
  readonly prec2: number;
  /** Half the range of 95 % of the resamples of the test users, of prec1. */
  readonly sampling: number;
  /** Of the click rate of items. */
  readonly clickRate: { readonly loss: number; readonly prec1: number };
}

/** @param folder of a training of one seed */
export async function testFigures(folder: string): Promise<TestFigures> {
  const result = await readJson(`${folder}/result.json`, resultSchema);
  const of = (snapshot: string) => result?.test.find((one) => one.snapshot === snapshot);
  const [loss, prec1, prec2] = [of("best-loss"), of("best-prec1"), of("best-prec2")];
  if (!result || !loss || !prec1 || !prec2) throw new Error(`expected test figures in ${folder}/result.json`);
  const { clickRate } = result.baselines;
  const [low, high] = prec1.details.intervals.prec1;
  return {
    ...{ loss: loss.nll, prec1: prec1.prec1, prec2: prec2.prec2, sampling: (high - low) / 2 },
    clickRate: { loss: clickRate.nll, prec1: clickRate.prec1 },
  };
}

/** @param folder of a training of seeds 1 to n */
export function testFiguresOfSeeds(folder: string, seeds: number): Promise<TestFigures[]> {
  return Promise.all(Array.from({ length: seeds }, (_, k) => testFigures(folderOfSeed(folder, k + 1))));
}
