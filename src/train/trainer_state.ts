import type { Weights } from "../tape/parameters.ts";
import { type BestRecords, criteria, type Criterion } from "./best_records.ts";
import { type BufferPicker, readJoined, type TrainedNetwork, writeJoined } from "./networks.ts";
import type { Validation } from "./steps.ts";

/** State from which a training resumes bit for bit. Names of the generator's parameters have a prefix. */
export interface TrainerState {
  /** Number of finished steps. */
  readonly iteration: number;
  /** Weights of all networks. */
  readonly weights: Weights;
  /** Adam's first moments; zeros for a network that is not trained. */
  readonly m: Weights;
  /** Adam's second moments; zeros for a network that is not trained. */
  readonly v: Weights;
  /** Best validation result so far for each criterion. */
  readonly best: BestRecords;
  /** Best weights for each criterion; empty if the training does not validate. */
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

/** Networks, and the validation that has the best snapshots. */
interface StateBuffers {
  readonly networks: readonly TrainedNetwork[];
  readonly validation: Validation | undefined;
}

/** Reads the training state. Waits for the device. Call it only when no step is in flight. */
export async function readState(
  { networks, validation }: StateBuffers,
  { iteration, best }: Pick<TrainerState, "iteration" | "best">,
): Promise<TrainerState> {
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = await validation?.keeper.snapshot(criterion);
    if (weights) snapshots[criterion] = weights;
  }
  return {
    iteration,
    weights: await readWeights(networks),
    m: await readJoined(networks, BUFFERS.m),
    v: await readJoined(networks, BUFFERS.v),
    best,
    snapshots,
  };
}

const BUFFERS = {
  weights: ({ parameters }) => parameters.weights.buffer,
  m: ({ adam }) => adam?.m.buffer,
  v: ({ adam }) => adam?.v.buffer,
} satisfies Record<string, BufferPicker>;

/** Restores a training state. @throws Error for a parameter name or length that no network has. */
export function writeState({ networks, validation }: StateBuffers, state: TrainerState): void {
  writeWeights(networks, state.weights);
  writeJoined(networks, state.m, BUFFERS.m);
  writeJoined(networks, state.v, BUFFERS.v);
  validation?.keeper.restore(state.best, state.snapshots);
}

/** Reads all weights. Waits for the device. */
export function readWeights(networks: readonly TrainedNetwork[]): Promise<Weights> {
  return readJoined(networks, BUFFERS.weights);
}

/** Replaces all weights. @throws Error for a parameter name or length that no network has. */
export function writeWeights(networks: readonly TrainedNetwork[], weights: Weights): void {
  writeJoined(networks, weights, BUFFERS.weights);
}
