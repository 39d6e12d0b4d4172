/** Sets up the training on clicks: uploads the log, allocates buffers, and prepares the validation. */

import { BatchIndexBuffers } from "../batch/batch_buffers.ts";
import type { DeviceLog } from "../batch/device_log.ts";
import type { LogWithCounts } from "../counts/page_counts.ts";
import { clickDimensions } from "../batch/click_sizes.ts";
import { BatchPlan, computeBatchCapacity, countScoredEvents, planMicroBatches } from "../batch/plan.ts";
import { type ClickLog, listUsers } from "../data/click_log.ts";
import type { LogSource } from "../data/log_source.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import type { GradientExchangeFactory } from "../model/model_program.ts";
import { BatchTrainer, type TrainerComponents } from "./batch_trainer.ts";
import type { ValidationSchedule } from "./best_records.ts";
import { BestKeeper } from "./best_keeper.ts";
import { type ClickBatches, type ClickPrograms, ClickSteps } from "./click_steps.ts";
import type { EvaluationOptions, NetworkEvaluation } from "./network_evaluation.ts";
import { fitMicroBatches } from "./fit_memory.ts";
import type { TrainedNetwork } from "./networks.ts";
import type { DistributedContext } from "./distributed_context.ts";
import { type MetricSummary, ResultRing } from "./training_results.ts";
import { openValidationLog, TrainingLog } from "./training_log.ts";

/** Number of steps whose results the ring buffer stores; fewer for large batches ({@link PLAN_USERS}). */
const MOST_STEPS = 256;
/** Largest number of 16-byte entries in the batch plan (a GPU buffer): one per batch, one per batch user. */
const PLAN_USERS = 2 ** 20;

export interface ClickSchedule extends ValidationSchedule {
  readonly seed: number;
  readonly batchSize: number;
}

/** Users on whom a stage's networks are evaluated, and a log with the clicks of these users. */
export interface EvaluationUserSet<F extends ChoiceMetrics>
  extends Pick<EvaluationOptions<F>, "deviceLog" | "users" | "shards" | "makeRing"> {
  readonly log: ClickLog | LogSource;
}

export interface ClickStage<F extends ChoiceMetrics> {
  /** Name of the training stage, for messages about memory. */
  readonly name: string;
  readonly gpu: Gpu;
  /** Click log, aligned to the model by {@link import("./training_log.ts").openTrainingSource}. */
  readonly source: LogSource;
  readonly schedule: ClickSchedule;
  /** Largest number of rows per micro-batch; a batch with more rows is split into micro-batches. */
  readonly microBatchRows: number;
  /** Name of the option that sets the batch size, for error messages. */
  readonly batchOption: string;
  /** Names of the options that set the learning rates, for error messages. */
  readonly rates: string;
  /** Number of weight updates per iteration. The GPU stores the settings of each update in a step header. */
  readonly headers: number;
  /** For a log on disk: number of batches whose clicks are read at once. */
  readonly windowBatches?: number;
  /** Context of a distributed training; undefined for a single process. */
  readonly distributed?: DistributedContext;
  /** Number of shards and number of users (null: all) of a validation; undefined: no validation. */
  readonly validation: { readonly shards: number; readonly users: number | null } | undefined;
  readonly networks: readonly TrainedNetwork[];
  readonly counted: LogWithCounts | undefined;
  readonly summary: MetricSummary<F>;
  evaluate(on: EvaluationUserSet<F>): Promise<NetworkEvaluation<F>>;
}

interface ClickValidation<F extends ChoiceMetrics> {
  readonly counted: number;
  /** Evaluation of this rank's share of the validation users. */
  readonly evaluation: NetworkEvaluation<F>;
  readonly keeper: BestKeeper;
  /** Creates an evaluation on the validation users of all ranks; undefined for a single process. */
  readonly whole: (() => Promise<NetworkEvaluation<F>>) | undefined;
}

/** All components of a training stage except its GPU programs, which are created later. */
export interface ClickStageContext<F extends ChoiceMetrics>
  extends ClickBatches, Omit<TrainerComponents<never, F>, "steps" | "validation" | "stack"> {
  readonly validation: ClickValidation<F> | undefined;
  readonly schedule: ClickSchedule;
  readonly evaluate: ClickStage<F>["evaluate"];
  /** Calls `make` to create the programs, with micro-batches that fit ({@link fitMicroBatches}). */
  record<T>(make: () => Promise<T>): Promise<T>;
}

