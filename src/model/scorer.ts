/** Scores pages with click histories. Several requests are scored as one log, with a user per request. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { ClickTape } from "../batch/click_tape.ts";
import { DeviceLog } from "../batch/device_log.ts";
import { BatchPlan } from "../batch/plan.ts";
import { CONTEXT_EVENT, NO_PAST_PAGES, NONE } from "../data/click_log.ts";
import type { ClickLog, Clicks, PastPages } from "../data/click_log.ts";
import { type ItemsShape, restrictToOwnItems } from "../data/item_catalogue.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import { asBufferView, isTexture, type View } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { readFloats, readViews } from "../gpu/readback.ts";
import type { Tensor } from "../tape/tensor.ts";
import { BLOCK_ITEMS, ItemBlocks, STATE_PARTS } from "./item_blocks.ts";
import type { ItemScorer, ScorableModel, StateTensors, UserState } from "./item_blocks.ts";
import type { ModelConfig } from "./model_config.ts";
import { loadUncountedLog, ModelProgram } from "./model_program.ts";

/** A click history and the page to be scored for it, as item numbers. */
export interface ScoringRequest {
  /** Clicked items, oldest first; may be empty. */
  readonly history: ArrayLike<number>;
  /** Displayed items, at least one. */
  readonly page: ArrayLike<number>;
  /** Earlier pages of the user, for a model with counts; undefined for a user with average click rates. */
  readonly past?: PastPages | undefined;
  /**
   * [items of the page, X] context features, standardised as in the data set; if undefined (unknown), they
   * are zeros. A model without context features ignores them.
   */
  readonly features?: Float32Array<ArrayBuffer> | undefined;
}

/** Capacity of a scorer for one call: number of requests, and total sizes of all requests. */
export interface ScorerCapacity {
  readonly users: number;
  /** Number of clicks in the histories of all requests, plus the number of pages. */
  readonly events: number;
  /** Number of clicks in the histories of all requests, plus the number of items on all pages. */
  readonly rows: number;
}

export function computeScorerCapacity(requests: readonly ScoringRequest[]): ScorerCapacity {
  let [events, rows] = [0, 0];
  for (const { history, page } of requests) {
    events += history.length + 1;
    rows += history.length + page.length;
  }
  return { users: requests.length, events, rows };
}

/** Rounds sizes up to powers of two, and to at least `before`, so that programs are seldom recompiled. */
export function roundCapacity(
  room: ScorerCapacity,
  before: ScorerCapacity = { users: 1, events: 32, rows: 32 },
): ScorerCapacity {
  const up = (of: keyof ScorerCapacity) => 2 ** Math.ceil(Math.log2(Math.max(before[of], room[of])));
  return { users: up("users"), events: up("events"), rows: up("rows") };
}

export class UtilityScorer implements ItemScorer {
  #states: { readonly tensors: StateTensors; readonly program: Program<ClickSizes> } | undefined;
  #blocks: ItemBlocks | undefined;

  private constructor(
    readonly model: ScorableModel,
    readonly room: ScorerCapacity,
    private readonly arena: Arena,
    private readonly log: DeviceLog,
    private readonly plan: BatchPlan,
    private readonly program: ModelProgram,
    private readonly stack: DisposableStack,
  ) {}

