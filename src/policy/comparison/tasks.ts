/** What policies are for, as far as users see it, and what tells one such task from another. */

import type { PolicyTrainingConfig } from "../learning/config.ts";

/** What a policy is for, as far as users see it. */
export type PolicyTask = Pick<
  PolicyTrainingConfig,
  "slate" | "pages" | "reward" | "start" | "repeats" | "leave" | "patience"
>;

/** Each setting in words. */
const WORDS: { readonly [Name in keyof PolicyTask]: (value: PolicyTask[Name]) => string } = {
  slate: (slate) => `slates of ${slate}`,
  pages: (pages) => `${pages} pages`,
  reward: (reward) => reward === "click" ? "clicks as the reward" : "the utility as the reward",
  start: (start) =>
    start === "empty" ? "users without a click before" : `users with the clicks of ${start} users`,
  repeats: (repeats) => repeats ? "clicked items shown again" : "no item after its click",
  leave: (leave) => leave > 0 ? `leaving with probability ${leave}` : "no leaving by chance",
  patience: (patience) => patience > 0 ? `a patience of ${patience}` : "endless patience",
};

/**
 * A name for each of some tasks: its slates, and of the other settings those in which they differ. "slates of 3, 20 pages".
 * Empty for a task alone.
 */
export function taskNames(tasks: readonly PolicyTask[]): string[] {
  if (tasks.length < 2) return tasks.map(() => "");
  const names = Object.keys(WORDS) as (keyof PolicyTask)[];
  const told = names.filter((name) => name === "slate" || new Set(tasks.map((task) => task[name])).size > 1);
  const word = <Name extends keyof PolicyTask>(name: Name, task: PolicyTask) => WORDS[name](task[name]);
  return tasks.map((task) => told.map((name) => word(name, task)).join(", "));
}
