/** Interface of training algorithms, and their base class, which chooses slates by a Q-network. */

import type { CommandRecorder } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { ItemScores, PageContext, PageDispatch, Policy, SlateValueView } from "../../simulate/policy.ts";
import type { SimulatedUsers, UsersSource } from "../../simulate/users.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import type { PolicyTrainingConfig } from "./policy_training_config.ts";
import { learnDimensions, type LearnSizes, type ReplaySample } from "./replay_sample.ts";
import type { ClickDispatch, ClickSizes } from "../../batch/click_sizes.ts";
import { Arena } from "../../gpu/arena.ts";
import { recordRandomSlate } from "../named_policies.ts";
import { scoreItems, type SlateChoiceViews } from "../network/choose_slates.ts";
import { QNetwork, type QShape } from "../network/q_network.ts";
import { createPageRows, recordStateInput, type SlateRows } from "../network/slate_rows.ts";

type LearnDispatch = DispatchSpec<LearnSizes>;

const CHUNK_SCORES = 2 ** 20;

export interface TrainingBatch {
  readonly sample: ReplaySample;
  /** [rows] target of each page's Q-value, which the trainer computes before {@link RecordedUpdate.fit}. */
  readonly targets: View;
  /** Ring buffer; element `step.slot` becomes (sum of losses, sum of the shown slates' Q-values, 0, 0). */
  readonly ring: View;
}

/** Slate values [rows], as sums of the columns first to first + count - 1 of `view` [rows, stride]. */
export interface NextValue {
  readonly view: View;
  readonly stride: number;
  readonly first: number;
  readonly count: number;
}

/** Dispatches of a training step; the optimiser's dispatches are added by the trainer. */
export interface RecordedUpdate {
  /** Q-values of the best slates on the pages that follow the replayed pages. */
  readonly nextValue: NextValue;
  /** Prepares dispatches that run before `next`, for `nextValue`. Returns a function that encodes them. */
  readonly between?: () => Promise<(commands: CommandRecorder) => void>;
  readonly next: readonly LearnDispatch[];
  /** Dispatches that compute the loss and the gradients of all parameters. */
  readonly fit: readonly LearnDispatch[];
  /** Dispatches that recompute the Q-network's item tables (item vectors x weights) from changed weights. */
  readonly afterUpdate: readonly LearnDispatch[];
  /** Dispatches that recompute the target network's item tables from changed weights. */
  readonly afterCopy: readonly LearnDispatch[];
}

export interface LearnerSubject {
  readonly gpu: Gpu;
  readonly config: PolicyTrainingConfig;
  /** Simulated users whose states and item vectors the policy reads. */
  readonly observer: SimulatedUsers;
  readonly source: UsersSource;
}

export type LearnerFactory = (subject: LearnerSubject) => Learner;

export interface Learner extends Disposable {
  readonly policy: Policy;
  readonly parameters: ParameterArena;
  /** Weights of the target network, which predicts values of next pages; laid out like `parameters`. */
  readonly target: View;
  /** Records the dispatches of a training step. Call this method once per learner. */
  record(update: TrainingBatch): RecordedUpdate;
}

/** A learner with a Q-network. A subclass defines the training step and the search for the best slates. */
export abstract class NetworkLearner implements Learner {
  readonly policy: Policy;
  readonly parameters: ParameterArena;
  readonly target: View;
  protected readonly network: QNetwork;
  protected readonly arena: Arena;
  /** Dispatches that compute item tables (item vectors x online weights); set whenever a page is recorded. */
  #tables: readonly ClickDispatch[] = [];
  /** Q-values of the slates on the page recorded last; undefined if the network only has values of items. */
  protected values: SlateValueView | undefined;

  constructor(
    name: string,
    shape: Pick<QShape, "kind" | "zero">,
    protected readonly subject: LearnerSubject,
  ) {
    const { gpu, config, observer, source: { itemCount } } = subject;
    const { slate, hidden: units, trunk, seed } = config;
    const [inputs, itemColumns] = [observer.state.columns + 1, observer.itemVectors.columns];
    this.network = new QNetwork(gpu, { ...shape, slate, units, trunk, inputs, itemColumns }, itemCount, seed);
    ({ parameters: this.parameters, target: this.target } = this.network);
    this.arena = new Arena(gpu, "lessons");
    this.policy = {
      name,
      record: (page) => this.#act(page),
      // Items have scores only if the value of a slate is the sum of its items' values.
      ...(shape.kind === "item" && !shape.zero && { scores: (page) => this.#scores(page) }),
      prepare: () => this.#tables,
      values: () => this.values,
    };
  }

  /** Returns dispatches that choose each user's best slate. */
  protected abstract best(
    context: PageContext,
    rows: SlateRows<ClickSizes>,
    act: SlateChoiceViews,
  ): readonly PageDispatch[];

  abstract record(update: TrainingBatch): RecordedUpdate;

  #act(context: PageContext): readonly PageDispatch[] {
    const { rows, act, dispatch } = this.#seen(context);
    return [dispatch, ...this.best(context, rows, act), recordRandomSlate(context.page, true)];
  }

  #scores(context: PageContext): ItemScores {
    const { rows, act, dispatch } = this.#seen(context);
    const { users, items } = context.page;
    const chunk = Math.max(1, Math.min(users, Math.floor(CHUNK_SCORES / items)));
    const { before, scored, scores, stride } = scoreItems(this.network, rows, act, chunk);
    return { before: [dispatch, ...before], chunk, dispatches: [scored], scores, stride };
  }
  #seen({ page, observer, arena }: PageContext) {
    const { slates, masked, users } = page;
    const rows = createPageRows(arena, page);
    const { input, dispatch } = recordStateInput(rows, observer.state, page.pages);
    const act: SlateChoiceViews = { copy: "online", input, slates, masked: { view: masked, stride: users } };
    this.#tables = this.network.makeTables(rows, "online", observer.itemVectors);
    return { rows, act, dispatch };
  }

  [Symbol.dispose](): void {
    this.network[Symbol.dispose]();
    this.arena.destroy();
  }
}

export function createLearnRows(arena: Arena, { sizes: capacity }: ReplaySample): SlateRows<LearnSizes> {
  return { arena, dimensions: learnDimensions, rows: "rows", items: "items", capacity };
}
