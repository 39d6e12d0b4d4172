/** Evaluates networks on a fixed set of users, in shards that fit the device. */

import type { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, type PlacedBatch, Plan } from "../batch/plan.ts";
import type { ClickLog } from "../data/click_log.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../data/user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import { readFloats } from "../gpu/readback.ts";
import type { BatchSizes } from "../gpu/step.ts";
import { ModelProgram, type RecordableModel } from "../model/model_program.ts";
import type { Tensor } from "../tape/tensor.ts";
import { choiceSummary, type Summary } from "./sums.ts";

/** A shard without an explicit count takes at most this many rows: 32 MiB for each hidden layer of 64. */
const SHARD_ROWS = 2 ** 17;

/** Figures over the events of some users. */
export type EvaluationFigures<F extends ChoiceFigures = ChoiceFigures> = F & {
  /** The same over events whose page has two items or more: pages of one are always ranked right. */
  readonly longerPages: F;
  readonly events: number;
};

/** A program that evaluates what stands in its plan's place. */
export interface EvaluationProgram {
  readonly program: Program;
  /** [events, 4 vectors] what each event adds to the sums */
  readonly outcomes: Tensor;
  /** [rows, 1] of the reward */
  readonly utilities: Tensor;
  destroy(): void;
}

export interface EvaluationOptions<F extends ChoiceFigures> {
  readonly gpu: Gpu;
  readonly log: ClickLog;
  /** At least one event among them that is not given. */
  readonly users: ArrayLike<number>;
  /** 0 for as few as fit. */
  readonly shards: number;
  readonly summary: Summary<F>;
  record(plan: Plan, ring: View): Promise<EvaluationProgram>;
  /** Where the shards' sums go, from `firstSlot` on; a ring of its own if not given. */
  makeRing?(shards: number): { view: View; firstSlot: number };
}

export class Evaluation<F extends ChoiceFigures = ChoiceFigures> {
  private constructor(
    private readonly options: EvaluationOptions<F>,
    /** Events of all shards, but those that are given. */
    readonly events: number,
    /** First ring slot, and slots, of the shards' sums. */
    readonly firstSlot: number,
    readonly shards: number,
    readonly program: EvaluationProgram,
    private readonly shardUsers: readonly Uint32Array[],
    private readonly sizes: readonly PlacedBatch[],
    private readonly plan: Plan,
    private readonly arena: Arena,
  ) {}

  /** Of the reward model alone. */
  static ofModel(
    model: RecordableModel,
    deviceLog: DeviceLog,
    log: ClickLog,
    users: ArrayLike<number>,
    shards: number,
    makeRing?: EvaluationOptions<ChoiceFigures>["makeRing"],
  ): Promise<Evaluation> {
    return Evaluation.create({
      gpu: model.gpu,
      log,
      users,
      shards,
      summary: choiceSummary,
      record: (plan, ring) => ModelProgram.create(model, { name: "evaluation", log: deviceLog, plan, ring }),
      makeRing,
    });
  }

  /** @throws UserError without users with events to predict. */
  static async create<F extends ChoiceFigures>(options: EvaluationOptions<F>): Promise<Evaluation<F>> {
    const { gpu, log, users, shards, summary } = options;
    const shardUsers = splitIntoShards(log, users, shards);
    if (shardUsers.length === 0) {
      throw new UserError("Expected users with events to predict, found none.");
    }
    const arena = new Arena(gpu, "evaluation");
    const most = Math.max(...shardUsers.map((part) => part.length));
    const parts = shardUsers.map((part) => batchCapacity(log, part, part.length));
    const largest = (size: keyof BatchSizes) => Math.max(...parts.map((s) => s[size]));
    const capacity = {
      users: most,
      events: largest("events"),
      rows: largest("rows"),
      items: largest("items"),
    };
    const plan = new Plan(gpu, log, capacity, shardUsers.length);
    try {
      const { view, firstSlot } = options.makeRing?.(shardUsers.length) ??
        { view: arena.allocate("ring", 16 * summary.vectors * shardUsers.length), firstSlot: 0 };
      const sizes = shardUsers.map((part, k) =>
        plan.put(k, part, { slot: firstSlot + k, learningRate: 0, iteration: 0 })
      );
      plan.upload(0, shardUsers.length);
      const program = await options.record(plan, view);
      const events = sizes.reduce((sum, s) => sum + s.counted, 0);
      return new Evaluation(
        options,
        events,
        firstSlot,
        sizes.length,
        program,
        shardUsers,
        sizes,
        plan,
        arena,
      );
    } catch (error) {
      plan.destroy();
      arena.destroy();
      throw error;
    }
  }

