/**
 * Algorithms that train policies. To add an algorithm, write its name into policy_training_config.ts, and an
 * entry into `algorithms` below.
 */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import type { PageContext, PageDispatch } from "../../simulate/policy.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { chooseByPosition, chooseExactly, type SlateChoiceViews } from "../network/choose_slates.ts";
import type { WeightCopy } from "../network/q_network.ts";
import { createPageRows, createTape, type SlateRows } from "../network/slate_rows.ts";
import { type SlateBatch, slateValue } from "../network/slate_value.ts";
import type { AlgorithmName } from "./policy_training_config.ts";
import type { LearnerFactory, LearnerSubject, RecordedUpdate, TrainingBatch } from "./learner.ts";
import { createLearnRows, NetworkLearner } from "./learner.ts";
import { qLoss, type QLossBatch } from "./q_loss.ts";
import type { LearnSizes, ReplaySample } from "./replay_sample.ts";
import { CommandRecorder } from "../../gpu/commands.ts";
import { PageBuffers } from "../../simulate/page_buffers.ts";
import { PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import type { SimulatedUsers } from "../../simulate/users.ts";
import { recordSlateWorth } from "../network/best_slate.ts";

export const algorithms: Readonly<Record<AlgorithmName, LearnerFactory>> = {
  cdqn: (subject) => new QLearner(subject, "cdqn"),
  gdqn: (subject) => new QLearner(subject, "gdqn"),
  slateq: (subject) => new SlateQLearner(subject),
};

/**
 * CDQN: one Q-value per position of the slate. Each position shows the best item, given the items above it.
 * With the common target (Chen et al. 2019), all Q-values are regressed on the return of the whole slate.
 * With the chained target, the last position's Q-value is regressed on this return, and the Q-value of each
 * earlier position on the target network's best Q-value for the next position.
 *
 * GDQN: one Q-value per item. The value of a slate is the sum of its items' values, so the best slate has the
 * items with the largest values.
 */
class QLearner extends NetworkLearner {
  constructor(subject: LearnerSubject, name: "cdqn" | "gdqn") {
    super(name, { kind: name === "gdqn" ? "item" : "cascade" }, subject);
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
    const valued = (copy: WeightCopy, input: Tensor, slates: View) => {
      const tape = createTape<LearnSizes, QLossBatch>(rows, network.parameters);
      const state = network.state(tape, copy, input);
      return { tape, q: slateValue(tape, rows, network, { copy, state, slates, itemVectors }) };
    };
    const next = valued("target", after, slates);
    next.tape.place();
    const { tape, q } = valued("online", before, sample.slates);
    /** For the chained target: the best Q-value at each position, given the items shown before it. */
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

/**
 * SlateQ learns a Q-value of no click, and a Q-value of a click on each item, from the users' actual choices.
 * The value of a slate is the mean of these Q-values, weighted by the choice model's probabilities. An exact
 * search finds the best slate from the users' utilities of all items.
 */
class SlateQLearner extends NetworkLearner {
  #users: SimulatedUsers | undefined;

  constructor(subject: LearnerSubject) {
    super("slateq", { kind: "item", zero: true }, subject);
  }

  protected best(
    { observer, page: { users }, arena }: PageContext,
    rows: SlateRows<ClickSizes>,
    act: SlateChoiceViews,
  ): readonly PageDispatch[] {
    const worth = arena.allocate("worth of slates", 4 * users);
    this.values = { view: worth, stride: 1, count: 1 };
    return chooseExactly(this.network, rows, observer, { ...act, worth });
  }

  record({ sample, targets, ring }: TrainingBatch): RecordedUpdate {
    const { config: { rows: count, huber }, observer: { itemVectors } } = this.subject;
    const { network } = this;
    const rows = createLearnRows(this.arena, sample);
    const tape = createTape<LearnSizes, QLossBatch>(rows, network.parameters);
    const state = network.state(tape, "online", sample.before);
    const q = slateValue(tape, rows, network, { copy: "online", state, slates: sample.slates, itemVectors });
    qLoss(tape, rows, { q, counts: "outcome", targets, outcome: sample.outcome, ring, huber });
    tape.place();
    const worth = this.arena.allocate("worth of slates after", 4 * count);
    return {
      nextValue: { view: worth, stride: 1, first: 0, count: 1 },
      between: () => this.#after(sample, worth),
      next: [],
      fit: [...tape.forward(), ...tape.backward()],
      afterUpdate: network.makeTables(rows, "online", itemVectors),
      afterCopy: network.makeTables(rows, "target", itemVectors),
    };
  }

  /** Computes `worth`: for each sampled page, the value of the best slate on the user's next page. */
  async #after(sample: ReplaySample, worth: View): Promise<(commands: CommandRecorder) => void> {
    const { gpu, source, config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, rows: count, pages } = config;
    const { arena, network } = this;
    const sizes = { users: count, slate, items: source.itemCount, pages, startClicks: 0 };
    const page = new PageBuffers(gpu, arena, sizes);
    const users = this.#users = source.users(page);
    const rows = createPageRows(arena, page);
    const input = { ...sample.after, rows: "events" } as const;
    const { slates } = page;
    const best = chooseExactly(network, rows, users, {
      ...{ copy: doubleQ ? "online" : "target", input, slates },
      masked: { view: sample.maskAfter, stride: count },
      worth: arena.allocate("worth as chosen", 4 * count),
    });
    const tape = createTape<ClickSizes, SlateBatch>(rows, network.parameters);
    const state = network.state(tape, "target", input);
    const q = slateValue(tape, rows, network, { copy: "target", state, slates, itemVectors });
    tape.place();
    const { dispatches, utilities } = users.utilities();
    const program: PageDispatch[] = [
      sample.statesAfter(users.state),
      ...users.fromState(),
      ...best,
      ...[...tape.forward(), ...dispatches],
      recordSlateWorth(rows, {
        ...{ label: "worth of slates", slate, eta: users.eta, worth },
        ...{ utilities: asBufferView(utilities.view), values: asBufferView(q.view), stride: q.stride },
      }),
    ];
    const headers = new PageHeaders(arena, page, 1, program);
    headers.put({ users: count, firstUser: 0, episode: 0, seed: 0 }, () => 0);
    const prepared = await PageProgram.record(gpu, "tables of users", headers, users.prepare());
    const after = await PageProgram.record(gpu, "values after pages", headers, program);
    CommandRecorder.submit(gpu, "tables of users", (commands) => prepared.encode(commands, 0));
    return (commands) => after.encode(commands, 0);
  }

  override [Symbol.dispose](): void {
    this.#users?.[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
