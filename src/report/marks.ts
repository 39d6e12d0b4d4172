/** Where the best snapshots stand on a learning curve. */

import { type Part, stageRuns } from "./parts.ts";

/** Which snapshot is the best by a column of the validation log. The adversarial stage judges by its generator. */
const SNAPSHOTS: Readonly<Record<Part["stage"], Readonly<Record<string, string>>>> = {
  likelihood: { loss: "best-loss", prec1: "best-prec1", prec2: "best-prec2" },
  adversarial: { loss_min: "best-loss", pi_prec1: "best-prec1", pi_prec2: "best-prec2" },
};

/** The iteration of the snapshot that is best by this column, with its value there: one for each run that has it. */
export function marksOf(part: Part, column: string): { x: number; y: number }[] {
  const snapshot = SNAPSHOTS[part.stage][column];
  if (snapshot === undefined) return [];
  return stageRuns(part).flatMap((stage) => {
    const { iteration, columns } = stage.validation;
    const values = columns.get(column) ?? [];
    const tested = stage.result?.test.find((figures) => figures.snapshot === snapshot);
    const row = tested ? iteration.indexOf(tested.iteration) : bestRow(values, column);
    const [x, y] = [iteration[row], values[row]];
    return x === undefined || y === undefined || y === null ? [] : [{ x, y }];
  });
}

/** The first of equals; -1 where there is no value. */
function bestRow(values: readonly (number | null)[], column: string): number {
  const present = values.flatMap((value) => value ?? []);
  const best = column.startsWith("loss") ? Math.min(...present) : Math.max(...present);
  return values.indexOf(best);
}
