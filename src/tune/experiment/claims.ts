/** The five published claims, each tested on the data at hand by paired differences over seeds. */

import { type PairedDifference, pairedDifference } from "../../data/paired.ts";
import { type Claim, HELD, toldBy } from "../../figures/told.ts";
import type { ModelOutcome, SeedOutcome } from "./outcome.ts";

/** Claims about models that were not trained are left out. */
export function claimsOn(outcomes: readonly ModelOutcome[]): Claim[] {
  const of = (folder: string) => outcomes.find(({ model }) => model.folder === folder)?.seeds;
  const [baseline, batchNorm, wide] = ["baseline-64-64", "batchnorm-64-64", "baseline-32-64-32"].map(of);
  const [tuned, tunedWide, random] = ["fine-tuned-64-64", "fine-tuned-32-64-32", "l2-nopretrain-64-64"].map(
    of,
  );
  const claims: Claim[] = [];
  const pairs = [["64-64", baseline, tuned], ["32-64-32", wide, tunedWide]] as const;
  for (const [dims, before, after] of pairs) {
    if (!before || !after) continue;
    claims.push(claim(
      `(1) Adversarial fine-tuning helps generalisation (${dims})`,
      points(after.map(piPrec1), before.map(testPrec1)),
      "test prec@1 of the fine-tuned generator less that of the model it started from",
    ));
  }
  if (tuned && random) {
    claims.push(claim(
      "(2) Shannon pre-training is essential",
      points(tuned.map(piPrec1), random.map(piPrec1)),
      "test prec@1 of the generator with pre-training less without",
    ));
    claims.push(claim(
      "(3) Skipping it harms convergence too",
      points(tuned.map(meanPiPrec1), random.map(meanPiPrec1)),
      "validation prec@1 of the generator, averaged over the whole adversarial stage, with pre-training less without",
    ));
  }
  if (baseline && batchNorm) {
    claims.push(claim(
      "(4) Batch normalisation worsens convergence",
      pairedDifference(batchNorm.map(valLoss), baseline.map(valLoss)),
      "best validation loss with batch normalisation less without",
    ));
  }
  if (baseline && tuned) {
    claims.push(claim(
      "(5) Shannon training improves slowly late, and fine-tuning restarts progress",
      points(
        tuned.map((s, k) => (s.pi?.validation.prec1 ?? NaN) - (baseline[k]?.validation.prec1 ?? NaN)),
        baseline.map(lateGain),
      ),
      "gain in best validation prec@1 by fine-tuning less the gain by the second half of Shannon training",
    ));
  }
  return claims;
}

const testPrec1 = (s: SeedOutcome) => s.test.prec1;
const piPrec1 = (s: SeedOutcome) => s.pi?.test.prec1 ?? NaN;
const valLoss = (s: SeedOutcome) => s.validation.loss;
const meanPiPrec1 = ({ log }: SeedOutcome) => mean(numbers(log.columns.get("pi_prec1")));

/** What the second half of training adds to the best validation prec@1. */
function lateGain({ log }: SeedOutcome): number {
  const prec1 = numbers(log.columns.get("prec1"));
  const half = Math.ceil(prec1.length / 2);
  return Math.max(...prec1) - Math.max(...prec1.slice(0, half));
}

function numbers(values: readonly (number | null)[] = []): number[] {
  return values.filter((value) => value !== null);
}
function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** The difference in percentage points. */
function points(a: readonly number[], b: readonly number[]): PairedDifference & { points: true } {
  return { ...pairedDifference(a.map((x) => 100 * x), b.map((x) => 100 * x)), points: true };
}

/** A claim says that a difference is above 0. */
function claim(name: string, d: PairedDifference & { points?: true }, what: string): Claim {
  const holds = HELD[toldBy([d.low, d.high])];
  const digits = d.points ? 1 : 3;
  const n = (x: number) => `${x > 0 ? "+" : ""}${x.toFixed(digits)}`;
  const unit = d.points ? " points" : "";
  const interval = Number.isFinite(d.low)
    ? `95 % interval ${n(d.low)} to ${n(d.high)} over ${d.count} seeds`
    : "one seed has no interval";
  const verdict = {
    yes: "It holds on this data",
    no: "The opposite holds on this data",
    undecided: "This data does not decide it",
  }[holds];
  return { claim: name, holds, text: `${verdict}: ${what} is ${n(d.mean)}${unit} (${interval}).` };
}
