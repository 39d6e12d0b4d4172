/** Trained policies that can be compared: those that saw the same users in the same way, and which trainings belong together. */

import { basename } from "node:path";
import { UserError } from "../user_error.ts";
import type { PolicyTask } from "./comparison/comparison.ts";
import type { PolicyTrainingConfig } from "./learning/config.ts";
import type { OpenedPolicy } from "./trained_policy.ts";
import { expectTrainedOn } from "./policy_config.ts";

/** Policies over slates and episodes of one kind. */
export interface PolicyGroup {
  /** Of all of them. */
  readonly task: PolicyTask;
  /** Trainings that differ in their seed alone have one name. */
  readonly policies: readonly {
    readonly name: string;
    readonly seed: number;
    readonly policy: OpenedPolicy;
  }[];
}

/** @throws UserError for policies that were trained on different users, and for a training that is given twice. */
export function groupsOf(policies: readonly OpenedPolicy[]): PolicyGroup[] {
  const [first] = policies;
  if (!first) throw new UserError("Expected the folder of a policy or more, got none.");
  for (const { path, config } of policies) expectTrainedOn(path, config, first.config.trainedOn);
  const byTask = Map.groupBy(policies, ({ config: { training } }) => JSON.stringify(taskOf(training)));
  return [...byTask.values()].map((own): PolicyGroup => {
    const bySettings = Map.groupBy(
      own,
      ({ config: { training } }) => JSON.stringify({ ...training, seed: 0 }),
    );
    const named = [...bySettings.values()].flatMap((trainings) => {
      const [one] = trainings;
      const { algorithm } = one?.config.training ?? {};
      const path = one?.path ?? "";
      const others = [...bySettings.values()].flatMap((rest) => {
        const [other] = rest;
        return other && rest !== trainings && other.config.training.algorithm === algorithm
          ? [other.path]
          : [];
      });
      const folder = others.some((other) => basename(other) === basename(path)) ? path : basename(path);
      const name = others.length > 0 ? `${algorithm} (${folder})` : String(algorithm);
      return trainings.map((policy) => ({ name, seed: policy.config.training.seed, policy }));
    });
    expectOnce(named);
    return { task: taskOf(own[0]?.config.training ?? first.config.training), policies: named };
  }).sort((a, b) => a.task.slate - b.task.slate);
}

function taskOf(
  { slate, pages, reward, start, repeats, leave, patience }: PolicyTrainingConfig,
): PolicyTask {
  return { slate, pages, reward, start, repeats, leave, patience };
}

function expectOnce(policies: PolicyGroup["policies"]): void {
  const seen = new Map<string, string>();
  for (const { name, seed, policy: { path } } of policies) {
    const before = seen.get(`${name} ${seed}`);
    if (before !== undefined) {
      throw new UserError(
        `Expected trainings of other seeds, got ${before} and ${path}, both ${name} of --seed ${seed} with the same settings.`,
      );
    }
    seen.set(`${name} ${seed}`, path);
  }
}
