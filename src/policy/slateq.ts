/**
 * SlateQ: a value of the click on each item and one of no click, learned from what happened. A slate is worth their mean by
 * the choice model, and the best slate is found exactly; for that it needs what users think of all items.
 */

import { clickDimensions, type ClickDispatch, type ClickSizes } from "../batch/click_sizes.ts";
import { Arena } from "../gpu/arena.ts";
import { Commands } from "../gpu/commands.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { Page } from "../simulate/page.ts";
import { PageHeaders } from "../simulate/page_headers.ts";
import { PageProgram } from "../simulate/page_program.ts";
import type { PageContext, PageDispatch, Policy, SlateValues } from "../simulate/policy.ts";
import { randomSlate } from "../simulate/slates.ts";
import type { Users } from "../simulate/users.ts";
import { chooseExactly } from "./exact_slates.ts";
import { asUsers } from "./greedy.ts";
import type { Learner, LearnerSubject, LearnSizes, Lesson, MakeLearner, RecordedLesson } from "./learner.ts";
import { inputOf, learnRows, pageRows } from "./q_learner.ts";
import { qLoss, type QLossBatch } from "./q_loss.ts";
import { QNetwork } from "./q_network.ts";
import type { Recall } from "./recall.ts";
import { slateWorth } from "./slate_ratio.ts";
import { type SlateRows, tapeOf } from "./slate_rows.ts";
import { type SlateBatch, slateValue } from "./slate_value.ts";
import { inputColumns, inputState, stateInput } from "./state_input.ts";

export const slateq: MakeLearner = (subject) => new SlateQLearner(subject);

class SlateQLearner implements Learner {
  readonly policy: Policy;
  readonly #network: QNetwork;
  readonly #arena: Arena;
  #tables: readonly ClickDispatch[] = [];
  #values: SlateValues | undefined;
  /** Remembered states, as users who are in them. */
  #users: Users | undefined;

  constructor(private readonly subject: LearnerSubject) {
    const { gpu, config, observer, items } = subject;
    const { slate, hidden: units, trunk, seed } = config;
    const [inputs, itemColumns] = [inputColumns(observer.state), observer.itemVectors.columns];
    const shape = { kind: "item", zero: true, slate, units, trunk, inputs, itemColumns } as const;
    this.#network = new QNetwork(gpu, shape, items, seed);
    this.#arena = new Arena(gpu, "lessons");
    this.policy = {
      name: "slateq",
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

  #act(context: PageContext): readonly PageDispatch[] {
    const { page, pages, observer, slates, masked, users, itemVectors, arena } = context;
    const network = this.#network;
    const rows = pageRows(context);
    const { input, dispatch } = stateInput(rows, observer.state, pages);
    const mask = { view: masked, stride: users };
    const worth = arena.allocate("worth of slates", 4 * users);
    this.#values = { view: worth, stride: 1, count: 1 };
    this.#tables = network.makeTables(rows, "online", itemVectors);
    const act = { copy: "online", input, slates, masked: mask, worth } as const;
    return [dispatch, ...chooseExactly(network, rows, asUsers(observer), act), randomSlate(page, true)];
  }

  record({ recall, wanted, ring }: Lesson): RecordedLesson {
    const { config: { rows: count }, observer: { itemVectors } } = this.subject;
    const network = this.#network;
    const rows = learnRows(this.#arena, recall);
    const tape = tapeOf<LearnSizes, QLossBatch>(rows, network.parameters);
    const state = network.state(tape, "online", inputOf(recall, "before"));
    const q = slateValue(tape, rows, network, { copy: "online", state, slates: recall.slates, itemVectors });
    qLoss(tape, rows, { q, counts: "outcome", wanted, outcome: recall.outcome, ring });
    tape.place();
    const worth = this.#arena.allocate("worth of slates after", 4 * count);
    return {
      nextValue: { view: worth, stride: 1, first: 0, count: 1 },
      between: () => this.#after(recall, worth),
      next: [],
      fit: [...tape.forward(), ...tape.backward()],
      moved: network.makeTables(rows, "online", itemVectors),
      copied: network.makeTables(rows, "older", itemVectors),
    };
  }

  /** What the best slates after remembered pages are worth, as users think of items in the states after them. */
  async #after(recall: Recall, worth: View): Promise<(commands: Commands) => void> {
    const { gpu, source, items, config, observer: { itemVectors } } = this.subject;
    const { slate, doubleQ, rows: count, pages } = config;
    const arena = this.#arena;
    const network = this.#network;
    const page = new Page(gpu, arena, { users: count, slate, items, pages, startClicks: 0 });
    const users = this.#users = source.users(page);
    const rows: SlateRows<ClickSizes> = {
      ...{ arena, dimensions: clickDimensions, rows: "events", items: "items", capacity: page.sizes },
    };
    const input = { ...inputOf(recall, "after"), rows: "events" } as const;
    const { slates } = page;
    const best = chooseExactly(network, rows, users, {
      ...{ copy: doubleQ ? "online" : "older", input, slates },
      masked: { view: recall.maskAfter, stride: count },
      worth: arena.allocate("worth as chosen", 4 * count),
    });
    const tape = tapeOf<ClickSizes, SlateBatch>(rows, network.parameters);
    const state = network.state(tape, "older", input);
    const q = slateValue(tape, rows, network, { copy: "older", state, slates, itemVectors });
    tape.place();
    const { dispatches, utilities } = users.utilities();
    const program: PageDispatch[] = [
      inputState(rows, input, users.state),
      ...users.fromState(),
      ...best,
      ...[...tape.forward(), ...dispatches],
      slateWorth(rows, {
        ...{ label: "worth of slates", slate, eta: users.eta, worth },
        ...{ utilities: bufferOf(utilities.view), values: bufferOf(q.view), stride: q.stride },
      }),
    ];
    const headers = new PageHeaders(arena, page, 1, program);
    headers.put({ users: count, firstUser: 0, episode: 0, seed: 0 }, () => 0);
    const prepared = await PageProgram.record(gpu, "tables of users", headers, users.prepare());
    const after = await PageProgram.record(gpu, "values after pages", headers, program);
    const commands = new Commands(gpu, "tables of users");
    prepared.encode(commands, 0);
    gpu.queue.submit([commands.finish()]);
    return (commands) => after.encode(commands, 0);
  }

  destroy(): void {
    this.#users?.destroy();
    this.#network.destroy();
    this.#arena.destroy();
  }
}
