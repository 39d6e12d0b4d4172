/** The trials of the bench of the lab, put together: a row a side, with the median of the rounds and their spread. */

import { type Cells, short } from "../tables.ts";
import { spread, type Trial, type TrialFigures, trialFigures } from "./trial.ts";

/** All rounds of one side. */
export interface SideTrials {
  /** "Chromium" or "Deno". */
  readonly name: string;
  readonly trials: readonly Trial[];
}

/** What is compared, each with what it is in words for the head of the table. */
const columns: readonly (readonly [head: string, of: (figures: TrialFigures) => number])[] = [
  ["device open, ms", ({ openMs }) => openMs],
  ["first step, ms", ({ firstStepMs }) => firstStepMs],
  ["steps/s", ({ stepsPerSecond }) => stepsPerSecond],
  ["dispatches a step", ({ dispatchesPerStep }) => dispatchesPerStep],
  ["mapAsync, ms", ({ waitMs }) => waitMs],
];

export function trialCells(sides: readonly SideTrials[]): Cells {
  return {
    head: ["", "adapter", "steps", ...columns.map(([head]) => head)],
    rows: sides.map(({ name, trials }) => {
      const figures = trials.map(trialFigures);
      const steps = spread(trials.map(({ losses }) => losses.length));
      return [
        `${name}, ${trials[0]?.runtime ?? ""}`,
        trials[0]?.adapter ?? "",
        short(steps.median),
        ...columns.map(([, of]) => spreadText(figures.map(of))),
      ];
    }),
  };
}

/** The page's frames: of the sides that have a page. */
export function frameCells(sides: readonly SideTrials[]): Cells {
  return {
    head: [
      "frames of the page, ms from one to the next",
      "median",
      "worst",
      "late",
      "worst before the first step",
    ],
    rows: sides.flatMap(({ name, trials }) => {
      const figures = trials.map(trialFigures).flatMap(({ frames, worstFrameBefore }) =>
        frames ? [{ ...frames, before: worstFrameBefore ?? NaN }] : []
      );
      if (figures.length === 0) return [];
      const [late, all] = (["late", "count"] as const).map((key) =>
        figures.reduce((sum, one) => sum + one[key], 0)
      );
      return [[
        name,
        spreadText(figures.map(({ median }) => median)),
        short(Math.max(...figures.map(({ worst }) => worst))),
        `${late} of ${all}`,
        short(Math.max(...figures.map(({ before }) => before))),
      ]];
    }),
  };
}

/** "7.1 (6.8..7.3)": the median, and the least and the most of all rounds. */
export function spreadText(values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return min === max ? short(median) : `${short(median)} (${short(min)}..${short(max)})`;
}
