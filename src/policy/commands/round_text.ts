/** What `policy round` finds and prints: what was promised of each policy, what users made of it, and how far its model was off. */

import { signed, signedRange, type Told, toldBy } from "../../figures/told.ts";
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

export function roundsText(policies: readonly PlanFigures[], { truth, users }: RoundOptions): string {
  const rows = policies.map(({ promised, made, broken, error, refitted, gain }, k) => [
    k === 0 ? "the first" : `after round ${k}`,
    promised.mean.toFixed(2),
    made?.mean.toFixed(2) ?? "-",
    gapText(broken, made),
    gapText(error, made),
    gapText(refitted, made),
    gain ? `${signed(gain.mean)} (${range(gain)})` : "-",
  ]);
  const head = [
    "policy",
    "promised",
    "made",
    "broken promise",
    "its model's error",
    "after the refit",
    "made more than before",
  ];
  const judges = policies[0]?.clicks.length ?? 0;
  return [
    `Clicks a user; each round learns from ${
      truth
        ? `${thousands(users)} users of the shop, and ${thousands(judges)} others judge`
        : "the users of the log"
    }:`,
    table(head, rows),
    "promised: by the model that the policy plans with, over as many pages as users saw; made: by users who saw its pages",
    "error: clicks that the model predicts of those very pages, less those that were made; after the refit: of the model that has " +
    `learned from such pages, on ${
      truth ? "the same" : `the ${refittedUsers(policies)} test`
    } users, whom it has not learned from`,
    "in brackets: of the clicks made; 95 % over users",
    ...policies.slice(1).flatMap(({ gain }, k) =>
      gain ? [`After round ${k + 1} users ${WORDS[toldBy(gain.interval)]}.`] : []
    ),
  ].join("\n");
}

const WORDS: Readonly<Record<Told, string>> = {
  better: "click more than before",
  worse: "click less than before",
  "not told apart": "click as before, as far as these can tell",
};

function refittedUsers(policies: readonly PlanFigures[]): number {
  return policies[0]?.refitted?.users ?? 0;
}

/** "+1.68 (12.7 %; +1.52 to +1.84)" */
function gapText(gap: MeanFigure | null, made: MeanFigure | null): string {
  if (!gap || !made) return "-";
  return `${signed(gap.mean)} (${(100 * gap.mean / made.mean).toFixed(1)} %; ${range(gap)})`;
}

function range({ interval }: MeanFigure): string {
  return interval ? signedRange(interval) : "no interval";
}
