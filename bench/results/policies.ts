/** Policies that are trained on the users of the restless shop: on its truth, and on models of its users. */

import type { Runs } from "./runs.ts";

/** Pages that a policy learns from, where nothing else is said. */
export const PAGES = 400_000;

/** Two models of users of the restless shop: others visit the same items in the second one's log. */
export async function userModels(runs: Runs): Promise<{ first: string; second: string }> {
  const common = ["--data", "restless", "--no-report"];
  return {
    first: await runs.trained("users-a", "train", common),
    second: await runs.trained("users-b", "train", [
      ...[...common, "--data-seed", "1", "--data-users-seed", "2", "--seed", "2"],
    ]),
  };
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
