/** Whether all trainings of the bench of the lab were the same one. */

import type { SideTrials } from "./figures.ts";
import { lossesApart } from "./trial.ts";

/** Steps whose losses are compared, and by how much they may differ: exp and tanh do between drivers, and steps add up. */
const COMPARED = 100;
const TOLERANCE = 1e-4;

export function agreement(sides: readonly SideTrials[]): { readonly text: string; readonly wrong: boolean } {
  const all = sides.flatMap(({ trials }) => trials.map(({ losses }) => losses));
  const steps = Math.min(COMPARED, ...all.map(({ length }) => length));
  const first = all[0]?.slice(0, steps) ?? [];
  const apart = Math.max(...all.map((losses) => lossesApart(first, losses.slice(0, steps))));
  return {
    text: `The losses of the first ${steps} steps are within ${apart.toExponential(1)} of each other.`,
    wrong: steps === 0 || !(apart <= TOLERANCE),
  };
}
