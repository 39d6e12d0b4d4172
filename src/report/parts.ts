/** The parts of a model with a curve or bar of their own: its stages, and in the adversarial stage pi and u. */

import type { Look } from "./chart_types.ts";
import { type Model, type Stage, type StageName, stageNames } from "./report_data.ts";

/** A part's look is the same in all charts: a colour a model, a dash a part. */
export interface Part extends Look {
  readonly model: Model;
  readonly stage: StageName;
  /** Whose ranking it is: the reward's, or the generator's. */
  readonly ranking: "reward" | "generator";
}

/** Dashes from one part to the next: with six in all, the parts of a model differ, and neighbours too. */
const DASHES_A_PART = 2;

/** Parts with a loss: the stages. */
export function lossParts(models: readonly Model[]): Part[] {
  return models.flatMap((model, index) => {
    const stages = stagesOf(model);
    const suffix = { likelihood: ": pre-training", adversarial: ": adversarial" };
    return stages.map((stage): Part => ({
      ...look(index, stage === "likelihood" ? 0 : 1),
      name: stages.length > 1 ? model.name + suffix[stage] : model.name,
      model,
      stage,
      ranking: "reward",
    }));
  });
}

/** Parts with a ranking: the likelihood stage's model, the generator and the reward of the adversarial one. */
export function rankingParts(models: readonly Model[]): Part[] {
  return models.flatMap((model, index) =>
    lossParts([model]).flatMap((part): Part[] => {
      if (part.stage === "likelihood") return [{ ...part, ...look(index, 0) }];
      return [
        { ...part, ...look(index, 1), name: `${model.name}: generator \u03c0`, ranking: "generator" },
        { ...part, ...look(index, 2), name: `${model.name}: reward u` },
      ];
    })
  );
}

function look(model: number, part: number): Pick<Look, "colour" | "dash"> {
  return { colour: model, dash: model + DASHES_A_PART * part };
}

/** Stages that at least one of the runs has begun. */
export function stagesOf(model: Model): StageName[] {
  return stageNames.filter((stage) => model.runs.some(({ stages }) => stages[stage]));
}

/** A part's stage in each of the runs that have begun it. */
export function stageRuns({ model, stage }: Pick<Part, "model" | "stage">): Stage[] {
  return model.runs.flatMap(({ stages }) => stages[stage] ?? []);
}
