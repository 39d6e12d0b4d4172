/**
 * SlateQ learns a Q-value of no click, and a Q-value of a click on each item, from the users' actual choices.
 * The value of a slate is the expected Q-value under the choice model. The best slate is found exactly, from
 * the users' utilities of all items.
 */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { CommandRecorder } from "../../gpu/commands.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import { PageBuffers } from "../../simulate/page_buffers.ts";
import { PageHeaders, PageProgram } from "../../simulate/page_program.ts";
import type { PageContext, PageDispatch } from "../../simulate/policy.ts";
import type { SimulatedUsers } from "../../simulate/users.ts";
import { chooseExactly, type SlateChoiceViews } from "../network/choose_slates.ts";
import { recordSlateWorth } from "../network/best_slate.ts";
import { createPageRows, createTape, type SlateRows } from "../network/slate_rows.ts";
import { type SlateBatch, slateValue } from "../network/slate_value.ts";
import { createLearnRows, NetworkLearner } from "./learner.ts";
import type { LearnerSubject, RecordedUpdate, TrainingBatch } from "./learner.ts";
import { qLoss, type QLossBatch } from "./q_loss.ts";
import type { LearnSizes, ReplaySample } from "./replay_sample.ts";

export class SlateQLearner extends NetworkLearner {
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

  /** Computes the value of the best slate on the page after each sampled page, from the users' utilities. */
  async #after(sample: ReplaySample, worth: View): Promise<(commands: CommandRecorder) => void> {
    const { gpu, source, config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, rows: count, pages } = config;
    const { arena, network } = this;
    const page = new PageBuffers(gpu, arena, {
      users: count,
      slate,
      items: source.itemCount,
      pages,
      startClicks: 0,
    });
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
