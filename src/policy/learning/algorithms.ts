/**
 * The algorithms. Another one is a name in config.ts, and a line below or a learner of its own.
 *
 * CDQN: a cascade of values, one a position of the slate. Each position takes the best item, given those before it. All are
 * regressed on what the whole slate came to: the common target, as published. Or, chained, each on the best that the next
 * position could have done by the older weights, and only the last on what the slate came to.
 *
 * GDQN: a value an item, and that of a slate is their sum. The best slate has the items of the largest values.
 *
 * SlateQ: see slateq.ts.
 */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import type { PageContext, PageDispatch } from "../../simulate/policy.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { chooseByPosition, type SlateChoiceViews } from "../network/choose_slates.ts";
import type { QKind, WeightCopy } from "../network/q_network.ts";
import { createTape, type SlateRows } from "../network/slate_rows.ts";
import { slateValue } from "../network/slate_value.ts";
import type { AlgorithmName, PolicyTrainingConfig } from "./policy_training_config.ts";
import {
  createLearnRows,
  getNetworkInput,
  type LearnerFactory,
  type LearnerSubject,
  type LearnSizes,
  NetworkLearner,
  type NextValue,
  type RecordedUpdate,
  type TrainingBatch,
} from "./learner.ts";
import { type QCounts, qLoss, type QLossBatch } from "./q_loss.ts";
import { SlateQLearner } from "./slateq.ts";

/** What an algorithm that learns the value of whole slates does in its own way. */
interface Variant {
  kind(config: PolicyTrainingConfig): QKind;
  /** Which of a slate's values the loss is of. */
  readonly counts: QCounts;
  /** The value of slates: which columns of their values [R, k]. */
  worth(slate: number): Pick<NextValue, "first" | "count">;
}

const variants: Readonly<Record<"cdqn" | "gdqn", Variant>> = {
  cdqn: {
    kind: ({ sharePositions }) => sharePositions ? "shared" : "cascade",
    counts: "each",
    worth: (slate) => ({ first: slate - 1, count: 1 }),
  },
  gdqn: { kind: () => "item", counts: "sum", worth: (slate) => ({ first: 0, count: slate }) },
};

/** What makes the learner of each. */
export const algorithms: Readonly<Record<AlgorithmName, LearnerFactory>> = {
  cdqn: (subject) => new QLearner(subject, "cdqn"),
  gdqn: (subject) => new QLearner(subject, "gdqn"),
  slateq: (subject) => new SlateQLearner(subject),
};

/** A network that is trained on the value of whole slates. */
class QLearner extends NetworkLearner {
  readonly #variant: Variant;

  constructor(subject: LearnerSubject, name: keyof typeof variants) {
    super(name, { kind: variants[name].kind(subject.config) }, subject);
    this.#variant = variants[name];
  }

  protected best(
    _context: PageContext,
    rows: SlateRows<ClickSizes>,
    act: SlateChoiceViews,
  ): readonly PageDispatch[] {
    const { kind, slate } = this.network.shape;
    const { dispatches, q: view, stride } = chooseByPosition(this.network, rows, act);
    if (kind !== "item") this.values = { view, stride, count: slate };
    return dispatches;
  }

  record({ recall, wanted, ring }: TrainingBatch): RecordedUpdate {
    const { config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, huber, rows: count } = config;
    const { network } = this;
    const { counts, worth } = this.#variant;
    const rows = createLearnRows(this.arena, recall);
    const [before, after] = [getNetworkInput(recall, "before"), getNetworkInput(recall, "after")];
    const slates = this.arena.allocate("best slates after", 4 * count * slate);
    const masked = { view: recall.maskAfter, stride: count };
    const copy = doubleQ ? "online" : "older";
    const best = chooseByPosition(network, rows, { copy, input: after, slates, masked });
    /** The values of slates. Bases are changed by what they are asked for, so each has its own. */
    const valued = (copy: WeightCopy, input: Tensor, slates: View) => {
      const tape = createTape<LearnSizes, QLossBatch>(rows, network.parameters);
      const state = network.state(tape, copy, input);
      return { tape, q: slateValue(tape, rows, network, { copy, state, slates, itemVectors }) };
    };
    const next = valued("older", after, slates);
    next.tape.place();
    const { tape, q } = valued("online", before, recall.slates);
    /** The best that each next position could have done; positions of single items do not differ. */
    const chained = config.target === "chained" && network.shape.kind !== "item"
      ? chooseByPosition(network, rows, {
        ...{ copy: "older", input: before, slates: recall.slates, given: true },
        masked: { view: recall.maskBefore, stride: count },
      })
      : undefined;
    qLoss(tape, rows, {
      ...{ q, counts, wanted, outcome: recall.outcome, ring, huber },
      ...(chained && { chained: { view: chained.q, stride: chained.stride } }),
    });
    tape.place();
    return {
      nextValue: { view: asBufferView(next.q.view), stride: next.q.stride, ...worth(slate) },
      next: [...best.dispatches, ...next.tape.forward()],
      fit: [...(chained?.dispatches ?? []), ...tape.forward(), ...tape.backward()],
      moved: network.makeTables(rows, "online", itemVectors),
      copied: network.makeTables(rows, "older", itemVectors),
    };
  }
}
