/** Notes on runs that have not ended, or not begun. */

import type { Model, Run, StageName } from "./report_data.ts";
import { thousands } from "../thousands.ts";

const STAGE_NAMES: Readonly<Record<StageName, string>> = {
  likelihood: "",
  adversarial: "adversarial stage ",
};

/** One line for each run that is not finished, e.g. "seed 2 unfinished: iteration 120 of 2,000". */
export function progressNotes(model: Model): string[] {
  const several = model.runs.length + model.missingSeeds.length > 1;
  const who = (seed: number) => several ? `seed ${seed} ` : "";
  return [
    ...model.runs.flatMap((run) => unfinished(run).map((text) => who(run.seed) + text)),
    ...model.missingSeeds.map((seed) => `seed ${seed} not begun`),
  ];
}

function unfinished({ stages }: Run): string[] {
  return (["likelihood", "adversarial"] as const).flatMap((name) => {
    const stage = stages[name];
    if (!stage || stage.result) return [];
    const of = stage.planned === undefined ? "" : ` of ${thousands(stage.planned)}`;
    return [`${STAGE_NAMES[name]}unfinished: iteration ${thousands(stage.iteration)}${of}`];
  });
}
