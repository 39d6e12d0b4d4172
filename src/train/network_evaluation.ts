/** Evaluates networks on a fixed set of users, which is split into shards that fit the device. */

import { DeviceLog } from "../batch/device_log.ts";
import type { LogWithCounts } from "../counts/page_counts.ts";
import { BatchPlan, type BatchSlot, computeBatchCapacity, maxSizes } from "../batch/plan.ts";
import type { ClickLog, Clicks } from "../data/click_log.ts";
import { countRows, countScored, readLog, toClickLog, toLogSource } from "../data/log_source.ts";
import type { LogSource } from "../data/log_source.ts";
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

/** Metrics of the evaluated users' events. */
export type EvaluationMetrics<F extends ChoiceMetrics = ChoiceMetrics> = F & {
  /** Metrics over pages with two or more items. (On a page with one item, every ranking is correct.) */
  readonly longerPages: F;
  readonly events: number;
};

export interface EvaluationProgram extends Disposable {
  readonly program: Program<ClickSizes>;
  /** Tensor whose row e has the values that event e adds to the metric sums. */
  readonly outcomes: Tensor;
  /** Tensor [rows, 1]: utilities of the reward model. */
  readonly utilities: Tensor;
}

export interface EvaluationOptions<F extends ChoiceMetrics> {
  readonly gpu: Gpu;
  readonly source: LogSource;
  /** Whole log on the device; if undefined, an evaluation reads each shard of users from `source`. */
  readonly deviceLog?: DeviceLog;
  /** Users with at least one event to predict. */
  readonly users: ArrayLike<number>;
  /** Number of shards; if 0 or absent, the smallest number for which each shard fits the device. */
  readonly shards?: number;
  readonly summary: MetricSummary<F>;
  record(plan: BatchPlan, ring: View, log: DeviceLog): Promise<EvaluationProgram>;
  /** Returns the ring buffer for the shards' metric sums, and the first slot to use; absent: a new buffer. */
  makeRing?(shards: number): { view: View; firstSlot: number };
  /** Settings of count features, if the reward has count features and shards are read one at a time. */
  readonly counted?: LogWithCounts;
}

export type EvaluationContext<F extends ChoiceMetrics = ChoiceMetrics> = Pick<
  EvaluationOptions<F>,
  "deviceLog" | "shards" | "makeRing" | "counted"
>;

interface Shard {
  readonly users: Uint32Array;
  readonly sizes: BatchSlot | undefined;
}

/** Utilities of the items that were displayed to a group of users. */
export interface UserUtilities {
  /** Index of each user in the whole log. */
  readonly users: Uint32Array;
  /** Log with the clicks of `users`, or the whole log if in memory. Item numbers are the catalogue's. */
  readonly log: Clicks;
  /** Index of each user in `log`. */
  readonly indices: Uint32Array;
  /** Array that begins with the utilities of the items on the users' pages, user after user. */
  readonly utilities: Float32Array;
}

/** Utilities and event outcomes of a group of users. */
export interface UserOutcomes extends UserUtilities {
  /** Array [events, words]: what each event adds to the metric sums; see train/training_results.ts. */
  readonly outcomes: Float32Array;
  /** Number of values per event in `outcomes`. */
  readonly words: number;
}

/**
 * Evaluation of networks on a fixed set of users. Context events (unpredicted history) are not evaluated. All
 * users of a shard are evaluated at once. If the log is not on the device, shards are read one at a time.
 */
export class NetworkEvaluation<F extends ChoiceMetrics = ChoiceMetrics> {
  private constructor(
    private readonly options: EvaluationOptions<F>,
    /** Number of events, without context events, in all shards together. */
    readonly counted: number,
    readonly firstSlot: number,
    /** @internal Program that evaluates one shard. */
    readonly program: EvaluationProgram,
    private readonly shardList: readonly Shard[],
    private readonly plan: BatchPlan,
    /** Device memory for the log of one shard; undefined if the whole log is on the device. */
    private readonly window: DeviceLog | undefined,
    private readonly stack: DisposableStack,
  ) {}

  /** Number of shards. */
  get shards(): number {
    return this.shardList.length;
  }

  /** Creates the evaluation of a reward model without a generator. */
  static ofModel(
    model: RecordableModel,
    log: ClickLog | LogSource,
    users: ArrayLike<number>,
    context: EvaluationContext = {},
  ): Promise<NetworkEvaluation> {
    const source = toLogSource(log);
    return NetworkEvaluation.create({
      gpu: model.gpu,
      source,
      users,
      summary: choiceSummary,
      record: (plan, ring, log) => ModelProgram.create(model, { name: "evaluation", log, plan, ring }),
      ...context,
      counted: context.counted ?? loadCountedLog(model, source, users),
    });
  }

