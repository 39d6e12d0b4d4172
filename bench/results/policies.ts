/** Policies that are trained on the users of the restless shop: on its truth, and on models of its users. */

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
