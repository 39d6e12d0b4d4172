/** The parts of a model with figures of their own, its stages and in the adversarial stage pi and u, with test figures over seeds. */

import { type Stage as TrainedStage, type StageName, stages as trainedStages } from "../run/stages.ts";
import type { BaselineFigures, Figures, Model, SnapshotFigures, Stage } from "./report_data.ts";
import { meanAndSd } from "../data/mean_sd.ts";
import type { FigureName } from "../figures/columns.ts";
import { finite } from "./chart.ts";

export interface Part {
  readonly name: string;
  /** The model's place among the models. */
  readonly colour: number;
  readonly model: Model;
  readonly stage: StageName;
  /** Whose ranking it is: the reward's, or the generator's. */
  readonly ranking: "reward" | "generator";
  /** The snapshot by which it is judged. */
  readonly judged: TrainedStage["judged"];
}

/** Parts with a loss: the stages. */
export function lossParts(models: readonly Model[]): Part[] {
  return models.flatMap((model, colour) => {
    const stages = stagesOf(model);
    const suffix = { shannon: ": pre-training", adversarial: ": adversarial" };
    return stages.map(({ name: stage, judged }): Part => ({
      name: stages.length > 1 ? model.name + suffix[stage] : model.name,
      colour,
      model,
      stage,
      ranking: "reward",
      judged,
    }));
  });
}

/** Parts with a ranking: the Shannon stage's model, the generator and the reward of the adversarial one. */
export function rankingParts(models: readonly Model[]): Part[] {
  return lossParts(models).flatMap((part): Part[] => {
    if (part.stage === "shannon") return [part];
    return [
      { ...part, name: `${part.model.name}: generator \u03c0`, ranking: "generator" },
      { ...part, name: `${part.model.name}: reward u` },
    ];
  });
}

/** Stages that at least one of the runs has begun. */
export function stagesOf(model: Model): TrainedStage[] {
  return trainedStages.filter(({ name }) => model.runs.some(({ stages }) => stages[name]));
}

/** A part's stage in each of the runs that have begun it. */
export function stageRuns({ model, stage }: Pick<Part, "model" | "stage">): Stage[] {
  return model.runs.flatMap(({ stages }) => stages[stage] ?? []);
}

/** What the generator's figures are called; it has no others. */
const PI: Readonly<Record<string, string>> = {
  prec1: "piPrec1",
  prec2: "piPrec2",
  longerPrec1: "longerPiPrec1",
  longerPrec2: "longerPiPrec2",
};

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

/** A scoring of test users, of a run that ends or of its result.json: a snapshot's, or a baseline's. */
export type Scoring = Readonly<Figures> & {
  readonly iteration?: number;
  readonly piPrec1?: number | null;
  readonly piPrec2?: number | null;
  readonly longerPages: Readonly<Partial<Record<"prec1" | "prec2" | "piPrec1" | "piPrec2", number | null>>>;
  readonly details?: {
    readonly figures: Readonly<Partial<Record<string, number | null>>>;
    readonly intervals: Readonly<Partial<Record<string, readonly [number, number] | null>>>;
  };
};

/** What a figure of a ranking is called; none that the generator does not have. */
export function nameIn(ranking: Part["ranking"], name: FigureName): string | undefined {
  return ranking === "reward" ? name : PI[name];
}

/** A figure of a scoring; undefined where it has none. */
export function figureOf(
  { nll, prec1, prec2, piPrec1, piPrec2, longerPages: longer, details }: Scoring,
  name: string | undefined,
): number | null | undefined {
  if (name === undefined) return undefined;
  const top: Readonly<Partial<Record<string, number | null>>> = {
    ...{ nll, prec1, prec2, piPrec1, piPrec2 },
    ...{ longerPrec1: longer.prec1, longerPrec2: longer.prec2 },
    ...{ longerPiPrec1: longer.piPrec1, longerPiPrec2: longer.piPrec2 },
  };
  return top[name] ?? details?.figures[name];
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
        baselines.map(({ name, nll, prec1, prec2 }) => ({ name, figures: { nll, prec1, prec2 } })),
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
  return stages.flatMap(({ result }) => result && result.shown.length > 0 ? [result.shown] : []);
}
