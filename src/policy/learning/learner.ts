/**
 * What an algorithm is to the training: a network that acts, and that learns from remembered pages. What learners have in common:
 * one Q-network that acts on a page, explores, and learns.
 */

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
 * Remembered pages that are learned from at once, rows of them, one a page, the rows' slots, and items of the catalogue: B, B,
 * B k, I. They stand where clicks count users, events, rows and items, so that both share shaders.
 */
export type LearnSizes = Readonly<Record<"pages" | "rows" | "slots" | "items", number>>;
export type LearnDispatch = DispatchSpec<LearnSizes>;

export const learnDimensions = new Dimensions<LearnSizes>(["pages", "rows", "slots", "items"], "rows");

/** The sizes of a batch of so many remembered pages. */
export function computeLearnSizes(rows: number, slate: number, items: number): LearnSizes {
  return { pages: rows, rows, slots: rows * slate, items };
}

/** Scores of all items that are held at once. */
const CHUNK_SCORES = 2 ** 20;

/** What a learner learns from. */
export interface TrainingBatch {
  readonly recall: ReplaySample;
  /** [B] what the value of each page is to become; written between {@link RecordedUpdate.next} and `fit`. */
  readonly wanted: View;
  /** At `step.slot`: (sum of the losses, sum of the values of the slates shown, 0, 0). */
  readonly ring: View;
}

/** [B, stride] f32: the value of a row is the sum of `count` columns from `first` on. */
export interface NextValue {
  readonly view: View;
  readonly stride: number;
  readonly first: number;
  readonly count: number;
}

/** The dispatches of a step of the optimiser, without the optimiser. */
export interface RecordedUpdate {
  /** The value of the best slate after each page. */
  readonly nextValue: NextValue;
  /**
   * Programs over batches of another kind, that run between the recall of the pages and {@link next}.
   * @returns what appends them
   */
  readonly between?: () => Promise<(commands: CommandRecorder) => void>;
  /** What computes it. */
  readonly next: readonly LearnDispatch[];
  /** The loss, and the gradients of all parameters. */
  readonly fit: readonly LearnDispatch[];
  /** What follows when the weights have moved: tables of items. */
  readonly moved: readonly LearnDispatch[];
  /** What follows when the older copy of the weights was set anew. */
  readonly copied: readonly LearnDispatch[];
}

/** What a learner is made for. */
export interface LearnerSubject {
  readonly gpu: Gpu;
  readonly config: PolicyTrainingConfig;
  /** How the policy sees users: its states, and what is known of items. */
  readonly observer: SimulatedUsers;
  /** Whom the observer sees users as. */
  readonly source: UsersSource;
}

/** Makes the learner of an algorithm, with the weights that the config's seed draws. */
export type LearnerFactory = (subject: LearnerSubject) => Learner;

/** A network that acts and learns. */
export interface Learner extends Disposable {
  /** Chooses slates by the weights as they are; explores with `step.epsilon`. */
  readonly policy: Policy;
  readonly parameters: ParameterArena;
  /** The older copy of all weights, that values slates of the next page; laid out like them. */
  readonly older: View;
  /** Records how it learns; once. */
  record(lesson: TrainingBatch): RecordedUpdate;
}

/** How an algorithm's values are laid out: what of the network's shape is its own. */
export type ValueLayout = Pick<QShape, "kind" | "zero">;

/** A network that acts, and is trained. An algorithm says which slates are best, and how a lesson goes. */
export abstract class NetworkLearner implements Learner {
  readonly policy: Policy;
  protected readonly network: QNetwork;
  /** Of the lessons. */
  protected readonly arena: Arena;
  /** Of the page that was recorded last: what makes the tables of the weights that learn. */
  #tables: readonly ClickDispatch[] = [];
  /** What the slates of that page are worth to the network; undefined where an algorithm does not say. */
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
      // Where a slate's value is a sum of its items' values.
      ...(shape.kind === "item" && !shape.zero && { scores: (page) => this.#scores(page) }),
      prepare: () => this.#tables,
      values: () => this.values,
    };
  }

  get parameters(): QNetwork["parameters"] {
    return this.network.parameters;
  }
  get older(): QNetwork["older"] {
    return this.network.older;
  }

  /** The dispatches that write the best slates of a page, and set the bits of their items. */
  protected abstract best(
    context: PageContext,
    rows: SlateRows<ClickSizes>,
    act: SlateChoiceViews,
  ): readonly PageDispatch[];

  abstract record(lesson: TrainingBatch): RecordedUpdate;

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

  /** How the network sees a page. */
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

/** The rows of a page, as networks take them. */
export function createPageRows(arena: Arena, page: PageBuffers): SlateRows<ClickSizes> {
  return { arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes };
}

/** Remembered pages, as networks take them. */
export function createLearnRows(
  arena: Arena,
  { options: { rows, items }, slate }: ReplaySample,
): SlateRows<LearnSizes> {
  const capacity = computeLearnSizes(rows, slate, items);
  return { arena, dimensions: learnDimensions, rows: "rows", items: "items", capacity };
}

/** The inputs of the network, before pages or after them. */
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
