/** The parts of a model with figures of their own: its stages, and in the adversarial stage pi and u. */

import { adversarialStage, shannonStage, type Stage as TrainedStage } from "../run/stages.ts";
import { type Model, type Stage, type StageName, stageNames } from "./report_data.ts";

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
    const suffix = { likelihood: ": pre-training", adversarial: ": adversarial" };
    return stages.map((stage): Part => ({
      name: stages.length > 1 ? model.name + suffix[stage] : model.name,
      colour,
      model,
      stage,
      ranking: "reward",
      judged: (stage === "likelihood" ? shannonStage : adversarialStage).judged,
    }));
  });
}

/** Parts with a ranking: the likelihood stage's model, the generator and the reward of the adversarial one. */
export function rankingParts(models: readonly Model[]): Part[] {
  return lossParts(models).flatMap((part): Part[] => {
    if (part.stage === "likelihood") return [part];
    return [
      { ...part, name: `${part.model.name}: generator \u03c0`, ranking: "generator" },
      { ...part, name: `${part.model.name}: reward u` },
    ];
  });
}

/** Stages that at least one of the runs has begun. */
export function stagesOf(model: Model): StageName[] {
  return stageNames.filter((stage) => model.runs.some(({ stages }) => stages[stage]));
}

/** A part's stage in each of the runs that have begun it. */
export function stageRuns({ model, stage }: Pick<Part, "model" | "stage">): Stage[] {
  return model.runs.flatMap(({ stages }) => stages[stage] ?? []);
}
