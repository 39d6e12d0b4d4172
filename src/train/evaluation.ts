/** Evaluates a model on a fixed set of users, in shards that fit the device. */

import type { DeviceLog } from "../batch/device_log.ts";
import { batchCapacity, Plan } from "../batch/plan.ts";
import type { ClickLog } from "../data/click_log.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { UserError } from "../data/user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/program.ts";
import { readFloats } from "../gpu/readback.ts";
import type { BatchSizes } from "../gpu/step.ts";
import type { UserModel } from "../model/user_model.ts";
import { ModelProgram } from "../model/model_program.ts";

/** A shard without an explicit count takes at most this many rows: 32 MiB for each hidden layer of 64. */
const SHARD_ROWS = 2 ** 17;

export interface EvaluationFigures extends ChoiceFigures {
  /** The same over events whose page has two items or more: pages of one are always ranked right. */
  readonly longerPages: ChoiceFigures;
  readonly events: number;
}

export class Evaluation {
  private constructor(
    readonly model: UserModel,
    readonly log: ClickLog,
    /** Events of all shards. */
    readonly events: number,
    /** First ring slot, and slots, of the shards' sums. */
    readonly firstSlot: number,
    readonly shards: number,
    readonly program: ModelProgram,
    private readonly shardUsers: readonly Uint32Array[],
    private readonly sizes: readonly BatchSizes[],
    private readonly plan: Plan,
    private readonly arena: Arena,
  ) {}

  /**
   * @param users at least one event among them. @param shards 0 for as few as fit.
   * @param ring where the shards' sums go, from `firstSlot` on; its own if not given.
   */
  static async create(
    model: UserModel,
    deviceLog: DeviceLog,
    log: ClickLog,
    users: ArrayLike<number>,
    shards: number,
    makeRing?: (shards: number) => { view: View; firstSlot: number },
  ): Promise<Evaluation> {
    const shardUsers = splitIntoShards(log, users, shards);
    if (shardUsers.length === 0) {
      throw new UserError("Expected users with events to evaluate on, found none.");
    }
    const arena = new Arena(model.gpu, "evaluation");
    const most = Math.max(...shardUsers.map((part) => part.length));
    const parts = shardUsers.map((part) => batchCapacity(log, part, part.length));
    const largest = (size: keyof BatchSizes) => Math.max(...parts.map((s) => s[size]));
    const capacity = {
      users: most,
      events: largest("events"),
      rows: largest("rows"),
      items: largest("items"),
    };
    const plan = new Plan(model.gpu, log, capacity, shardUsers.length);
    try {
      const { view, firstSlot } = makeRing?.(shardUsers.length) ??
        { view: arena.allocate("ring", 16 * shardUsers.length), firstSlot: 0 };
      const sizes = shardUsers.map((part, k) =>
        plan.put(k, part, { slot: firstSlot + k, learningRate: 0, iteration: 0 })
      );
      plan.upload(0, shardUsers.length);
      const program = await ModelProgram.create(model, {
        name: "evaluation",
        log: deviceLog,
        plan,
        ring: view,
      });
      const events = sizes.reduce((sum, s) => sum + s.events, 0);
      return new Evaluation(
        model,
        log,
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

  /** Evaluates the model as it stands, and sums in f64. Waits for the GPU, once a shard. */
  async figures(): Promise<EvaluationFigures> {
    const { gpu } = this.model;
    const all = new Sums();
    const longer = new Sums();
    for (const [k, sizes] of this.sizes.entries()) {
      const encoder = gpu.device.createCommandEncoder({ label: "evaluation" });
      const pass = encoder.beginComputePass();
      this.program.program.encode(pass, sizes, this.plan.offset(k));
      pass.end();
      gpu.queue.submit([encoder.finish()]);
      const outcomes = await readFloats(gpu, this.program.outcomes.view);
      let e = 0;
      for (const user of this.shardUsers[k] ?? []) {
        for (
          let event = this.log.userEvents[user] ?? 0;
          event < (this.log.userEvents[user + 1] ?? 0);
          event++
        ) {
          const outcome = outcomes.subarray(4 * e, 4 * e + 4);
          const page = (this.log.eventRows[event + 1] ?? 0) - (this.log.eventRows[event] ?? 0);
          all.add(outcome);
          if (page > 1) longer.add(outcome);
          e++;
        }
      }
    }
    return { ...all.means(), longerPages: longer.means(), events: this.events };
  }

  destroy(): void {
    this.program.destroy();
    this.plan.destroy();
    this.arena.destroy();
  }
}

class Sums {
  #events = 0;
  #sums = [0, 0, 0, 0];
  add(outcome: Float32Array): void {
    this.#events++;
    this.#sums = this.#sums.map((sum, k) => sum + (outcome[k] ?? NaN));
  }
  means(): ChoiceFigures {
    const [nll = 0, prec1 = 0, prec2 = 0, clicks = 0] = this.#sums;
    return { nll: nll / this.#events, prec1: prec1 / clicks, prec2: prec2 / clicks };
  }
}

/** Users with events, in their order, cut so that no shard exceeds its share of the rows by more than one user. */
function splitIntoShards(log: ClickLog, users: ArrayLike<number>, shards: number): Uint32Array[] {
  const rowsOf = (user: number) => {
    const [from, to] = [log.userEvents[user] ?? 0, log.userEvents[user + 1] ?? 0];
    return (log.eventRows[to] ?? 0) - (log.eventRows[from] ?? 0);
  };
  const present = Array.from(users).filter((user) => rowsOf(user) > 0);
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