  /** Appends all shards to a pass. Nothing waits. */
  encode(pass: GPUComputePassEncoder): void {
    this.sizes.forEach((sizes, k) => this.program.program.encode(pass, sizes, this.plan.offset(k)));
  }

  /** Evaluates the networks as they stand, and sums in f64. Waits for the GPU, once a shard. */
  async figures(): Promise<EvaluationFigures<F>> {
    const { gpu, log, summary } = this.options;
    const words = 4 * summary.vectors;
    const all = new Sums(words);
    const longer = new Sums(words);
    for (const k of this.sizes.keys()) {
      this.#submit(k);
      const outcomes = await readFloats(gpu, this.program.outcomes.view);
      let e = 0;
      for (const user of this.shardUsers[k] ?? []) {
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
    const longerPages = summary.means(longer.sums, longer.events);
    return { ...summary.means(all.sums, all.events), longerPages, events: this.events };
  }

  /**
   * [R of the log] the reward's utilities of the rows of the users with events to predict, NaN for all others. Waits for
   * the GPU, once a shard.
   */
  async utilities(): Promise<Float32Array> {
    const { gpu, log } = this.options;
    const all = new Float32Array(log.rowItem.length).fill(NaN);
    for (const k of this.sizes.keys()) {
      this.#submit(k);
      const utilities = await readFloats(gpu, this.program.utilities.view);
      let row = 0;
      for (const user of this.shardUsers[k] ?? []) {
        const first = log.eventRows[log.userEvents[user] ?? 0] ?? 0;
        const end = log.eventRows[log.userEvents[user + 1] ?? 0] ?? 0;
        all.set(utilities.subarray(row, row + end - first), first);
        row += end - first;
      }
    }
    return all;
  }

  #submit(shard: number): void {
    const { gpu } = this.options;
    const encoder = gpu.device.createCommandEncoder({ label: "evaluation" });
    const pass = encoder.beginComputePass();
    const sizes = this.sizes[shard];
    if (sizes) this.program.program.encode(pass, sizes, this.plan.offset(shard));
    pass.end();
    gpu.queue.submit([encoder.finish()]);
  }

  destroy(): void {
    this.program.destroy();
    this.plan.destroy();
    this.arena.destroy();
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

/** Whether a user has an event that is not given. */
function predicts({ userEvents, eventGiven }: ClickLog, user: number): boolean {
  for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
    if (!eventGiven?.[e]) return true;
  }
  return false;
}

/** Users with events to predict, in their order, cut so that no shard exceeds its share of the rows by more than one user. */
function splitIntoShards(log: ClickLog, users: ArrayLike<number>, shards: number): Uint32Array[] {
  const rowsOf = (user: number) => {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    return (log.eventRows[to] ?? 0) - (log.eventRows[from] ?? 0);
  };
  const present = Array.from(users).filter((user) => predicts(log, user));
  const total = present.reduce((sum, user) => sum + rowsOf(user), 0);
  const share = shards > 0 ? Math.ceil(total / shards) : SHARD_ROWS;
  const out: number[][] = [];
  let rows = Infinity;
  for (const user of present) {
    if (rows + rowsOf(user) > share && rows > 0) {
      out.push([]);
      rows = 0;
    }
    out.at(-1)?.push(user);
    rows += rowsOf(user);
  }
  return out.map((part) => Uint32Array.from(part));
}
