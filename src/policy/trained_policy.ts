/** A trained policy, from its folder, as whoever uses it needs it; what a policy shows a user next; and which trainings belong together. */

import type { Gpu } from "../gpu/device.ts";
import { describeMissingScores, hasScores } from "../simulate/exploring_policy.ts";
import type { PageContext, Policy } from "../simulate/policy.ts";
import type { UsersSource } from "../simulate/users.ts";
import { computeClickProbabilities, tryPolicy } from "./comparison/episode_prediction.ts";
import { UserError } from "../user_error.ts";
import { algorithms } from "./learning/algorithms.ts";
import type { Learner } from "./learning/learner.ts";
import {
  expectItems,
  expectSubject,
  expectTrainedOn,
  type PolicyConfig,
  readPolicyConfig,
} from "./policy_config.ts";
import { type PolicySnapshot, readPolicy } from "./learning/policy_snapshot.ts";
import { basename } from "node:path";
import type { PolicyTask, PolicyTrainingConfig } from "./learning/policy_training_config.ts";

/** A policy that was trained by `deno task policy train`. */
export interface TrainedPolicy {
  /** Its folder. */
  readonly path: string;
  /** What it is called in tables: its algorithm. */
  readonly name: string;
  /**
   * The policy on simulated users. Free it by `destroy` when nothing runs any more.
   * @param observes whom it was trained on: it sees users through them, whoever clicks.
   * @throws UserError for another catalogue, and, when it is recorded, for slates or pages that it was not trained for.
   */
  policy(observes: UsersSource): Policy & Disposable & { destroy(): void };
  /**
   * The slate that it shows a user next. It has values only for users as it was trained on: those who began with clicks where
   * it was trained with `--start`, otherwise those who clicked on pages before this one.
   * @param users whom it was trained on. @param history items that the user clicked, oldest first, by their numbers.
   * @throws UserError for items and pages that there are not, and too few items that are left to show.
   */
  rank(
    gpu: Gpu,
    users: UsersSource,
    history: ArrayLike<number>,
    options?: RankOptions,
  ): Promise<RankedSlate>;
}

/** Opens the folder of a policy that was trained. @throws UserError for a folder without one, or a damaged one. */
export async function openPolicy(path: string): Promise<TrainedPolicy> {
  return await OpenedPolicy.open(path);
}

/** Whom a slate is for. */
export interface RankRequest {
  /** Items that the user clicked, oldest first; they are not shown again. */
  readonly history: ArrayLike<number>;
  /** k, items of the slate. */
  readonly slate: number;
  /** T, pages that the policy plans for. */
  readonly pages: number;
  /** Which of them this one is, from 0 on; 0 by default. */
  readonly page?: number;
}

/** Where a user stands who is shown a slate. */
export interface RankOptions {
  /** The page that they are shown, from 1 to as many as the policy was trained for; the first by default. */
  readonly page?: number;
}

/** An item of a slate. */
export interface RankedItem {
  /** Its number. */
  readonly item: number;
  /** As the model has it. */
  readonly utility: number;
  /** P(click) on this slate. */
  readonly probability: number;
  /** Of a cascade, Q^j: what it expects of the slate up to and with this item, and of all later pages. */
  readonly value?: number;
}

/** A slate, in the order in which it is shown. */
export interface RankedSlate {
  /** k of them. */
  readonly items: readonly RankedItem[];
  /** P(no click). */
  readonly noClick: number;
  /** The rewards that the policy expects of this page and all later ones, where it has such values. */
  readonly value?: number;
}

/**
 * @param users whom the policy was trained on: through them it sees this user, too.
 * @throws UserError for items that there are not, and a slate larger than what is left to show.
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
  // What was clicked leaves the pool by the list, so that it need not last for all pages.
  const pool = { repeats: true, ...(clicked.size > 0 && { start: [history], pool: { items } }) };
  // A user from this page on.
  const options = { users: 1, slate, pages, firstPage: page, ...pool };
  const [trial] = await tryPolicy(gpu, users, users, policy, options);
  if (!trial?.witness) throw new Error("expected a user");
  const { log, values, witness: { utilities, choice } } = trial;
  const own = utilities.subarray(0, slate);
  const { items: chances, none } = computeClickProbabilities(own, choice);
  const shown = Array.from(log.slates.subarray(page * slate, (page + 1) * slate), (item, k): RankedItem => ({
    ...{ item, utility: own[k] ?? NaN, probability: chances[k] ?? NaN },
    ...(values?.count === slate && { value: values.values[k] }),
  }));
  const value = values?.values[values.count - 1];
  return { items: shown, noClick: none, ...(value !== undefined && { value }) };
}

/** A policy that was trained: its settings, whom it was trained on, and its weights. */
export class OpenedPolicy implements TrainedPolicy {
  /** Use {@link OpenedPolicy.open}. */
  constructor(
    /** Its folder. */
    readonly path: string,
    readonly config: PolicyConfig,
    readonly snapshot: PolicySnapshot,
  ) {}

