/**
 * Scores many items for one user. The user's state is computed once; then the items are scored in blocks.
 *
 *   u(item) = MLP(W_item f + W_state h), with the item's features f and the user's state h.
 *
 * Kernels process events (pages) in parallel, so a block is divided into events of a few items. Each of these
 * events has a copy of the user's state. An item's utility does not depend on other items of the block.
 */

import { type ClickBatch, ClickTape } from "../batch/click_tape.ts";
import { clickDimensions, type ClickSizes } from "../batch/click_sizes.ts";
import { DeviceItems } from "../batch/device_items.ts";
import { countFactWords, type LogCountSummary } from "../batch/device_log.ts";
import { packPast } from "../counts/count_columns.ts";
import { NO_PAST_PAGES, NONE, type PastPages } from "../data/click_log.ts";
import type { ItemCatalogue } from "../data/item_catalogue.ts";
import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { ReadbackQueue } from "../gpu/readback.ts";
import { StepHeaders } from "../gpu/step.ts";
import { materialize } from "../ops/row_dot.ts";
import type { Tensor } from "../tape/tensor.ts";
import { type EncodedState, evaluating, type RecordableModel } from "./model_program.ts";

/** Model that can score items from a user's precomputed state. */
export interface ScorableModel extends RecordableModel {
  readonly items: ItemCatalogue;
  /** @internal Adds ops that compute users' states; pass the result to `record` as `encoded`. */
  recordStates(tape: ClickTape): StateTensors;
}

export const STATE_PARTS = ["first", "wide", "recent"] as const;
type StatePart = typeof STATE_PARTS[number];
/** Tensors of users' states, with one row per event. */
export type StateTensors = Pick<EncodedState, StatePart>;
/** State of a user, from which utilities of items are computed. The model uses only some fields. */
export interface UserState {
  /** W_state s + bias: the part of the utility network's first layer that depends on the history. */
  readonly first?: Float32Array<ArrayBuffer>;
  /** Vector that the history adds to the wide part (a linear model of pairs of features). */
  readonly wide?: Float32Array<ArrayBuffer>;
  /** The user's last clicks, from which count features are computed. */
  readonly recent?: Float32Array<ArrayBuffer>;
  /** The user's clicked items, for baselines, which have no encoder. */
  readonly history?: ArrayLike<number>;
  /** The user's earlier pages, if they are known. */
  readonly past?: PastPages | undefined;
  /** Function that returns an item's X context features; if undefined, all features are zero. */
  readonly features?: ((item: number) => Float32Array<ArrayBuffer>) | undefined;
}

/** Scorer of many items for one user, e.g. {@link import("./user_model.ts").UserModel} or a baseline. */
export interface ItemScorer {
  /** Number of items per block. Scoring a block takes a few ms, so that other requests need not wait long. */
  readonly blockItems: number;
  /** Computes a user's state. @param history - clicked items, oldest first. @param past - earlier pages */
  encode(history: ArrayLike<number>, past?: PastPages): Promise<UserState>;
  /** Returns utilities of items on a page of the whole catalogue. @param items - ascending, distinct */
  scoreItems(state: UserState, items: Uint32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>>;
}

/** Number of items in the first block and in the largest block, on CPU adapters and GPUs; not tuned. */
export const BLOCK_ITEMS = { first: 2 ** 10, most: { cpu: 2 ** 13, gpu: 2 ** 17 } } as const;
const BLOCK_MS = 5;

/** Number of items per event. Smaller events give more parallel work, but need more copies of the state. */
const EVENT_ROWS = 32;

export class ItemBlocks {
  #items: number = BLOCK_ITEMS.first;
  #state: UserState | undefined;

  private constructor(
    private readonly model: ScorableModel,
    private readonly batch: BlockBatch,
    private readonly headers: StepHeaders<ClickSizes>,
    private readonly parts: ReadonlyMap<StatePart, Tensor>,
    private readonly capacity: ClickSizes,
    private readonly program: Program<ClickSizes>,
    private readonly utilities: ReadbackQueue,
    private readonly stack: DisposableStack,
  ) {}

