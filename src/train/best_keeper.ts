/** Keeps the weights of the best validations on the device, decided there: the host learns of them many steps later. */

import compareText from "../../kernels/best_compare.wgsl" with { type: "text" };
import keepText from "../../kernels/keep_best.wgsl" with { type: "text" };
import type { Plan } from "../batch/plan.ts";
import { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import { type Weights, windows } from "../tape/parameters.ts";
import { readJoined, type TrainedNetwork, writeJoined } from "./networks.ts";
import type { Summary } from "./sums.ts";

const compareKernel = kernel("best_compare", compareText);
const keepKernel = kernel("keep_best", keepText);

/** At most; the kernel walks over what is more. */
const KEEP_INVOCATIONS = 2 ** 16;

/** What a snapshot is the best by: least loss, most prec@1, most prec@2 on the validation users. */
export type Criterion = "loss" | "prec1" | "prec2";
export const criteria = ["loss", "prec1", "prec2"] as const satisfies readonly Criterion[];

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

/**
 * The same comparison as `best_compare.wgsl`: the first of equals stays, a loss that is not finite is never the best.
 * @param sums of a loss, prec@1, prec@2
 */
export function betterRecords(best: BestRecords, sums: ArrayLike<number>, iteration: number): BestRecords {
  const [loss = NaN, prec1 = NaN, prec2 = NaN] = Array.from(sums);
  if (!Number.isFinite(loss)) return best;
  const pick = (criterion: Criterion, value: number, better: boolean): BestRecord =>
    better ? { value, iteration } : best[criterion];
  return {
    loss: pick("loss", loss, loss < best.loss.value),
    prec1: pick("prec1", prec1, prec1 > best.prec1.value),
    prec2: pick("prec2", prec2, prec2 > best.prec2.value),
  };
}

/** A copy of every network's weights. */
type Copies = ReadonlyMap<TrainedNetwork, View>;

export class BestKeeper {
  private constructor(
    private readonly networks: readonly TrainedNetwork[],
    readonly program: Program,
    private readonly record: View,
    private readonly snapshots: Readonly<Record<Criterion, Copies>>,
    private readonly arena: Arena,
  ) {}

  /** @param shards where in `ring` the sums of a validation's shards stand. @param summary what they are sums of */
  static async create(
    networks: readonly TrainedNetwork[],
    plan: Plan,
    ring: View,
    shards: { firstSlot: number; shards: number },
    summary: Pick<Summary<never>, "vectors" | "bestBy">,
  ): Promise<BestKeeper> {
    const { gpu } = plan;
    const arena = new Arena(gpu, "best snapshots");
    const record = arena.allocate("record", 48);
    const copies = (criterion: Criterion): Copies =>
      new Map(networks.map((network) => {
        const name = `${network.prefix}${criterion}`;
        return [network, arena.allocateUnbound(name, 4 * network.parameters.length)];
      }));
    const snapshots = { loss: copies("loss"), prec1: copies("prec1"), prec2: copies("prec2") };
    const compare: DispatchSpec = {
      kernel: compareKernel,
      label: "compare with the best",
      constants: {
        FIRST: shards.firstSlot,
        SHARDS: shards.shards,
        VECTORS: summary.vectors,
        VECTOR: summary.bestBy,
      },
      views: { ring, best: record },
      invocations: () => [1],
      cost: () => ({ flops: 0, bytes: 16 * shards.shards + 96 }),
    };
    const keep = networks.flatMap((network) => {
      const { parameters } = network;
      const window = (view: View | undefined, range: { offset: number; size: number }) => ({
        buffer: (view ?? parameters.weights).buffer,
        ...range,
      });
      return windows(parameters.length, gpu.device.limits.maxStorageBufferBindingSize).map((
        range,
      ): DispatchSpec => ({
        kernel: keepKernel,
        label: "keep the best",
        views: {
          weights: window(parameters.weights, range),
          best: record,
          by_loss: window(snapshots.loss.get(network), range),
          by_prec1: window(snapshots.prec1.get(network), range),
          by_prec2: window(snapshots.prec2.get(network), range),
        },
        invocations: () => [Math.min(range.size / 16, KEEP_INVOCATIONS)],
        cost: () => ({ flops: 0, bytes: 0 }),
      }));
    });
    const program = await Program.record(gpu, "best", plan.steps, [compare, ...keep]);
    const keeper = new BestKeeper(networks, program, record, snapshots, arena);
    keeper.restore(noBest, {});
    return keeper;
  }

  /** Reads the weights that were best by a criterion. */
  snapshot(criterion: Criterion): Promise<Weights> {
    return readJoined(this.networks, (network) => this.snapshots[criterion].get(network)?.buffer);
  }

  /** Puts back what an earlier session had reached. */
  restore(best: BestRecords, weights: Partial<Record<Criterion, Weights>>): void {
    const { gpu } = this.arena;
    const values = Float32Array.from(criteria, (criterion) => best[criterion].value);
    const iterations = Uint32Array.from(criteria, (criterion) => best[criterion].iteration);
    gpu.queue.writeBuffer(this.record.buffer, 0, values);
    gpu.queue.writeBuffer(this.record.buffer, 16, iterations);
    for (const criterion of criteria) {
      const values = weights[criterion];
      if (values) {
        writeJoined(this.networks, values, (network) => this.snapshots[criterion].get(network)?.buffer);
      }
    }
  }

  destroy(): void {
    this.arena.destroy();
  }
}