  /** Opens the folder of a policy that was trained. @throws UserError for a folder without one, or a damaged one. */
  static async open(path: string): Promise<OpenedPolicy> {
    const [config, snapshot] = [await readPolicyConfig(path), await readPolicy(path)];
    expectSubject(path, config, snapshot.trainedOn);
    return new OpenedPolicy(path, config, snapshot);
  }

  get name(): string {
    return this.config.training.algorithm;
  }

  /** @param observes see {@link import("./policy_config.ts").expectTrainedOn}. */
  policy(observes: UsersSource): Policy & Disposable & { destroy(): void } {
    const { path, config, config: { training }, snapshot } = this;
    expectItems(path, config, observes.name, observes.itemCount);
    const learners: Learner[] = [];
    const learnerOn = ({ page, observer }: PageContext) => {
      if (page.slate !== training.slate || page.pages !== training.pages) {
        throw new UserError(
          `Expected slates of ${training.slate} on ${training.pages} pages, for which the policy of ${path} was trained, ` +
            `got slates of ${page.slate} on ${page.pages}.`,
        );
      }
      const subject = { gpu: page.gpu, config: training, observer, source: observes };
      const learner = algorithms[training.algorithm](subject);
      learners.push(learner);
      learner.parameters.write(snapshot.weights(learner.parameters.specs));
      return learner.policy;
    };
    const scores = (context: PageContext) => {
      const policy = learnerOn(context);
      if (!hasScores(policy)) throw new UserError(describeMissingScores(policy.name));
      return policy.scores(context);
    };
    const destroy = () => learners.splice(0).forEach((learner) => learner[Symbol.dispose]());
    return {
      name: this.name,
      observes,
      record: (context) => learnerOn(context).record(context),
      ...(training.algorithm === "gdqn" && { scores }),
      prepare: () => learners.at(-1)?.policy.prepare() ?? [],
      values: () => learners.at(-1)?.policy.values?.(),
      destroy,
      [Symbol.dispose]: destroy,
    };
  }

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
    using stack = new DisposableStack();
    const policy = stack.use(this.policy(users));
    const found = await rank(gpu, users, policy, { history, slate, pages, page: page - 1 });
    // Nobody has clicked more often than they were shown a page, unless they began with clicks: such values were not learned.
    if (start !== "empty" || history.length < page) return found;
    const items = found.items.map(({ value: _, ...item }) => item);
    return { items, noClick: found.noClick };
  }
}

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
export function groupPolicies(policies: readonly OpenedPolicy[]): PolicyGroup[] {
  const [first] = policies;
  if (!first) throw new UserError("Expected the folder of a policy or more, got none.");
  for (const { path, config } of policies) expectTrainedOn(path, config, first.config.trainedOn);
  const byTask = Map.groupBy(policies, ({ config: { training } }) => JSON.stringify(getTask(training)));
  return [...byTask.values()].map((own): PolicyGroup => {
    const bySettings = Map.groupBy(
      own,
      ({ config: { training } }) => JSON.stringify({ ...training, seed: 0 }),
    );
    const named = [...bySettings.values()].flatMap((trainings, k, all) => {
      const { path, name: algorithm } = trainings[0]!;
      const others = all.toSpliced(k, 1).flatMap(([other]) => other?.name === algorithm ? [other.path] : []);
      const folder = others.some((other) => basename(other) === basename(path)) ? path : basename(path);
      const name = others.length > 0 ? `${algorithm} (${folder})` : algorithm;
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
    throw new UserError(`Expected trainings of other seeds, got ${both} with the same settings.`);
  }
}
