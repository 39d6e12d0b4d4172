/** Scores pages for histories, several at once: the model's forward program over a log of as many users. */

import { DeviceLog } from "../batch/device_log.ts";
import { Plan } from "../batch/plan.ts";
import { type ClickLog, NONE } from "../data/click_log.ts";
import { type ItemCatalogue, overOwnItems } from "../data/item_catalogue.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import { Commands } from "../gpu/commands.ts";
import { isTexture } from "../gpu/memory.ts";
import { readFloats } from "../gpu/readback.ts";
import { ModelProgram, ofOthers, type RecordableModel } from "./model_program.ts";

export interface ScorableModel extends RecordableModel {
  readonly items: ItemCatalogue;
}

/** What is to be scored: items by their numbers. */
export interface PageRequest {
  /** Items clicked, oldest first; may be empty. */
  readonly history: ArrayLike<number>;
  /** Items displayed, at least one. */
  readonly page: ArrayLike<number>;
}

/** How much is scored at once. */
export interface ScorerRoom {
  /** Pages. */
  readonly users: number;
  /** Clicks of all histories, and a page for each user. */
  readonly events: number;
  /** Clicks of all histories, and items of all pages. */
  readonly rows: number;
}

/** The room that these requests take. */
export function roomOf(requests: readonly PageRequest[]): ScorerRoom {
  let [events, rows] = [0, 0];
  for (const { history, page } of requests) {
    events += history.length + 1;
    rows += history.length + page.length;
  }
  return { users: requests.length, events, rows };
}

/** Rounded up to powers of two, and no smaller than it was: what grows slowly does not compile anew each time. */
export function rounded(
  room: ScorerRoom,
  before: ScorerRoom = { users: 1, events: 32, rows: 32 },
): ScorerRoom {
  const up = (of: keyof ScorerRoom) => 2 ** Math.ceil(Math.log2(Math.max(before[of], room[of])));
  return { users: up("users"), events: up("events"), rows: up("rows") };
}

export class Scorer {
  readonly #arena: Arena;
  #log: DeviceLog | undefined;
  #plan: Plan | undefined;
  #program: ModelProgram | undefined;

  private constructor(readonly model: ScorableModel, readonly room: ScorerRoom) {
    this.#arena = new Arena(model.gpu, "scorer");
  }

  /** @throws UserError for more room than the adapter has. */
  static async create(model: ScorableModel, room: ScorerRoom): Promise<Scorer> {
    using stack = new DisposableStack();
    const scorer = stack.use(new Scorer(model, room));
    await scorer.#prepare();
    stack.move();
    return scorer;
  }

  holds({ users, events, rows }: ScorerRoom): boolean {
    return users <= this.room.users && events <= this.room.events && rows <= this.room.rows;
  }

  async #prepare(): Promise<void> {
    const { users, events, rows } = this.room;
    const { gpu, items: { shape, tokenCounts } } = this.model;
    const log = logOf(this.model.items, [{ history: [], page: [0] }]);
    const items = Math.min(rows, shape.count);
    this.#log = new DeviceLog(gpu, log, { events, rows, items }, tokenCounts, ofOthers(this.model));
    this.#plan = new Plan(gpu, log, { users, events, rows, items }, 1);
    this.#program = await ModelProgram.create(this.model, {
      name: "scorer",
      log: this.#log,
      plan: this.#plan,
      ring: this.#arena.allocate("ring", 16),
    });
  }

  /**
   * The utilities of each page. One call at a time; waits for the GPU.
   * @param requests at least one, within the room; {@link checkPage} checks their items.
   */
  async score(requests: readonly PageRequest[]): Promise<Float32Array<ArrayBuffer>[]> {
    const { gpu } = this.model;
    const [program, plan] = [this.#program, this.#plan];
    if (!program || !this.#log || !plan) throw new Error("the scorer is destroyed");
    const log = logOf(this.model.items, requests);
    this.#log.write(log);
    const users = requests.map((_, user) => user);
    const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0 }, log);
    plan.upload(0, 1);
    Commands.submit(gpu, "score", (commands) => program.program.encode(commands, sizes, plan.offset(0)));
    const { view } = program.utilities;
    const utilities = await readFloats(gpu, isTexture(view) ? view : { ...view, size: 4 * sizes.rows });
    let row = 0;
    return requests.map(({ history, page }) => {
      row += history.length;
      return utilities.slice(row, row += page.length);
    });
  }

  [Symbol.dispose](): void {
    this.#program?.[Symbol.dispose]();
    this.#plan?.[Symbol.dispose]();
    this.#log?.[Symbol.dispose]();
    this.#arena.destroy();
  }
}

/** @throws UserError for an empty page or an item that the catalogue does not have. */
export function checkPage(items: number, { history, page }: PageRequest): void {
  if (page.length === 0) throw new UserError("Expected a page of at least one item, got an empty one.");
  for (const list of [history, page]) {
    for (let k = 0; k < list.length; k++) {
      const item = list[k] ?? NaN;
      if (!Number.isInteger(item) || item < 0 || item >= items) {
        throw new UserError(`Expected an item in 0..${items - 1}, got ${item}.`);
      }
    }
  }
}

/** A user a request: a page of one item for each click of the history, then the page in question. */
function logOf(items: ItemCatalogue, requests: readonly PageRequest[]): ClickLog {
  const { users, events, rows } = roomOf(requests);
  const userEvents = new Uint32Array(users + 1);
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events).fill(NONE);
  const rowItem = new Uint32Array(rows);
  let [event, row] = [0, 0];
  requests.forEach(({ history, page }, user) => {
    for (let k = 0; k < history.length; k++, event++) {
      rowItem[row] = history[k] ?? 0;
      eventClick[event] = row++;
      eventRows[event + 1] = row;
    }
    for (let k = 0; k < page.length; k++) rowItem[row++] = page[k] ?? 0;
    eventRows[++event] = row;
    userEvents[user + 1] = event;
  });
  const clicks = { userSplit: new Uint8Array(users), userEvents, eventRows, eventClick, rowItem };
  return { ...clicks, name: "pages", ...overOwnItems(clicks, items) };
}
