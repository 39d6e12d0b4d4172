/**
 * Distributed training. All ranks (processes) start from the same state, and share the work of validations.
 * The ranks either sum the gradients of each step, or train alone for several steps and average the weights.
 */

import { CommandRecorder } from "../gpu/commands.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import type { BatchPlan, BatchSlot } from "../batch/plan.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Program } from "../gpu/program.ts";
import { joinArrays, readFloats, readViews } from "../gpu/readback.ts";
import { countEvents, countScored, type LogSource } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { criteria } from "./best_records.ts";
import type { SharedStep, StepSums, Validation } from "./steps.ts";
import type { TrainedNetwork, TrainerState } from "./networks.ts";
import { SharedGradient } from "../ops/gradient_sum.ts";
import { expectShares, type ProcessGroup, selectRankShare, shareGradient, write } from "./process_group.ts";
import type { ResultRing } from "./training_results.ts";

/** Number of iterations between comparisons of the ranks' weights. */
const CHECK_EVERY = 100;

/** Replaces weights and Adam's moments by their means over all ranks. All submitted steps must have ended. */
async function averageOverRanks(
  gpu: Gpu,
  ranks: ProcessGroup,
  networks: readonly TrainedNetwork[],
): Promise<void> {
  const views = networks.flatMap(({ parameters, adam }) => [parameters.weights, adam?.m, adam?.v]);
  for (const view of views.filter((view) => view !== undefined)) {
    const sum = await ranks.sum(await readFloats(gpu, view));
    for (let k = 0; k < sum.length; k++) sum[k] = (sum[k] ?? NaN) / ranks.size;
    write(gpu, view, sum);
  }
}

/** Evaluates this rank's validation users. Stores the weights if a metric over all ranks is the best yet. */
async function validateShared(
  gpu: Gpu,
  ranks: ProcessGroup,
  ring: ResultRing,
  { evaluation, keeper }: Validation,
  { n, iteration, patient }: { readonly n: number; readonly iteration: number; readonly patient: boolean },
): Promise<Float32Array> {
  CommandRecorder.submit(gpu, "validation", (commands) => evaluation.encode(commands));
  const shards = ring.shardsView;
  const own = await readFloats(gpu, shards);
  const sums = await ranks.sum(ring.sumsAt(own, 0, ring.shards), patient);
  write(gpu, shards, joinArrays([sums, new Float32Array(own.length - sums.length)]));
  CommandRecorder.submit(gpu, "keep the best", (commands) => keeper.encode(commands, n, iteration));
  return sums;
}

/**
 * Returns the training state of rank 0, but with this rank's snapshots of the best weights.
 * Snapshots are not sent, because only rank 0 saves snapshots to disk. @param own - this rank's state
 */
export async function broadcastState(ranks: ProcessGroup, own: TrainerState): Promise<TrainerState> {
  const isFirst = ranks.rank === 0;
  const records = criteria.map((criterion) => own.best[criterion]);
  const numbers = [own.iteration, ...records.flatMap(({ value, iteration }) => [value, iteration])];
  const words = new Uint32Array(Float64Array.from(numbers).buffer);
  const [first = words] = await ranks.gather(words, true);
  const [iteration = 0, ...values] = new Float64Array(first.buffer);
  const getRecord = (k: number) => ({ value: values[2 * k] ?? NaN, iteration: values[2 * k + 1] ?? NaN });
  const best = { loss: getRecord(0), prec1: getRecord(1), prec2: getRecord(2) };
  for (const tensors of [own.weights, own.m, own.v]) {
    // All ranks but rank 0 add zeros, so the sum is rank 0's tensor.
    for (const [name, own] of tensors) {
      tensors.set(name, await ranks.sum(isFirst ? own : new Float32Array(own.length), true));
    }
  }
  return { ...own, iteration, best };
}

/** Compares the ranks' weights every {@link CHECK_EVERY} iterations. @throws UserError if a bit differs. */
async function expectEqualWeights(
  gpu: Gpu,
  ranks: ProcessGroup,
  networks: readonly TrainedNetwork[],
  { before, iteration }: { readonly before: number; readonly iteration: number },
): Promise<void> {
  if (Math.floor(iteration / CHECK_EVERY) === Math.floor(before / CHECK_EVERY)) return;
  const words = await readViews(gpu, networks.map(({ parameters }) => parameters.weights));
  const sums = (await ranks.gather(Uint32Array.of(computeChecksum(words)))).map(([sum]) => sum);
  const odd = sums.findIndex((sum) => sum !== sums[0]);
  if (odd < 0) return;
  const found = `rank ${odd} has the checksum ${sums[odd]}, rank 0 has ${sums[0]}`;
  throw new UserError(
    `Expected equal weights on all ranks after iteration ${iteration}, but ${found}. The machines ` +
      "compute differently. Use equal machines with equal drivers. Earlier snapshots are valid.",
  );
}

function computeChecksum(parts: readonly Uint32Array[]): number {
  let sum = 0x811c9dc5;
  for (const words of parts) {
    for (let k = 0; k < words.length; k++) sum = Math.imul(sum ^ (words[k] ?? 0), 0x01000193);
  }
  return sum >>> 0;
}

