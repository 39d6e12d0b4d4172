/** Opens trained policies, computes a user's slate by a policy, and groups policies that are comparable. */

import type { Gpu } from "../gpu/device.ts";
import type { PageContext, Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { computeClickProbabilities, tryPolicy } from "./comparison/episode_prediction.ts";
import { UserError } from "../user_error.ts";
import { algorithms } from "./learning/algorithms.ts";
import type { Learner } from "./learning/learner.ts";
import { expectItems, expectSubject, expectTrainedOn, readPolicyConfig } from "./policy_config.ts";
import type { PolicyConfig } from "./policy_config.ts";
import { type PolicySnapshot, readPolicy } from "./learning/policy_snapshot.ts";
import { basename } from "node:path";
import { formatThousands } from "../number_text.ts";
import { quotePath } from "../shell_word.ts";
import type { PolicyTask, PolicyTrainingConfig } from "./learning/policy_training_config.ts";

/** User and page for which a policy ranks items. */
export interface RankRequest {
  /** Items that the user has clicked, oldest click first. Clicked items are not shown again. */
  readonly history: ArrayLike<number>;
  readonly slate: number;
  /** T, the number of pages that the policy plans for. */
  readonly pages: number;
  /** Index of the current page; 0 by default. */
  readonly page?: number;
}

/** Options of {@link TrainedPolicy.rank}. */
export interface RankOptions {
  /** Number of the current page, from 1 (default) to the pages per episode in the policy's training. */
  readonly page?: number;
}

/** An item of a slate. */
export interface RankedItem {
  /** Number of the item in the catalogue. */
  readonly item: number;
  /** Utility of the item according to the model. */
  readonly utility: number;
  /** P(click) of the item on this slate. */
  readonly probability: number;
  /** Predicted return of this and all later pages, given this item and those above it; only for `cdqn`. */
  readonly value?: number;
}

/** A slate in display order, with values and probabilities. */
export interface RankedSlate {
  /** [slots] items of the slate. */
  readonly items: readonly RankedItem[];
  /** Probability that the user clicks no item of the slate. */
  readonly noClick: number;
  /** Predicted return of this page and all later pages; undefined if the policy computes no slate values. */
  readonly value?: number;
}

/**
 * Computes the slate that a policy shows a user next. @param users - users on which the policy was trained.
 * @throws UserError for unknown items, or if too few items remain that the user has not clicked.
 */
export async function rank(
  gpu: Gpu,
  users: UsersSource,
  policy: Policy,
  { history, slate, pages, page = 0 }: RankRequest,
): Promise<RankedSlate> {
  const clicked = new Set(Array.from(history));
  const items = Array.from({ length: users.itemCount }, (_, item) => item).filter((item) =>
    !clicked.has(item)
  );
  // The pool has no clicked items. `repeats` is set so that a pool with one slate of items is accepted.
  const pool = { repeats: true, ...(clicked.size > 0 && { start: [history], pool: { items } }) };
  // The simulation begins with the requested page.
  const options = { users: 1, slate, pages, firstPage: page, ...pool };
  const [trial] = await tryPolicy(gpu, users, users, policy, options);
  if (!trial?.predictions) throw new Error("expected a user");
  const { log, values, predictions: { utilities, choice } } = trial;
  const own = utilities.subarray(0, slate);
  const { items: chances, none } = computeClickProbabilities(own, choice);
  const shown = Array.from(log.slates.subarray(page * slate, (page + 1) * slate), (item, k): RankedItem => ({
    ...{ item, utility: own[k] ?? NaN, probability: chances[k] ?? NaN },
    ...(values?.count === slate && { value: values.values[k] }),
  }));
  const value = values?.values[values.count - 1];
  return { items: shown, noClick: none, ...(value !== undefined && { value }) };
}

const UNFINISHED = " (unfinished)";

/** A policy that `deno task policy train` has trained. */
export class TrainedPolicy {
  /** @internal */
  constructor(
    readonly path: string,
    /** @internal */
    readonly config: PolicyConfig,
    /** @internal */
    readonly snapshot: PolicySnapshot,
  ) {}

  /** Name in tables: the algorithm, followed by "(unfinished)" if the training is unfinished. */
  get name(): string {
    const { algorithm } = this.config.training;
    return this.unfinished === undefined ? algorithm : `${algorithm}${UNFINISHED}`;
  }

  /**
   * Message about an unfinished training; undefined if the training is finished.
   * @internal
   */
  get unfinished(): string | undefined {
    const { path, snapshot: { iteration }, config: { training: { users, steps } } } = this;
    if (iteration * users >= steps) return undefined;
    return `The training of ${path} is unfinished: ${formatThousands(iteration * users)} of ` +
      `${formatThousands(steps)} user pages. ` +
      `Finish it with: deno task -q policy train --resume ${quotePath(path)}`;
  }

  /**
   * Returns the policy for simulated users. Call `destroy` after the last use of the policy.
   * @param observes - users on whom the policy was trained. The policy reads states of these users.
   * @throws UserError if the number of items differs from the training. The policy's `record` throws
   * UserError if slate size or number of pages differs from the training.
   */
  policy(observes: UsersSource): Policy & Disposable & { destroy(): void } {
    const { path, config, config: { training }, snapshot } = this;
    expectItems(path, config, observes.name, observes.itemCount);
    const learners: Learner[] = [];
    const learnerOn = ({ page, observer }: PageContext) => {
      if (page.slate !== training.slate || page.pages !== training.pages) {
        throw new UserError(
          `Expected ${training.pages} pages of ${training.slate} items, as in the training of ${path}, ` +
            `got ${page.pages} pages of ${page.slate} items.`,
        );
      }
      const subject = { gpu: page.gpu, config: training, observer, source: observes };
      const learner = algorithms[training.algorithm](subject);
      learners.push(learner);
      learner.parameters.write(snapshot.weights(learner.parameters.specs));
      return learner.policy;
    };
    const destroy = () => learners.splice(0).forEach((learner) => learner[Symbol.dispose]());
    return {
      name: this.name,
      observes,
      record: (context) => learnerOn(context).record(context),
      ...(training.algorithm === "gdqn" && { scores: (context) => learnerOn(context).scores!(context) }),
      prepare: () => learners.at(-1)?.policy.prepare?.() ?? [],
      values: () => learners.at(-1)?.policy.values?.(),
      destroy,
      [Symbol.dispose]: destroy,
    };
  }

  /**
   * Returns the slate that the policy shows a user next. A policy trained without `--start` (at most one
   * click per page) predicts no returns for users with more clicks than earlier pages.
   * @param users - users on which the policy was trained. @param history - clicked items, oldest click first.
   * @throws UserError for unknown items or pages, or if too few items remain that the user has not clicked.
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
        `Expected a page number from 1 to ${pages}, as in the training of ${this.path}, got ${page}.`,
      );
    }
    using stack = new DisposableStack();
    const policy = stack.use(this.policy(users));
    const found = await rank(gpu, users, policy, { history, slate, pages, page: page - 1 });
    if (start !== "empty" || history.length < page) return found;
    const items = found.items.map(({ value: _, ...item }) => item);
    return { items, noClick: found.noClick };
  }
}

/** Opens the folder of a trained policy. @throws UserError if the policy is missing or damaged. */
export async function openPolicy(path: string): Promise<TrainedPolicy> {
  const [config, snapshot] = [await readPolicyConfig(path), await readPolicy(path)];
  expectSubject(path, config, snapshot.trainedOn);
  return new TrainedPolicy(path, config, snapshot);
}

/** Policies with the same slate size and number of pages. */
export interface PolicyGroup {
  readonly task: PolicyTask;
  /** Trained policies. Policies that differ only in the seed of their training have the same name. */
  readonly policies: readonly {
    readonly name: string;
    readonly seed: number;
    readonly policy: TrainedPolicy;
  }[];
}

/** Groups one or more policies by task. @throws UserError if users differ, or a training occurs twice. */
export function groupPolicies(policies: readonly TrainedPolicy[]): PolicyGroup[] {
  const first = policies[0]!;
  for (const { path, config } of policies) expectTrainedOn(path, config, first.config.trainedOn);
  const byTask = Map.groupBy(policies, ({ config: { training } }) => JSON.stringify(getTask(training)));
  return [...byTask.values()].map((own): PolicyGroup => {
    const bySettings = Map.groupBy(
      own,
      ({ config: { training } }) => JSON.stringify({ ...training, seed: 0 }),
    );
    const named = [...bySettings.values()].flatMap((trainings, k, all) => {
      const { path, config: { training: { algorithm } } } = trainings[0]!;
      const others = all.toSpliced(k, 1).flatMap(([other]) =>
        other?.config.training.algorithm === algorithm ? [other.path] : []
      );
      const folder = others.some((other) => basename(other) === basename(path)) ? path : basename(path);
      const isUnfinished = trainings.some(({ unfinished }) => unfinished !== undefined);
      const name = (others.length > 0 ? `${algorithm} (${folder})` : algorithm) +
        (isUnfinished ? UNFINISHED : "");
      return trainings.map((policy) => ({ name, seed: policy.config.training.seed, policy }));
    });
    expectOnce(named);
    return { task: getTask(own[0]?.config.training ?? first.config.training), policies: named };
  }).sort((a, b) => a.task.slate - b.task.slate);
}

function getTask(
  { slate, pages, reward, start, repeats, leave, patience }: PolicyTrainingConfig,
): PolicyTask {
  return { slate, pages, reward, start, repeats, leave, patience };
}

function expectOnce(policies: PolicyGroup["policies"]): void {
  for (const [one, other] of Map.groupBy(policies, ({ name, seed }) => `${name} ${seed}`).values()) {
    if (!one || !other) continue;
    const both = `${one.policy.path} and ${other.policy.path}, both ${one.name} of --seed ${one.seed}`;
    throw new UserError(
      `Expected different seeds for trainings with equal settings, got ${both}. Leave out one.`,
    );
  }
}
