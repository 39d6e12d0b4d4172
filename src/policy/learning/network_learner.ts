/** What learners have in common: one Q-network that acts on a page, explores, and learns from remembered pages. */

import { clickDimensions, type ClickDispatch, type ClickSizes } from "../../batch/click_sizes.ts";
import { Arena } from "../../gpu/arena.ts";
import type { View } from "../../gpu/memory.ts";
import type { Page } from "../../simulate/page.ts";
import type { PageContext, PageDispatch, Policy, SlateValues } from "../../simulate/policy.ts";
import { randomSlate } from "../../simulate/slates.ts";
import type { Tensor } from "../../tape/tensor.ts";
import type { QAct } from "../network/choose_slates.ts";
import { QNetwork, type QShape } from "../network/q_network.ts";
import { inputColumns, type SlateRows, stateInput } from "../network/slate_rows.ts";
import {
  learnDimensions,
  type Learner,
  type LearnerSubject,
  type LearnSizes,
  learnSizes,
  type Lesson,
  type RecordedLesson,
} from "./learner.ts";
import type { Recall } from "./recall.ts";

/** How an algorithm's values are laid out: what of the network's shape is its own. */
export type LearnedShape = Pick<QShape, "kind" | "zero">;

/** A network that acts, and is trained. An algorithm says which slates are best, and how a lesson goes. */
export abstract class NetworkLearner implements Learner {
  readonly policy: Policy;
  protected readonly network: QNetwork;
  /** Of the lessons. */
  protected readonly arena: Arena;
  /** Of the page that was recorded last: what makes the tables of the weights that learn. */
  #tables: readonly ClickDispatch[] = [];
  /** What the slates of that page are worth to the network; undefined where an algorithm does not say. */
  protected values: SlateValues | undefined;

  constructor(name: string, shape: LearnedShape, protected readonly subject: LearnerSubject) {
    const { gpu, config, observer, items } = subject;
    const { slate, hidden: units, trunk, seed } = config;
    const [inputs, itemColumns] = [inputColumns(observer.state), observer.itemVectors.columns];
    this.network = new QNetwork(gpu, { ...shape, slate, units, trunk, inputs, itemColumns }, items, seed);
    this.arena = new Arena(gpu, "lessons");
    this.policy = {
      name,
      record: (page) => this.#act(page),
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
    act: QAct,
  ): readonly PageDispatch[];

  abstract record(lesson: Lesson): RecordedLesson;

  #act(context: PageContext): readonly PageDispatch[] {
    const { page, pages, observer, slates, masked, users, arena, itemVectors } = context;
    const rows = pageRows(arena, page);
    const { input, dispatch } = stateInput(rows, observer.state, pages);
    const act = { copy: "online", input, slates, masked: { view: masked, stride: users } } as const;
    const best = this.best(context, rows, act);
    this.#tables = this.network.makeTables(rows, "online", itemVectors);
    return [dispatch, ...best, randomSlate(page, true)];
  }

  destroy(): void {
    this.network.destroy();
    this.arena.destroy();
  }
}

/** The rows of a page, as networks take them. */
export function pageRows(arena: Arena, page: Page): SlateRows<ClickSizes> {
  return { arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes };
}

/** Remembered pages, as networks take them. */
export function learnRows(arena: Arena, { options: { rows, items }, slate }: Recall): SlateRows<LearnSizes> {
  const capacity = learnSizes(rows, slate, items);
  return { arena, dimensions: learnDimensions, rows: "rows", items: "items", capacity };
}

/** The inputs of the network, before pages or after them. */
export function inputOf({ options, inputStride, before, after }: Recall, when: "before" | "after"): Tensor {
  const view: View = when === "before" ? before : after;
  return {
    ...{ name: `input ${when}`, rows: "rows", columns: options.stateColumns + 1, groups: 1 },
    ...{ stride: inputStride, view, trainable: false },
  };
}
