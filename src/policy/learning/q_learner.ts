/** Learners whose network values whole slates: how they learn from remembered pages. */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { bufferOf, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import type { PageContext, PageDispatch, SlateValues } from "../../simulate/policy.ts";
import type { Tensor } from "../../tape/tensor.ts";
import type { Choosing } from "../network/choosing.ts";
import type { QAct, QChoice } from "../network/q_act.ts";
import type { QCopy } from "../network/q_network.ts";
import { type SlateRows, tapeOf } from "../network/slate_rows.ts";
import { slateValue } from "../network/slate_value.ts";
import type { LearnerSubject, LearnSizes, Lesson, NextValue, RecordedLesson } from "./learner.ts";
import { inputOf, type LearnedShape, learnRows, NetworkLearner } from "./network_learner.ts";
import { type QCounts, qLoss, type QLossBatch } from "./q_loss.ts";

/** What an algorithm is. */
export interface QAlgorithm {
  readonly name: string;
  readonly shape: (subject: LearnerSubject) => LearnedShape;
  /** Which of a slate's values the loss is of. */
  readonly counts: QCounts;
  /** The dispatches that write the best slates, and set their bits. */
  choose<S extends Sizes>(choosing: Choosing<S>): readonly DispatchSpec<S>[];
  /** The best that each next position could have done, for chained targets; absent where positions do not differ. */
  readonly chain?: <S extends Sizes>(choosing: Choosing<S> & { readonly given: true }) => QChoice<S>;
  /** The value of slates: which columns of their values [R, k]. */
  worth(slate: number): Pick<NextValue, "first" | "count">;
}

/** A network that is trained on the value of whole slates. */
export class QLearner extends NetworkLearner {
  constructor(subject: LearnerSubject, private readonly algorithm: QAlgorithm) {
    super(algorithm.name, algorithm.shape(subject), subject);
  }

  protected best(_context: PageContext, rows: SlateRows<ClickSizes>, act: QAct): readonly PageDispatch[] {
    const onValues = (values: SlateValues) => {
      this.values = values;
    };
    return this.algorithm.choose({ network: this.network, rows, ...act, onValues });
  }

  record({ recall, wanted, ring }: Lesson): RecordedLesson {
    const { config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, rows: count } = config;
    const { algorithm, network } = this;
    const rows = learnRows(this.arena, recall);
    const [before, after] = [inputOf(recall, "before"), inputOf(recall, "after")];
    const slates = this.arena.allocate("best slates after", 4 * count * slate);
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
      ...{ q, counts: algorithm.counts, wanted, outcome: recall.outcome, ring, huber: config.huber },
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
}