  /** @param states - result of the model's `recordStates`. @throws UserError for too large blocks */
  static async create(model: ScorableModel, states: StateTensors): Promise<ItemBlocks> {
    const { gpu, parameters } = model;
    const rows = Math.min(BLOCK_ITEMS.most[gpu.variants.kind], model.items.shape.count);
    const capacity = { users: 1, events: Math.ceil(rows / EVENT_ROWS), rows, items: rows };
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "item blocks"));
    const batch = stack.adopt(new BlockBatch(model, arena, capacity), ({ items }) => items.destroy());
    const headers = new StepHeaders(arena, clickDimensions, 1);
    const tape = new ClickTape(batch, { arena, parameters, capacity, variants: gpu.variants });
    const parts = new Map<StatePart, Tensor>();
    for (const part of STATE_PARTS) {
      const tensor = states[part];
      if (!tensor) continue;
      const { name, columns, groups, stride } = tensor;
      const view = arena.allocate(name, 4 * stride * capacity.events);
      parts.set(part, { name, rows: "events", columns, groups, stride, view, trainable: false });
    }
    const encoded = Object.fromEntries(parts);
    const scores = materialize(model.record(tape, { ...evaluating, encoded }));
    tape.place();
    const utilities = new ReadbackQueue(gpu, asBufferView(scores.view));
    const program = await Program.record(gpu, "item blocks", headers.buffer, tape.forward());
    return new ItemBlocks(model, batch, headers, parts, capacity, program, utilities, stack.move());
  }

  /** Number of items in the next block; at the speed of earlier blocks, it should take about BLOCK_MS. */
  get items(): number {
    return Math.min(Math.ceil(this.#items), this.capacity.rows);
  }

  /** Waits for the GPU, and returns the utilities of a block of ascending items. Calls must not overlap. */
  async score(state: UserState, items: Uint32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    const { model: { gpu }, program, utilities } = this;
    const began = performance.now();
    const rows = items.length;
    const events = Math.ceil(rows / EVENT_ROWS);
    this.batch.write(items, state);
    this.#writeState(state);
    const sizes = { users: 1, events, rows, items: rows };
    this.headers.put(0, { sizes, counted: events, first: 0 }, { slot: 0, learningRate: 0, iteration: 0 });
    this.headers.upload(0, 1);
    const commands = new CommandRecorder(gpu, "item block");
    program.encode(commands, sizes, this.headers.offset(0));
    await utilities.submit(commands.finish()); // other tasks run while the device computes
    const found = await utilities.take();
    const fit = rows * BLOCK_MS / (performance.now() - began);
    this.#items = Math.min(2 * this.#items, Math.max(this.#items / 2, fit, EVENT_ROWS), this.capacity.rows);
    return found.subarray(0, rows);
  }

  #writeState(state: UserState): void {
    if (state === this.#state) return;
    for (const [part, { stride, view }] of this.parts) {
      const row = state[part];
      if (row?.length !== stride) {
        throw new Error(`user state ${part}: expected ${stride} numbers, got ${row?.length}`);
      }
      const { buffer, offset } = asBufferView(view);
      const copies = new Float32Array(stride * this.capacity.events);
      for (let event = 0; event < this.capacity.events; event++) copies.set(row, event * stride);
      this.model.gpu.queue.writeBuffer(buffer, offset, copies);
    }
    this.#state = state;
  }

  [Symbol.dispose](): void {
    this.stack.dispose();
  }
}

/** Batch that scores a block of items: row k displays item k of the block. */
class BlockBatch implements ClickBatch {
  readonly items: DeviceItems;
  readonly event: View;
  readonly row: View;
  readonly rowItem: View;
  readonly slotItem: View;
  readonly facts?: LogCountSummary;
  readonly pageLength: number;
  /** Number of items in the block that was uploaded last. */
  #rows = 0;

  constructor(private readonly model: ScorableModel, arena: Arena, { rows, events }: ClickSizes) {
    const { gpu, items: catalogue, config } = model;
    this.pageLength = catalogue.shape.count;
    const rowNumbers = Uint32Array.from({ length: rows }, (_, row) => row);
    this.event = arena.allocate("events", 16 * events);
    this.row = arena.upload(
      "rows",
      Uint32Array.from(
        { length: 4 * rows },
        (_, k) => [Math.floor(k / 4 / EVENT_ROWS), k / 4, 0, 0][k % 4] ?? 0,
      ),
    );
    this.rowItem = arena.upload("row_item", rowNumbers);
    this.slotItem = arena.upload("slot_item", rowNumbers);
    if (config.counts) {
      this.facts = {
        fact: arena.allocate("facts of rows", 4 * countFactWords(config.counts) * rows),
        itemId: this.slotItem,
      };
    }
    this.items = new DeviceItems(gpu, catalogue.read(Uint32Array.of(0)), rows, catalogue.tokenCounts);
  }

  write(items: Uint32Array<ArrayBuffer>, { past = NO_PAST_PAGES, features }: UserState): void {
    const { gpu: { queue }, items: catalogue, config: { counts } } = this.model;
    if (catalogue.shape.kind === "one-hot") queue.writeBuffer(this.rowItem.buffer, 0, items);
    else this.items.write(catalogue.read(items));
    if (this.facts && counts) {
      const width = countFactWords(counts);
      const facts = new Uint32Array(width * items.length);
      const values = new Float32Array(facts.buffer);
      const words = [0, ...packPast(past)];
      items.forEach((item, row) => {
        facts.set([item, ...words], width * row);
        if (features && counts.rowFeatures) values.set(features(item), width * row + 1 + words.length);
      });
      queue.writeBuffer(this.facts.fact.buffer, 0, facts);
    }
    if (items.length === this.#rows) return;
    this.#rows = items.length;
    const events = new Uint32Array(4 * Math.ceil(this.#rows / EVENT_ROWS)).fill(NONE);
    for (let first = 0, k = 0; first < this.#rows; first += EVENT_ROWS, k += 4) {
      events[k] = first;
      events[k + 1] = Math.min(this.#rows, first + EVENT_ROWS);
    }
    queue.writeBuffer(this.event.buffer, 0, events);
  }

  get logged(): never {
    return throwMissing("index arrays of a log");
  }
  get history(): never {
    return throwMissing("history");
  }
}

function throwMissing(what: string): never {
  throw new Error(`an op reads the ${what}, which a block of catalogue items lacks`);
}
