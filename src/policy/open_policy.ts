/** A trained policy, from its folder, as whoever uses it needs it. */

import type { Gpu } from "../gpu/device.ts";
import type { Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { UserError } from "../user_error.ts";
import { algorithms } from "./learning/algorithms.ts";
import type { Learner } from "./learning/learner.ts";
import { type PolicyConfig, readPolicyConfig } from "./policy_config.ts";
import { type PolicySnapshot, readPolicy } from "./learning/policy_snapshot.ts";
import { rank, type RankedSlate, type RankOptions } from "./rank.ts";

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
   * As {@link import("./trained_policy.ts").TrainedPolicy.rank}.
   * @throws UserError for items and pages that there are not, and too few items that are left to show.
   */
  async rank(
    gpu: Gpu,
    users: UsersSource,
    history: ArrayLike<number>,
    { page = 1 }: RankOptions = {},
  ): Promise<RankedSlate> {
    const { slate, pages, start } = this.config.training;
    if (!(page >= 1 && page <= pages)) {
      throw new UserError(
        `Expected a page of 1 to ${pages}, for which the policy of ${this.path} was trained, got ${page}.`,
      );
    }
    const policy = this.policy(users);
    try {
      const found = await rank(gpu, users, policy, { history, slate, pages, page: page - 1 });
      // Nobody has clicked more often than they were shown a page, unless they began with clicks: such values were not learned.
      if (start !== "empty" || history.length < page) return found;
      const items = found.items.map(({ value: _, ...item }) => item);
      return { items, noClick: found.noClick };
    } finally {
      policy.destroy();
    }
  }
}
