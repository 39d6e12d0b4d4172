/** What `policy round` finds and prints: what was promised of each policy, what users made of it, and how far its model was off. */

import { signed, signedRange, type Told, toldBy } from "../../figures/told.ts";
import type { Interval } from "../../figures/bootstrap.ts";
import * as v from "../../schema.ts";
import type { MeanFigure } from "../comparison/figures.ts";
import { table } from "../../cli/table.ts";
import { thousands } from "../../thousands.ts";
import type { RoundOptions } from "./round_options.ts";

const figureSchema = v.object({
  mean: v.finiteNumber(),
  interval: v.nullable(v.pipe(v.tuple([v.finiteNumber(), v.finiteNumber()]), v.readonly())),
});
/**
 * A policy as a round's folder has it: what was promised of it, and what became of it, in clicks a user; null where nobody saw
 * its pages.
 */
export const planSchema = v.object({
  /** By the model that it plans with, over as many pages as users saw. */
  promised: figureSchema,
  /** By users who saw its pages. */
  made: v.nullable(figureSchema),
  /** Promised less made. */
  broken: v.nullable(figureSchema),
  /** What its model predicts of the very pages that they saw, less what they made of them. */
  error: v.nullable(figureSchema),
  /** The same of the model that has learned from such pages, of users whom it has not learned from; null without a round after it. */
  refitted: v.nullable(v.object({ ...figureSchema.entries, users: v.whole(1) })),
  /** Clicks made, less those under the policy before by the same users. */
  gain: v.nullable(figureSchema),
  /** [U] clicks of each user who saw its pages. */
  clicks: v.pipe(v.array(v.whole(0)), v.readonly()),
});
export type PlanFigures = v.InferOutput<typeof planSchema>;

export function roundsText(policies: readonly PlanFigures[], { truth, users, out }: RoundOptions): string {
  const rows = policies.flatMap(({ promised, made, broken, error, refitted, gain }, k) => {
    const rowOf = (what: string, figure: MeanFigure | null, gap = true): string[][] => {
      if (!figure) return [];
      const { mean, interval } = figure;
      const share = gap && made && made.mean > 0 ? `${signed(100 * mean / made.mean, 1)} %` : "";
      const range = interval ? (gap ? signedRange : rangeText)(interval) : "no interval";
      return [[what, gap ? signed(mean) : mean.toFixed(2), share, range]];
    };
    const own = [
      ...rowOf("promised", promised, false),
      ...rowOf("made", made, false),
      ...rowOf("broken promise", broken),
      ...rowOf("the model's error", error),
      ...rowOf("after the refit", refitted),
      ...rowOf("made more than before", gain),
    ];
    const name = k === 0 ? "the first" : `after round ${k}`;
    return own.map((cells, row) => [row === 0 ? name : "", ...cells]);
  });
  const [first] = policies;
  const [learned, judges] = truth
    ? [
      `${thousands(users)} users of the shop, and ${thousands(first?.clicks.length ?? 0)} others judge`,
      "same",
    ]
    : ["the users of the log", `${thousands(first?.refitted?.users ?? 0)} test`];
  return [
    `Clicks a user; each round learns from ${learned}:`,
    table(["policy", "", "clicks", "of those made", "95 % over users"], rows),
    "promised: by the model that the policy plans with, over as many pages as users saw",
    "made: by users who saw its pages",
    "the model's error: clicks that it predicts of those very pages, less those made",
    `after the refit: the same of the model that has learned from such pages, on the ${judges} users, none of whom it has learned from`,
    ...policies.slice(1).flatMap(({ gain }, k) =>
      gain ? [`After round ${k + 1} users ${WORDS[toldBy(gain.interval)]}.`] : []
    ),
    `The model and the policy of the last round are in ${out}/round-${policies.length - 1}`,
  ].join("\n");
}

const WORDS: Readonly<Record<Told, string>> = {
  better: "click more than before",
  worse: "click less than before",
  "not told apart": "click as before, as far as these can tell",
};

function rangeText([low, high]: Interval): string {
  return `${low.toFixed(2)} to ${high.toFixed(2)}`;
}
