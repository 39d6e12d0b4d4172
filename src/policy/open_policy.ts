/** A trained policy, from its folder, as whoever uses it needs it. */

import type { Gpu } from "../gpu/device.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";
import { algorithms } from "./learning/algorithms.ts";
import type { Learner } from "./learning/learner.ts";
import { type PolicyConfig, readPolicyConfig } from "./policy_config.ts";
import { type PolicySnapshot, readPolicy } from "./learning/policy_snapshot.ts";
import { rank, type RankedSlate } from "./rank.ts";

/** A policy that was trained: its settings, whom it was trained on, and its weights. */
export class OpenedPolicy {
  /** Use {@link OpenedPolicy.open}. */
  constructor(
    /** Its folder. */
    readonly path: string,
    readonly config: PolicyConfig,
    readonly snapshot: PolicySnapshot,
  ) {}

  /** Opens the folder of a policy that was trained. @throws UserError for a folder without one, or a damaged one. */
  static async open(path: string): Promise<OpenedPolicy> {
    return new OpenedPolicy(path, await readPolicyConfig(path), await readPolicy(path));
  }

  /** What it is called in tables: its algorithm. */
  get name(): string {
    return this.config.training.algorithm;
  }

  /**
   * The policy on simulated users. Free it by `destroy` when nothing runs any more.
   * @param observes whom it was trained on: it sees users through them, whoever clicks. See
   *   {@link import("./policy_config.ts").expectTrainedOn}.
   * @throws UserError for another catalogue, and, when it is recorded, for slates or pages that it was not trained for.
   */
  policy(observes: UsersSource): Policy & { destroy(): void } {
    const { path, config: { items, training }, snapshot } = this;
    if (observes.itemCount !== items) {
      throw new UserError(
        `Expected the policy of ${path} over its ${items} items, got ${observes.name} with ${observes.itemCount}.`,
      );
    }
    const learners: Learner[] = [];
    return {
      name: this.name,
      observes,
      record(page) {
        if (page.slate !== training.slate || page.pages !== training.pages) {
          throw new UserError(
            `Expected slates of ${training.slate} on ${training.pages} pages, for which the policy of ${path} was trained, ` +
              `got slates of ${page.slate} on ${page.pages}.`,
          );
        }
        const { gpu, observer } = page;
        const learner = algorithms[training.algorithm]({
          gpu,
          config: training,
          observer,
          source: observes,
          items,
        });
        learners.push(learner);
        learner.parameters.write(snapshot.weights(learner.parameters.specs));
        return learner.policy.record(page);
      },
      prepare: () => learners.at(-1)?.policy.prepare() ?? [],
      values: () => learners.at(-1)?.policy.values?.(),
      destroy() {
        for (const learner of learners.splice(0)) learner.destroy();
      },
    };
  }

  /**
   * The slate that it shows a user next, as the first of the pages that it was trained for.
   * @param users whom it was trained on. @param history items that the user clicked, oldest first, by their numbers.
   * @throws UserError for items that there are not, and too few that are left to show.
   */
  async rank(gpu: Gpu, users: UsersSource, history: ArrayLike<number>): Promise<RankedSlate> {
    const { slate, pages } = this.config.training;
    const policy = this.policy(users);
    try {
      return await rank(gpu, users, policy, { history, slate, pages });
    } finally {
      policy.destroy();
    }
  }
}
