/**
 * Algorithms that train policies. A new algorithm needs a name in policy_training_config.ts, and an entry in
 * `algorithms`.
 *
 * CDQN: one Q-value per position of the slate. Each position shows the best item, given the items above it.
 * With the common target (as published), all Q-values are regressed on the return of the whole slate. With
 * the chained target, the Q-value of each position except the last is regressed on the target network's best
 * value of the next position.
 *
 * GDQN: one Q-value per item. The value of a slate is the sum of its items' values, so the best slate has the
 * items with the largest values.
 *
 * SlateQ: see slateq.ts.
 */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import type { PageContext, PageDispatch } from "../../simulate/policy.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { chooseByPosition, type SlateChoiceViews } from "../network/choose_slates.ts";
import type { WeightCopy } from "../network/q_network.ts";
import { createTape, type SlateRows } from "../network/slate_rows.ts";
import { slateValue } from "../network/slate_value.ts";
import type { AlgorithmName } from "./policy_training_config.ts";
import type { LearnerFactory, LearnerSubject, RecordedUpdate, TrainingBatch } from "./learner.ts";
import { createLearnRows, NetworkLearner } from "./learner.ts";
import { qLoss, type QLossBatch } from "./q_loss.ts";
import type { LearnSizes } from "./replay_sample.ts";
import { SlateQLearner } from "./slateq.ts";

export const algorithms: Readonly<Record<AlgorithmName, LearnerFactory>> = {
  cdqn: (subject) => new QLearner(subject, "cdqn"),
  gdqn: (subject) => new QLearner(subject, "gdqn"),
  slateq: (subject) => new SlateQLearner(subject),
};

class QLearner extends NetworkLearner {
  constructor(subject: LearnerSubject, name: "cdqn" | "gdqn") {
    const kind = name === "gdqn" ? "item" : subject.config.sharePositions ? "shared" : "cascade";
    super(name, { kind }, subject);
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

  record({ sample, targets, ring }: TrainingBatch): RecordedUpdate {
    const { config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, huber, rows: count } = config;
    const { network } = this;
    const isSum = network.shape.kind === "item"; // the value of a slate is the sum of its items' values
    const rows = createLearnRows(this.arena, sample);
    const { before, after } = sample;
    const slates = this.arena.allocate("best slates after", 4 * count * slate);
    const masked = { view: sample.maskAfter, stride: count };
    const copy = doubleQ ? "online" : "target";
    const best = chooseByPosition(network, rows, { copy, input: after, slates, masked });
    /** Computes slate values. Each call needs its own bases (partial sums), which `slateValue` changes. */
    const valued = (copy: WeightCopy, input: Tensor, slates: View) => {
      const tape = createTape<LearnSizes, QLossBatch>(rows, network.parameters);
      const state = network.state(tape, copy, input);
      return { tape, q: slateValue(tape, rows, network, { copy, state, slates, itemVectors }) };
    };
    const next = valued("target", after, slates);
    next.tape.place();
    const { tape, q } = valued("online", before, sample.slates);
    /** Best Q-values of the next positions, for `--target chained`; undefined for Q-values per item. */
    const chained = config.target === "chained" && !isSum
      ? chooseByPosition(network, rows, {
        ...{ copy: "target", input: before, slates: sample.slates, given: true },
        masked: { view: sample.maskBefore, stride: count },
      })
      : undefined;
    qLoss(tape, rows, {
      ...{ q, counts: isSum ? "sum" : "each", targets, outcome: sample.outcome, ring, huber },
      ...(chained && { chained: { view: chained.q, stride: chained.stride } }),
    });
    tape.place();
    return {
      nextValue: {
        ...{ view: asBufferView(next.q.view), stride: next.q.stride },
        ...(isSum ? { first: 0, count: slate } : { first: slate - 1, count: 1 }),
      },
      next: [...best.dispatches, ...next.tape.forward()],
      fit: [...(chained?.dispatches ?? []), ...tape.forward(), ...tape.backward()],
      afterUpdate: network.makeTables(rows, "online", itemVectors),
      afterCopy: network.makeTables(rows, "target", itemVectors),
    };
  }
}