  /**
   * Creates the evaluation program and splits the users into shards.
   * @throws UserError if no user has an event to predict, or if a shard exceeds the adapter's limits.
   * @internal
   */
  static async create<F extends ChoiceMetrics>(options: EvaluationOptions<F>): Promise<NetworkEvaluation<F>> {
    const { source, shards = 0 } = options;
    const users = Uint32Array.from(options.users).filter((user) => countScored(source, user) > 0);
    if (users.length === 0) throw new UserError("Expected users with events to predict, found none.");
    return await makeInShards(source, users, shards, (parts) => NetworkEvaluation.#createFor(options, parts));
  }

  static async #createFor<F extends ChoiceMetrics>(
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
    const openLog = window ?? deviceLog;
    if (!openLog) throw new Error("an evaluation without a log");
    const slots = resident ? shardUsers.length : 1;
    const plan = stack.use(new BatchPlan(gpu, log, capacity, slots));
    const { view, firstSlot } = options.makeRing?.(slots) ??
      { view: arena.allocate("ring", 16 * summary.vectors * slots), firstSlot: 0 };
    const parts = shardUsers.map((users, k): Shard => ({
      users,
      sizes: resident && plan.put(k, users, { slot: firstSlot + k, learningRate: 0, iteration: 0 }),
    }));
    if (resident) plan.upload(0, slots);
    const program = stack.use(await options.record(plan, view, openLog));
    const counted = shardUsers.reduce(
      (sum, part) => sum + sumOverUsers(part, (user) => countScored(source, user)),
      0,
    );
    return new NetworkEvaluation(options, counted, firstSlot, program, parts, plan, window, stack.move());
  }

  /**
   * @internal Encodes the evaluation of all shards, without waiting for the device. @throws Error if the
   * device does not store the whole log, so that shards are read one by one.
   */
  encode(commands: CommandRecorder): void {
    this.shardList.forEach(({ sizes }, k) => {
      if (!sizes) {
        throw new Error("cannot encode shards that are read one by one");
      }
      this.program.program.encode(commands, sizes, this.plan.offset(k));
    });
  }

  /**
   * Evaluates the networks with their current weights, and adds up the shards' metric sums in f64. Waits for
   * the GPU once per shard. @param onShard - called before each shard. @param onUsers - gets the results of
   * each shard.
   */
  async evaluate(
    onShard?: (done: number, all: number) => void,
    onUsers?: (part: UserOutcomes) => void,
  ): Promise<EvaluationMetrics<F>> {
    const { gpu, summary } = this.options;
    const words = 4 * summary.vectors;
    const all = new Sums(words);
    const longer = new Sums(words);
    for (const part of this.#submitAll(onShard)) {
      const { log, indices } = part;
      const outcomes = await readFloats(gpu, this.program.outcomes.view);
      onUsers?.({ ...part, utilities: await this.#readUtilities(), outcomes, words });
      let e = 0;
      for (const user of indices) {
        for (let event = log.userEvents[user] ?? 0; event < (log.userEvents[user + 1] ?? 0); event++) {
          const outcome = outcomes.subarray(words * e, words * (e + 1));
          const page = (log.eventRows[event + 1] ?? 0) - (log.eventRows[event] ?? 0);
          e++;
          if (log.eventKind?.[event]) continue;
          all.add(outcome);
          if (page > 1) longer.add(outcome);
        }
      }
    }
    if (!all.sums.every(Number.isFinite)) {
      throw new UserError(
        "Expected finite utilities and losses of these users, but some are not finite: the model's weights are " +
          "too large. Use another snapshot, or train with a smaller learning rate.",
      );
    }
    const longerPages = summary.means(longer.sums, longer.events);
    return { ...summary.means(all.sums, all.events), longerPages, events: this.counted };
  }

  /** Waits for each shard, and yields its reward utilities. @param onShard - called before each shard. */
  async *scored(onShard?: (done: number, all: number) => void): AsyncGenerator<UserUtilities> {
    for (const part of this.#submitAll(onShard)) yield { ...part, utilities: await this.#readUtilities() };
  }

  /**
   * Returns the reward's utility of each displayed item (row) of the log; NaN for rows of users without an
   * event to predict. Waits for the GPU once per shard.
   */
  async utilities(): Promise<Float32Array> {
    const { source } = this.options;
    const all = new Float32Array(source.userRows.at(-1) ?? 0).fill(NaN);
    for await (const part of this.scored()) scatterUtilities(source, part, all);
    return all;
  }

  #readUtilities(): Promise<Float32Array> {
    return readFloats(this.options.gpu, this.program.utilities.view);
  }

  /** Submits one shard after another, and yields each shard's users. */
  *#submitAll(onShard?: (done: number, all: number) => void): Generator<Omit<UserUtilities, "utilities">> {
    const { gpu, source } = this.options;
    for (const [k, { users, ...shard }] of this.shardList.entries()) {
      onShard?.(k, this.shardList.length);
      let [sizes, slot, indices] = [shard.sizes, k, users];
      let log: Clicks = this.plan.log;
      if (this.window) {
        log = source.read(users);
        const own = toClickLog(source, log);
        indices = Uint32Array.from(users.keys());
        this.window.write(own);
        slot = 0;
        sizes = this.plan.put(slot, indices, { slot: this.firstSlot, learningRate: 0, iteration: 0 }, own);
        this.plan.upload(slot, 1);
      }
      CommandRecorder.submit(gpu, "evaluation", (commands) => {
        if (sizes) this.program.program.encode(commands, sizes, this.plan.offset(slot));
      });
      yield { users, log, indices };
    }
  }

  /** Frees the evaluation's GPU memory, but not the log and the networks. */
  destroy(): void {
    this.stack.dispose();
  }
  /** Calls `destroy`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}

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
