/** Evaluates networks on a fixed set of users, in shards that fit the device. */

import { DeviceLog, type LogWithCounts } from "../batch/device_log.ts";
import { BatchPlan, type BatchSlot, computeBatchCapacity, maxSizes } from "../batch/plan.ts";
import type { ClickLog, Clicks } from "../data/click_log.ts";
import {
  countRows,
  countScored,
  type LogSource,
  readLog,
  toClickLog,
  toLogSource,
} from "../data/log_source.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { UserError } from "../user_error.ts";
import { makeInShards, sumOverUsers } from "./fit_memory.ts";
import { Arena } from "../gpu/arena.ts";
import { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import { readFloats } from "../gpu/readback.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { loadCountedLog } from "../model/model_counts.ts";
import { ModelProgram, type RecordableModel } from "../model/model_program.ts";
import type { Tensor } from "../tape/tensor.ts";
import { choiceSummary, type MetricSummary } from "./training_results.ts";

/** Figures over the events of some users. */
export type EvaluationMetrics<F extends ChoiceMetrics = ChoiceMetrics> = F & {
  /** The same over events whose page has two items or more: pages of one are always ranked right. */
  readonly longerPages: F;
  readonly events: number;
};

/** A program that evaluates the batch in a place of its plan. */
export interface EvaluationProgram extends Disposable {
  readonly program: Program<ClickSizes>;
  /** [events, 4 vectors] what each event adds to the sums */
  readonly outcomes: Tensor;
  /** [rows, 1] the reward's utilities */
  readonly utilities: Tensor;
}

export interface EvaluationOptions<F extends ChoiceMetrics> {
  readonly gpu: Gpu;
  readonly source: LogSource;
  /** Where the whole log stands. If undefined, each shard is read from the source when it is evaluated. */
  readonly deviceLog?: DeviceLog;
  /** They have at least one event that is not given. */
  readonly users: ArrayLike<number>;
  /** As few as fit, by default and for 0. */
  readonly shards?: number;
  readonly summary: MetricSummary<F>;
  record(plan: BatchPlan, ring: View, log: DeviceLog): Promise<EvaluationProgram>;
  /** Where the shards' sums go, from `firstSlot` on; a ring of its own if not given. */
  makeRing?(shards: number): { view: View; firstSlot: number };
  /** For a reward with counts, where shards are read one by one. */
  readonly counted?: LogWithCounts;
}

/** Of a model: how it is evaluated. */
export type EvaluationContext<F extends ChoiceMetrics = ChoiceMetrics> = Pick<
  EvaluationOptions<F>,
  "deviceLog" | "shards" | "makeRing" | "counted"
>;

/** Users that are evaluated at once. */
interface Shard {
  readonly users: Uint32Array;
  /** Undefined before it is read. */
  readonly sizes: BatchSlot | undefined;
}

/** Users of an evaluation, and the utilities of what they were shown. */
export interface UserUtilities {
  /** Their numbers in the whole log. */
  readonly users: Uint32Array;
  /** What they did, with the catalogue's numbers of items; of other users as well, where all are in memory. */
  readonly log: Clicks;
  /** Where each of them stands in it. */
  readonly places: Uint32Array;
  /** Of the rows of these users, one user after the other; more behind them means nothing. */
  readonly utilities: Float32Array;
}

/** The same, with what the device found of each event. */
export interface UserOutcomes extends UserUtilities {
  /** [events of these users, given ones too, words] what each adds to the sums; see train/training_results.ts. */
  readonly outcomes: Float32Array;
  /** Numbers of an event in `outcomes`. */
  readonly words: number;
}

/**
 * Networks on a fixed set of users. Events that are given are not evaluated. A shard's users are evaluated at once;
 * where the whole log is not on the device, each shard is read when it is its turn.
 */
export class NetworkEvaluation<F extends ChoiceMetrics = ChoiceMetrics> {
  private constructor(
    private readonly options: EvaluationOptions<F>,
    /** Events of all shards, but those that are given. */
    readonly counted: number,
    /** First ring slot of the shards' sums. */
    readonly firstSlot: number,
    /**
     * What evaluates a shard.
     * @internal
     */
    readonly program: EvaluationProgram,
    private readonly parts: readonly Shard[],
    private readonly plan: BatchPlan,
    /** Holds one shard at a time, where the whole log is not on the device. */
    private readonly window: DeviceLog | undefined,
    private readonly stack: DisposableStack,
  ) {}

  /** Ring slots of the shards' sums. */
  get shards(): number {
    return this.parts.length;
  }

  /** Of the reward model alone. */
  static ofModel(
    model: RecordableModel,
    log: ClickLog | LogSource,
    users: ArrayLike<number>,
    how: EvaluationContext = {},
  ): Promise<NetworkEvaluation> {
    const source = toLogSource(log);
    return NetworkEvaluation.create({
      gpu: model.gpu,
      source,
      users,
      summary: choiceSummary,
      record: (plan, ring, log) => ModelProgram.create(model, { name: "evaluation", log, plan, ring }),
      ...how,
      counted: how.counted ?? loadCountedLog(model, source, users),
    });
  }

  /**
   * Records the program and cuts the users into shards.
   * @throws UserError without users with events to predict, or for shards beyond the adapter.
   * @internal
   */
  static async create<F extends ChoiceMetrics>(options: EvaluationOptions<F>): Promise<NetworkEvaluation<F>> {
    const { source, shards = 0 } = options;
    const users = Uint32Array.from(options.users).filter((user) => countScored(source, user) > 0);
    if (users.length === 0) throw new UserError("Expected users with events to predict, found none.");
    return await makeInShards(source, users, shards, (parts) => NetworkEvaluation.#ofShards(options, parts));
  }

  static async #ofShards<F extends ChoiceMetrics>(
    options: EvaluationOptions<F>,
    shardUsers: readonly Uint32Array[],
  ): Promise<NetworkEvaluation<F>> {
    const { gpu, source, deviceLog, summary } = options;
    const capacities = shardUsers.map((part) => computeBatchCapacity(source, part, part.length));
    const capacity = maxSizes(capacities);
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "evaluation"));
    const resident = deviceLog && source.log;
    const log = resident ?? readLog(source, new Uint32Array());
    const window = resident
      ? undefined
      : stack.use(new DeviceLog(gpu, log, capacity, source.items.tokenCounts, options.counted));
    const standing = window ?? deviceLog;
    if (!standing) throw new Error("an evaluation without a log");
    const places = resident ? shardUsers.length : 1;
    const plan = stack.use(new BatchPlan(gpu, log, capacity, places));
    const { view, firstSlot } = options.makeRing?.(places) ??
      { view: arena.allocate("ring", 16 * summary.vectors * places), firstSlot: 0 };
    const parts = shardUsers.map((users, k): Shard => ({
      users,
      sizes: resident && plan.put(k, users, { slot: firstSlot + k, learningRate: 0, iteration: 0 }),
    }));
    if (resident) plan.upload(0, places);
    const program = stack.use(await options.record(plan, view, standing));
    const counted = shardUsers.reduce(
      (sum, part) => sum + sumOverUsers(part, (user) => countScored(source, user)),
      0,
    );
    return new NetworkEvaluation(options, counted, firstSlot, program, parts, plan, window, stack.move());
  }

  /**
   * Appends all shards to a pass. Nothing waits.
   * @throws Error for shards that are still to be read.
   * @internal
   */
  encode(commands: CommandRecorder): void {
    this.parts.forEach(({ sizes }, k) => {
      if (!sizes) throw new Error("this evaluation reads its shards one by one: it cannot be part of a pass");
      this.program.program.encode(commands, sizes, this.plan.offset(k));
    });
  }

  /**
   * Evaluates the networks as they stand, and sums in f64. Waits for the GPU, once a shard.
   * @param onShard told how many shards are behind it.
   * @param onUsers handed what the figures are made of, shard by shard.
   */
  async figures(
    onShard?: (done: number, all: number) => void,
    onUsers?: (part: UserOutcomes) => void,
  ): Promise<EvaluationMetrics<F>> {
    const { gpu, summary } = this.options;
    const words = 4 * summary.vectors;
    const all = new Sums(words);
    const longer = new Sums(words);
    for (const [k, shard] of this.parts.entries()) {
      onShard?.(k, this.parts.length);
      const { log, users } = this.#submit(k, shard);
      const outcomes = await readFloats(gpu, this.program.outcomes.view);
      if (onUsers) {
        const utilities = await readFloats(gpu, this.program.utilities.view);
        onUsers({ users: shard.users, log, places: Uint32Array.from(users), utilities, outcomes, words });
      }
      let e = 0;
      for (const user of Array.from(users)) {
        for (let event = log.userEvents[user] ?? 0; event < (log.userEvents[user + 1] ?? 0); event++) {
          const outcome = outcomes.subarray(words * e, words * (e + 1));
          const page = (log.eventRows[event + 1] ?? 0) - (log.eventRows[event] ?? 0);
          e++;
          if (log.eventGiven?.[event]) continue;
          all.add(outcome);
          if (page > 1) longer.add(outcome);
        }
      }
    }
    if (!all.sums.every(Number.isFinite)) {
      throw new UserError(
        "Expected utilities and losses that are finite numbers, but those of this model on these users are not: its " +
          "weights are too large, so none of its figures means anything. Use another snapshot; if it was just trained, " +
          "train with a smaller learning rate.",
      );
    }
    const longerPages = summary.means(longer.sums, longer.events);
    return { ...summary.means(all.sums, all.events), longerPages, events: this.counted };
  }

  /**
   * The reward's utilities, shard by shard, so that memory does not follow the log. Waits for the GPU, once a shard.
   * @param onShard told how many shards are behind it.
   */
  async *scored(onShard?: (done: number, all: number) => void): AsyncGenerator<UserUtilities> {
    for (const [k, shard] of this.parts.entries()) {
      onShard?.(k, this.parts.length);
      const { log, users } = this.#submit(k, shard);
      const utilities = await readFloats(this.options.gpu, this.program.utilities.view);
      yield { users: shard.users, log, places: Uint32Array.from(users), utilities };
    }
  }

  /**
   * [R of the log] the reward's utilities of the rows of the users with events to predict, NaN for all others. Waits for
   * the GPU, once a shard.
   */
  async utilities(): Promise<Float32Array> {
    const { source } = this.options;
    const all = new Float32Array(source.userRows.at(-1) ?? 0).fill(NaN);
    for await (const part of this.scored()) scatterUtilities(source, part, all);
    return all;
  }

  /** Evaluates a shard. @returns the clicks that its users stand in, and their places there. */
  #submit(k: number, shard: Shard): { log: Clicks; users: ArrayLike<number> } {
    const { gpu, source } = this.options;
    let { users, sizes } = shard;
    let log: Clicks = this.plan.log;
    let place = k;
    if (this.window) {
      log = source.read(users);
      const own = toClickLog(source, log);
      users = Uint32Array.from(users.keys());
      this.window.write(own);
      place = 0;
      sizes = this.plan.put(place, users, { slot: this.firstSlot, learningRate: 0, iteration: 0 }, own);
      this.plan.upload(place, 1);
    }
    CommandRecorder.submit(gpu, "evaluation", (commands) => {
      if (sizes) this.program.program.encode(commands, sizes, this.plan.offset(place));
    });
    return { log, users };
  }

  /** Frees what it made; the log and the networks stay. */
  destroy(): void {
    this.stack.dispose();
  }
  /** As `destroy`, for blocks that hold it by `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Puts the utilities of a part where its rows are in the whole log. */
export function scatterUtilities(
  source: LogSource,
  { users, utilities }: UserUtilities,
  into: Float32Array,
): void {
  let row = 0;
  for (const user of users) {
    const rows = countRows(source, user);
    into.set(utilities.subarray(row, row + rows), source.userRows[user]);
    row += rows;
  }
}

class Sums {
  events = 0;
  readonly sums: Float64Array;
  constructor(words: number) {
    this.sums = new Float64Array(words);
  }
  add(outcome: Float32Array): void {
    this.events++;
    outcome.forEach((value, k) => this.sums[k] = (this.sums[k] ?? NaN) + value);
  }
}
