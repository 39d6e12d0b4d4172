/** Interface between algorithms and training, and their common part: one Q-network that acts on a page, explores, and learns. */

import type { CommandRecorder } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import type { ItemScores, PageContext, PageDispatch, Policy, SlateValueView } from "../../simulate/policy.ts";
import type { SimulatedUsers, UsersSource } from "../../simulate/users.ts";
import type { ParameterArena } from "../../tape/parameters.ts";
import type { PolicyTrainingConfig } from "./policy_training_config.ts";
import type { ReplaySample } from "./replay_sample.ts";
import { clickDimensions, type ClickDispatch, type ClickSizes } from "../../batch/click_sizes.ts";
import { Arena } from "../../gpu/arena.ts";
import type { PageBuffers } from "../../simulate/page_buffers.ts";
import { recordRandomSlate } from "../named_policies.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { scoreItems, type SlateChoiceViews } from "../network/choose_slates.ts";
import { QNetwork, type QShape } from "../network/q_network.ts";
import { recordStateInput, type SlateRows } from "../network/slate_rows.ts";

/**
 * Sizes of a training batch: pages, rows (one per page), their slots, and items of the catalogue: B, B, B k, I. They are in the
 * positions of users, events, rows and items of click logs, so that both share shaders.
 */
export type LearnSizes = Readonly<Record<"pages" | "rows" | "slots" | "items", number>>;
export type LearnDispatch = DispatchSpec<LearnSizes>;

export const learnDimensions = new Dimensions<LearnSizes>(["pages", "rows", "slots", "items"], "rows");

export function computeLearnSizes(rows: number, slate: number, items: number): LearnSizes {
  return { pages: rows, rows, slots: rows * slate, items };
}

const CHUNK_SCORES = 2 ** 20;

export interface TrainingBatch {
  readonly sample: ReplaySample;
  /** [B] target value of each page; written between {@link RecordedUpdate.next} and `fit`. */
  readonly targets: View;
  /** At `step.slot`: (sum of the losses, sum of the values of the shown slates, 0, 0). */
  readonly ring: View;
}

/** [B, stride] f32: the value of a row is the sum of `count` columns from `first` on. */
export interface NextValue {
  readonly view: View;
  readonly stride: number;
  readonly first: number;
  readonly count: number;
}

/** Dispatches of a training step, without the optimiser. */
export interface RecordedUpdate {
  /** Value of the best slate after each page. */
  readonly nextValue: NextValue;
  /**
   * Records programs over batches of another kind, which run between the replay sample and {@link next}.
   * @returns a function that encodes them
   */
  readonly between?: () => Promise<(commands: CommandRecorder) => void>;
  readonly next: readonly LearnDispatch[];
  /** Loss, and gradients of all parameters. */
  readonly fit: readonly LearnDispatch[];
  /** Runs after the weights have changed: updates tables of items. */
  readonly afterUpdate: readonly LearnDispatch[];
  /** Runs after the weights were copied to the target network. */
  readonly afterCopy: readonly LearnDispatch[];
}

export interface LearnerSubject {
  readonly gpu: Gpu;
  readonly config: PolicyTrainingConfig;
  /** The policy's view of the users: their states and the item vectors. */
  readonly observer: SimulatedUsers;
  readonly source: UsersSource;
}

export type LearnerFactory = (subject: LearnerSubject) => Learner;

export interface Learner extends Disposable {
  readonly policy: Policy;
  readonly parameters: ParameterArena;
  /** Weights of the target network, which values slates of the next page; same layout as the parameters. */
  readonly target: View;
  /** Records the training step; may be called once. */
  record(update: TrainingBatch): RecordedUpdate;
}

export type ValueLayout = Pick<QShape, "kind" | "zero">;

/** Q-network with policy and training step. A subclass defines which slates are best, and the update. */
export abstract class NetworkLearner implements Learner {
  readonly policy: Policy;
  protected readonly network: QNetwork;
  protected readonly arena: Arena;
  /** Dispatches of the page recorded last that update the tables of the online weights. */
  #tables: readonly ClickDispatch[] = [];
  /** Q-values of the slates of that page; undefined if the algorithm has none. */
  protected values: SlateValueView | undefined;

  constructor(name: string, shape: ValueLayout, protected readonly subject: LearnerSubject) {
    const { gpu, config, observer, source: { itemCount } } = subject;
    const { slate, hidden: units, trunk, seed } = config;
    const [inputs, itemColumns] = [observer.state.columns + 1, observer.itemVectors.columns];
    this.network = new QNetwork(gpu, { ...shape, slate, units, trunk, inputs, itemColumns }, itemCount, seed);
    this.arena = new Arena(gpu, "lessons");
    this.policy = {
      name,
      record: (page) => this.#act(page),
      // The value of a slate is a sum over items, so items have scores.
      ...(shape.kind === "item" && !shape.zero && { scores: (page) => this.#scores(page) }),
      prepare: () => this.#tables,
      values: () => this.values,
    };
  }

  get parameters(): QNetwork["parameters"] {
    return this.network.parameters;
  }
  get target(): QNetwork["target"] {
    return this.network.target;
  }

  /** Returns dispatches that write the best slates of a page, and set the bits of their items. */
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

  /** Records the network's input for a page. */
  #seen({ page, observer, arena }: PageContext) {
    const { slates, masked, users } = page;
    const rows = createPageRows(arena, page);
    const { input, dispatch } = recordStateInput(rows, observer.state, page.pages);
    const act: SlateChoiceViews = { copy: "online", input, slates, masked: { view: masked, stride: users } };
    this.#tables = this.network.makeTables(rows, "online", observer.itemVectors);
    return { rows, act, dispatch };
  }

  [Symbol.dispose](): void {
    this.network.destroy();
    this.arena.destroy();
  }
}

export function createPageRows(arena: Arena, page: PageBuffers): SlateRows<ClickSizes> {
  return { arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes };
}

export function createLearnRows(
  arena: Arena,
  { options: { rows, items }, slate }: ReplaySample,
): SlateRows<LearnSizes> {
  const capacity = computeLearnSizes(rows, slate, items);
  return { arena, dimensions: learnDimensions, rows: "rows", items: "items", capacity };
}

export function getNetworkInput(
  { options, inputStride, before, after }: ReplaySample,
  when: "before" | "after",
): Tensor {
  const view: View = when === "before" ? before : after;
  return {
    ...{ name: `input ${when}`, rows: "rows", columns: options.stateColumns + 1, groups: 1 },
    ...{ stride: inputStride, view, trainable: false },
  };
}
