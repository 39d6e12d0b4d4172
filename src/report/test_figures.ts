/** Test figures over the seeds of a model, for the bars and the table. */

import { meanAndSd } from "../data/mean_sd.ts";
import { finite } from "./curve.ts";
import { type Part, stageRuns } from "./parts.ts";
import type { BaselineFigures, Model, SnapshotFigures, Stage } from "./report_data.ts";

export type FigureName = "nll" | "prec1" | "prec2";

/** What the generator's figures are called in the details. */
export const PI: Readonly<Record<string, string>> = { prec1: "piPrec1", prec2: "piPrec2" };

/** A figure over runs; the sd is null for fewer than two. */
export interface Spread {
  readonly mean: number;
  readonly sd: number | null;
  readonly runs: number;
}

/** Undefined when no value is a number. */
export function spread(values: readonly (number | null | undefined)[]): Spread | undefined {
  const present = values.flatMap((value) => value ?? []);
  if (present.length === 0) return undefined;
  const { mean, sd } = meanAndSd(present);
  return { mean, sd: finite(sd), runs: present.length };
}

/** The generator has no loss of its own. */
export function figureOf(
  snapshot: SnapshotFigures,
  ranking: Part["ranking"],
  name: FigureName,
): number | null | undefined {
  if (ranking === "reward") return snapshot[name];
  return { nll: undefined, prec1: snapshot.piPrec1, prec2: snapshot.piPrec2 }[name];
}

/** Names of the snapshots that the part's finished runs were tested with, in their order. */
export function snapshotsOf(part: Part): string[] {
  return [...new Set(testsOf(part).flatMap((test) => test.map(({ snapshot }) => snapshot)))];
}

/** A snapshot's test figures in each run. */
export function testsWith(part: Part, snapshot: string): SnapshotFigures[] {
  return testsOf(part).flatMap((test) => test.filter((figures) => figures.snapshot === snapshot));
}

function testsOf(part: Part): (readonly SnapshotFigures[])[] {
  return stageRuns(part).flatMap(({ result }) => result ? [result.test] : []);
}

/** Models whose test users are the same ones have the same baselines. */
export interface SharedBaselines {
  readonly models: readonly Model[];
  readonly baselines: readonly BaselineFigures[];
}

/** Groups the models that are finished by their baselines. */
export function baselineGroups(models: readonly Model[]): SharedBaselines[] {
  const groups = new Map<string, { models: Model[]; baselines: readonly BaselineFigures[] }>();
  for (const model of models) {
    for (const baselines of distinctBaselines(model)) {
      const key = JSON.stringify(
        baselines.map(({ name, figures }) => ({ name, figures })),
        (_, value) => typeof value === "number" ? value.toFixed(9) : value,
      );
      const group = groups.get(key) ?? { models: [], baselines };
      if (!group.models.includes(model)) group.models.push(model);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

function distinctBaselines(model: Model): (readonly BaselineFigures[])[] {
  const stages: Stage[] = model.runs.flatMap(({ stages }) => Object.values(stages));
  return stages.flatMap(({ result }) => result && result.baselines.length > 0 ? [result.baselines] : []);
}
