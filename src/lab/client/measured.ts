/** What the screens have measured, of all that they keep. */

import type { TrainingFigures } from "../../selftest/profile/bench_report.ts";
import type { SelftestResult } from "../../selftest/results.ts";
import { type Measured, nothingMeasured, selftestFigures, withMeasured } from "../saved.ts";
import type { Lab } from "./lab.ts";

/** All that was measured so far. */
export function measuredIn({ kept }: Lab): Measured {
  // As the screens have kept them under these names.
  const own = kept.get("measured") as Measured | undefined ?? nothingMeasured;
  const selftest = kept.get("selftest") as SelftestResult | undefined;
  const training = kept.get("training") as TrainingFigures | undefined;
  return {
    ...own,
    selftest: selftest ? selftestFigures(selftest.findings, selftest.leftOut) : [],
    training: training && {
      iteration: training.iteration,
      msToFirstStep: training.msToFirstStep,
      stepsPerSecond: training.stepsPerSecond,
    },
  };
}

/** Keeps more of it; what was measured before of the same is replaced. */
export function keepMeasured(lab: Lab, more: Pick<Partial<Measured>, "figures" | "steps" | "ladders">): void {
  lab.keep("measured", withMeasured(measuredIn(lab), more));
}
