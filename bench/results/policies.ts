/** Policies that are trained on the users of the restless shop, on its truth and on models of its users, and what `policy compare` says of them. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import type { Role } from "../../src/policy/comparison/comparison.ts";
import type { Runs } from "./runs.ts";

/** Pages that a policy learns from, where nothing else is said. */
export const PAGES = 400_000;

/** The paper's model: what it knows of a user is its state. */
const RESTLESS = ["--data", "restless", "--counts", "none", "--no-report"];

/** The model of the restless shop's users that policies learn on. */
export function firstModel(runs: Runs): Promise<string> {
  return runs.trained("users-a", "train", RESTLESS);
}

/** A model of other users, who visit the same items. */
export function secondModel(runs: Runs): Promise<string> {
  return runs.trained("users-b", "train", [
    ...[...RESTLESS, "--data-seed", "1", "--data-users-seed", "2", "--seed", "2"],
  ]);
}

/** A policy that learned on a model's users. */
export function trainedOnModel(
  runs: Runs,
  model: string,
  { algorithm, slate = 3, seed = 1 }: { algorithm: string; slate?: number; seed?: number },
): Promise<string> {
  return runs.trained(`${algorithm}-${slate}-${seed}`, "policy train", [
    ...["--model", model, "--algorithm", algorithm, "--slate", String(slate), "--seed", String(seed)],
    ...["--steps", String(PAGES)],
  ]);
}

const figure = v.looseObject({ mean: v.finiteNumber() });
const comparisonSchema = v.looseObject({
  slate: v.wholeNumber(),
  pages: v.wholeNumber(),
  users: v.wholeNumber(),
  environments: v.array(v.looseObject({
    name: v.string(),
    role: v.picklist(["trained on", "second model", "truth"]),
    optimum: v.optional(v.finiteNumber()),
  })),
  cells: v.array(v.looseObject({
    policy: v.string(),
    seed: v.nullable(v.wholeNumber()),
    environment: v.string(),
    figures: v.looseObject({ return: figure, clickRate: figure }),
    calibration: v.optional(v.looseObject({ predicted: v.finiteNumber() })),
  })),
  differences: v.array(v.looseObject({
    environment: v.string(),
    policy: v.string(),
    rival: v.string(),
    difference: v.looseObject({
      mean: v.finiteNumber(),
      interval: v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()])),
    }),
  })),
});
export type Compared = v.InferOutput<typeof comparisonSchema>;
type Cell = Compared["cells"][number];

/** One for each size of slates. @param args of `policy compare`, the folders first */
export async function compared(runs: Runs, args: readonly string[]): Promise<Compared[]> {
  return v.parse(v.array(comparisonSchema), await runs.json("policy compare", args));
}

/** Policies' names, in the order in which they stand. */
export function policiesIn({ cells }: Compared): string[] {
  return [...new Set(cells.map(({ policy }) => policy))];
}

/** One for each training. */
export function cellsOf({ cells }: Compared, policy: string, environment: string): Cell[] {
  return cells.filter((cell) => cell.policy === policy && cell.environment === environment);
}

/** Its name, by which cells have it. */
export function environmentIn({ environments }: Compared, role: Role): string {
  const found = environments.find((each) => each.role === role);
  if (!found) throw new Error(`expected the environment "${role}" in a comparison`);
  return found.name;
}

/** A policy's clicks of a user in an environment: the mean over its trainings. */
export function clicksOf(comparison: Compared, policy: string, environment: string): number {
  return meanAndSd(cellsOf(comparison, policy, environment).map(({ figures }) => figures.return.mean)).mean;
}