/** @param stack - frees all resources. @throws UserError for too few users or an exceeded device limit. */
export async function setUpClicks<F extends ChoiceMetrics>(
  stage: ClickStage<F>,
  stack: DisposableStack,
): Promise<ClickStageContext<F>> {
  const { gpu, source, schedule: { seed, batchSize }, networks, summary, microBatchRows, distributed } =
    stage;
  const trainUsers = listUsers(source, "train");
  checkBatchSize(batchSize, trainUsers, stage.batchOption);
  const arena = stack.use(new Arena(gpu, stage.name));
  // A caller may pass any users to `step`, so the capacity suffices for a batch of the largest users.
  const { ranks, collectives } = distributed ?? {};
  if (ranks) collectives?.expectShares(ranks, batchSize, `users in a batch (${stage.batchOption})`);
  const full = computeBatchCapacity(source, "all", Math.ceil(batchSize / (ranks?.size ?? 1)));
  const single = computeBatchCapacity(source, "all", 1);
  const cut = planMicroBatches(full, single, microBatchRows);
  const { capacity, parts } = cut;
  const training = stack.use(
    new TrainingLog(gpu, source, full, stage.batchOption, stage.windowBatches, stage.counted),
  );
  const steps = chooseRingSteps(batchSize, parts);
  // Micro-batches are built one at a time, because each adds its gradients to those of earlier micro-batches.
  const slices = parts > 1 ? 1 : BatchIndexBuffers.countSlices(training.deviceLog, capacity, stage.headers);
  // The chunk sizes of the largest network are used for all networks.
  const [chunks] = networks.map(({ parameters }) => parameters.chunks).sort((a, b) => a.most - b.most);
  const dimensions = chunks ? clickDimensions.withChunks(chunks) : clickDimensions;
  const plan = stack.use(
    new BatchPlan(gpu, training.log, capacity, steps * parts, stage.headers, slices, dimensions),
  );
  const record = <T>(make: () => Promise<T>) => fitMicroBatches(cut, single, make);
  const common = { ...stage, training, plan, cut, trainUsers, record };
  if (!stage.validation) {
    const ring = new ResultRing(arena, steps, summary.vectors, 0, parts);
    return { ...common, ring, validation: undefined };
  }
  const { shards, users: most } = stage.validation;
  const validating = openValidationLog(gpu, training, { seed, most }, (log) => stack.use(log));
  let ring: ResultRing | undefined;
  const makeRing = (shards: number) => {
    ring = new ResultRing(arena, steps, summary.vectors, shards, parts);
    return { view: ring.view, firstSlot: ring.firstShard };
  };
  const present = validating.users.filter((user) => countScoredEvents(validating.log, [user]) > 0);
  if (ranks) collectives?.expectShares(ranks, present.length, "validation users with pages");
  const users = ranks && collectives ? collectives.selectRankShare(ranks, present) : validating.users;
  const evaluation = stack.use(await stage.evaluate({ ...validating, users, shards, makeRing }));
  if (!ring) throw new Error("the validation did not call makeRing()");
  const keeper = stack.use(await BestKeeper.create(networks, gpu, ring, evaluation, summary));
  const counted = ranks ? countScoredEvents(validating.log, present) : evaluation.counted;
  const whole = ranks && (() => stage.evaluate({ ...validating, shards }));
  return { ...common, ring, validation: { counted, evaluation, keeper, whole } };
}

/** Chooses if gradients are summed over micro-batches or ranks. @throws UserError if a step needs both. */
export function chooseExchange({ cut: { parts }, distributed }: Pick<ClickBatches, "cut" | "distributed">) {
  const synchronous = distributed?.syncEvery === 1 ? distributed : undefined;
  synchronous?.collectives.expectWhole(parts);
  const shared: GradientExchangeFactory | undefined = synchronous &&
    ((...of) => synchronous.collectives.SharedGradient.create(...of, synchronous.ranks.size));
  return { accumulates: parts > 1, shared };
}

function chooseRingSteps(batchSize: number, parts: number): number {
  const inPlan = Math.min(MOST_STEPS, Math.floor(PLAN_USERS / (batchSize + 1)));
  return Math.max(4, Math.floor(inPlan / parts));
}

/** @throws UserError if the number of train users is smaller than the batch size. */
export function checkBatchSize(batchSize: number, trainUsers: Uint32Array, option: string): void {
  if (batchSize <= trainUsers.length) return;
  throw new UserError(
    `Expected a batch of at most ${trainUsers.length} users (the number of train users), ` +
      `got ${option} ${batchSize}.`,
  );
}

/** Trains on the users of a click log. A batch is a list of distinct user numbers. */
export class ClickTrainer<F extends ChoiceMetrics> extends BatchTrainer<ArrayLike<number>, F> {
  readonly #clicks: ClickStageContext<F>;
  readonly #steps: ClickSteps;

  /** @internal */
  protected constructor(clicks: ClickStageContext<F>, programs: ClickPrograms, stack: DisposableStack) {
    const steps = new ClickSteps(clicks, programs);
    super({ ...clicks, steps, stack });
    this.#clicks = clicks;
    this.#steps = steps;
  }

  /** @internal Batch plan: the GPU buffer with the users of all submitted steps. */
  get plan(): BatchPlan {
    return this.#clicks.plan;
  }
  /** Number of micro-batches of the largest batch; 1 if no batch is split. */
  get microBatches(): number {
    return this.#clicks.cut.parts;
  }
  /** @internal Clicks on the device: the whole log or, for a log on disk, those of the next steps' users. */
  get deviceLog(): DeviceLog {
    return this.#clicks.training.deviceLog;
  }

  /** @internal Programs of an iteration with an unsplit batch, each with the index of its weight update. */
  get stepPrograms(): ClickSteps["wholeBatchPrograms"] {
    return this.#steps.wholeBatchPrograms;
  }

  /** Returns the train users in the batch of iteration t. */
  drawBatch(t: number): Uint32Array {
    return this.#steps.draw(t);
  }

  /** @internal Replaces the function that draws batches. */
  takeBatches(drawBatch: (t: number) => Uint32Array): void {
    this.#steps.draw = drawBatch;
  }

  /** @internal Calls `use` with the evaluation on all validation users (undefined if `validate` is false). */
  async withValidation<T>(use: (evaluation: NetworkEvaluation<F> | undefined) => Promise<T>): Promise<T> {
    const { evaluation, whole } = this.#clicks.validation ?? {};
    const own = await whole?.();
    try {
      return await use(own ?? evaluation);
    } finally {
      own?.destroy();
    }
  }

  /**
   * Creates an evaluation of the networks on any users of the log; the caller frees it. @param shards -
   * number of shards; 0 for as few shards as fit the device. @throws UserError if no user has an event to
   * predict.
   */
  evaluation(users: ArrayLike<number>, shards: number): Promise<NetworkEvaluation<F>> {
    const { source, deviceLog } = this.#clicks.training;
    return this.#clicks.evaluate({ log: source, deviceLog: source.log && deviceLog, users, shards });
  }
}
