/** Scores one page for one history: the model's forward program over a log of a single user. */

import { DeviceLog } from "../batch/device_log.ts";
import { Plan } from "../batch/plan.ts";
import { type ClickLog, NONE } from "../data/click_log.ts";
import { type ItemCatalogue, overOwnItems } from "../data/item_catalogue.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import { Commands } from "../gpu/commands.ts";
import { readFloats } from "../gpu/readback.ts";
import { ModelProgram, type RecordableModel } from "./model_program.ts";

export interface ScorableModel extends RecordableModel {
  readonly items: ItemCatalogue;
}

export class Scorer {
  readonly #arena: Arena;
  #log: DeviceLog | undefined;
  #plan: Plan | undefined;
  #program: ModelProgram | undefined;

  private constructor(
    readonly model: ScorableModel,
    /** The most clicks of a history, and items of a page. */
    readonly history: number,
    readonly page: number,
  ) {
    this.#arena = new Arena(model.gpu, "scorer");
  }

  /** Room for at least these; rounded up, so that growing histories do not compile anew each time. */
  static async create(model: ScorableModel, history: number, page: number): Promise<Scorer> {
    const room = (n: number) => 2 ** Math.ceil(Math.log2(Math.max(16, n)));
    const scorer = new Scorer(model, room(history), room(page));
    try {
      await scorer.#prepare();
    } catch (error) {
      scorer.destroy();
      throw error;
    }
    return scorer;
  }

  holds(history: number, page: number): boolean {
    return history <= this.history && page <= this.page;
  }

  async #prepare(): Promise<void> {
    const events = this.history + 1;
    const rows = this.history + this.page;
    const { gpu, items: { shape, tokenCounts } } = this.model;
    const log = pageLog(this.model.items, [], [0]);
    const items = Math.min(rows, shape.count);
    this.#log = new DeviceLog(gpu, log, { events, rows, items }, tokenCounts);
    this.#plan = new Plan(gpu, log, { users: 1, events, rows, items }, 1);
    this.#program = await ModelProgram.create(this.model, {
      name: "scorer",
      log: this.#log,
      plan: this.#plan,
      ring: this.#arena.allocate("ring", 16),
    });
  }

  /** Utilities of the page. Waits for the GPU. */
  async score(history: readonly number[], page: readonly number[]): Promise<number[]> {
    const { gpu } = this.model;
    const program = this.#program;
    if (!program || !this.#log || !this.#plan) throw new Error("the scorer is destroyed");
    const log = pageLog(this.model.items, history, page);
    this.#log.write(log);
    const sizes = this.#plan.put(0, [0], { slot: 0, learningRate: 0, iteration: 0 }, log);
    this.#plan.upload(0, 1);
    const commands = new Commands(gpu, "score");
    program.program.encode(commands, sizes, this.#plan.offset(0));
    gpu.queue.submit([commands.finish()]);
    const utilities = await readFloats(gpu, program.utilities.view);
    return Array.from(utilities.subarray(history.length, history.length + page.length));
  }

  destroy(): void {
    this.#program?.destroy();
    this.#plan?.destroy();
    this.#log?.destroy();
    this.#arena.destroy();
  }
}

/** @throws UserError for an empty page or an item that the catalogue does not have. */
export function checkPage(items: number, history: readonly number[], page: readonly number[]): void {
  if (page.length === 0) throw new UserError("Expected a page of at least one item, got an empty one.");
  for (const item of [...history, ...page]) {
    if (!Number.isInteger(item) || item < 0 || item >= items) {
      throw new UserError(`Expected an item in 0..${items - 1}, got ${item}.`);
    }
  }
}

/** One user: a page of one item for each click of the history, then the page in question. */
function pageLog(items: ItemCatalogue, history: readonly number[], page: readonly number[]): ClickLog {
  const events = history.length + 1;
  const clicks = {
    userSplit: Uint8Array.of(0),
    userEvents: Uint32Array.of(0, events),
    eventRows: Uint32Array.from(
      { length: events + 1 },
      (_, e) => (e < events ? e : history.length + page.length),
    ),
    eventClick: Uint32Array.from({ length: events }, (_, e) => (e < history.length ? e : NONE)),
    rowItem: Uint32Array.from([...history, ...page]),
  };
  return { ...clicks, name: "page", ...overOwnItems(clicks, items) };
}
