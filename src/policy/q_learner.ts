/** What learners of Q-networks have in common: how they act on a page, and how they learn from remembered ones. */

import { clickDimensions, type ClickDispatch, type ClickSizes } from "../batch/click_sizes.ts";
import { Arena } from "../gpu/arena.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { Sizes } from "../gpu/sizes.ts";
import type { PageContext, Policy, SlateValues } from "../simulate/policy.ts";
import { randomSlate } from "../simulate/slates.ts";
import type { Tensor } from "../tape/tensor.ts";
import {
  learnDimensions,
  type Learner,
  type LearnerSubject,
  type LearnSizes,
  learnSizes,
  type Lesson,
  type NextValue,
  type RecordedLesson,
} from "./learner.ts";
import type { Mask, QChoice } from "./q_act.ts";
import { type QCounts, qLoss, type QLossBatch } from "./q_loss.ts";
import { type QCopy, QNetwork } from "./q_network.ts";
import type { QShape } from "./q_shape.ts";
import type { Recall } from "./recall.ts";
import { type SlateRows, tapeOf } from "./slate_rows.ts";
import { slateValue } from "./slate_value.ts";
import { inputColumns, stateInput } from "./state_input.ts";

/** Rows that slates are to be chosen for. */
export interface Choosing<S extends Sizes> {
  readonly network: QNetwork;
  readonly rows: SlateRows<S>;
  readonly copy: QCopy;
  /** [R, inputs] */
  readonly input: Tensor;
  /** [R, k] u32 */
  readonly slates: View;
  readonly masked: Mask;
  /** Told where the values of the chosen slates are written, by an algorithm that has them. */
  readonly onValues?: (values: SlateValues) => void;
}

/** What an algorithm is. */
export interface QAlgorithm {
  readonly name: string;
  readonly kind: (subject: LearnerSubject) => Pick<QShape, "kind" | "zero">;
  /** Which of a slate's values the loss is of. */
  readonly counts: QCounts;
  /** The dispatches that write the best slates, and set their bits. */
  choose<S extends Sizes>(choosing: Choosing<S>): readonly DispatchSpec<S>[];
  /** The best that each next position could have done, for chained targets; absent where positions do not differ. */
  readonly chain?: <S extends Sizes>(choosing: Choosing<S> & { readonly given: true }) => QChoice<S>;
  /** The value of slates: which columns of their values [R, k]. */
  worth(slate: number): Pick<NextValue, "first" | "count">;
}

/** The rows of a page, as networks take them. */
export function pageRows({ arena, page }: Pick<PageContext, "arena" | "page">): SlateRows<ClickSizes> {
  return { arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes };
}

/** Remembered pages, as networks take them. */
export function learnRows(arena: Arena, { options: { rows, items }, slate }: Recall): SlateRows<LearnSizes> {
  const capacity = learnSizes(rows, slate, items);
  return { arena, dimensions: learnDimensions, rows: "rows", items: "items", capacity };
}

/** The inputs of the network, before pages or after them. */
export function inputOf({ options, inputStride, before, after }: Recall, when: "before" | "after"): Tensor {
  return {
    ...{
      name: `input ${when}`,
      rows: "rows",
      columns: options.stateColumns + 1,
      groups: 1,
      stride: inputStride,
    },
    ...{ view: when === "before" ? before : after, trainable: false },
  };
}

/** A network that is trained on the value of whole slates. */
export class QLearner implements Learner {
  readonly policy: Policy;
  readonly #network: QNetwork;
  readonly #arena: Arena;
  /** Of the page that was recorded last: what makes the tables of the weights that learn. */
  #tables: readonly ClickDispatch[] = [];
  #values: SlateValues | undefined;

  constructor(private readonly subject: LearnerSubject, private readonly algorithm: QAlgorithm) {
    const { gpu, config, observer, items } = subject;
    const { slate, hidden, trunk, seed } = config;
    const [inputs, itemColumns] = [inputColumns(observer.state), observer.itemVectors.columns];
    const shape = { ...algorithm.kind(subject), slate, units: hidden, trunk, inputs, itemColumns };
    this.#network = new QNetwork(gpu, shape, items, seed);
    this.#arena = new Arena(gpu, "lessons");
    this.policy = {
      name: algorithm.name,
      record: (page) => this.#act(page),
      prepare: () => this.#tables,
      values: () => this.#values,
    };
  }

  get parameters(): QNetwork["parameters"] {
    return this.#network.parameters;
  }
  get older(): QNetwork["older"] {
    return this.#network.older;
  }

  #act(context: PageContext): readonly ClickDispatch[] {
    const { page, pages, observer, slates, masked, users, itemVectors } = context;
    const network = this.#network;
    const rows = pageRows(context);
    const { input, dispatch } = stateInput(rows, observer.state, pages);
    const mask = { view: masked, stride: users };
    const onValues = (values: SlateValues) => {
      this.#values = values;
    };
    const best = this.algorithm.choose({
      network,
      rows,
      copy: "online",
      input,
      slates,
      masked: mask,
      onValues,
    });
    this.#tables = network.makeTables(rows, "online", itemVectors);
    return [dispatch, ...best, randomSlate(page, true)];
  }

  record({ recall, wanted, ring }: Lesson): RecordedLesson {
    const { config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, rows: count } = config;
    const { algorithm } = this;
    const network = this.#network;
    const rows = learnRows(this.#arena, recall);
    const [before, after] = [inputOf(recall, "before"), inputOf(recall, "after")];
    const slates = this.#arena.allocate("best slates after", 4 * count * slate);
    const masked = { view: recall.maskAfter, stride: count };
    const copy = doubleQ ? "online" : "older";
    const best = algorithm.choose({ network, rows, copy, input: after, slates, masked });
    /** The values of slates. Bases are changed by what they are asked for, so each has its own. */
    const valued = (copy: QCopy, input: Tensor, slates: View) => {
      const tape = tapeOf<LearnSizes, QLossBatch>(rows, network.parameters);
      const state = network.state(tape, copy, input);
      return { tape, q: slateValue(tape, rows, network, { copy, state, slates, itemVectors }) };
    };
    const next = valued("older", after, slates);
    next.tape.place();
    const { tape, q } = valued("online", before, recall.slates);
    const maskedBefore = { view: recall.maskBefore, stride: count };
    const chained = config.target === "chained"
      ? algorithm.chain?.({
        ...{ network, rows, copy: "older", input: before },
        ...{ slates: recall.slates, masked: maskedBefore, given: true },
      })
      : undefined;
    qLoss(tape, rows, {
      ...{ q, counts: algorithm.counts, wanted, outcome: recall.outcome, ring },
      ...(chained && { chained: { view: chained.q, stride: chained.stride } }),
    });
    tape.place();
    return {
      nextValue: { view: bufferOf(next.q.view), stride: next.q.stride, ...algorithm.worth(slate) },
      next: [...best, ...next.tape.forward()],
      fit: [...(chained?.dispatches ?? []), ...tape.forward(), ...tape.backward()],
      moved: network.makeTables(rows, "online", itemVectors),
      copied: network.makeTables(rows, "older", itemVectors),
    };
  }

  destroy(): void {
    this.#network.destroy();
    this.#arena.destroy();
  }
}