/** Returns this rank's users of a batch, and the number of events over which the loss is averaged. */
function shareOfBatch(
  source: LogSource,
  joined: ArrayLike<number>,
  { ranks, syncEvery }: Pick<DistributedContext, "ranks" | "syncEvery">,
): { users: Uint32Array<ArrayBuffer>; counted: number } {
  const present = Uint32Array.from(joined).filter((user) => countEvents(source, user) > 0);
  expectShares(ranks, present.length, "users with pages in a batch");
  const users = selectRankShare(ranks, present);
  const counting = syncEvery === 1 ? present : users;
  const counted = counting.reduce((sum, user) => sum + countScored(source, user), 0);
  // A share may have no events to predict. Its sums are 0, and the 1 avoids a division by zero.
  return { users, counted: Math.max(1, counted) };
}

/** @throws UserError if a rank's share of a batch needs micro-batches, which ranks do not support. */
function expectWhole(parts: number): void {
  if (parts === 1) return;
  throw new UserError(
    `Expected each rank's share of a batch to fit in one micro-batch (see --micro-batch-rows), ` +
      `got a share that needs ${parts} micro-batches. ` +
      "Start more ranks, use a smaller batch, or set --sync-every to 2 or more.",
  );
}

interface SharedSteps {
  readonly batches: { readonly plan: BatchPlan };
  readonly programs: {
    readonly layout: Program<ClickSizes>;
    readonly phases: readonly {
      readonly header: number;
      readonly gradients: readonly Program<ClickSizes>[];
      readonly shared: SharedGradient<ClickSizes> | undefined;
    }[];
  };
  put(
    after: number,
    most: number,
  ): readonly { readonly counted: number; readonly batches: readonly BatchSlot[] }[];
}

/**
 * Runs step t together with the other ranks: computes each network's gradients, sums the gradients over all
 * ranks, and updates the network. Also sums the numbers in `own` over all ranks.
 */
async function stepShared(
  steps: SharedSteps,
  ...[t, ranks, ring, own, patient]: SharedStep
): Promise<StepSums> {
  const { batches: { plan }, programs: { phases, layout } } = steps;
  const { gpu } = plan;
  const [{ batches: [batch], counted } = { batches: [], counted: NaN }] = steps.put(t - 1, 1);
  if (!batch) throw new Error("a step without a batch");
  const slot = t % plan.slots;
  const ringSlot = ring.slotsView(ring.stepSlot(t), 1);
  let result = Float32Array.from(own);
  for (const [k, { header, gradients, shared }] of phases.entries()) {
    const isLast = k === phases.length - 1;
    const { tables = [], dense = [] } = shared ?? {};
    const offset = plan.offset(slot, header);
    CommandRecorder.submit(gpu, `gradients of iteration ${t}`, (commands) => {
      if (k === 0) layout.encode(commands, batch, plan.offset(slot));
      for (const program of gradients) program.encode(commands, batch, offset);
      shared?.sum.encode(commands, batch, offset);
    });
    const views = [...(shared?.listRowViews(batch) ?? []), ...dense, ...(isLast ? [ringSlot] : [])];
    const words = await readViews(gpu, views);
    const sums = isLast ? words.pop() : undefined;
    const extra = sums ? Float32Array.from([...own, ...new Float32Array(sums.buffer)]) : new Float32Array();
    const sum = await shareGradient(gpu, ranks, { tables, dense }, words, extra, patient);
    if (isLast) result = Float32Array.from(sum);
    if (!shared) continue;
    CommandRecorder.submit(gpu, `update of iteration ${t}`, (commands) => {
      shared.update.encode(commands, batch, offset);
    });
  }
  return { extra: result.subarray(0, own.length), sums: result.subarray(own.length), counted };
}

/** Functions with which the ranks share work and exchange data. */
interface Collectives {
  readonly averageOverRanks: typeof averageOverRanks;
  readonly expectEqualWeights: typeof expectEqualWeights;
  readonly expectShares: typeof expectShares;
  readonly expectWhole: typeof expectWhole;
  readonly broadcastState: typeof broadcastState;
  readonly SharedGradient: typeof SharedGradient;
  readonly selectRankShare: typeof selectRankShare;
  readonly shareOfBatch: typeof shareOfBatch;
  readonly stepShared: typeof stepShared;
  readonly validateShared: typeof validateShared;
}

const collectives: Collectives = {
  averageOverRanks,
  expectEqualWeights,
  expectShares,
  expectWhole,
  broadcastState,
  SharedGradient,
  selectRankShare,
  shareOfBatch,
  stepShared,
  validateShared,
};

/** Processes (ranks) of a distributed training, and the functions with which they exchange data. */
export interface DistributedContext {
  readonly ranks: ProcessGroup;
  /**
   * Number of steps between synchronisations of ranks. If it is 1, every step sums the gradients over all
   * ranks. If it is larger, each rank trains alone, and a synchronisation averages weights and Adam's moments
   * over all ranks.
   */
  readonly syncEvery: number;
  readonly collectives: Collectives;
}

export function createDistributedContext(ranks: ProcessGroup, syncEvery: number): DistributedContext {
  return { ranks, syncEvery, collectives };
}