  /** @throws UserError if a buffer for this capacity exceeds the adapter's limits. */
  static async create(model: ScorableModel, room: ScorerCapacity): Promise<UtilityScorer> {
    const { users, events, rows } = room;
    const { gpu, items: { shape, tokenCounts } } = model;
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "scorer"));
    const first = buildRequestLog(model, [{ history: [], page: [0] }]);
    const items = Math.min(rows, shape.count);
    const capacity = { events, rows, items };
    const log = stack.use(new DeviceLog(gpu, first, capacity, tokenCounts, loadUncountedLog(model)));
    const plan = stack.use(new BatchPlan(gpu, first, { users, ...capacity }, 1));
    const options = { name: "scorer", log, plan, ring: arena.allocate("ring", 16) };
    const program = stack.use(await ModelProgram.create(model, options));
    return new UtilityScorer(model, room, arena, log, plan, program, stack.move());
  }

  holds({ users, events, rows }: ScorerCapacity): boolean {
    return users <= this.room.users && events <= this.room.events && rows <= this.room.rows;
  }

  /**
   * Returns the utilities of each page's items, after waiting for the GPU. Calls must not overlap.
   * @param requests - at least one request, within the capacity, with valid items
   */
  async scoreAll(requests: readonly ScoringRequest[]): Promise<Float32Array<ArrayBuffer>[]> {
    const { model: { gpu }, program } = this;
    const sizes = this.#run(program.program, requests);
    const { view } = program.utilities;
    const utilities = await readFloats(gpu, isTexture(view) ? view : { ...view, size: 4 * sizes.rows });
    let row = 0;
    return requests.map(({ history, page }) => {
      row += history.length;
      return utilities.slice(row, row += page.length);
    });
  }

  /** See {@link ItemScorer}. */
  get blockItems(): number {
    return this.#blocks?.items ?? BLOCK_ITEMS.first;
  }

  /** See {@link ItemScorer}. Calls must not overlap. A history must not exceed the capacity. */
  async encode(history: ArrayLike<number>, past?: PastPages): Promise<UserState> {
    const { tensors, program } = this.#states ??= await this.#recordStates();
    this.#run(program, [{ history, page: [0] }]);
    const parts = STATE_PARTS.flatMap((part) => {
      const tensor = tensors[part];
      return tensor ? [{ part, view: findRow(tensor, history.length) }] : [];
    });
    const rows = await readViews(this.model.gpu, parts.map(({ view }) => view));
    const state = Object.fromEntries(parts.map(({ part }, k) => [part, new Float32Array(rows[k]!.buffer)]));
    return { ...state, past };
  }

  /** See {@link ItemScorer}. Calls must not overlap. */
  async scoreItems(state: UserState, items: Uint32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    this.#states ??= await this.#recordStates();
    const blocks = this.#blocks ??= await ItemBlocks.create(this.model, this.#states.tensors);
    const utilities = new Float32Array(items.length);
    for (let first = 0, end = 0; first < items.length; first = end) {
      end = Math.min(items.length, first + blocks.items);
      utilities.set(await blocks.score(state, items.subarray(first, end)), first);
    }
    return utilities;
  }

  async #recordStates() {
    const { model, arena, log, plan } = this;
    const batch = new BatchIndexBuffers(arena, plan.view, log, plan.capacity, plan);
    const { gpu: { variants }, parameters } = model;
    const tape = new ClickTape(batch, { arena, parameters, capacity: plan.capacity, variants });
    const tensors = model.recordStates(tape);
    tape.place();
    const forward = tape.forward();
    const own = batch.ownDispatches();
    const dispatches = [...batch.layout(), ...own, ...forward];
    return { tensors, program: await Program.record(model.gpu, "states", plan.steps, dispatches) };
  }

  /** Starts to score the requests' pages, without waiting for the GPU. @returns the batch's sizes */
  #run(program: Program<ClickSizes>, requests: readonly ScoringRequest[]): ClickSizes {
    const { plan } = this;
    const log = buildRequestLog(this.model, requests);
    this.log.write(log);
    const users = requests.map((_, user) => user);
    const sizes = plan.put(0, users, { slot: 0, learningRate: 0, iteration: 0 }, log);
    plan.upload(0, 1);
    const { gpu } = this.model;
    CommandRecorder.submit(gpu, program.name, (commands) => program.encode(commands, sizes, plan.offset(0)));
    return sizes;
  }

  [Symbol.dispose](): void {
    this.#blocks?.[Symbol.dispose]();
    this.stack.dispose();
  }
}

function findRow({ view, stride }: Tensor, event: number): View {
  const buffer = asBufferView(view);
  return { ...buffer, offset: buffer.offset + 4 * stride * event, size: 4 * stride };
}

/** @throws UserError for an empty page, an unknown item, or a wrong number of context features. */
export function checkPage(
  { shape: { count: items }, config: { counts } }: {
    readonly shape: ItemsShape;
    readonly config: ModelConfig;
  },
  { history, page, features }: ScoringRequest,
): void {
  const X = counts?.rowFeatures ?? 0;
  if (X > 0 && features && features.length !== X * page.length) {
    throw new UserError(
      `Expected ${X} context features for each of ${page.length} items, got ${features.length} numbers in all.`,
    );
  }
  if (page.length === 0) throw new UserError("Expected a page of at least one item, got an empty page.");
  for (const list of [history, page]) {
    for (let k = 0; k < list.length; k++) {
      const item = list[k] ?? NaN;
      if (!Number.isInteger(item) || item < 0 || item >= items) {
        throw new UserError(`Expected an item in 0..${items - 1}, got ${item}.`);
      }
    }
  }
}

/** Builds a log with one user per request: a page for each click of the history, then the page to score. */
function buildRequestLog(
  { items, config: { counts } }: Pick<ScorableModel, "items" | "config">,
  requests: readonly ScoringRequest[],
): ClickLog {
  const clicks = buildRequestClicks(requests, counts?.rowFeatures ?? 0);
  const pastPages = requests.map(({ past = NO_PAST_PAGES }) => past);
  return { ...clicks, pastPages, name: "pages", ...restrictToOwnItems(clicks, items) };
}

/**
 * Builds a log with one user per request: the clicks of the history, then the page.
 * Item numbers are those of the catalogue.
 * @param X - number of context features per displayed item
 */
export function buildRequestClicks(requests: readonly ScoringRequest[], X: number): Clicks {
  const { users, events, rows } = computeScorerCapacity(requests);
  const userEvents = new Uint32Array(users + 1);
  const eventRows = new Uint32Array(events + 1);
  const eventClick = new Uint32Array(events).fill(NONE);
  const eventKind = new Uint8Array(events);
  const rowItem = new Uint32Array(rows);
  const rowFeatures = new Float32Array(X * rows);
  let [event, row] = [0, 0];
  requests.forEach(({ history, page, features }, user) => {
    for (let k = 0; k < history.length; k++, event++) {
      rowItem[row] = history[k] ?? 0;
      eventClick[event] = row++;
      eventKind[event] = CONTEXT_EVENT;
      eventRows[event + 1] = row;
    }
    if (features && X > 0) rowFeatures.set(features, X * row);
    for (let k = 0; k < page.length; k++) rowItem[row++] = page[k] ?? 0;
    eventRows[++event] = row;
    userEvents[user + 1] = event;
  });
  return {
    ...{ userSplit: new Uint8Array(users), userEvents, eventRows, eventClick, eventKind, rowItem },
    ...(X > 0 ? { rowFeatures } : {}),
  };
}
