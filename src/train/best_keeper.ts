/** Keeps copies of the best weights. The device compares each validation result with the best one so far. */

import compareText from "../../kernels/adam/best_compare.wgsl" with { type: "text" };
import keepText from "../../kernels/adam/keep_best.wgsl" with { type: "text" };
import { Arena } from "../gpu/arena.ts";
import type { CommandRecorder } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import { Dimensions } from "../gpu/sizes.ts";
import { StepHeaders } from "../gpu/step.ts";
import { splitBindingRanges, type Weights } from "../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion, noBest } from "./best_records.ts";
import type { NetworkEvaluation } from "./network_evaluation.ts";
import { readJoined, type TrainedNetwork, writeJoined } from "./networks.ts";
import type { MetricSummary, ResultRing } from "./training_results.ts";

const compareKernel = parseKernel("best_compare", compareText);
const keepKernel = parseKernel("keep_best", keepText);

/** Largest number of invocations of the kernel that copies weights; each may copy several vectors. */
const KEEP_INVOCATIONS = 2 ** 16;

type Copies = ReadonlyMap<TrainedNetwork, View>;

/** Empty batch for the program that compares validation results: each program needs a batch. */
const noBatch = new Dimensions<Record<"none", number>>(["none"], "none");
const nothing = { sizes: { none: 0 }, counted: 0, first: 0 };

export class BestKeeper {
  private constructor(
    private readonly networks: readonly TrainedNetwork[],
    private readonly ring: ResultRing,
    private readonly headers: StepHeaders<typeof nothing["sizes"]>,
    /** Program that copies all weights if a validation is the best so far by at least one criterion. */
    readonly program: Program,
    private readonly record: View,
    private readonly snapshots: Readonly<Record<Criterion, Copies>>,
    private readonly arena: Arena,
  ) {}

  static async create(
    networks: readonly TrainedNetwork[],
    gpu: Gpu,
    ring: ResultRing,
    shards: Shards,
    summary: Pick<MetricSummary<never>, "vectors" | "bestBy">,
  ): Promise<BestKeeper> {
    const arena = new Arena(gpu, "best snapshots");
    const headers = new StepHeaders(arena, noBatch, ring.steps);
    const record = arena.allocate("record", 48);
    const copies = (criterion: Criterion): Copies =>
      new Map(networks.map((network) => {
        const name = `${network.prefix}${criterion}`;
        return [network, arena.allocateUnbound(name, 4 * network.parameters.length)];
      }));
    const snapshots = { loss: copies("loss"), prec1: copies("prec1"), prec2: copies("prec2") };
    const limit = gpu.bindingBytes;
    const program = await Program.record(gpu, "best", headers.buffer, [
      compare(ring.view, record, shards, summary),
      ...networks.flatMap((network) => keep(network, record, snapshots, limit)),
    ]);
    const keeper = new BestKeeper(networks, ring, headers, program, record, snapshots, arena);
    keeper.restore(noBest, {});
    return keeper;
  }

  /** Encodes the comparison of validation n with the best one. First encode the evaluation. */
  encode(commands: CommandRecorder, n: number, iteration: number): void {
    const slot = n % this.ring.steps;
    this.headers.put(slot, nothing, { slot: this.ring.validationSlot(n), learningRate: 0, iteration });
    this.headers.upload(slot, 1);
    this.program.encode(commands, nothing.sizes, this.headers.offset(slot));
  }

  snapshot(criterion: Criterion): Promise<Weights> {
    return readJoined(this.networks, (network) => this.snapshots[criterion].get(network)?.buffer);
  }

  restore(best: BestRecords, weights: Partial<Record<Criterion, Weights>>): void {
    const { gpu } = this.arena;
    const values = Float32Array.from(criteria, (criterion) => best[criterion].value);
    const iterations = Uint32Array.from(criteria, (criterion) => best[criterion].iteration);
    gpu.queue.writeBuffer(this.record.buffer, 0, values);
    gpu.queue.writeBuffer(this.record.buffer, 16, iterations);
    for (const criterion of criteria) {
      const values = weights[criterion];
      if (!values) continue;
      writeJoined(this.networks, values, (network) => this.snapshots[criterion].get(network)?.buffer);
    }
  }

  [Symbol.dispose](): void {
    this.arena.destroy();
  }
}

type Shards = Pick<NetworkEvaluation, "firstSlot" | "shards">;

function compare(
  ring: View,
  best: View,
  { firstSlot, shards }: Shards,
  { vectors, bestBy }: Pick<MetricSummary<never>, "vectors" | "bestBy">,
): DispatchSpec {
  return {
    kernel: compareKernel,
    label: "compare with the best",
    constants: { FIRST: firstSlot, SHARDS: shards, VECTORS: vectors, VECTOR: bestBy },
    views: { ring, best },
    invocations: [1],
    cost: () => ({ flops: 0, bytes: 16 * vectors * (shards + 1) + 48 }),
  };
}

function keep(
  network: TrainedNetwork,
  best: View,
  snapshots: Readonly<Record<Criterion, Copies>>,
  limit: number,
): DispatchSpec[] {
  const { parameters } = network;
  const window = (view: View | undefined, range: { offset: number; size: number }) => ({
    buffer: (view ?? parameters.weights).buffer,
    ...range,
  });
  return splitBindingRanges(parameters.length, limit).map((range): DispatchSpec => ({
    kernel: keepKernel,
    label: "keep the best",
    views: {
      weights: window(parameters.weights, range),
      best,
      by_loss: window(snapshots.loss.get(network), range),
      by_prec1: window(snapshots.prec1.get(network), range),
      by_prec2: window(snapshots.prec2.get(network), range),
    },
    invocations: [Math.min(range.size / 16, KEEP_INVOCATIONS)],
  }));
}
