/** Keeps the weights of the best validations on the device, decided there: the host learns of them many steps later. */

import compareText from "../../kernels/best_compare.wgsl" with { type: "text" };
import keepText from "../../kernels/keep_best.wgsl" with { type: "text" };
import type { Plan } from "../batch/plan.ts";
import { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import { type DispatchSpec, Program, type View } from "../gpu/program.ts";
import type { ParameterArena, Weights } from "../tape/parameters.ts";
import { windows } from "../tape/parameters.ts";
import type { OutcomeSums } from "./sums.ts";

const compareKernel = kernel("best_compare", compareText);
const keepKernel = kernel("keep_best", keepText);

/** What a snapshot is the best by: least loss, most prec@1, most prec@2 on the validation users. */
export type Criterion = "loss" | "prec1" | "prec2";
export const criteria: readonly Criterion[] = ["loss", "prec1", "prec2"];

/** The best value so far (a sum over the validation events, in f32 as the device compares it) and when it was reached. */
export interface BestRecord {
  readonly value: number;
  readonly iteration: number;
}
export type BestRecords = Readonly<Record<Criterion, BestRecord>>;

export const noBest: BestRecords = {
  loss: { value: Infinity, iteration: 0 },
  prec1: { value: -Infinity, iteration: 0 },
  prec2: { value: -Infinity, iteration: 0 },
};

/** The same comparison as `best_compare.wgsl`: the first of equals stays, a loss that is not finite is never the best. */
export function betterRecords(best: BestRecords, sums: OutcomeSums, iteration: number): BestRecords {
  if (!Number.isFinite(sums.nll)) return best;
  const pick = (criterion: Criterion, value: number, better: boolean): BestRecord =>
    better ? { value, iteration } : best[criterion];
  return {
    loss: pick("loss", sums.nll, sums.nll < best.loss.value),
    prec1: pick("prec1", sums.prec1, sums.prec1 > best.prec1.value),
    prec2: pick("prec2", sums.prec2, sums.prec2 > best.prec2.value),
  };
}

export class BestKeeper {
  private constructor(
    readonly parameters: ParameterArena,
    readonly program: Program,
    private readonly record: View,
    private readonly snapshots: Readonly<Record<Criterion, View>>,
    private readonly arena: Arena,
  ) {}

  /** @param shards where in `ring` the sums of a validation's shards stand. */
  static async create(
    parameters: ParameterArena,
    plan: Plan,
    ring: View,
    shards: { firstSlot: number; shards: number },
  ): Promise<BestKeeper> {
    const { gpu, weights, length } = parameters;
    const arena = new Arena(gpu, "best snapshots");
    const record = arena.allocate("record", 48);
    const snapshot = (name: string) => arena.allocateUnbound(name, 4 * length);
    const snapshots = { loss: snapshot("loss"), prec1: snapshot("prec1"), prec2: snapshot("prec2") };
    const compare: DispatchSpec = {
      kernel: compareKernel,
      label: "compare with the best",
      constants: { FIRST: shards.firstSlot, SHARDS: shards.shards },
      views: { ring, best: record },
      invocations: () => [1],
      cost: () => ({ flops: 0, bytes: 16 * shards.shards + 96 }),
    };
    const keep = windows(length, gpu.device.limits.maxStorageBufferBindingSize).map((
      window,
    ): DispatchSpec => ({
      kernel: keepKernel,
      label: "keep the best",
      views: {
        weights: { buffer: weights.buffer, ...window },
        best: record,
        by_loss: { buffer: snapshots.loss.buffer, ...window },
        by_prec1: { buffer: snapshots.prec1.buffer, ...window },
        by_prec2: { buffer: snapshots.prec2.buffer, ...window },
      },
      invocations: () => [window.size / 16],
      cost: () => ({ flops: 0, bytes: 0 }),
    }));
    const program = await Program.record(gpu, "best", plan.steps, [compare, ...keep]);
    const keeper = new BestKeeper(parameters, program, record, snapshots, arena);
    keeper.restore(noBest, {});
    return keeper;
  }

  /** Reads the weights that were best by a criterion. */
  snapshot(criterion: Criterion): Promise<Weights> {
    return this.parameters.read(this.snapshots[criterion].buffer);
  }

  /** Puts back what an earlier session had reached. */
  restore(best: BestRecords, weights: Partial<Record<Criterion, Weights>>): void {
    const { gpu } = this.parameters;
    const values = Float32Array.from(criteria, (criterion) => best[criterion].value);
    const iterations = Uint32Array.from(criteria, (criterion) => best[criterion].iteration);
    gpu.queue.writeBuffer(this.record.buffer, 0, values);
    gpu.queue.writeBuffer(this.record.buffer, 16, iterations);
    for (const criterion of criteria) {
      const values = weights[criterion];
      if (values) this.parameters.write(values, this.snapshots[criterion].buffer);
    }
  }

  destroy(): void {
    this.arena.destroy();
  }
}
